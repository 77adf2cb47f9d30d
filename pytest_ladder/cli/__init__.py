"""What `pytest-ladder` does: a module for each command."""
