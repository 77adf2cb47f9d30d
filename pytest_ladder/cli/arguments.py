"""What the commands share: how one is added, and how its arguments are read."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = argparse._SubParsersAction

# No minutes: `3m` would be taken for months.
_UNITS_S = {"h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}


class Given(argparse.Namespace):
    """The arguments of a command."""

    run: Callable[[Given], int]
    rest: Sequence[str]
    """What a command that `takes_rest` does not know itself."""
    takes_rest: bool = False


def add_command(
    commands: Subparsers, name: str, short: str, description: str, examples: str
) -> argparse.ArgumentParser:
    """Add a command whose help shows `description` and `examples` as they are."""
    return commands.add_parser(
        name,
        help=short,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_actions(commands: Subparsers, name: str, short: str) -> Subparsers:
    """Add a command that does nothing but by one of its actions; return those."""
    parser = commands.add_parser(name, help=short)
    return parser.add_subparsers(dest="action", required=True, metavar="ACTION")


def add_reports(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the folders of one report or more; `what` says whose they are."""
    parser.add_argument(
        "folders",
        nargs="+",
        metavar="DIR",
        type=Path,
        help=f"folder of {what}",
    )


def share(text: str) -> float:
    """Read a share in [0, 1]; for `argparse`, as are the others here."""
    value = _number(text)
    if not 0 <= value <= 1:
        _refuse(text, "a share between 0 and 1, such as 0.9")
    return value


def not_negative(text: str) -> float:
    """Read a number that is 0 or more."""
    value = _number(text)
    if value < 0:
        _refuse(text, "a number that is 0 or more")
    return value


def positive(text: str) -> float:
    """Read a number above 0."""
    value = _number(text)
    if value <= 0:
        _refuse(text, "a number above 0")
    return value


def whole(text: str) -> int:
    """Read a whole number from 1 on; `1_000` and `1,000` are 1000."""
    try:
        value = int(text.replace(",", ""))
    except ValueError:
        value = 0
    if value < 1:
        _refuse(text, "a whole number from 1 on")
    return value


def age(text: str) -> float:
    """Read how long ago, in seconds: `90d`, `36h`, `2w`."""
    if text[-1:] not in _UNITS_S:
        _refuse(text, "how long, such as 90d, 36h or 2w")
    return positive(text[:-1]) * _UNITS_S[text[-1]]


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        _refuse(text, "a number")
    return value


def _refuse(text: str, wanted: str) -> NoReturn:
    raise argparse.ArgumentTypeError(f"{text!r} does not fit; write {wanted}")
