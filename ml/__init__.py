"""Marts to `ml`: train, evaluate, explain and score. Reads feature marts, writes tables, never facts."""
