"""`pytest-ladder history`: what ships, over time."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from pytest_ladder.cli.arguments import Given, Subparsers, add_command
from pytest_ladder.cli.printing import say
from pytest_ladder.config.load import find_ladder
from pytest_ladder.decide.history import Run, history_of
from pytest_ladder.disk.files import write_atomically, writing
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.files.anchor import MOST_BASELINES
from pytest_ladder.reporting.files.committed import (
    GIT,
    Place,
    history,
    is_shallow,
    place_of,
    read_committed,
)
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.history import history_lines, history_markdown, run_of
from pytest_ladder.reporting.terminal.lines import glyphs_for
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown

_DESCRIPTION = """\
Show quality, cost, p95 latency and spend of what ships over several reports, or over
every commit of a committed baseline, oldest first, with 95 % intervals and a mark where
a change is established. Reads reports only; nothing is called.
"""
_EXAMPLES = """\
examples:
  pytest-ladder history nightly/*
  pytest-ladder history --git ladder-baseline --output history.html
"""
_FORMS = (".html", ".md")


def add_to(commands: Subparsers) -> None:
    """Add the command with its arguments."""
    parser = add_command(
        commands, "history", "what ships, over time", _DESCRIPTION, _EXAMPLES
    )
    add = parser.add_argument
    add("folders", nargs="*", type=Path, metavar="DIR", help="folder of a report")
    add(
        "--git",
        metavar="FOLDER",
        help="every commit of the baseline in this folder, from that of ladder.toml",
    )
    add("--output", type=Path, metavar="FILE", help="write a page: .html or .md")
    parser.set_defaults(run=_run)


def _run(given: Given) -> int:
    output: Path | None = given.output
    if bool(given.folders) is bool(given.git):
        raise ConfigError(
            "Name the folders of two reports or more, or --git ladder-baseline for the "
            "commits of a baseline."
        )
    if output is not None and output.suffix not in _FORMS:
        raise ConfigError(
            f"--output {shown(output)}: a history is written as .html or .md; name it "
            f"{output.with_suffix('.html').name}."
        )
    if given.git:
        runs = list(_committed(given.git))
    else:
        runs = [run_of(read_report(path), shown(path)) for path in given.folders]
    if not runs:
        raise ConfigError("There is no report to show.")
    moments = history_of(runs)
    ellipsis = glyphs_for(sys.stdout.encoding).ellipsis
    for line in history_lines(moments, shutil.get_terminal_size().columns, ellipsis):
        say(line)
    if output is not None:
        from pytest_ladder.reporting.html.history import history_html

        written = history_html if output.suffix == ".html" else history_markdown
        with writing(output, " Name another file."):
            output.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(output, written(moments).encode(errors="replace"))
        say(f"written to {shown(output)}")
    return 0


def _committed(inside: str) -> Iterator[Run]:
    """Yield the newest baselines that were committed; says what cannot be read."""
    path = find_ladder(Path.cwd())
    folder = path.parent if path else Path.cwd()
    place = place_of(f"{GIT}HEAD:{inside.rstrip('/')}", folder)
    commits = history(place, None)
    if not commits:
        raise ConfigError(
            f"git knows no commit of {inside}/rows.jsonl beside {shown(folder)}; write "
            "a baseline with `pytest-ladder baseline update DIR` and commit it."
        )
    if is_shallow(folder):
        say("This clone is shallow: older baselines are not in it (fetch-depth: 0).")
    kept = commits[-MOST_BASELINES:]
    if len(kept) < len(commits):
        say(f"Of {count(len(commits), 'baseline')} the newest {len(kept)} were read.")
    for commit in kept:
        of = Place(folder=folder, ref=commit[:12], inside=place.inside)
        try:
            yield run_of(read_committed(of, commit), commit[:9])
        except ConfigError as error:
            say(f"A baseline was left out: {error}")
