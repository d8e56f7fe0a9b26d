"""Slow clients and more load than the machine can carry."""
