"""A climb: rungs cheapest first, and when one is decided."""
