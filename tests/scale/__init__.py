"""Scoring beyond one machine, on a real Ray cluster of three nodes on this one."""
