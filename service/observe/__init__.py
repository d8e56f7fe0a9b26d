"""Metrics, access log, traces, prediction log: told of finished exchanges, they change none."""
