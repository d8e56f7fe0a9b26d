"""API keys: how they are written, followed and made. Who asks with one is the gate's to say."""
