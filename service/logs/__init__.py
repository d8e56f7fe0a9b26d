"""Log lines: which events there are, and how their lines look. Every other room may use it."""
