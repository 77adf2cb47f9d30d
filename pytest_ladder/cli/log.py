"""`pytest-ladder log`: a finished report to where people look, a file a destination."""

from __future__ import annotations

from pytest_ladder.cli.arguments import Subparsers
from pytest_ladder.cli.log_otel import add_otel_to


def add_to(commands: Subparsers) -> None:
    """Add the command with its actions, one a destination."""
    parser = commands.add_parser("log", help="send a report to where people look")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add_otel_to(actions)
