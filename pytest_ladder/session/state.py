"""Where a pytest process keeps its ladder session, what fell out, and which test runs.

A file of its own because it is loaded in every suite, with or without ladder tests, and
so must import no more than this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_ladder.session.session import LadderSession

# Lazily typed: what the keys hold is imported when the first ladder test needs it.
_SESSION: pytest.StashKey[LadderSession] = pytest.StashKey()
_NOT_COLLECTED: pytest.StashKey[list[str]] = pytest.StashKey()
_running: list[pytest.Item] = []
"""The test that runs; before it those that run pytest themselves, outermost first."""


def begin(item: pytest.Item) -> None:
    """Note which test runs, from its setup on."""
    _running.append(item)


def end(item: pytest.Item) -> None:
    """Forget a test, and those that ran within it; called after every test.

    Also for one whose setup was never begun.
    """
    if item in _running:
        del _running[_running.index(item) :]


def running_item() -> pytest.Item:
    """Return the test that runs.

    Fixtures do not take it from `request`: pytest makes that anew for every fixture
    that names it, twice, which is more work than all that a replayed reply takes.
    """
    return _running[-1]


def session_of(config: pytest.Config) -> LadderSession:
    """Return the process's session, made when first asked for."""
    if _SESSION not in config.stash:
        from pytest_ladder.session.session import LadderSession

        config.stash[_SESSION] = LadderSession(config)
    return config.stash[_SESSION]


def known_session(config: pytest.Config) -> LadderSession | None:
    """Return the process's session if a ladder test made one."""
    return config.stash.get(_SESSION, None)


def not_collected(config: pytest.Config) -> list[str]:
    """Return the node ids of what could not be collected; more may be added."""
    return config.stash.setdefault(_NOT_COLLECTED, [])
