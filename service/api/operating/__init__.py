"""Health, version and metrics: what operators ask. It predicts nothing."""
