"""Judging: LLMs and functions that grade replies, and how far they can be trusted."""
