"""What lands rows in `raw` and `truth`: one transaction a load, its line in the manifest, its rejects."""
