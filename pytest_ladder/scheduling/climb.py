"""A climb: which of the collected tests run next, one rung at a time.

The process that collects writes down what there is to climb (a `ClimbPlan`); the one
that decides, the controller of xdist, goes through it (a `ClimbScheduler`). Without
xdist both are one process. What a verdict needs, and when it is reached, `decide/climb`
knows, which speaks of units (a case of a suite); here these become collected tests, by
their indices in the collection.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Row
from pytest_ladder.core.rung import Rung
from pytest_ladder.core.score import Level
from pytest_ladder.core.why import Why
from pytest_ladder.decide.climb.course import ClimbResult, Course, Stage
from pytest_ladder.decide.climb.opening import climb_of, criteria_of
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.decide.funnel import funnelled, is_held_back
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.decide.objectives.table import kind_of
from pytest_ladder.decide.requirements import in_time, latency_on
from pytest_ladder.errors import ConfigError
from pytest_ladder.results.rows import Payload
from pytest_ladder.scheduling import climb_judges
from pytest_ladder.scheduling.climb_plan import (
    FIRST,
    ClimbPlan,
    PlannedTest,
    Seeds,
    name_of,
    shuffled,
)
from pytest_ladder.scheduling.climb_prices import Prices
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession
from pytest_ladder.stats.sums import total
from pytest_ladder.text import numbers

# Calls that tell what a rung costs (methods, section 3.8).
_PROBE = 5
# Looks come after so many cases, or after more where these can decide nothing.
_CASES_A_LOOK = 5


def check(session: LadderSession, plan: ClimbPlan) -> None:
    """Show mistakes before anything is called; raises `ConfigError`."""
    for opened in session.opened:
        if any(test and test.config == name_of(opened) for test in plan.tests):
            LadderClimb(opened, plan, finish=session.settings.finish)


class LadderClimb:
    """The climb of one ladder: what it decides by units, as tests that run."""

    def __init__(
        self,
        opened: OpenLadder,
        plan: ClimbPlan,
        attempts: Sequence[int] = (FIRST,),
        *,
        finish: bool,
    ) -> None:
        """Open it; `finish` says whether the rung that passes is run to its end."""
        self.opened = opened
        self.attempts = tuple(attempts)
        """Seeds that these cases were climbed with; the last one is in use."""
        name = name_of(opened)
        self._tests = {
            index: test
            for index, test in enumerate(plan.tests)
            if test is not None and test.config == name
        }
        self._objective = self._required_objective()
        cap = kind_of(self._objective).cap(self._objective)
        self._prices = Prices(opened, self._selected, cap)
        self._of_doubtful_price = self._prices.doubtful()
        """Rungs of which a few calls tell whether they are within the cap."""
        self._finish = finish
        self._judge = None
        asked = self._objective.requirements
        if Level.JUDGED in (self._objective.level, *(one.level for one in asked)):
            judges = plan.judges.get(name, ())
            self._judge = climb_judges.measured(opened, judges, opened.reports)
        self.course = self._open(plan, name)
        self._indices: dict[tuple[str, Level, Unit], list[int]] = defaultdict(list)
        for index, test in self._tests.items():
            self._indices[test.rung, test.level, test.unit].append(index)
        self.ran: set[int] = set()
        """Tests that `next` returned so far."""
        self._running: list[int] = []
        """Tests that `next` returned last."""
        self._payloads: dict[int, Payload | None] = {}
        """What each test left; None: it is lost with its worker."""

    def tests(self, stage: Stage | None) -> list[int]:
        """Return the indices of a stage's tests, in the order of collection.

        In that order fixtures of modules are set up least often.
        """
        if stage is None:
            return []
        return self._tests_of(stage.rung, stage.level, stage.units)

    def next(self) -> list[int]:
        """Return the indices of the tests that run next; empty: the climb is over."""
        while (stage := self.course.stage) is not None:
            self._running = self._next_part(stage)
            if self._running:
                self.ran.update(self._running)
                return self._running
            self._close(stage)
        return []

    def take(self, payload_of: Callable[[int], Payload | None]) -> None:
        """Take in what the tests of the last `next` left; None: it is lost."""
        stage = self.course.stage
        assert stage is not None
        self._payloads.update({index: payload_of(index) for index in self._running})
        arrived = (self._payloads[index] for index in self._running)
        payloads = [payload for payload in arrived if payload is not None]
        rows = [row for payload in payloads for row in payload.rows]
        self._prices.add(stage.rung, (bill for row in rows for bill in row.replies))
        self.course.reprice(self._prices.by_now())
        if payloads and all(payload.why is Why.NOT_RUN for payload in payloads):
            reason = "its replies are not stored; --ladder-live calls for them"
            self.course.drop(stage.rung, reason)
        elif (limit := self._prices.over_cap(stage.rung)) is not None:
            self.course.drop(stage.rung, limit)

    def _tests_of(self, rung: str, level: Level, units: Iterable[Unit]) -> list[int]:
        by_unit = (self._indices[rung, level, unit] for unit in units)
        return sorted(index for indices in by_unit for index in indices)

    def _next_part(self, stage: Stage) -> list[int]:
        """Return what runs next of a stage; empty: all its tests ran.

        Cheap checks of its cases come first, and a few calls where they may show that
        the rung is too dear.
        """
        if stage.level is not Level.CHEAP and self.opened.has_funnel:
            checks = self._tests_of(stage.rung, Level.CHEAP, stage.units)
            if not self.ran.issuperset(checks):
                return [index for index in checks if index not in self.ran]
        if stage.rung in self._of_doubtful_price:
            self._of_doubtful_price.remove(stage.rung)
            stage = msgspec.structs.replace(stage, units=stage.units[:_PROBE])
        return [index for index in self.tests(stage) if index not in self.ran]

    def _close(self, stage: Stage) -> None:
        """Judge a stage by the rows of all its tests."""
        indices = self.tests(stage)
        lost = {
            self._tests[index].unit
            for index in indices
            if (payload := self._payloads[index]) is None or payload.why is Why.NOT_RUN
        }
        checks = self._tests_of(stage.rung, Level.CHEAP, stage.units)
        payloads = (self._payloads.get(i) for i in sorted({*checks, *indices}))
        rows = [row for payload in payloads if payload for row in payload.rows]
        if self.opened.has_funnel:
            rows = funnelled(rows)
        rows = [self._as_judged(row) for row in rows if row.level is stage.level]
        # What was not selected on this rung, or skipped, is no part of the suite.
        skipped = [unit for unit in stage.units if unit not in lost]
        self.course.close(rows, skipped)
        slow = self._latency_limit(stage.rung)
        if slow is not None:
            self.course.drop(stage.rung, slow)

    def _as_judged(self, row: Row) -> Row:
        """Let what the funnel held back count as what people fail does for the judge.

        Its bar is about judged cases.
        """
        if self._judge is None or not is_held_back(row):
            return row
        return msgspec.structs.replace(row, score=self._judge.judged_score(0.0))

    def _latency_limit(self, name: str) -> str | None:
        """Say that a rung reaches the bar, but not in time."""
        if self.course.settled.get(name) != "pass":
            return None
        payloads = (self._payloads.get(index) for index in self.ran)
        rows = [row for payload in payloads if payload for row in payload.rows]
        for require in self._objective.requirements:
            if require.latency_p95_s is not None:
                its_rows = (row for row in rows if row.rung == name)
                held = in_time(require, latency_on(require, its_rows))
                if held.verdict != "pass":
                    return held.why or held.lack.removeprefix("has a ")
        return None

    def left(self) -> Iterator[tuple[int, str]]:
        """Yield the tests that do not run, with the reason."""
        for index, test in self._tests.items():
            if index not in self.ran:
                reason = self.course.reason(test.rung) or "not needed"
                yield index, f"climb: {reason}"

    def result(self) -> ClimbResult:
        """Return what the climb came to so far."""
        course = self.course
        reasons = {rung: course.reason(rung) for rung in course.rungs}
        return ClimbResult(
            states=course.states,
            settled=course.settled,
            reasons={rung: f"climb: {why}" for rung, why in reasons.items() if why},
            kept_out=course.kept_out,
            looks=course.looks,
            seeds=self.attempts,
            summary=self._summary(),
            expected=self._prices.untried(),
        )

    def _summary(self) -> str:
        """Say what was decided, and what that left unspent."""
        calls, usd = self._unspent()
        what = "an unknown sum"
        if usd is not None:
            what = f"about {numbers.dollars(float(f'{usd:.2g}'))}"
        spared = f"{numbers.count(calls, 'call')} and {what} not spent"
        if not calls:
            tests = len(self._tests) - len(self.ran)
            spared = f"{numbers.count(tests, 'test')} left out"
        caveat = [self.course.caveat] if self.course.caveat else []
        judged = climb_judges.said(self._judge, self._objective)
        return "; ".join([f"climb: {spared}", *caveat, *judged])

    def _unspent(self) -> tuple[int, float | None]:
        """Count the calls that were not made, and what they would have cost.

        As those cost that were made on the rung, or else as they are expected to.
        """
        made = {_reply(self._tests[index]) for index in self.ran}
        wanted = {_reply(test) for test in self._tests.values() if test.calls}
        not_made = wanted - made
        usd = {rung.id: self._prices.serving_usd(rung) for rung in self._selected}
        estimates = {
            rung.id: self.opened.strategies.estimate(rung.strategy)
            for rung in self._selected
        }
        calls = sum(estimates[rung].calls for rung, *_ in not_made)
        return calls, total(usd[rung] for rung, *_ in not_made)

    def _required_objective(self) -> Objective:
        """Return the objective; raises `ConfigError` where none can be climbed by."""
        objective = self.opened.ladder.objective
        if objective is None:
            raise ConfigError(
                f"{self.opened.ladder.path}: --ladder=climb climbs until an objective "
                'is decided; add [objective] with kind = "good-enough" and quality, '
                "or run --ladder=matrix."
            )
        if objective.level is Level.REAL and self.opened.ladder.outcomes:
            raise ConfigError(
                f"{self.opened.ladder.path}: --ladder=climb cannot decide by level "
                "real, because users cannot be asked ahead; use matrix, or another "
                "level."
            )
        return objective

    def _open(self, plan: ClimbPlan, name: str) -> Course:
        objective = self._objective
        rungs = self._selected
        order = shuffled(self._tests.values(), plan.suites[name], self.attempts[-1])
        units = {
            level: tuple(unit for unit in order if unit in given)
            for level in Level
            if (given := {t.unit for t in self._tests.values() if t.level is level})
        }
        course = climb_of(
            objective,
            Terms(
                rungs=tuple(rung.id for rung in rungs),
                units=units,
                graded={level: level in self._graded(plan) for level in Level},
                cheap_bar=plan.cheap_bars.get(name),
                criteria=criteria_of(
                    objective,
                    [*self._tests.values()],
                    lambda level, some: tuple(u for u in units[level] if u in some),
                ),
                every=_CASES_A_LOOK,
                finish_winner=self._finish,
                least=objective.min_n or 0,
                judge=self._judge,
                usd=self._prices.declared(),
                price_cap_ok=self._prices.may_be_within_cap(),
                clusters={
                    test.unit: test.cluster
                    for test in self._tests.values()
                    if test.cluster is not None
                },
            ),
        )
        most = objective.build_hours
        for rung in rungs:
            hours = rung.model.build.hours if rung.model.build else 0.0
            if most is not None and hours > most:
                took = f"takes {hours:,g} h to build, at most {most:,g} h"
                course.drop(rung.id, took)
        self._check_that_any_is_left(course)
        return course

    def _graded(self, plan: ClimbPlan) -> set[Level]:
        """Return the levels whose units may score anything but 0 and 1."""
        graded = set(plan.graded.get(name_of(self.opened), ()))
        held_back = self._judge is not None and not self._judge.why_not
        if held_back and self.opened.has_funnel:
            graded.add(Level.JUDGED)
        return graded

    def _check_that_any_is_left(self, course: Course) -> None:
        """Raise `ConfigError` where no rung is within the limits of the objective."""
        if course.stage is None:
            whys = [f"{rung} ({course.reason(rung)})" for rung in course.rungs]
            raise ConfigError(
                f"{self.opened.ladder.path}: [objective] leaves nothing to climb: "
                f"{', '.join(whys)}; raise the limit, or run "
                "--ladder=matrix."
            )

    @cached_property
    def _selected(self) -> list[Rung]:
        """Rungs that have tests."""
        with_tests = {test.rung for test in self._tests.values()}
        return [rung for rung in self.opened.rungs if rung.id in with_tests]


class ClimbScheduler:
    """Decides what runs next in a run with --ladder=climb; a `Scheduler`.

    First all tests that are no ladder tests, then the climb of each ladder, one after
    another.
    """

    def __init__(self, session: LadderSession, plan: ClimbPlan) -> None:
        self.climbs: list[LadderClimb] = []
        for config in sorted({test.config for test in plan.tests if test}):
            opened = session.open(Path(config))
            seeds = Seeds(session, opened)
            tried = seeds.use(plan.suites[config], session.settings.seed)
            finish = session.settings.finish
            self.climbs.append(LadderClimb(opened, plan, tried, finish=finish))
        self._others = [i for i, test in enumerate(plan.tests) if test is None]
        self._running: LadderClimb | None = None
        """Whose tests `next` returned last."""

    def next(self) -> list[int]:
        """Return the indices of the tests that run next; empty: it is over."""
        if self._others:
            others, self._others = self._others, []
            return others
        for climb in self.climbs:
            indices = climb.next()
            if indices:
                self._running = climb
                return indices
        return []

    def close(self, payload_of: Callable[[int], Payload | None]) -> None:
        """Judge the stage that `next` opened by what its tests left; None: lost."""
        climb, self._running = self._running, None
        if climb is not None:
            climb.take(payload_of)

    def likely(self) -> list[int]:
        """Return what will probably run after the open stage; it may be wrong."""
        if self._running is not None:
            indices = self._running.tests(self._running.course.likely)
            if indices:
                return indices
        others = [climb for climb in self.climbs if climb is not self._running]
        stages = (climb.tests(climb.course.stage) for climb in others)
        return next(filter(None, stages), [])

    def left(self) -> Iterator[tuple[int, str]]:
        """Yield the tests that do not run, with the reason."""
        for climb in self.climbs:
            yield from climb.left()

    def result_of(self, config: str) -> ClimbResult | None:
        """Return what the climb of a ladder came to, by its configuration file."""
        climbs = (climb for climb in self.climbs if name_of(climb.opened) == config)
        climb = next(climbs, None)
        return None if climb is None else climb.result()


def _reply(test: PlannedTest) -> tuple[str, str, str, int]:
    """Name the reply that a test uses: tests of one case share it."""
    return test.rung, test.source, test.case, test.sample
