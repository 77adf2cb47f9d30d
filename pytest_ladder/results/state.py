"""Where the controller keeps the results of a run.

A file of its own because it is loaded in every suite, with or without ladder tests, and
so must import no more than this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_ladder.session.settings import read_settings
from pytest_ladder.session.state import session_of
from pytest_ladder.session.xdist import is_worker

if TYPE_CHECKING:
    from pytest_ladder.results.results import Results


# Lazily typed: what the key holds is imported when the first row arrives.
_RESULTS: pytest.StashKey[Results] = pytest.StashKey()


def results_of(config: pytest.Config) -> Results:
    """Return the run's results, made when the first row arrives."""
    if _RESULTS not in config.stash:
        from pytest_ladder.results.results import Results

        config.stash[_RESULTS] = Results(session_of(config))
    return config.stash[_RESULTS]


def known_results(config: pytest.Config) -> Results | None:
    """Return the run's results if a row arrived.

    A shard has some without any, and so has a live run: what it paid for is told.
    """
    settings = read_settings(config)
    runs = not (is_worker(config) or config.option.collectonly or settings.plan)
    if (settings.shard is not None or settings.live) and runs:
        return results_of(config)
    return config.stash.get(_RESULTS, None)
