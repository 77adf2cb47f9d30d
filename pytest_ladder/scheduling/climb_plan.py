"""The tests and rungs of a climb, handed from whoever collects to whoever decides.

Workers of xdist collect, and the controller decides, so the plan is a file in the
folder of the run. All workers write the same, whole and at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import msgspec
import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.core.ladder import JudgeConfig, Objective
from pytest_ladder.core.rung import SETTINGS, Build, Price, Rung, Strategy
from pytest_ladder.core.score import Level
from pytest_ladder.decide.bounds import cheap_bar
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.disk.files import write_atomically
from pytest_ladder.disk.sqlite import usable
from pytest_ladder.errors import ConfigError
from pytest_ladder.results.rows import test_id_of
from pytest_ladder.scheduling.climb_judges import PlannedJudge, planned_judges
from pytest_ladder.session.ladder_test import LadderItem
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
    test: str = ""
    """Node id with the user's parameters; empty where no criterion asks for it."""
    tags: tuple[str, ...] = ()
    """Tags of the case, likewise."""

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
    judges: dict[str, tuple[PlannedJudge, ...]] = {}
    """What tests at the judged level ask, likewise."""


def plan_of(session: LadderSession, items: Sequence[pytest.Item]) -> ClimbPlan:
    """Write down what was collected; raises `ConfigError` for a packed test."""
    made = [session.item_of(item) for item in items]
    tests = [
        None
        if item is None or _is_left_out(session, item)
        else _planned_test(session, item)
        for item in made
    ]
    # The share of cheap passes that each ladder's tests ask for, if any.
    bars = {}
    for opened in session.opened:
        cheap = (t for t in session.tests_of(opened) if t.level is Level.CHEAP)
        bar = cheap_bar((test.nodeid, test.at_least, test.weight) for test in cheap)
        if bar is not None:
            bars[name_of(opened)] = bar
    return ClimbPlan(
        tests=tuple(tests),
        suites=_suites(session, session.items_of(items)),
        graded=_graded(session, tests),
        cheap_bars=bars,
        judges=planned_judges(session, session.items_of(items)),
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


def sample_of(plan: ClimbPlan, size: int, eligible: Collection[int]) -> set[int]:
    """Choose the tests of `size` units of each ladder at random, for a litmus.

    Only units with an `eligible` test are drawn, by the test's index.
    """
    chosen: set[int] = set()
    for config, suite in plan.suites.items():
        tests = {i: t for i, t in enumerate(plan.tests) if t and t.config == config}
        drawn = {test.unit for index, test in tests.items() if index in eligible}
        order = [u for u in shuffled(tests.values(), suite, FIRST) if u in drawn]
        units = set(order[:size])
        chosen |= {index for index, test in tests.items() if test.unit in units}
    return chosen


def with_context(session: LadderSession, items: Sequence[pytest.Item]) -> set[int]:
    """Return the indices of tests whose case has context to show a model.

    Raises `ConfigError` where none has.
    """
    made = [session.item_of(item) for item in items]
    cases = [item.case for item in made if item is not None and item.case is not None]
    if any(made) and not any(case.context for case in cases):
        raise ConfigError(
            "--ladder=litmus shows the most capable rung the context of each case, and "
            + (
                "no case of this run names one; add `context` to the cases."
                if cases
                else "no test of this run has cases; select one that has."
            )
        )
    return {
        index
        for index, item in enumerate(made)
        if item is not None and item.case is not None and item.case.context
    }


def shuffled(tests: Iterable[PlannedTest], suite: str, seed: int) -> list[Unit]:
    """Put all units in random order, each cluster in one piece."""
    groups: dict[object, set[Unit]] = defaultdict(set)
    for test in tests:
        groups[test.cluster or test.unit].add(test.unit)
    ordered = sorted(sorted(group) for group in groups.values())
    random.Random(f"{suite}-{seed}").shuffle(ordered)
    return [unit for group in ordered for unit in group]


def _planned_test(session: LadderSession, item: LadderItem) -> PlannedTest:
    test, case = item.test, item.case
    if test.pack:
        raise ConfigError(
            f"{test.nodeid}: a climb stops in the middle of a rung, which pack=True "
            "has one test for; drop it here, or run --ladder=matrix."
        )
    objective = test.opened.ladder.objective
    asked = objective is not None and bool(objective.require)
    return PlannedTest(
        test=test_id_of(session, item) if asked else "",
        tags=case.tags if case and asked else (),
        config=name_of(test.opened),
        rung=item.rung.id,
        level=test.level,
        source=case.source if case else test_id_of(session, item),
        case=case.id if case else "",
        cluster=case.cluster if case else None,
        calls=test.uses_reply and test.task is None,
        sample=item.sample,
    )


def name_of(opened: OpenLadder) -> str:
    """Name a ladder by its configuration file."""
    return str(opened.ladder.path)


def _is_left_out(session: LadderSession, item: LadderItem) -> bool:
    """Tell whether a test is sure to be skipped: it is no part of the suite then."""
    # A condition in words pytest reads when the test runs, which then says that it
    # was skipped.
    calls_by_itself = item.test.external and not session.settings.live
    return calls_by_itself or item.is_skipped is True


def _suites(session: LadderSession, items: Iterable[LadderItem]) -> dict[str, str]:
    """Name cases and configuration of each ladder by a hash."""
    # Cases that a test is parametrized with are known from its items alone.
    cases: dict[str, set[bytes]] = defaultdict(set)
    for item in items:
        if item.case is not None and not item.test.cases:
            cases[name_of(item.test.opened)].add(_content(item.case))
    return {
        name_of(opened): _suite(session, opened, cases[name_of(opened)])
        for opened in session.opened
    }


def _suite(session: LadderSession, opened: OpenLadder, cases: set[bytes]) -> str:
    tests = session.tests_of(opened)
    loaded = {_content(case) for test in tests for case in test.cases}
    judge = opened.ladder.judge
    free_form = [(t.module, t.nodeid.partition("::")[2]) for t in tests if not t.cases]
    objective = opened.ladder.objective
    wanted = objective and _as_before(
        objective,
        Objective(kind=objective.kind),
        ("tolerance", "require", "best", "right_usd", "wrong_usd", "chance"),
    )
    content = [
        [(rung.id, _settings(rung)) for rung in opened.ladder.rungs],
        wanted,
        judge and _judge(judge),
        sorted(cases | loaded),
        sorted(free_form),
    ]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]


def _judge(judge: JudgeConfig) -> tuple[object, ...]:
    told = judge.id, judge.revision, judge.params, judge.funnel
    # As by a release that showed judges no images, unless somebody says so.
    return told if judge.vision else (*told, judge.vision)


def _content(case: Case) -> bytes:
    """Return what makes a case this one; how an older release read it does not."""
    fields = msgspec.structs.asdict(case)
    del fields["former_hash"], fields["attachments"]
    for name in ("images", "files"):
        # Cases without any are hashed as by a release that had none.
        if not fields[name]:
            del fields[name]
    if case.attachments:
        fields["attached"] = case.attached
    return msgspec.json.encode(fields)


def _settings(rung: Rung) -> list[object]:
    """Return what changes a rung's replies or its order; not where it is called."""
    model, strategy = rung.model, rung.strategy
    build = "tokens", "people_hours", "usd_per_hour"
    later = ("use", "stopwords", "stemmer", *SETTINGS)
    return [
        *(model.id, model.revision, model.adapter, model.params),
        _as_before(model.price, Price(input=0, output=0), ("request", "image")),
        model.serve,
        _as_before(model.build, Build(), build),
        _as_before(strategy, Strategy(name=strategy.name), later),
    ]


def _as_before(
    value: msgspec.Struct | None, unset: msgspec.Struct, later: Collection[str]
) -> dict[str, object] | None:
    """Return a table as it is hashed, where `later` keys stand only if they are set.

    Older versions lacked them, and seeds of a suite stay those of it.
    """
    if value is None:
        return None
    usual = msgspec.to_builtins(unset)
    return {
        key: written
        for key, written in msgspec.to_builtins(value).items()
        if key not in later or written != usual[key]
    }


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


FIRST = 0
"""The seed of a suite that was never climbed: the same on every machine."""
NEW = "new"
"""What `--ladder-seed` says for one that was never tried."""


class Seeds:
    """Which seeds the climbs over a suite were tried with.

    A suite is named by a hash of its cases and configuration; when either changes, it
    is another suite and begins anew. One more seed is one more attempt: climbing until
    the verdict pleases would be peeking (methods, section 3.2), on whatever machine.
    """

    def __init__(self, session: LadderSession, opened: OpenLadder) -> None:
        self._store = opened.archive.store
        self._shared = session.store if opened.ladder.store is not None else None
        self._path: Path = self._store.path.with_name("seeds.json")

    def use(self, suite: str, wanted: int | str | None) -> list[int]:
        """Return all seeds tried on a suite, with the one to use now at the end.

        `wanted` is a seed, `new`, or None for the last one. Raises `StoreError` when a
        new one cannot be kept, and `ConfigError` as the shared store does.
        """
        known: dict[str, list[int]] = {}
        # Nothing but the count of attempts is lost with a damaged file.
        with contextlib.suppress(OSError, msgspec.DecodeError):
            written = self._path.read_bytes()
            known = msgspec.json.decode(written, type=dict[str, list[int]])
        tried, used = known.get(suite, []), None
        new = wanted == NEW
        seed = None if new or wanted is None else int(wanted)
        if self._shared is not None:
            used = self._shared.seeds(suite, tried, seed, new=new)
        if used is None:
            if new:
                seed = max(tried, default=FIRST) + 1
            elif seed is None:
                seed = tried[-1] if tried else FIRST
            used = [*(other for other in tried if other != seed), seed]
        if used != tried:
            with usable(self._path):
                self._store.make_folder()
                text = msgspec.json.encode({**known, suite: used})
                write_atomically(self._path, text)
        return used
