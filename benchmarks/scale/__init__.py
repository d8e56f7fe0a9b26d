"""Scoring beyond one machine: the rows, a cluster on loopback, and what it takes."""
