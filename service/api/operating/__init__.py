"""Health, version and metrics: what operators ask."""
