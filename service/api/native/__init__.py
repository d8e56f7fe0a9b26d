"""The native dialect: POST /predict and /explain, and what is served."""
