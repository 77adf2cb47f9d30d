"""Replies before their turn: known requests, and bodies rehearsed for theirs."""
