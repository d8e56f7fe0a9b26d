"""The service: answers POST /predict from the versions in the registry, without TensorFlow."""

__version__ = "0.1.0"
