"""The registry: models, versions and labels on disk. Training writes it, the service reads it.

This room knows files and their meaning, nothing of TensorFlow, Flask or HTTP: it imports
the standard library and pydantic, so both other rooms may import it. Only `signing.py` needs more,
cryptography, and is imported by those who sign or check signatures.
"""
