"""Climbs: rungs are run from the cheapest on, until one is decided."""
