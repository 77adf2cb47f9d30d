"""`pytest-ladder log`: a finished report to where people look, a file a destination."""

from __future__ import annotations

from pytest_ladder.cli.arguments import Subparsers, add_actions
from pytest_ladder.cli.log_mlflow import add_mlflow_to
from pytest_ladder.cli.log_otel import add_otel_to

_ACTIONS = (add_mlflow_to, add_otel_to)
"""One a destination; a new one is a file and a name here."""


def add_to(commands: Subparsers) -> None:
    """Add the command with its actions, one a destination."""
    actions = add_actions(commands, "log", "send a report to where people look")
    for add_action_to in _ACTIONS:
        add_action_to(actions)
