"""Event logs of the user's own, in whatever columns they come: CSV, JSONL or Parquet into `raw.events`."""
