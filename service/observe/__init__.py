"""Observers: metrics, access log, traces and prediction log. Each is told of finished requests."""
