"""Load while the registry changes: nothing fails, nothing is answered by a version of before."""
