"""Scores over HTTP: the models in memory, the requests they take, the routes."""
