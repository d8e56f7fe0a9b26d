"""Batch: scores a CSV or Parquet file of any size, rows a chunk at a time. It knows no HTTP."""
