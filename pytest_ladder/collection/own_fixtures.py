"""Fixtures of the user's own that have the name of one of ours: theirs win, and a word.

Called for tests with a level only, in the reach of a `ladder.toml`: elsewhere people
call their fixtures as they like.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from pytest_ladder.errors import ConfigError, warn
from pytest_ladder.session import fixtures
from pytest_ladder.session.pytest_internals import fixture_definitions
from pytest_ladder.text.phrases import listed, shown


def is_ours(metafunc: pytest.Metafunc, name: str) -> bool:
    """Tell whether a fixture of the test is the plugin's and not the user's own."""
    if name not in metafunc.fixturenames:
        return False
    definitions = fixture_definitions(metafunc.definition, name)
    if not definitions:
        return False
    return getattr(definitions[-1].func, "__module__", "") == fixtures.__name__


def named_as_ours(metafunc: pytest.Metafunc) -> dict[str, str]:
    """Return the user's own fixtures that a test uses in place of ours, and where."""
    return {
        name: _place(fixture_definitions(metafunc.definition, name)[-1].func)
        for name in fixtures.NAMES
        if name in metafunc.fixturenames
        and fixture_definitions(metafunc.definition, name)
        and not is_ours(metafunc, name)
    }


def check(where: str, ours: Collection[str], own: dict[str, str]) -> None:
    """Warn of own fixtures that take the place of ours, once for each.

    Raises `ConfigError` for one called `rung`, on which ours rest.
    """
    if "rung" in own and ours:
        raise ConfigError(
            f"{where} uses {listed(sorted(ours))} of pytest-ladder, and `rung` at "
            f"{own['rung']} is a fixture of your own; rename it: ours rest on ours."
        )
    for name, place in own.items():
        file, _, line = place.rpartition(":")
        warn(
            f"`{name}` is a fixture of your own, so tests that use it do not get "
            "pytest-ladder's; rename it if they should.",
            file,
            int(line),
        )


def _place(function: Callable[..., object]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return f"{function!r}:1"
    return f"{shown(Path(code.co_filename))}:{code.co_firstlineno}"
