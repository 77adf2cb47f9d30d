"""`pytest-ladder init`: a suite to start from."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

from pytest_ladder.cli.arguments import Given, Subparsers

SCHEMA = "ladder.schema.json"
"""By which an editor completes the keys of ladder.toml; its first line names it."""
_NEXT_STEPS = """\
Wrote {files}.
Next:
  pytest --ladder-plan      what a live run would call, and what it would cost
  pytest --ladder-live      call the model, and record its replies
  pytest -m cheap           replay them: no network, no key, no cost
"""


def add_to(commands: Subparsers) -> None:
    """Add the command with its arguments."""
    parser = commands.add_parser(
        "init", help="write a ladder.toml, a cases file and a test that run as they are"
    )
    parser.add_argument("folder", nargs="?", default=".", help="where (default: here)")
    parser.set_defaults(run=_run)


def _run(given: Given) -> int:
    """Write the scaffold; an existing file is never written over."""
    folder = Path(given.folder)
    scaffold = resources.files(__package__) / "scaffold"
    texts = {
        # A name that pytest does not collect from inside the package.
        file.name.removesuffix(".txt"): file.read_text(encoding="utf-8")
        for file in sorted(scaffold.iterdir(), key=lambda file: file.name)
    }
    schema = resources.files(__package__) / "schemas" / SCHEMA
    texts[SCHEMA] = schema.read_text(encoding="utf-8")
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
