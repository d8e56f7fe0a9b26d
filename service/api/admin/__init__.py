"""Administration over HTTP, below /admin."""
