"""Spark jobs; each is started by its path."""
