"""Decisions: rows in, numbers and verdicts out; pure functions."""
