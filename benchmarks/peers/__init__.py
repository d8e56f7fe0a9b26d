"""What people write today, to measure against; each runs in an environment of its own."""
