"""The command `pytest-ladder`: what a ladder needs besides tests."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

_NEXT_STEPS = """\
Wrote {files}.
Next:
  pytest --ladder-plan      what a live run would call, and what it would cost
  pytest --ladder-live      call the model, and record its replies
  pytest -m cheap           replay them: no network, no key, no cost
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = _parser()
    given, rest = parser.parse_known_args(arguments)
    if given.command == "init":
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        return _init(Path(given.folder))
    return _plan(rest)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-ladder",
        description="Which model and which prompting are good enough, at what cost.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    init = commands.add_parser(
        "init", help="write a ladder.toml, a cases file and a test that run as they are"
    )
    init.add_argument("folder", nargs="?", default=".", help="where (default: here)")
    commands.add_parser(
        "plan",
        help="print rungs, calls, tokens, dollars and hosts of the full matrix; "
        "further arguments go to pytest",
    )
    return parser


def _init(folder: Path) -> int:
    """Write the scaffold; an existing file is never written over."""
    scaffold = resources.files("pytest_ladder") / "scaffold"
    texts = {
        # A name that pytest does not collect from inside the package.
        file.name.removesuffix(".txt"): file.read_text(encoding="utf-8")
        for file in sorted(scaffold.iterdir(), key=lambda file: file.name)
    }
    there = [name for name in texts if (folder / name).exists()]
    if there:
        sys.stderr.write(
            f"pytest-ladder: {folder} has {', '.join(there)} already; move it away, or "
            "name another folder: pytest-ladder init FOLDER\n"
        )
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    sys.stdout.write(_NEXT_STEPS.format(files=", ".join(texts)))
    return 0


def _plan(arguments: Sequence[str]) -> int:
    """Let pytest collect, and print the plan of the matrix."""
    import pytest

    return int(pytest.main(["--ladder=matrix", "--ladder-plan", "-q", *arguments]))


if __name__ == "__main__":
    raise SystemExit(main())
