"""The gate: has a change made what ships worse? One pure function over two results.

What shipped, the current rung of the baseline, is compared with what would ship, the
current rung of the change, on the cases that both finished (docs/methods.md §2).
A quality blocks when its drop is both significant and large enough to matter; "any
drop fails" would be red on a third to a half of harmless changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from pytest_ladder.core.ladder import Gate, Objective
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import (
    ESCALATED,
    MoreSamples,
    Recommendation,
    Verdict,
)
from pytest_ladder.decide.gate.cases import flakiness, flips
from pytest_ladder.decide.gate.checks import (
    budget_check,
    coverage_checks,
    margin_check,
    objective_check,
    part_check,
    quality_checks,
    share_checks,
    stop_check,
    test_checks,
)
from pytest_ladder.decide.gate.drift import Anchor, drift_checks, drifts_of
from pytest_ladder.decide.gate.margins import LEAST_LIVE, cost_rise, latency_rise
from pytest_ladder.decide.gate.pairs import (
    Pairs,
    pair,
    varying_samples,
    whole_samples,
)
from pytest_ladder.decide.gate.parts import small_tags
from pytest_ladder.decide.gate.quality import (
    ESCALATE_AT,
    non_inferiority,
    suites_of,
)
from pytest_ladder.decide.gate.result import (
    Check,
    ComparedRun,
    Drift,
    GateResult,
    Rise,
    Suite,
)
from pytest_ladder.decide.gate.runs import odd_runs
from pytest_ladder.decide.judge_errors import ErrorsOf
from pytest_ladder.decide.objective import decide
from pytest_ladder.decide.real.evidence import evidence_of
from pytest_ladder.decide.real.promotion import promotion_checks, standing
from pytest_ladder.text import numbers


def gate(
    base: ComparedRun,
    head: ComparedRun,
    terms: Gate | None = None,
    objective: Objective | None = None,
    errors: ErrorsOf | None = None,
    anchor: Anchor | None = None,
) -> GateResult:
    """Compare `head` with `base`; the verdict is the worst of all checks.

    `objective` is judged on both sides: None where the run was not to decide one.
    `errors` are those of the judges, by labels of replies of any run.
    With an `anchor` the baselines since then are held against it, too.
    Without an evaluated row on either side the verdict is `broken`, as of a change that
    a later run was to measure again; with no case in common, or of a part of the suite,
    it is `undecided`, never `pass`.
    """
    sides = _sides_of(base, head)
    problem = (
        head.outdated
        or _broken("baseline", sides.old, sides.base_rung)
        or _broken("change", sides.new, sides.head_rung)
    )
    if problem:
        return GateResult(
            verdict="broken",
            reason=problem,
            base_rung=sides.base_rung,
            head_rung=sides.head_rung,
        )
    return _compared(sides, terms or Gate(), objective, errors, anchor)


def _compared(
    sides: _Sides,
    terms: Gate,
    objective: Objective | None,
    errors: ErrorsOf | None,
    anchor: Anchor | None,
) -> GateResult:
    base, head, base_rung, head_rung, *_ = sides
    found = _measured(sides, terms, errors, anchor)
    head_advice = _advice(head, objective)
    checks = tuple(_checks(sides, found, terms, errors, anchor, head_advice))
    odd, without_odd = odd_runs(sides.old, terms.quality_drop), None
    if odd:
        names = {one.run for one in odd}
        rest = [row for row in base.rows if row.run not in names]
        others = msgspec.structs.replace(base, rows=rest)
        without_odd = gate(others, head, terms, objective, errors, anchor).verdict
    # Of rungs that the baseline did not run, advice differs without a change.
    is_comparable = {r.rung for r in head.rows} <= {r.rung for r in base.rows}
    verdict, worst = _verdict(checks)
    passing = "" if worst else _left_open(terms, found)
    return GateResult(
        verdict=verdict,
        reason=_reason(worst, found.suites, checks) + passing,
        base_rung=base_rung,
        head_rung=head_rung,
        decided_by=worst[0].name if worst else None,
        checks=checks,
        suites=found.suites,
        cost=found.cost,
        latency=found.latency,
        flips=flips(found.pairs),
        flakiness=flakiness(found.pairs),
        unpaired=found.pairs.unpaired,
        small_tags=small_tags(found.pairs),
        odd_runs=odd,
        without_odd=without_odd,
        drifts=found.drifts,
        unseen=tuple(anchor.unseen) if anchor else (),
        standing=(
            tuple(standing(head.users, head_rung, terms))
            if base_rung == head_rung
            else ()
        ),
        needs_escalation=any(map(_may_be_told_by_more, found.suites)),
        escalation="" if head.stopped else head.escalation,
        base_advice=_advice(base, objective) if is_comparable else None,
        head_advice=head_advice,
    )


class _Sides(NamedTuple):
    """Both runs, and the rows of the rung that ships in each."""

    base: ComparedRun
    head: ComparedRun
    base_rung: str | None
    head_rung: str | None
    old: Sequence[Row]
    new: Sequence[Row]


def _sides_of(base: ComparedRun, head: ComparedRun) -> _Sides:
    base_rung, head_rung = _current(base), _current(head)
    has_users = base.users is not None or head.users is not None
    old = _rows_of(base, base_rung, has_users)
    new = _rows_of(head, head_rung, has_users)
    # Samples of the change that are no draw of all its cases are left out.
    if head.stopped or head.escalation == "budget":
        # Further ones there are of some cases only, those that came first.
        new = whole_samples(new)
    elif head.escalation == "run":
        new = varying_samples(new)
    return _Sides(base, head, base_rung, head_rung, old, new)


class _GateFigures(NamedTuple):
    """What was measured of both sides, before anything is decided."""

    pairs: Pairs
    suites: tuple[Suite, ...]
    drifts: tuple[Drift, ...]
    cost: Rise
    latency: Rise
    timed: bool
    """Whether the latency says something of the change: its calls were live."""


def _measured(
    sides: _Sides, terms: Gate, errors: ErrorsOf | None, anchor: Anchor | None
) -> _GateFigures:
    head = sides.head
    pairs = pair(sides.old, sides.new, head.skipped)
    replayed = any(
        not bill.live
        for rows in pairs.after.values()
        for row in rows
        for bill in row.replies
    )
    # Whether a live run took more samples, or would take them.
    is_escalated = head.escalation == "run" and not head.stopped
    escalation: MoreSamples = "run" if is_escalated else ""
    latency = latency_rise(pairs)
    return _GateFigures(
        pairs=pairs,
        suites=suites_of(pairs, terms, errors, None if replayed else escalation),
        drifts=drifts_of(anchor, sides.new, errors or {}) if anchor else (),
        cost=cost_rise(pairs),
        latency=latency,
        timed=latency.after.n >= LEAST_LIVE or not replayed,
    )


def _checks(
    sides: _Sides,
    found: _GateFigures,
    terms: Gate,
    errors: ErrorsOf | None,
    anchor: Anchor | None,
    advice: Recommendation | None,
) -> Iterator[Check]:
    """Yield all checks; the first of the worst ones is what decides."""
    base, head, unpaired = sides.base, sides.head, found.pairs.unpaired
    yield from stop_check(base, head)
    yield from part_check(base, head)
    yield from budget_check(head)
    yield from quality_checks(found.suites, unpaired)
    if not head.climbs:
        yield from test_checks(unpaired)
    yield from non_inferiority(found.pairs, terms.non_inferiority, errors)
    yield from drift_checks(anchor, found.drifts, terms)
    yield from margin_check("cost", found.cost, terms.cost)
    margin = terms.latency_p95 if found.timed else None
    yield from margin_check("p95 latency", found.latency, margin)
    yield from coverage_checks(sides.old, sides.new)
    yield from share_checks(sides.new, head.partial)
    yield from objective_check(advice)
    yield from promotion_checks(head.users, sides.base_rung, sides.head_rung, terms)


def _may_be_told_by_more(suite: Suite) -> bool:
    """Whether two more samples of each case may tell what these do not."""
    # They tell no more of a judge that nobody can trust.
    is_open = suite.p <= ESCALATE_AT and not suite.mistrust
    return is_open and suite.samples < ESCALATED


def _current(side: ComparedRun) -> str | None:
    """Return the rung that ships: as the run says, else the only one with rows."""
    if side.current is not None:
        return side.current
    rungs = {row.rung for row in side.rows}
    return rungs.pop() if len(rungs) == 1 else None


def _rows_of(side: ComparedRun, rung: str | None, has_users: bool) -> list[Row]:
    """Return a rung's rows; real tests are no quality where outcomes are declared."""
    return [
        row
        for row in side.rows
        if row.rung == rung and not (has_users and row.level is Level.REAL)
    ]


def _broken(side: str, rows: Sequence[Row], rung: str | None) -> str:
    """Say why a side says nothing at all; empty: it says something."""
    if rung is None:
        return f"The {side} does not say which of its rungs ships."
    if not rows:
        return f"The {side} has no row of {rung}, the rung that ships."
    if all(row.outcome is Outcome.ERROR for row in rows):
        return f"The {side} has only errors on {rung}, the rung that ships."
    return ""


def _reason(
    worst: Sequence[Check], suites: Sequence[Suite], checks: Sequence[Check]
) -> str:
    """Say what decided; of a pass users, and the suite nearest to something else."""
    if not worst:
        users = [check.reason for check in checks if check.kind == "users"]
        return " ".join([*users, min(suites, key=lambda suite: suite.p).reason])
    more = len(worst) - 1
    also = f" {numbers.count(more, 'more check')} did not pass." if more else ""
    return worst[0].reason + also


def _left_open(terms: Gate, found: _GateFigures) -> str:
    """Say what a pass says nothing about."""
    judged = {suite.mistrust for suite in found.suites if suite.mistrust}
    unmeasured = "".join(f" Judged quality blocks nothing: {why}." for why in judged)
    without = []
    if terms.cost is None:
        without.append("cost" if found.cost.change is not None else "cost (unknown)")
    if terms.latency_p95 is None:
        without.append("p95 latency")
    left = ""
    if without:
        left = f" Not gated, for want of a margin in [gate]: {' and '.join(without)}."
    if terms.latency_p95 is not None and not found.timed:
        left += " p95 latency is not gated, for replies were replayed."
    return unmeasured + left


def _advice(side: ComparedRun, objective: Objective | None) -> Recommendation | None:
    if objective is None:
        return None
    evidence = side.evidence or evidence_of(side.rows, None, side.users)
    decision = decide(
        side.matrix, evidence, objective, current=side.current, part=side.part
    )
    return decision.recommendation


def _verdict(checks: Sequence[Check]) -> tuple[Verdict, list[Check]]:
    """Return the worst verdict with its checks; none of a pass."""
    order: tuple[Verdict, ...] = ("fail", "undecided")
    for verdict in order:
        # Users decide: what they say of a promotion is read before all else.
        worst = sorted(
            (check for check in checks if check.verdict == verdict),
            key=lambda check: check.kind != "users",
        )
        if worst:
            return verdict, worst
    return "pass", []
