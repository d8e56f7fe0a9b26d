"""Log lines: their events and how they look. Every room may use it; it uses none."""
