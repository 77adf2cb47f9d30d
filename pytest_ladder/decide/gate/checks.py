"""The checks of a gate: what its verdict is the worst of."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.decide.decision import Recommendation, Verdict
from pytest_ladder.decide.gate.pairs import collected_samples, function_of
from pytest_ladder.decide.gate.result import (
    READ_DIFFERENTLY,
    Check,
    ComparedRun,
    Rise,
    Suite,
    Unpaired,
)
from pytest_ladder.decide.matrix import LEAST_COVERAGE
from pytest_ladder.decide.shares import shares_in
from pytest_ladder.stats.checks import TINY
from pytest_ladder.text import numbers


def quality_checks(suites: Sequence[Suite], unpaired: Unpaired) -> Iterator[Check]:
    """Tell of each suite what came of it, and where there is none, why."""
    for suite in suites:
        yield Check(
            kind="quality",
            name=f"quality, {suite.name}",
            verdict=suite.verdict,
            reason=suite.reason,
        )
    if not suites:
        units = len(unpaired.reread)
        reread = f"{units:,} {READ_DIFFERENTLY}, " if units else ""
        yield Check(
            kind="quality",
            name="quality",
            verdict="undecided",
            reason=(
                "There is no case that both sides finished: "
                f"{numbers.count(len(unpaired.changed), 'case')} changed, "
                f"{reread}{len(unpaired.added):,} added, "
                f"{len(unpaired.dropped):,} dropped{_strangers(unpaired)}."
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
            kind="tests",
            name="tests",
            verdict="undecided",
            reason=(
                "The baseline has results that the change has none of: "
                f"{numbers.few(unpaired.gone_tests)}; run all tests, or update the "
                "baseline if they were renamed or removed."
            ),
        )


def margin_check(
    name: Literal["cost", "p95 latency"], rise: Rise, margin: float | None
) -> Iterator[Check]:
    """Judge a relative rise as a drop of quality: established, and large enough."""
    if margin is None:
        return
    allowed = f"{100 * margin:g} % more is allowed"
    if rise.problem or rise.change is None:
        reason = f"It is not known how the {name} changed: {rise.problem}."
        yield Check(kind=name, name=name, verdict="undecided", reason=reason)
        return
    verdict: Verdict = "pass"
    if rise.change >= margin - TINY and rise.change > TINY:
        verdict = "fail" if rise.established else "undecided"
    between = ""
    if rise.low is not None and rise.high is not None:
        between = f" (95 % interval {100 * rise.low:+.1f} to {100 * rise.high:+.1f} %)"
    by = f"changed by {100 * rise.change:+.1f} %{between}"
    if math.isinf(rise.change):
        by = f"was nothing, and is {numbers.dollars(rise.after.value)} per 1,000 calls"
    why = f"; {rise.doubt or 'it may be chance'}" if verdict == "undecided" else ""
    reason = f"The {name} {by}; {allowed}{why}."
    yield Check(kind=name, name=name, verdict=verdict, reason=reason)


def coverage_checks(old: Sequence[Row], new: Sequence[Row]) -> Iterator[Check]:
    """Leave undecided what rests on less than 95 % of the rows."""
    for side, rows in (("baseline", old), ("change", new)):
        errors = sum(row.outcome is Outcome.ERROR for row in rows)
        share = (len(rows) - errors) / len(rows)
        said = f"{len(rows) - errors:,} of {len(rows):,} rows of the {side} finished"
        covered = share >= LEAST_COVERAGE - TINY
        reason = f"{said}."
        if not covered:
            needed = numbers.bar(LEAST_COVERAGE)
            reason = f"Only {said} ({numbers.percent(share)}); {needed} must."
        yield Check(
            kind="coverage",
            name=f"coverage, {side}",
            verdict="pass" if covered else "undecided",
            reason=reason,
        )


def share_checks(rows: Sequence[Row], partial: Mapping[str, int]) -> Iterator[Check]:
    """Judge the shares that tests ask for; of others pytest fails each miss itself.

    As the run does: of the samples that were collected, not of the gate's own.

    `partial` says how many rows tests have of which a part ran, and tags in them.
    """
    tests: defaultdict[str, list[Row]] = defaultdict(list)
    for row in collected_samples(rows):
        tests[function_of(row.test)].append(row)
    for test, group in sorted(tests.items()):
        for share in shares_in(group):
            held = share.of(group)
            # As for pytest, a part may miss as often as all of them.
            total = max(len(held), partial.get(test + share.label, 0))
            part = "" if len(held) == total else ", of which a part ran"
            yield Check(
                kind="at_least",
                name=f"at_least, {test}{share.label}",
                verdict="fail" if share.is_missed(held, total) else "pass",
                reason=(
                    f"{test}{share.label}: {share.counted(held, '')}; at_least="
                    f"{share.at_least} needs {share.required(total):,} of "
                    f"{total:,}{part}."
                ),
            )


def objective_check(advice: Recommendation | None) -> Iterator[Check]:
    """Take over what came of the objective of the change."""
    if advice is not None:
        yield Check(
            kind="objective",
            name="objective",
            verdict=advice.verdict,
            reason=advice.reason,
        )


def stop_check(base: ComparedRun, head: ComparedRun) -> Iterator[Check]:
    """Leave undecided what is known of a part of the tests only."""
    if head.stopped:
        yield Check(
            kind="stopped",
            name="stopped",
            verdict="undecided",
            reason=(
                "The run was stopped before its end (Ctrl-C, -x or the like); run it "
                "again: what is stored is not paid again."
            ),
        )
    if base.stopped:
        yield Check(
            kind="stopped",
            name="stopped, baseline",
            verdict="undecided",
            reason=(
                "The baseline is of a run that was stopped before its end; take one "
                "of a whole run."
            ),
        )


def part_check(base: ComparedRun, head: ComparedRun) -> Iterator[Check]:
    """Leave undecided what a part of the suite says of all of it."""
    # A run that was stopped is one, too, and says why itself.
    if head.part is not None and not head.stopped:
        yield Check(
            kind="part",
            name="part",
            verdict="undecided",
            reason=(
                f"Only a part of the suite ran ({head.part}), and what is left out "
                "may have got worse; run all of it."
            ),
        )
    if base.part is not None and not base.stopped:
        yield Check(
            kind="part",
            name="part, baseline",
            verdict="undecided",
            reason=(
                f"The baseline is of a part of the suite ({base.part}); take one of a "
                "whole run."
            ),
        )


def budget_check(head: ComparedRun) -> Iterator[Check]:
    """Leave undecided what more samples were to tell, if they could not be paid."""
    if head.escalation == "budget":
        yield Check(
            kind="escalation",
            name="escalation",
            verdict="undecided",
            reason=(
                "One sample of every case showed a possible drop, and the budget did "
                "not allow two more, which would tell; run again with a larger "
                "--ladder-budget: what is stored is not paid again."
            ),
        )
