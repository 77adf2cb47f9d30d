"""Climbing: which of the collected tests run, and in which order, one rung at a time.

The process that collects writes down what there is to climb (a `ClimbPlan`); the one
that decides, the controller, walks it (an `Ascent`). Without xdist both are one.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from pytest_ladder.calls.files import write_atomically
from pytest_ladder.calls.seeds import FIRST, Seeds
from pytest_ladder.decide.climb import climb_of
from pytest_ladder.decide.course import Course, Stage
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.errors import ConfigError
from pytest_ladder.ladder_tests import LadderTest, Record
from pytest_ladder.opened import OpenLadder
from pytest_ladder.outcomes import test_id_of
from pytest_ladder.session import LadderSession
from pytest_ladder.words.level import Level
from pytest_ladder.words.row import Row
from pytest_ladder.words.rung import Rung

_PLAN = "climb.json"
# Looks come after so many cases: as many as may be under way, within these bounds.
_FEWEST_A_LOOK, _MOST_A_LOOK = 10, 25


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one collected test is about."""

    config: str
    """The configuration file of its ladder."""
    rung: str
    level: Level
    source: str
    case: str
    cluster: str | None = None
    calls: bool = False
    """Whether it uses a reply of its own: a test of the same case shares it."""
    sample: int = 1

    @property
    def unit(self) -> Unit:
        """The unit of analysis that it belongs to."""
        return self.source, self.case


class ClimbPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to climb, for all ladders of a run."""

    entries: tuple[Entry | None, ...]
    """One per collected test, in order; None for what is not a ladder test."""
    suites: dict[str, str]
    """Hash of cases and configuration, by configuration file."""
    graded: dict[str, tuple[Level, ...]]
    """Levels whose units may score anything but 0 and 1, likewise."""
    cheap_bars: dict[str, float]
    """Share of cheap passes below which nothing is spent on judges, likewise."""


def plan_of(session: LadderSession, items: Sequence[pytest.Item]) -> ClimbPlan:
    """Write down what was collected; raises `ConfigError` for a packed test."""
    records = [session.record_of(item) for item in items]
    entries = [
        None if record is None else _entry(session, record) for record in records
    ]
    return ClimbPlan(
        entries=tuple(entries),
        suites={_name(opened): _suite(session, opened) for opened in session.opened},
        graded=_graded(session, entries),
        cheap_bars=_cheap_bars(session),
    )


def check(session: LadderSession, plan: ClimbPlan) -> None:
    """Show mistakes before anything is called; raises `ConfigError`."""
    for opened in session.opened:
        if any(entry and entry.config == _name(opened) for entry in plan.entries):
            Route(opened, plan)


def write_plan(plan: ClimbPlan, folder: Path) -> None:
    """Leave the plan for the controller of xdist; all workers write the same."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / _PLAN, msgspec.json.encode(plan))


def read_plan(folder: Path) -> ClimbPlan:
    """Read what a worker wrote."""
    return msgspec.json.decode((folder / _PLAN).read_bytes(), type=ClimbPlan)


class Route:
    """The climb of one ladder, from units to tests."""

    def __init__(
        self, opened: OpenLadder, plan: ClimbPlan, attempts: Sequence[int] = (FIRST,)
    ) -> None:
        self.opened = opened
        self.attempts = tuple(attempts)
        """Seeds that these cases were climbed with; the last one is in use."""
        name = _name(opened)
        self._entries = {
            place: entry
            for place, entry in enumerate(plan.entries)
            if entry is not None and entry.config == name
        }
        self.course = self._open(plan, name)
        self._places: dict[tuple[str, Level, Unit], list[int]] = defaultdict(list)
        for place, entry in self._entries.items():
            self._places[entry.rung, entry.level, entry.unit].append(place)
        self.ran: set[int] = set()
        """Tests that had their turn."""

    def tests(self, stage: Stage | None) -> list[int]:
        """Return the places of a stage's tests."""
        if stage is None:
            return []
        return [
            place
            for unit in stage.units
            for place in self._places[stage.rung, stage.level, unit]
        ]

    def left(self) -> Iterator[tuple[int, str]]:
        """Yield the tests that do not run, with the reason."""
        for place, entry in self._entries.items():
            if place not in self.ran:
                reason = self.course.reason(entry.rung) or "climb: not needed"
                yield place, reason

    def summary(self) -> str:
        """Say what was decided, and what that left unspent."""
        calls, usd = self._unspent()
        if not calls:
            return "climb: nothing was left out"
        what = "an unknown sum" if usd is None else f"about ${usd:.2g}"
        return f"{calls:,} calls and {what} not spent"

    def _unspent(self) -> tuple[int, float | None]:
        """Count the calls that were not made, and what they were expected to cost."""
        made = {_call(self._entries[place]) for place in self.ran}
        calls = {_call(entry) for entry in self._entries.values() if entry.calls}
        left = calls - made
        usd = {rung.id: self.opened.expected_usd(rung) for rung in self.opened.rungs}
        costs = [usd[rung] for rung, *_ in left]
        known = [cost for cost in costs if cost is not None]
        return len(left), math.fsum(known) if len(known) == len(costs) else None

    def _open(self, plan: ClimbPlan, name: str) -> Course:
        objective = self.opened.ladder.objective
        if objective is None:
            raise ConfigError(
                f"{self.opened.ladder.path}: --ladder=climb climbs until an objective "
                'is decided; add [objective] with kind = "good-enough" and quality, '
                "or run --ladder=matrix."
            )
        rungs = self.opened.rungs
        cap = objective.usd_per_1k
        order = _shuffled(self._entries.values(), plan.suites[name], self.attempts[-1])
        units = {
            level: [unit for unit in order if unit in given]
            for level in Level
            if (given := {e.unit for e in self._entries.values() if e.level is level})
        }
        return climb_of(
            objective,
            [rung.id for rung in rungs],
            units,
            graded={level: level in plan.graded.get(name, ()) for level in Level},
            cheap_bar=plan.cheap_bars.get(name),
            every=self._every(),
            price_cap_ok={rung.id: self._is_within(rung, cap) for rung in rungs},
            clusters={
                entry.unit: entry.cluster
                for entry in self._entries.values()
                if entry.cluster is not None
            },
        )

    def _every(self) -> int:
        most = [rung.model.limits.concurrency or 0 for rung in self.opened.rungs]
        return min(_MOST_A_LOOK, max(_FEWEST_A_LOOK, *most))

    def _is_within(self, rung: Rung, cap: float | None) -> bool | None:
        """Tell whether a rung is expected to cost no more than the cap per 1,000."""
        if cap is None:
            return True
        usd = self.opened.total_usd(rung)
        return None if usd is None else 1000 * usd <= cap


class Ascent:
    """All climbs of a run, one after another, behind the tests that are none."""

    def __init__(self, session: LadderSession, plan: ClimbPlan) -> None:
        self.plan = plan
        self.routes: list[Route] = []
        for config in sorted({entry.config for entry in plan.entries if entry}):
            opened = session.open(Path(config))
            seeds = Seeds(opened.archive.store)
            tried = seeds.use(plan.suites[config], session.settings.seed)
            self.routes.append(Route(opened, plan, tried))
        self._others = [p for p, entry in enumerate(plan.entries) if entry is None]
        self._open: Route | None = None

    def next(self) -> list[int]:
        """Return the places of the tests that run next; empty: it is over."""
        if self._others:
            others, self._others = self._others, []
            return others
        for route in self.routes:
            places = route.tests(route.course.stage)
            if places:
                self._open = route
                route.ran.update(places)
                return places
        return []

    def close(self, rows_of: Callable[[int], Iterable[Row]]) -> None:
        """Judge the stage that `next` opened by the rows that its tests left."""
        route = self._open
        if route is None:
            return
        self._open = None
        places = route.tests(route.course.stage)
        route.course.close([row for place in places for row in rows_of(place)])

    def likely(self) -> list[int]:
        """Return what will probably run after the open stage; it may be wrong."""
        if self._open is not None:
            places = self._open.tests(self._open.course.likely)
            if places:
                return places
        closed = [route for route in self.routes if route is not self._open]
        return next((p for r in closed if (p := r.tests(r.course.stage))), [])

    def left(self) -> Iterator[tuple[int, str]]:
        """Yield the tests that do not run, with the reason."""
        for route in self.routes:
            yield from route.left()

    def route_of(self, config: str) -> Route | None:
        """Return the climb of a ladder."""
        return next((r for r in self.routes if _name(r.opened) == config), None)


def sample_of(plan: ClimbPlan, size: int) -> set[int]:
    """Choose the tests of `size` units of each ladder at random, for a litmus."""
    chosen: set[int] = set()
    for config, suite in plan.suites.items():
        entries = {p: e for p, e in enumerate(plan.entries) if e and e.config == config}
        units = set(_shuffled(entries.values(), suite, FIRST)[:size])
        chosen |= {place for place, entry in entries.items() if entry.unit in units}
    return chosen


def check_context(session: LadderSession, items: Iterable[pytest.Item]) -> None:
    """Make sure that a litmus has something to show; raises `ConfigError`."""
    records = [record for item in items if (record := session.record_of(item))]
    cases = [record.case for record in records if record.case is not None]
    if not any(case.context for case in cases):
        raise ConfigError(
            "--ladder=litmus shows the most capable rung the context of each case, and "
            "no case of this run names one; add `context` to the cases."
        )


def _shuffled(entries: Iterable[Entry], suite: str, seed: int) -> list[Unit]:
    """Put all units in random order, each cluster in one piece."""
    groups: dict[object, set[Unit]] = defaultdict(set)
    for entry in entries:
        groups[entry.cluster or entry.unit].add(entry.unit)
    mixed = sorted(sorted(group) for group in groups.values())
    random.Random(f"{suite}-{seed}").shuffle(mixed)
    return [unit for group in mixed for unit in group]


def _entry(session: LadderSession, record: Record) -> Entry:
    test, case = record.test, record.case
    if test.pack:
        raise ConfigError(
            f"{test.nodeid}: a climb stops in the middle of a rung, which pack=True "
            "has one test for; drop it here, or run --ladder=matrix."
        )
    return Entry(
        config=_name(test.opened),
        rung=record.rung.id,
        level=test.level,
        source=case.source if case else test_id_of(session, record),
        case=case.id if case else "",
        cluster=case.cluster if case else None,
        calls=test.asks and test.task is None,
        sample=record.sample,
    )


def _call(entry: Entry) -> tuple[str, str, str, int]:
    return entry.rung, entry.source, entry.case, entry.sample


def _name(opened: OpenLadder) -> str:
    return str(opened.ladder.path)


def _suite(session: LadderSession, opened: OpenLadder) -> str:
    """Name cases and configuration by a hash."""
    tests = _tests_of(session, opened)
    content = [
        [(rung.id, _settings(rung)) for rung in opened.ladder.rungs],
        opened.ladder.objective,
        sorted({msgspec.json.encode(case) for test in tests for case in test.cases}),
        sorted(test.module for test in tests if not test.cases),
    ]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]


def _settings(rung: Rung) -> list[object]:
    """Return what changes a rung's replies or its place; not where it is called."""
    model = rung.model
    return [
        *(model.id, model.revision, model.adapter, model.params),
        *(model.price, model.serve, model.build, rung.strategy),
    ]


def _tests_of(session: LadderSession, opened: OpenLadder) -> list[LadderTest]:
    return [test for test in session.tests.values() if test.opened is opened]


def _graded(
    session: LadderSession, entries: Sequence[Entry | None]
) -> dict[str, tuple[Level, ...]]:
    """Find the levels where a unit has several rows, or a score that is a number."""
    found: dict[str, set[Level]] = defaultdict(set)
    counts: dict[tuple[str, str, Level, Unit], int] = defaultdict(int)
    for entry in entries:
        if entry is not None:
            counts[entry.config, entry.rung, entry.level, entry.unit] += 1
    for (config, _, level, _), count in counts.items():
        if count > 1:
            found[config].add(level)
    for test in session.tests.values():
        if test.scores:
            found[_name(test.opened)].add(test.level)
    return {config: tuple(sorted(levels)) for config, levels in found.items()}


def _cheap_bars(session: LadderSession) -> dict[str, float]:
    """Take the mean of what cheap tests demand, by weight, where they do demand."""
    bars = {}
    for opened in session.opened:
        demanding = [
            test
            for test in _tests_of(session, opened)
            if test.level is Level.CHEAP and test.at_least < 1 and test.weight > 0
        ]
        weight = math.fsum(test.weight for test in demanding)
        if demanding:
            total = math.fsum(test.weight * test.at_least for test in demanding)
            bars[_name(opened)] = total / weight
    return bars
