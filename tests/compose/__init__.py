"""What the compose file promises, seen on a real engine."""
