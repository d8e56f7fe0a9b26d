"""The native dialect: /predict, /explain and /models."""
