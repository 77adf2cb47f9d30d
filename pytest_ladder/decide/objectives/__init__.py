"""Kinds of objectives: a file for each, and a table of all."""
