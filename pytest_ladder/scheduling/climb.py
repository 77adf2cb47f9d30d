"""A climb: which of the collected tests run next, one rung at a time.

The process that collects writes down what there is to climb (a `ClimbPlan`); the one
that decides, the controller of xdist, goes through it (a `ClimbScheduler`). Without
xdist both are one process. What a verdict needs, and when it is reached, `decide/climb`
knows, which speaks of units (a case of a suite); here these become collected tests, by
their indices in the collection.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import UsedReply
from pytest_ladder.core.rung import Rung
from pytest_ladder.core.score import Level
from pytest_ladder.decide.climb.climb import climb_of
from pytest_ladder.decide.climb.course import ClimbResult, Course, Stage
from pytest_ladder.decide.cost import build_usd, cost_of, distinct, latency_of
from pytest_ladder.decide.funnel import funnelled
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.errors import ConfigError
from pytest_ladder.results.rows import Payload
from pytest_ladder.scheduling.climb_plan import (
    FIRST,
    ClimbPlan,
    PlannedTest,
    Seeds,
    name_of,
    shuffled,
)
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text import numbers

# Calls that tell what a rung costs (methods, section 3.8).
_PROBE = 5
# How many times less a call may cost than is expected of it.
_GUESS_MAY_BE_OFF = 20
# Looks come after so many cases: as many as may be under way, within these bounds.
_FEWEST_A_LOOK, _MOST_A_LOOK = 10, 25


def check(session: LadderSession, plan: ClimbPlan) -> None:
    """Show mistakes before anything is called; raises `ConfigError`."""
    for opened in session.opened:
        if any(test and test.config == name_of(opened) for test in plan.tests):
            LadderClimb(opened, plan)


class LadderClimb:
    """The climb of one ladder: what it decides by units, as tests that run."""

    def __init__(
        self, opened: OpenLadder, plan: ClimbPlan, attempts: Sequence[int] = (FIRST,)
    ) -> None:
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
        self._replies: dict[str, list[UsedReply]] = defaultdict(list)

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
        self._replies[stage.rung] += [bill for row in rows for bill in row.replies]
        if payloads and all(payload.not_run for payload in payloads):
            reason = "its replies are not stored; --ladder-live calls for them"
            self.course.drop(stage.rung, f"climb: {reason}")
        elif (limit := self._cost_limit(stage.rung)) is not None:
            self.course.drop(stage.rung, f"climb: {limit}")

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
            if (payload := self._payloads[index]) is None or payload.not_run
        }
        checks = self._tests_of(stage.rung, Level.CHEAP, stage.units)
        payloads = (self._payloads.get(i) for i in sorted({*checks, *indices}))
        rows = [row for payload in payloads if payload for row in payload.rows]
        if self.opened.has_funnel:
            rows = funnelled(rows)
        rows = [row for row in rows if row.level is stage.level]
        # What was not selected on this rung, or skipped, is no part of the suite.
        skipped = [unit for unit in stage.units if unit not in lost]
        self.course.close(rows, skipped)
        slow = self._latency_limit(stage.rung)
        if slow is not None:
            self.course.drop(stage.rung, f"climb: {slow}")

    def _cost_limit(self, name: str) -> str | None:
        """Say that a rung is dearer than the budget allows; a few calls show it."""
        cap = self._objective.usd_per_1k
        if self._objective.kind != "budget" or cap is None:
            return None
        rung = next(rung for rung in self._selected if rung.id == name)
        replies = distinct(self._replies[name])
        usd = cost_of(rung.model, replies, self._objective.volume).usd_per_1k
        if usd is None or usd <= cap:
            return None
        cost, most = numbers.dollars(usd), numbers.dollars(cap)
        return f"{cost} per 1,000 calls, over the cap of {most}"

    def _latency_limit(self, name: str) -> str | None:
        """Say that a rung reaches the bar, but not in time."""
        most = self._objective.latency_p95_s
        p95 = latency_of(distinct(self._replies[name])).p95_s
        passed = self.course.settled.get(name) == "pass"
        if not passed or most is None or p95 is None or p95 <= most:
            return None
        return f"p95 latency {numbers.seconds(p95)}, at most {numbers.seconds(most)}"

    def left(self) -> Iterator[tuple[int, str]]:
        """Yield the tests that do not run, with the reason."""
        for index, test in self._tests.items():
            if index not in self.ran:
                reason = self.course.reason(test.rung) or "climb: not needed"
                yield index, reason

    def result(self) -> ClimbResult:
        """Return what the climb came to so far."""
        course = self.course
        reasons = {rung: course.reason(rung) for rung in course.rungs}
        return ClimbResult(
            states=course.states,
            settled=course.settled,
            reasons={rung: why for rung, why in reasons.items() if why is not None},
            looks=course.looks,
            seeds=self.attempts,
            summary=self._summary(),
        )

    def _summary(self) -> str:
        """Say what was decided, and what that left unspent."""
        calls, usd = self._unspent()
        if not calls:
            tests = len(self._tests) - len(self.ran)
            return f"climb: {numbers.count(tests, 'test')} left out"
        what = "an unknown sum" if usd is None else f"about ${usd:.2g}"
        return f"climb: {calls:,} calls and {what} not spent"

    def _unspent(self) -> tuple[int, float | None]:
        """Count the calls that were not made, and what they would have cost.

        As those cost that were made on the rung, or else as they are expected to.
        """
        made = {_call(self._tests[index]) for index in self.ran}
        calls = {_call(test) for test in self._tests.values() if test.calls}
        not_made = calls - made
        usd = {rung.id: self._usd_of(rung) for rung in self.opened.rungs}
        costs = [usd[rung] for rung, *_ in not_made]
        known = [cost for cost in costs if cost is not None]
        total = math.fsum(known) if len(known) == len(costs) else None
        return len(not_made), total

    def _usd_of(self, rung: Rung) -> float | None:
        """Return what a call of a rung costs to serve, in USD; None: unknown."""
        replies = distinct(self._replies[rung.id])
        measured = cost_of(rung.model, replies, self._objective.volume)
        if measured.serve_usd_per_1k is not None:
            return measured.serve_usd_per_1k / 1000
        return self.opened.expected_usd(rung)

    def _required_objective(self) -> Objective:
        """Return the objective; raises `ConfigError` where there is none."""
        objective = self.opened.ladder.objective
        if objective is None:
            raise ConfigError(
                f"{self.opened.ladder.path}: --ladder=climb climbs until an objective "
                'is decided; add [objective] with kind = "good-enough" and quality, '
                "or run --ladder=matrix."
            )
        return objective

    def _open(self, plan: ClimbPlan, name: str) -> Course:
        objective = self._objective
        rungs = self._selected
        order = shuffled(self._tests.values(), plan.suites[name], self.attempts[-1])
        units = {
            level: [unit for unit in order if unit in given]
            for level in Level
            if (given := {t.unit for t in self._tests.values() if t.level is level})
        }
        course = climb_of(
            objective,
            [rung.id for rung in rungs],
            units,
            graded={level: level in plan.graded.get(name, ()) for level in Level},
            cheap_bar=plan.cheap_bars.get(name),
            every=self._cases_a_look(),
            price_cap_ok={rung.id: self._may_be_within(rung) for rung in rungs},
            clusters={
                test.unit: test.cluster
                for test in self._tests.values()
                if test.cluster is not None
            },
        )
        most = objective.build_hours
        for rung in rungs:
            hours = rung.model.build.hours if rung.model.build else 0.0
            if most is not None and hours > most:
                took = f"takes {hours:,g} h to build, at most {most:,g} h"
                course.drop(rung.id, f"climb: {took}")
        self._check_that_any_is_left(course)
        return course

    def _check_that_any_is_left(self, course: Course) -> None:
        """Raise `ConfigError` where no rung is within the limits of the objective."""
        if course.stage is None:
            whys = [f"{rung} ({course.reason(rung)})" for rung in course.rungs]
            raise ConfigError(
                f"{self.opened.ladder.path}: [objective] leaves nothing to climb: "
                f"{', '.join(whys).replace('climb: ', '')}; raise the limit, or run "
                "--ladder=matrix."
            )

    @cached_property
    def _selected(self) -> list[Rung]:
        """Rungs that have tests."""
        with_tests = {test.rung for test in self._tests.values()}
        return [rung for rung in self.opened.rungs if rung.id in with_tests]

    def _cases_a_look(self) -> int:
        """Return after how many cases the climb looks at the scores."""
        most = [rung.model.limits.concurrency or 0 for rung in self.opened.rungs]
        return min(_MOST_A_LOOK, max(_FEWEST_A_LOOK, *most))

    @cached_property
    def _of_doubtful_price(self) -> set[str]:
        """Rungs of which a few calls tell whether they are within the cap."""
        cap = self._objective.usd_per_1k
        if self._objective.kind != "budget" or cap is None:
            return set()
        prices = {rung.id: self.opened.total_usd(rung) for rung in self._selected}
        return {rung for rung, usd in prices.items() if usd and 1000 * usd > cap}

    def _may_be_within(self, rung: Rung) -> bool | None:
        """Tell whether a rung may cost as little as the cap; None: no price.

        How long cases and replies are is a guess before the first call.
        """
        cap = self._objective.usd_per_1k
        if cap is None:
            return True
        usd = self.opened.expected_usd(rung)
        if usd is None:
            return None
        built = build_usd(rung.model, self._objective.volume)
        return 1000 * (built + usd / _GUESS_MAY_BE_OFF) <= cap


class ClimbScheduler:
    """Decides what runs next in a run with --ladder=climb; a `Scheduler`.

    First all tests that are no ladder tests, then the climb of each ladder, one after
    another.
    """

    def __init__(self, session: LadderSession, plan: ClimbPlan) -> None:
        self.climbs: list[LadderClimb] = []
        for config in sorted({test.config for test in plan.tests if test}):
            opened = session.open(Path(config))
            seeds = Seeds(opened.archive.store)
            tried = seeds.use(plan.suites[config], session.settings.seed)
            self.climbs.append(LadderClimb(opened, plan, tried))
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


def _call(test: PlannedTest) -> tuple[str, str, str, int]:
    """Name the call for a test's reply: tests of one case share it."""
    return test.rung, test.source, test.case, test.sample
