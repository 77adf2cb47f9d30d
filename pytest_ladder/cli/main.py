"""The command `pytest-ladder`: what a ladder needs besides tests."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import pytest_ladder
from pytest_ladder.cli import (
    baseline,
    budget,
    calibrate,
    cases,
    gate,
    history,
    init,
    label,
    log,
    merge,
    outcomes,
    plan,
    recordings,
    report,
    review,
    show,
    store,
)
from pytest_ladder.cli.arguments import Given
from pytest_ladder.errors import LadderError

BAD_INPUT = 2
"""Exit status of what cannot be done as asked, which is also that of `argparse`."""
CLOSED = 141
"""Exit status when nobody reads what is printed: as of a command that SIGPIPE ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    try:
        try:
            return _run(arguments)
        finally:
            if sys.stdout is not None:  # as `>&-` leaves it
                sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED


def _run(arguments: Sequence[str] | None) -> int:
    parser = _parser()
    given, rest = parser.parse_known_args(arguments, Given())
    if rest and not given.takes_rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    given.rest = rest
    try:
        return given.run(given)
    except LadderError as error:
        sys.stderr.write(f"pytest-ladder: {error}\n")
        return BAD_INPUT


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        sys.stdout.write(f"pytest-ladder {pytest_ladder.__version__}\n")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-ladder",
        description="Which model and which prompting are good enough, at what cost.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the version, and end"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (
        *(init, plan, report, merge, gate, baseline, recordings),
        *(calibrate, label, cases, outcomes, review, show, history, log),
        *(store, budget),
    ):
        command.add_to(commands)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
