"""Batch: scores a CSV or Parquet file of any size, a chunk of rows at a time, without HTTP."""
