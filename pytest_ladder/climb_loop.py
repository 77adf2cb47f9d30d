"""The loop of a climb: stage after stage, what runs next depending on what came out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from pytest_ladder.climbing import Ascent, plan_of
from pytest_ladder.results import Results
from pytest_ladder.session import LadderSession
from pytest_ladder.state import known_session, results_of
from pytest_ladder.words.row import Row
from pytest_ladder.xdist import Batch, is_worker


def run(session: pytest.Session) -> bool | None:
    """Run the tests in the order of the climb; None where another loop runs them."""
    ladder, config = known_session(session.config), session.config
    elsewhere = config.pluginmanager.hasplugin("dsession") or is_worker(config)
    if ladder is None or elsewhere or ladder.settings.plan or config.option.collectonly:
        return None
    if session.testsfailed and not config.option.continue_on_collection_errors:
        return None
    results = results_of(config)
    ascent = Ascent(ladder, plan_of(ladder, session.items))
    results.ascent = ascent
    for item, following in _turns(ladder, results, ascent, session.items):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    report_left(config, results, [item.nodeid for item in session.items])
    return True


class Stopgaps:
    """Tells the stopgaps of a worker of xdist from its tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._batch = Batch(config) if is_worker(config) else None
        self._came = 0

    def passes_over(self, item: pytest.Item, following: pytest.Item | None) -> bool:
        """Take a stopgap up and leave it again; False for a test that is to run."""
        number, self._came = self._came, self._came + 1
        if self._batch is None or not self._batch.is_stopgap(number):
            return False
        pass_over(item, following)
        return True


def pass_over(item: pytest.Item, following: pytest.Item | None) -> None:
    """End the fixtures that the next test does not need, as if `item` had run."""
    ladder = known_session(item.config)
    assert ladder is not None
    ladder.passing_over = True
    try:
        runtestprotocol(item, log=False, nextitem=following)
    finally:
        ladder.passing_over = False


def report_left(config: pytest.Config, results: Results, nodeids: list[str]) -> None:
    """Report the tests that do not run as skipped, with the reason of each rung."""
    assert results.ascent is not None
    for place, reason in results.ascent.left():
        nodeid = nodeids[place]
        path = nodeid.partition("::")[0]
        report: Any = pytest.TestReport(
            nodeid=nodeid,
            location=(path, None, nodeid.partition("::")[2]),
            keywords={},
            outcome="skipped",
            longrepr=(path, 0, reason),
            when="setup",
        )
        report.ladder_left = True
        config.hook.pytest_runtest_logreport(report=report)


def rows_at(results: Results, nodeids: list[str], place: int) -> tuple[Row, ...]:
    """Return the rows that the test at a place left; none if it was skipped."""
    arrived = results.items.get(nodeids[place])
    return () if arrived is None else arrived.rows


def _turns(
    ladder: LadderSession, results: Results, ascent: Ascent, items: list[pytest.Item]
) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    """Yield each test with the one that is expected to follow it."""
    nodeids = [item.nodeid for item in items]
    stage = ascent.next()
    while stage:
        if ladder.ahead is not None:
            ladder.ahead.release(stage)
        expected = ascent.likely()[:1]
        turns = [items[place] for place in [*stage, *expected]]
        yield from zip_longest(turns[: len(stage)], turns[1 : len(stage) + 1])
        ascent.close(lambda place: rows_at(results, nodeids, place))
        stage = ascent.next()
        if expected and expected != stage[:1]:
            # Fixtures were kept for a test that has no turn now.
            pass_over(items[expected[0]], items[stage[0]] if stage else None)
