"""Codecs: rows and columns from and to JSON, CSV, Arrow and tensors. They know no HTTP."""
