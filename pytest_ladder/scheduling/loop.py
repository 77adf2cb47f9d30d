"""The loop of a run in stages, where the results of a stage decide what runs next.

A climb is such a run, and a live run that is compared with a baseline. A `Scheduler`
decides (`climb`, `more_samples`); this file runs its stages in a process without xdist,
in place of pytest's own loop, and `xdist_scheduler` does in the controller of a run
with workers. The hooks of `plugin.py` call all of it, on the main thread.

A placeholder is a test that is begun and left at once, without its body and without a
report: pytest ends a fixture when it sees the next test, so a test must be named as
the next one even where it is not known yet. If the guess was wrong, the test
that was named becomes a placeholder, which ends the fixtures that were kept for it.

After Ctrl-C `KeyboardInterrupt` leaves `run` as it leaves pytest's own loop; no stage
is closed, and the report says that the run was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from pytest_ladder.errors import LadderError
from pytest_ladder.results import made_reports
from pytest_ladder.results.rows import Payload
from pytest_ladder.results.state import results_of
from pytest_ladder.scheduling import more_samples
from pytest_ladder.scheduling.climb import ClimbScheduler
from pytest_ladder.scheduling.climb_plan import plan_of, write_plan
from pytest_ladder.scheduling.more_samples import SampleScheduler
from pytest_ladder.session.pytest_internals import run_phases
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.state import known_session, session_of
from pytest_ladder.session.xdist import Batch, is_worker, shared_by_processes

if TYPE_CHECKING:
    # A worker needs all of this module but them.
    from pytest_ladder.results.results import Results


class Scheduler(Protocol):
    """Decides, stage by stage, which tests run; tests are named by their indices."""

    def next(self) -> list[int]:
        """Return the tests that run next; empty: it is over."""

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
        # After the plan was handed over: the controller knows that they are there.
        session.items.extend(ladder.extra_samples)
    elsewhere = config.pluginmanager.hasplugin("dsession") or is_worker(config)
    if ladder is None or elsewhere or ladder.settings.plan or config.option.collectonly:
        return None
    if session.testsfailed and not config.option.continue_on_collection_errors:
        return None
    if ladder.settings.escalates and not ladder.extra_samples:
        return None
    items = [*session.items, *ladder.extra_samples]
    scheduler = _scheduler(ladder, session)
    for item, following in _in_order(ladder, scheduler, items):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    report_left(config, scheduler, [item.nodeid for item in items])
    return True


def _scheduler(ladder: LadderSession, session: pytest.Session) -> Scheduler:
    results = results_of(session.config)
    if ladder.settings.escalates:
        extra = more_samples.extra_samples_of(ladder)
        return SampleScheduler(results, len(session.items), extra)
    try:
        climbs = ClimbScheduler(ladder, plan_of(ladder, session.items))
    except LadderError as error:
        raise pytest.UsageError(str(error)) from error
    results.climb_of = climbs.result_of
    return climbs


def hand_over_plan(session: pytest.Session) -> None:
    """Make the extra samples; in a worker write down what the controller must know.

    Called when collection is over: only now tests have the order that the worker tells
    the controller, for `--lf` and `--ff` change it last.
    """
    ladder, config = known_session(session.config), session.config
    if ladder is None or session.testsfailed:
        return
    if ladder.settings.escalates:
        more_samples.make_extra_samples(ladder, session.items)
    if not is_worker(config):
        return
    folder = Path(shared_by_processes(config)["folder"])
    if ladder.settings.escalates:
        more_samples.write_extra_samples(ladder, folder)
    else:
        write_plan(plan_of(ladder, session.items), folder)


class Placeholders:
    """Leaves out, in a worker of xdist, what the controller sent as a placeholder."""

    def __init__(self, config: pytest.Config) -> None:
        self._batch = Batch(config) if is_worker(config) else None
        self._begun = 0
        """Tests and placeholders that were begun."""

    def leaves_out(self, item: pytest.Item, following: pytest.Item | None) -> bool:
        """Begin and leave a placeholder; False for a test that is to run.

        Called before each test.
        """
        number, self._begun = self._begun, self._begun + 1
        if self._batch is None or not self._batch.is_placeholder(number):
            return False
        run_placeholder(item, following)
        return True


def run_placeholder(item: pytest.Item, following: pytest.Item | None) -> None:
    """End the fixtures that the next test does not need, as if `item` had run."""
    ladder = session_of(item.config)
    ladder.running.is_placeholder = True
    try:
        reports = run_phases(item, following)
    finally:
        ladder.running.is_placeholder = False
    for report in reports:
        if report.failed:
            # The end of a fixture broke: that must not get lost.
            item.ihook.pytest_runtest_logreport(report=report)


def report_left(
    config: pytest.Config, scheduler: Scheduler, nodeids: list[str]
) -> None:
    """Report the tests that do not run as skipped, with the reason of each rung."""
    for index, reason in scheduler.left():
        report = made_reports.left_out(nodeids[index], reason, config.rootpath)
        made_reports.send(config, report)


def payload_at(results: Results, nodeids: list[str], index: int) -> Payload | None:
    """Return what a test left; None: it is lost with its worker."""
    arrived = results.items.get(nodeids[index])
    return None if arrived is None else arrived.payload


def _in_order(
    ladder: LadderSession, scheduler: Scheduler, items: list[pytest.Item]
) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    """Yield each test with the one that is expected to follow it."""
    nodeids, results = [item.nodeid for item in items], results_of(ladder.config)
    stage = scheduler.next()
    while stage:
        if ladder.prefetch is not None:
            ladder.prefetch.release(stage)
        # Some test is always expected: with none to follow all fixtures would end.
        expected = scheduler.likely()[:1] or neighbour(stage[-1], len(items))
        tests = [items[index] for index in [*stage, *expected]]
        yield from zip_longest(tests[: len(stage)], tests[1 : len(stage) + 1])
        scheduler.close(lambda index: payload_at(results, nodeids, index))
        stage = scheduler.next()
        if expected and expected != stage[:1]:
            # Fixtures were kept for a test that does not run now.
            run_placeholder(items[expected[0]], items[stage[0]] if stage else None)


def neighbour(index: int, count: int) -> list[int]:
    """Return a test beside another, whose fixtures of the module stay; none of one."""
    if count == 1:
        return []
    return [index - 1 if index else index + 1]
