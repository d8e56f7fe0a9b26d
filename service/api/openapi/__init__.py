"""Writing the OpenAPI document from the parts that the dialects give."""
