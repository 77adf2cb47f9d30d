"""The checks of a gate: what its verdict is the worst of."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.decide.decision import Recommendation, Verdict
from pytest_ladder.decide.gate.pairs import function_of
from pytest_ladder.decide.gate.result import Check, ComparedRun, Rise, Suite, Unpaired
from pytest_ladder.decide.matrix import LEAST_COVERAGE
from pytest_ladder.stats.checks import TINY
from pytest_ladder.text import numbers


def quality_checks(suites: Sequence[Suite], unpaired: Unpaired) -> Iterator[Check]:
    """Tell of each suite what came of it, and where there is none, why."""
    for suite in suites:
        yield Check(
            name=f"quality, {suite.name}", verdict=suite.verdict, reason=suite.reason
        )
    if not suites:
        yield Check(
            name="quality",
            verdict="undecided",
            reason=(
                "There is no case that both sides finished: "
                f"{numbers.count(len(unpaired.changed), 'case')} changed, "
                f"{len(unpaired.added):,} added, {len(unpaired.dropped):,} dropped"
                f"{_strangers(unpaired)}."
            ),
        )


def _strangers(unpaired: Unpaired) -> str:
    """Say which tests are not the same ones."""
    old = (*unpaired.gone_tests, *unpaired.not_run)
    if not old or not unpaired.new_tests:
        return ""
    return (
        f"; the baseline has {numbers.few(old)}, the change "
        f"{numbers.few(unpaired.new_tests)} (renamed, or run from another folder?)"
    )


def test_checks(unpaired: Unpaired) -> Iterator[Check]:
    """Leave undecided what a test of the baseline would say that is not there."""
    if unpaired.gone_tests:
        yield Check(
            name="tests",
            verdict="undecided",
            reason=(
                "The baseline has results that the change has none of: "
                f"{numbers.few(unpaired.gone_tests)}; run all tests, or update the "
                "baseline if they were renamed or removed."
            ),
        )


def margin_check(name: str, rise: Rise, margin: float | None) -> Iterator[Check]:
    """Judge a relative rise as a drop of quality: established, and large enough."""
    if margin is None:
        return
    allowed = f"{100 * margin:g} % more is allowed"
    if rise.problem or rise.change is None:
        reason = f"It is not known how the {name} changed: {rise.problem}."
        yield Check(name=name, verdict="undecided", reason=reason)
        return
    verdict: Verdict = "pass"
    if rise.change >= margin - TINY and rise.change > TINY:
        verdict = "fail" if rise.established else "undecided"
    between = ""
    if rise.low is not None and rise.high is not None:
        between = f" (95 % interval {100 * rise.low:+.1f} to {100 * rise.high:+.1f} %)"
    reason = f"The {name} changed by {100 * rise.change:+.1f} %{between}; {allowed}."
    yield Check(name=name, verdict=verdict, reason=reason)


def coverage_checks(old: Sequence[Row], new: Sequence[Row]) -> Iterator[Check]:
    """Leave undecided what rests on less than 95 % of the rows."""
    for side, rows in (("baseline", old), ("change", new)):
        errors = sum(row.outcome is Outcome.ERROR for row in rows)
        share = (len(rows) - errors) / len(rows)
        said = f"{len(rows) - errors:,} of {len(rows):,} rows of the {side} finished"
        if share < LEAST_COVERAGE - TINY:
            needed = numbers.bar(LEAST_COVERAGE)
            reason = f"Only {said} ({numbers.percent(share)}); {needed} must."
            yield Check(name=f"coverage, {side}", verdict="undecided", reason=reason)
        else:
            yield Check(name=f"coverage, {side}", verdict="pass", reason=f"{said}.")


def share_checks(rows: Sequence[Row], partial: Mapping[str, int]) -> Iterator[Check]:
    """Judge the shares that tests ask for; of others pytest fails each miss itself.

    `partial` says how many items tests have of which a part ran.
    """
    tests: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.at_least < 1:
            tests[function_of(row.test)].append(row)
    for test, group in sorted(tests.items()):
        at_least = max(row.at_least for row in group)
        # As for pytest, a part may miss as often as all of them.
        total = max(len(group), partial.get(test, 0))
        # The same care for floating point as `required passes` in the methods.
        required = math.ceil(at_least * total - TINY)
        missed = sum(row.outcome is Outcome.MISSED for row in group)
        finished = sum(row.outcome is not Outcome.ERROR for row in group)
        short = missed > total - required
        said = f"{finished - missed:,} of {finished:,} passed"
        part = "" if len(group) == total else ", of which a part ran"
        yield Check(
            name=f"at_least, {test}",
            verdict="fail" if short else "pass",
            reason=(
                f"{test}: {said}; at_least={at_least} needs {required:,} of "
                f"{total:,}{part}."
            ),
        )


def objective_check(advice: Recommendation | None) -> Iterator[Check]:
    """Take over what came of the objective of the change."""
    if advice is not None:
        yield Check(name="objective", verdict=advice.verdict, reason=advice.reason)


def stop_check(base: ComparedRun, head: ComparedRun) -> Iterator[Check]:
    """Leave undecided what is known of a part of the tests only."""
    if head.stopped:
        yield Check(
            name="stopped",
            verdict="undecided",
            reason=(
                "The run was stopped before its end (Ctrl-C, -x or the like); run it "
                "again: what is stored is not paid again."
            ),
        )
    if base.stopped:
        yield Check(
            name="stopped, baseline",
            verdict="undecided",
            reason=(
                "The baseline is of a run that was stopped before its end; take one "
                "of a whole run."
            ),
        )


def budget_check(head: ComparedRun) -> Iterator[Check]:
    """Leave undecided what more samples were to tell, if they could not be paid."""
    if head.escalation == "budget":
        yield Check(
            name="escalation",
            verdict="undecided",
            reason=(
                "One sample of every case showed a possible drop, and the budget did "
                "not allow two more, which would tell; run again with a larger "
                "--ladder-budget: what is stored is not paid again."
            ),
        )
