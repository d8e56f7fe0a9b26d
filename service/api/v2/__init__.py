"""The Open Inference Protocol, below /v2."""
