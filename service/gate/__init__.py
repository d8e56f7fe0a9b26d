"""The gate: whether a request is let in: its id, key, rate and room. It knows no dialect."""
