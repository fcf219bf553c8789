"""What writes the warehouse to a lake: its tables as Parquet by load, the manifest last, views beside it."""
