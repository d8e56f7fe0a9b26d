"""The data plane: predict, explain, the versions in memory. It knows no HTTP."""
