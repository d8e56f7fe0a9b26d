"""API keys: how they are written, followed and made. Who may do what, the gate decides."""
