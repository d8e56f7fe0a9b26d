"""The HTTP APIs: one table of operations, a folder for each dialect. No dialect knows another."""
