"""Decisions from real use: what users of a rung did, compared, and held to limits."""
