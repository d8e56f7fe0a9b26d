"""Puts the OpenAPI document together from parts that dialects give. It knows no dialect."""
