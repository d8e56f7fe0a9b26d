"""The training job: dataset, architectures, fit, evaluate, export, publish, in this order.

The only room that imports TensorFlow at will. It writes versions into the registry
(`models`) and never meets the service.
"""

import os

# TensorFlow's C++ start-up notices say nothing about the job; errors still come through.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# oneDNN sums in an order that depends on the processor; without it more machines agree.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
