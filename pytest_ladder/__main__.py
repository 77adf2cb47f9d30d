"""`python -m pytest_ladder`: the command `pytest-ladder`."""

from __future__ import annotations

from pytest_ladder.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
