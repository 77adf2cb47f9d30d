"""The loop of a run in stages: what runs next depends on what came out.

A climb is one, and a live run that is held against a baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from _pytest.runner import runtestprotocol

from pytest_ladder.errors import LadderError
from pytest_ladder.results.rows import Payload
from pytest_ladder.results.state import results_of
from pytest_ladder.scheduling import more_samples
from pytest_ladder.scheduling.climb import Ascent
from pytest_ladder.scheduling.climb_plan import plan_of, write_plan
from pytest_ladder.scheduling.more_samples import Escalation
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.state import known_session, session_of
from pytest_ladder.session.xdist import Batch, is_worker, shared_by_processes

if TYPE_CHECKING:
    # A worker needs all of this module but them.
    from pytest_ladder.results.results import Results


class Scheduler(Protocol):
    """What decides, stage by stage, which tests run."""

    def next(self) -> list[int]:
        """Return the places of the tests that run next; empty: it is over."""

    def close(self, payload_of: Callable[[int], Payload | None]) -> None:
        """Judge the stage that `next` opened by what its tests left; None: lost."""

    def likely(self) -> list[int]:
        """Return what will probably run after the open stage; it may be wrong."""

    def left(self) -> Iterator[tuple[int, str]]:
        """Yield the tests that are reported as left out, with the reason."""


def run(session: pytest.Session) -> bool | None:
    """Run the tests stage by stage; None where another loop runs them."""
    ladder, config = known_session(session.config), session.config
    if ladder is not None and is_worker(config):
        # Behind what it told of: the controller knows that they are there.
        session.items.extend(ladder.held_back)
    elsewhere = config.pluginmanager.hasplugin("dsession") or is_worker(config)
    if ladder is None or elsewhere or ladder.settings.plan or config.option.collectonly:
        return None
    if session.testsfailed and not config.option.continue_on_collection_errors:
        return None
    if ladder.settings.escalates and not ladder.held_back:
        return None
    items = [*session.items, *ladder.held_back]
    stages = _stages(ladder, session)
    for item, following in _turns(ladder, stages, items):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    report_left(config, stages, [item.nodeid for item in items])
    return True


def _stages(ladder: LadderSession, session: pytest.Session) -> Scheduler:
    results = results_of(session.config)
    if ladder.settings.escalates:
        places = len(session.items)
        return Escalation(results, places, more_samples.held_back_of(ladder))
    try:
        ascent = Ascent(ladder, plan_of(ladder, session.items))
    except LadderError as error:
        raise pytest.UsageError(str(error)) from error
    results.climb_of = ascent.result_of
    return ascent


def hand_over_plan(session: pytest.Session) -> None:
    """Hold back what runs only if asked for; a worker tells its controller the plan.

    Only now the tests have the places that the worker tells: `--lf` and `--ff` come
    after all others.
    """
    ladder, config = known_session(session.config), session.config
    if ladder is None or session.testsfailed:
        return
    if ladder.settings.escalates:
        more_samples.hold_back(ladder, session.items)
    if not is_worker(config):
        return
    folder = Path(shared_by_processes(config)["folder"])
    if ladder.settings.escalates:
        more_samples.write_held_back(ladder, folder)
    else:
        write_plan(plan_of(ladder, session.items), folder)


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
    ladder = session_of(item.config)
    ladder.running.passing_over = True
    try:
        reports = runtestprotocol(item, log=False, nextitem=following)
    finally:
        ladder.running.passing_over = False
    for report in reports:
        if report.failed:
            # The end of a fixture broke: that must not get lost.
            item.ihook.pytest_runtest_logreport(report=report)


def report_left(config: pytest.Config, stages: Scheduler, nodeids: list[str]) -> None:
    """Report the tests that do not run as skipped, with the reason of each rung."""
    for place, reason in stages.left():
        nodeid = nodeids[place]
        # Some reports of other tools take a test for over only by its teardown.
        for report in _left_reports(config.rootpath, nodeid, reason):
            config.hook.pytest_runtest_logreport(report=report)


def payload_at(results: Results, nodeids: list[str], place: int) -> Payload | None:
    """Return what the test at a place left; None: it is lost with its worker."""
    arrived = results.items.get(nodeids[place])
    return None if arrived is None else arrived.payload


def _left_reports(root: Path, nodeid: str, reason: str) -> Iterator[pytest.TestReport]:
    path, _, name = nodeid.partition("::")
    setup: Any = pytest.TestReport(
        nodeid=nodeid,
        location=(path, None, name),
        # As if a mark of the test had said so: `-rs` then names no line.
        keywords={"skip": 1},
        outcome="skipped",
        longrepr=(str(root / path), 0, reason),
        when="setup",
    )
    setup.ladder_left = True
    yield setup
    yield pytest.TestReport(
        nodeid=nodeid,
        location=(path, None, name),
        keywords={},
        outcome="passed",
        longrepr=None,
        when="teardown",
    )


def _turns(
    ladder: LadderSession, stages: Scheduler, items: list[pytest.Item]
) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    """Yield each test with the one that is expected to follow it."""
    nodeids, results = [item.nodeid for item in items], results_of(ladder.config)
    stage = stages.next()
    while stage:
        if ladder.ahead is not None:
            ladder.ahead.release(stage)
        # Something is always expected: with nothing to follow all fixtures would end.
        expected = stages.likely()[:1] or neighbours(stage[-1], len(items))
        turns = [items[place] for place in [*stage, *expected]]
        yield from zip_longest(turns[: len(stage)], turns[1 : len(stage) + 1])
        stages.close(lambda place: payload_at(results, nodeids, place))
        stage = stages.next()
        if expected and expected != stage[:1]:
            # Fixtures were kept for a test that has no turn now.
            pass_over(items[expected[0]], items[stage[0]] if stage else None)


def neighbours(place: int, count: int) -> list[int]:
    """Return a place next to another, for fixtures of its module to stay."""
    if count == 1:
        return []
    return [place - 1 if place else place + 1]
