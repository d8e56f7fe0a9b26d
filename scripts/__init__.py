"""What people run on the repository itself."""
