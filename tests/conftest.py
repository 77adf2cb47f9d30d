"""What all tests share."""

from __future__ import annotations

import os

# Hypothesis is imported at the end of every pytest run in this environment; pytester
# forgets it each time unless it is loaded here.
import hypothesis  # noqa: F401

# Without cached bytecode every run in a subprocess compiles all of pytest's plugins.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
