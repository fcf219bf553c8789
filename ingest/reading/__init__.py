"""Readers of files: bytes -> records -> rows, each bad row with its reason; no warehouse is opened."""
