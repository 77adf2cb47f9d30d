"""The gate: has a change made what ships worse? One pure function over two results.

What shipped, the current rung of the baseline, is compared with what would ship, the
current rung of the change, on the cases that both finished (methods note, section 2).
A quality blocks when its drop is both significant and large enough to matter; "any
drop fails" would be red on a third to a half of harmless changes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from pytest_ladder import figures
from pytest_ladder.decide.decision import Recommendation, Verdict
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.gate_margins import cost_rise, latency_rise
from pytest_ladder.decide.gate_pairs import flips, pair
from pytest_ladder.decide.gate_quality import ESCALATE_AT, non_inferiority, suites_of
from pytest_ladder.decide.gate_result import (
    Check,
    GateResult,
    GateVerdict,
    Results,
    Rise,
    Suite,
    Unpaired,
)
from pytest_ladder.decide.objective import decide
from pytest_ladder.decide.tally import LEAST_COVERAGE
from pytest_ladder.ladder import Gate, Objective
from pytest_ladder.words.row import Outcome, Row

ESCALATED = 3
"""Samples of a case from which on more are not worth their price (section 2.5)."""
_TINY = 1e-9


def gate(
    base: Results,
    head: Results,
    terms: Gate | None = None,
    objective: Objective | None = None,
) -> GateResult:
    """Compare `head` with `base`; the verdict is the worst of all checks.

    `objective` is judged on both sides: None where the run was not to decide one.
    Without an evaluated row on either side the verdict is `broken`, and with no case
    in common it is `undecided`, never `pass`.
    """
    terms = terms or Gate()
    base_rung, head_rung = _current(base), _current(head)
    old, new = _of(base, base_rung), _of(head, head_rung)
    problem = _broken("baseline", old, base_rung) or _broken("change", new, head_rung)
    if problem:
        return GateResult(
            verdict="broken", reason=problem, base_rung=base_rung, head_rung=head_rung
        )
    pairs = pair(old, new)
    suites = suites_of(pairs, terms, _mistrust(head, head_rung))
    cost, latency = cost_rise(pairs), latency_rise(pairs)
    head_advice = _advice(head, objective)
    checks = (
        *_stop_check(head),
        *_budget_check(head),
        *_quality_checks(suites, pairs.unpaired),
        *non_inferiority(pairs, terms.non_inferiority),
        *_margin_check("cost", cost, terms.cost),
        *_margin_check("p95 latency", latency, terms.latency_p95),
        *_coverage_checks(old, new),
        *_share_checks(new),
        *_objective_check(head_advice),
    )
    verdict, reason = _verdict(checks, suites)
    if verdict == "pass":
        reason += _left_open(terms, cost, suites)
    return GateResult(
        verdict=verdict,
        reason=reason,
        base_rung=base_rung,
        head_rung=head_rung,
        checks=checks,
        suites=suites,
        cost=cost,
        latency=latency,
        flips=flips(pairs),
        unpaired=pairs.unpaired,
        needs_escalation=any(
            suite.p <= ESCALATE_AT and suite.samples < ESCALATED for suite in suites
        ),
        escalation="" if head.stopped else head.escalation,
        base_advice=_advice(base, objective) if _comparable(base, head) else None,
        head_advice=head_advice,
    )


def _current(side: Results) -> str | None:
    """Return the rung that ships: as the run says, else the only one with rows."""
    if side.current is not None:
        return side.current
    rungs = {row.rung for row in side.rows}
    return rungs.pop() if len(rungs) == 1 else None


def _of(side: Results, rung: str | None) -> list[Row]:
    return [row for row in side.rows if row.rung == rung]


def _broken(side: str, rows: Sequence[Row], rung: str | None) -> str:
    """Say why a side says nothing at all; empty: it says something."""
    if rung is None:
        return f"The {side} does not say which of its rungs ships."
    if not rows:
        return f"The {side} has no row of {rung}, the rung that ships."
    if all(row.outcome is Outcome.ERROR for row in rows):
        return f"The {side} has only errors on {rung}, the rung that ships."
    return ""


def _quality_checks(suites: Sequence[Suite], unpaired: Unpaired) -> Iterator[Check]:
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
                f"{figures.count(len(unpaired.changed), 'case')} changed, "
                f"{len(unpaired.added):,} added, {len(unpaired.dropped):,} dropped."
            ),
        )


def _margin_check(name: str, rise: Rise, margin: float | None) -> Iterator[Check]:
    """Judge a relative rise as a drop of quality: established, and large enough."""
    if margin is None:
        return
    allowed = f"{100 * margin:g} % more is allowed"
    if rise.problem or rise.change is None:
        reason = f"It is not known how the {name} changed: {rise.problem}."
        yield Check(name=name, verdict="undecided", reason=reason)
        return
    verdict: Verdict = "pass"
    if rise.change >= margin - _TINY and rise.change > _TINY:
        verdict = "fail" if rise.established else "undecided"
    between = ""
    if rise.low is not None and rise.high is not None:
        between = f" (95 % interval {100 * rise.low:+.1f} to {100 * rise.high:+.1f} %)"
    reason = f"The {name} changed by {100 * rise.change:+.1f} %{between}; {allowed}."
    yield Check(name=name, verdict=verdict, reason=reason)


def _coverage_checks(old: Sequence[Row], new: Sequence[Row]) -> Iterator[Check]:
    for side, rows in (("baseline", old), ("change", new)):
        errors = sum(row.outcome is Outcome.ERROR for row in rows)
        share = (len(rows) - errors) / len(rows)
        said = f"{len(rows) - errors:,} of {len(rows):,} rows of the {side} finished"
        if share < LEAST_COVERAGE - _TINY:
            needed = figures.bar(LEAST_COVERAGE)
            reason = f"Only {said} ({figures.percent(share)}); {needed} must."
            yield Check(name=f"coverage, {side}", verdict="undecided", reason=reason)
        else:
            yield Check(name=f"coverage, {side}", verdict="pass", reason=f"{said}.")


def _share_checks(rows: Sequence[Row]) -> Iterator[Check]:
    """Judge the shares that tests ask for; of others pytest fails each miss itself."""
    tests: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.at_least < 1:
            tests[_function(row.test)].append(row)
    for test, group in sorted(tests.items()):
        at_least = max(row.at_least for row in group)
        # The same care for floating point as `required passes` in the methods.
        required = math.ceil(at_least * len(group) - _TINY)
        missed = sum(row.outcome is Outcome.MISSED for row in group)
        finished = sum(row.outcome is not Outcome.ERROR for row in group)
        short = missed > len(group) - required
        said = f"{finished - missed:,} of {finished:,} passed"
        yield Check(
            name=f"at_least, {test}",
            verdict="fail" if short else "pass",
            reason=(
                f"{test}: {said}; at_least={at_least} needs {required:,} of "
                f"{len(group):,}."
            ),
        )


def _function(test: str) -> str:
    """Return a test's node id without the user's parameters."""
    file, colons, name = test.partition("::")
    return file + colons + name.partition("[")[0]


def _objective_check(advice: Recommendation | None) -> Iterator[Check]:
    if advice is not None:
        yield Check(name="objective", verdict=advice.verdict, reason=advice.reason)


def _stop_check(head: Results) -> Iterator[Check]:
    """Leave undecided what is known of a part of the tests only."""
    if head.stopped:
        yield Check(
            name="stopped",
            verdict="undecided",
            reason=(
                "The run was stopped before all its tests had run; run it again: what "
                "is stored is not paid again."
            ),
        )


def _budget_check(head: Results) -> Iterator[Check]:
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


def _mistrust(side: Results, rung: str | None) -> str:
    trust = side.trust.get(rung) if rung is not None else None
    return trust.why_not if trust is not None else ""


def _left_open(terms: Gate, cost: Rise, suites: Sequence[Suite]) -> str:
    """Say what a pass says nothing about."""
    judged = {suite.mistrust for suite in suites if suite.mistrust}
    unmeasured = "".join(f" Judged quality blocks nothing: {why}." for why in judged)
    without = []
    if terms.cost is None:
        without.append("cost" if cost.change is not None else "cost (unknown)")
    if terms.latency_p95 is None:
        without.append("p95 latency")
    if not without:
        return unmeasured
    left = f" Not gated, for want of a margin in [gate]: {' and '.join(without)}."
    return unmeasured + left


def _advice(side: Results, objective: Objective | None) -> Recommendation | None:
    if objective is None:
        return None
    evidence = Evidence(side.rows, side.trust)
    return decide(side.matrix, evidence, objective, current=side.current).recommendation


def _comparable(base: Results, head: Results) -> bool:
    """Whether the baseline ran all rungs of the change, so that advice may differ."""
    return {row.rung for row in head.rows} <= {row.rung for row in base.rows}


def _verdict(
    checks: Sequence[Check], suites: Sequence[Suite]
) -> tuple[GateVerdict, str]:
    """Return the worst verdict with its first reason; of a pass the nearest to none."""
    order: tuple[Verdict, ...] = ("fail", "undecided")
    for verdict in order:
        reasons = [check.reason for check in checks if check.verdict == verdict]
        if reasons:
            more = len(reasons) - 1
            also = f" And {figures.count(more, 'more check')}." if more else ""
            return verdict, f"{reasons[0]}{also}"
    return "pass", min(suites, key=lambda suite: suite.p).reason
