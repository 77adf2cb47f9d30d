"""The tests and rungs of a climb, handed from whoever collects to whoever decides.

Workers of xdist collect, and the controller decides, so the plan is a file in the
folder of the run. All workers write the same, whole and at once.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pytest

from pytest_ladder.calls.store.store import Store
from pytest_ladder.core.rung import Rung
from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.disk.files import write_atomically
from pytest_ladder.disk.sqlite import usable
from pytest_ladder.errors import ConfigError
from pytest_ladder.results.rows import test_id_of
from pytest_ladder.session.ladder_test import Record
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession

_PLAN = "climb.json"


class PlannedTest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one collected test is about."""

    config: str
    """The configuration file of its ladder."""
    rung: str
    level: Level
    source: str
    case: str
    cluster: str | None = None
    calls: bool = False
    """Whether it uses the reply to its case, which other tests of the case share."""
    sample: int = 1

    @property
    def unit(self) -> Unit:
        """The unit of analysis that it belongs to."""
        return self.source, self.case


class ClimbPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to climb, for all ladders of a run."""

    tests: tuple[PlannedTest | None, ...]
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
    tests = [
        None
        if record is None or _is_skipped(session, record)
        else _planned_test(session, record)
        for record in records
    ]
    return ClimbPlan(
        tests=tuple(tests),
        suites=_suites(session, records),
        graded=_graded(session, tests),
        cheap_bars=_cheap_bars(session),
    )


def write_plan(plan: ClimbPlan, folder: Path) -> None:
    """Write the plan for the controller of xdist."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / _PLAN, msgspec.json.encode(plan))


def read_plan(folder: Path, count: int) -> ClimbPlan:
    """Read what a worker wrote of `count` tests: nothing if none was a ladder test."""
    path = folder / _PLAN
    if not path.exists():
        return ClimbPlan(tests=(None,) * count, suites={}, graded={}, cheap_bars={})
    return msgspec.json.decode(path.read_bytes(), type=ClimbPlan)


def sample_of(plan: ClimbPlan, size: int) -> set[int]:
    """Choose the tests of `size` units of each ladder at random, for a litmus."""
    chosen: set[int] = set()
    for config, suite in plan.suites.items():
        tests = {i: t for i, t in enumerate(plan.tests) if t and t.config == config}
        units = set(shuffled(tests.values(), suite, FIRST)[:size])
        chosen |= {index for index, test in tests.items() if test.unit in units}
    return chosen


def check_context(session: LadderSession, items: Iterable[pytest.Item]) -> None:
    """Check that a litmus has context to show a model; raises `ConfigError`."""
    records = [record for item in items if (record := session.record_of(item))]
    cases = [record.case for record in records if record.case is not None]
    if records and not any(case.context for case in cases):
        raise ConfigError(
            "--ladder=litmus shows the most capable rung the context of each case, and "
            + (
                "no case of this run names one; add `context` to the cases."
                if cases
                else "no test of this run has cases; select one that has."
            )
        )


def shuffled(tests: Iterable[PlannedTest], suite: str, seed: int) -> list[Unit]:
    """Put all units in random order, each cluster in one piece."""
    groups: dict[object, set[Unit]] = defaultdict(set)
    for test in tests:
        groups[test.cluster or test.unit].add(test.unit)
    ordered = sorted(sorted(group) for group in groups.values())
    random.Random(f"{suite}-{seed}").shuffle(ordered)
    return [unit for group in ordered for unit in group]


def _planned_test(session: LadderSession, record: Record) -> PlannedTest:
    test, case = record.test, record.case
    if test.pack:
        raise ConfigError(
            f"{test.nodeid}: a climb stops in the middle of a rung, which pack=True "
            "has one test for; drop it here, or run --ladder=matrix."
        )
    return PlannedTest(
        config=name_of(test.opened),
        rung=record.rung.id,
        level=test.level,
        source=case.source if case else test_id_of(session, record),
        case=case.id if case else "",
        cluster=case.cluster if case else None,
        calls=test.uses_reply and test.task is None,
        sample=record.sample,
    )


def name_of(opened: OpenLadder) -> str:
    """Name a ladder by its configuration file."""
    return str(opened.ladder.path)


def _is_skipped(session: LadderSession, record: Record) -> bool:
    """Tell whether a test is sure to be skipped: it is no part of the suite then."""
    if record.test.external and not session.settings.live:
        return True
    for mark in record.item.iter_markers():
        if mark.name == "skip":
            return True
        conditions = (*mark.args, mark.kwargs.get("condition", False))
        # A condition in words pytest reads when the test runs, which then says that it
        # was skipped.
        if mark.name == "skipif" and any(
            c for c in conditions if not isinstance(c, str)
        ):
            return True
    return False


def _suites(session: LadderSession, records: Iterable[Record | None]) -> dict[str, str]:
    """Name cases and configuration of each ladder by a hash."""
    # Cases that a test is parametrized with are known from its items alone.
    cases: dict[str, set[bytes]] = defaultdict(set)
    for record in records:
        if record is not None and record.case is not None and not record.test.cases:
            encoded = msgspec.json.encode(record.case)
            cases[name_of(record.test.opened)].add(encoded)
    return {
        name_of(opened): _suite(session, opened, cases[name_of(opened)])
        for opened in session.opened
    }


def _suite(session: LadderSession, opened: OpenLadder, cases: set[bytes]) -> str:
    tests = session.tests_of(opened)
    loaded = {msgspec.json.encode(case) for test in tests for case in test.cases}
    judge = opened.ladder.judge
    free_form = [(t.module, t.nodeid.partition("::")[2]) for t in tests if not t.cases]
    content = [
        [(rung.id, _settings(rung)) for rung in opened.ladder.rungs],
        opened.ladder.objective,
        judge and (judge.id, judge.revision, judge.params, judge.funnel),
        sorted(cases | loaded),
        sorted(free_form),
    ]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]


def _settings(rung: Rung) -> list[object]:
    """Return what changes a rung's replies or its order; not where it is called."""
    model = rung.model
    return [
        *(model.id, model.revision, model.adapter, model.params),
        *(model.price, model.serve, model.build, rung.strategy),
    ]


def _graded(
    session: LadderSession, tests: Sequence[PlannedTest | None]
) -> dict[str, tuple[Level, ...]]:
    """Find the levels where a unit has several rows, or a score that is a number."""
    graded: dict[str, set[Level]] = defaultdict(set)
    counts: dict[tuple[str, str, Level, Unit], int] = defaultdict(int)
    for test in tests:
        if test is not None:
            counts[test.config, test.rung, test.level, test.unit] += 1
    for (config, _, level, _), count in counts.items():
        if count > 1:
            graded[config].add(level)
    for function in session.tests.values():
        if function.uses_score:
            graded[name_of(function.opened)].add(function.level)
    return {config: tuple(sorted(levels)) for config, levels in graded.items()}


def _cheap_bars(session: LadderSession) -> dict[str, float]:
    """Return the mean of `at_least` of cheap tests, by weight; those of 1 left out."""
    bars = {}
    for opened in session.opened:
        demanding = [
            test
            for test in session.tests_of(opened)
            if test.level is Level.CHEAP and test.at_least < 1 and test.weight > 0
        ]
        weight = math.fsum(test.weight for test in demanding)
        if demanding:
            total = math.fsum(test.weight * test.at_least for test in demanding)
            bars[name_of(opened)] = total / weight
    return bars


FIRST = 0
"""The seed of a suite that was never climbed: the same on every machine."""
NEW = "new"
"""What `--ladder-seed` says for one that was never tried."""


class Seeds:
    """Which seeds the climbs over a suite were tried with.

    A suite is named by a hash of its cases and configuration; when either changes, it
    is another suite and begins anew. One more seed is one more attempt: climbing until
    the verdict pleases would be peeking (methods, section 3.2).
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._path: Path = store.path.with_name("seeds.json")

    def use(self, suite: str, wanted: int | str | None) -> list[int]:
        """Return all seeds tried on a suite, with the one to use now at the end.

        `wanted` is a seed, `new`, or None for the last one. Raises `StoreError` when a
        new one cannot be kept.
        """
        known = self._read()
        tried = known.get(suite, [])
        if wanted is None:
            seed = tried[-1] if tried else FIRST
        elif wanted == NEW:
            seed = max(tried, default=FIRST) + 1
        else:
            seed = int(wanted)
        others = [other for other in tried if other != seed]
        if tried != [*others, seed]:
            with usable(self._path):
                self._store.make_folder()
                text = msgspec.json.encode({**known, suite: [*others, seed]})
                write_atomically(self._path, text)
        return [*others, seed]

    def _read(self) -> dict[str, list[int]]:
        try:
            return msgspec.json.decode(
                self._path.read_bytes(), type=dict[str, list[int]]
            )
        except (OSError, msgspec.DecodeError):
            # Nothing but the count of attempts is lost with it.
            return {}
