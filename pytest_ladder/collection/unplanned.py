"""What a plan says beside its table: mistakes that no planned call would meet.

Tests that are marked and ask for nothing, and files that only other rungs or the report
read: a run would tell of them after it has paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from pytest_ladder.core.score import Level
from pytest_ladder.errors import LadderError
from pytest_ladder.session import fixtures
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.pytest_internals import all_fixture_definitions
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text.phrases import did_you_mean


def unplanned(session: LadderSession, items: Iterable[pytest.Item]) -> list[str]:
    """Return the sentences; raises `LadderError` for a configuration it cannot read."""
    said = [*_tests(session, items)]
    for opened in session.opened:
        said += _files(opened)
    return list(dict.fromkeys(said))


def _tests(session: LadderSession, items: Iterable[pytest.Item]) -> Iterator[str]:
    for item in items:
        marked = [str(level) for level in Level if item.get_closest_marker(level)]
        skipped = item.get_closest_marker("skip") or item.get_closest_marker("skipif")
        if skipped or not marked or not isinstance(item, pytest.Function):
            continue
        if session.ladder_for(item.path.parent) is None:
            continue
        # All cases and rungs of a test make the same mistake.
        test = item.nodeid.removesuffix(item.name) + item.originalname
        # Parameters have definitions, too.
        known = {"request", *all_fixture_definitions(item)}
        missing = [
            f"fixture '{name}' not found; "
            + did_you_mean(name, fixtures.NAMES, "correct the name.")
            for name in item.fixturenames
            if name not in known
        ]
        if session.item_of(item) is None:
            why = missing or ["it takes no fixture of pytest-ladder."]
            yield f"{test} is marked {marked[0]} and asks for nothing: {why[0]}"
        elif missing:
            yield f"{test} would fail: {missing[0]}"


def _files(opened: OpenLadder) -> Iterator[str]:
    """Read what the rungs that are not planned, and the report, would read."""
    left = [rung for rung in opened.ladder.rungs if rung not in opened.rungs]
    for strategy in dict.fromkeys(rung.strategy for rung in left):
        try:
            opened.strategies.check(strategy)
        except LadderError as error:
            yield f'The strategy "{strategy.name}", not in this plan, fails: {error}'
    try:
        _ = opened.declared
        if opened.ladder.labels.exists():
            from pytest_ladder.judging.calibration.labels import read_labels

            read_labels(opened.ladder.labels)
    except LadderError as error:
        yield str(error)
