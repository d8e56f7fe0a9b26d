"""What listens: bytes in, bytes out. It knows no model."""
