"""Functions that models call in tests."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Annotated, Any

STOCK = {"matcha": 3, "sencha": 0}


def stock(tea: Annotated[str, "the kind of tea"], at_least: int = 1) -> bool:
    """Tell whether a tea is in stock.

    Teas are named in lower case.
    """
    return STOCK[tea] >= at_least


@dataclass
class Address:
    """Where to."""

    city: str
    zip: int


def shipping(address: Address, express: bool = False) -> dict[str, Any]:
    return {"usd": 12 if express else 4, "city": address.city}


def echo(text: str) -> str:
    return text


def teas() -> set[str]:
    return {"sencha", "matcha", "gyokuro"}


def tin() -> Any:
    return object()


def parsed(flag: str) -> str:
    """Read a flag as commands do, which end the program over what they do not know."""
    return str(argparse.ArgumentParser().parse_args([flag]))


def novel() -> str:
    return "x" * 60_000


async def later() -> str:
    return ""


def anything(*args: str) -> str:
    return ""


def of_what(what: Address | type) -> str:
    return ""
