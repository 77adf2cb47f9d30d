"""`pytest-ladder plan`: what the full matrix would call, and what that would cost."""

from __future__ import annotations

from pytest_ladder.cli.arguments import Given, Subparsers


def add_to(commands: Subparsers) -> None:
    """Add the command; options that it does not know go to pytest."""
    parser = commands.add_parser(
        "plan",
        help="print rungs, calls, tokens, dollars and hosts of the full matrix; "
        "further arguments go to pytest",
    )
    parser.set_defaults(run=_run, takes_rest=True)


def _run(given: Given) -> int:
    """Let pytest collect, and print the plan of the matrix."""
    import pytest

    from pytest_ladder.cli.collect import QUIETLY

    options = ("--ladder=matrix", "--ladder-plan", "-q")
    return int(pytest.main([*options, *given.rest, *QUIETLY]))
