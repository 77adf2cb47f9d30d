"""`pytest-ladder gate`: whether a change makes what ships worse."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

from pytest_ladder.cli.arguments import Given, Subparsers, add_command
from pytest_ladder.cli.comparing import gate_between
from pytest_ladder.cli.printing import say
from pytest_ladder.config.load import find_ladder, load_ladder
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.disk.files import read_text, write_atomically
from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.reporting.files.baseline import read_baseline, why_old
from pytest_ladder.reporting.gate_comment import gate_markdown
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.revise import repriced
from pytest_ladder.reporting.sentences.gate import gate_lines
from pytest_ladder.text.phrases import shown

STATUS = {"pass": 0, "fail": 1, "undecided": 2, "broken": 3}
BROKEN = STATUS["broken"]
"""Exit status as well of everything that kept the gate from looking."""

_DESCRIPTION = """\
Compare two reports: what ships by the first with what would ship by the second, on the
cases that both finished. Quality by a paired test over every suite, cost and latency by
the margins of [gate] in ladder.toml, and the objective where one was judged.
Exit status: 0 pass, 1 fail, 2 undecided, 3 broken (nothing to compare, or bad input).
"""
_EXAMPLES = """\
A report is a folder with matrix.json and rows.jsonl, or git:REF, which is
ladder-baseline/ beside ladder.toml at that commit (git:REF:FOLDER: another folder).

examples:
  pytest-ladder gate ladder-baseline ladder-report/current
  pytest-ladder gate git:origin/main ladder-report/current --output comment.md
"""


def add_to(commands: Subparsers) -> None:
    """Add the command with its arguments."""
    parser = add_command(
        commands,
        "gate",
        "compare a report with a baseline: pass, fail or undecided",
        _DESCRIPTION,
        _EXAMPLES,
    )
    add = parser.add_argument
    add("base", metavar="BASE", help="report of what ships: FILE, DIR or git:REF")
    add("head", metavar="HEAD", help="report of the change, likewise")
    add("--output", metavar="FILE", type=Path, help="write the comment, in Markdown")
    add("--config", metavar="FILE", type=Path, help="the ladder.toml with the margins")
    add(
        "--reprice",
        action="store_true",
        help="price the replies of both sides as that ladder.toml does",
    )
    add(
        "--edited",
        metavar="FILE",
        type=Path,
        help="list of recordings that the change edits, a path on each line",
    )

    add(
        "-v",
        "--verbose",
        action="store_true",
        help="name all cases that flipped or are flaky",
    )

    def refuse(message: str) -> NoReturn:
        parser.print_usage(sys.stderr)
        parser.exit(BROKEN, f"{parser.prog}: error: {message}\n")

    # argparse ends with 2, which CI would take for undecided and may let pass.
    parser.error = refuse  # type: ignore[method-assign]
    parser.set_defaults(run=_run, takes_rest=True, refuse=refuse)


def _run(given: Given) -> int:
    if given.rest:
        given.refuse(f"unrecognized arguments: {' '.join(given.rest)}")
    try:
        return _gate(given)
    except LadderError as error:
        sys.stderr.write(f"pytest-ladder: {error}\n")
        return BROKEN


def _gate(given: Given) -> int:
    path = given.config or find_ladder(Path.cwd())
    ladder = None if path is None else load_ladder(path)
    folder = ladder.folder if ladder else Path.cwd()
    base, head = (read_baseline(name, folder) for name in (given.base, given.head))
    if given.reprice:
        base, head = _repriced(base, ladder), _repriced(head, ladder)
    result = gate_between(base, head, ladder, given.base, outdated=why_old(given.head))
    if given.output is not None:
        edited = read_text(given.edited).splitlines() if given.edited else []
        named = [line for line in edited if line.strip()]
        _write(given.output, gate_markdown(result, head.matrix.spend, named))
    for line in gate_lines(result, verbose=given.verbose):
        say(line)
    return STATUS[result.verdict]


def _repriced(report: Report, ladder: Ladder | None) -> Report:
    if ladder is None:
        raise ConfigError(
            "--reprice takes prices from a ladder.toml, and there is none in reach; "
            "name one with --config."
        )
    priced = repriced(report, ladder.models, shown(ladder.path))
    for line in priced.kept:
        say(line)
    return priced.report


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode(errors="replace"))
    except OSError as error:
        raise LadderError(
            f"The comment could not be written to {shown(path)}: "
            f"{error.strerror or error}. Name another file with --output."
        ) from error
