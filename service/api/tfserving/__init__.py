"""TensorFlow Serving's REST API, below /v1."""
