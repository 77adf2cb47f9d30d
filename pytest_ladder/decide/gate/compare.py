"""The gate: has a change made what ships worse? One pure function over two results.

What shipped, the current rung of the baseline, is compared with what would ship, the
current rung of the change, on the cases that both finished (docs/methods.md §2).
A quality blocks when its drop is both significant and large enough to matter; "any
drop fails" would be red on a third to a half of harmless changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_ladder.core.ladder import Gate, Objective
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.decide.decision import Recommendation, Verdict
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.gate.checks import (
    budget_check,
    coverage_checks,
    margin_check,
    objective_check,
    quality_checks,
    share_checks,
    stop_check,
    test_checks,
)
from pytest_ladder.decide.gate.margins import LEAST_LIVE, cost_rise, latency_rise
from pytest_ladder.decide.gate.pairs import Pairs, flips, pair, whole_samples
from pytest_ladder.decide.gate.quality import ESCALATE_AT, non_inferiority, suites_of
from pytest_ladder.decide.gate.result import (
    ESCALATED,
    Check,
    ComparedRun,
    GateResult,
    GateVerdict,
    Rise,
    Suite,
)
from pytest_ladder.decide.objective import decide
from pytest_ladder.text import numbers


def gate(
    base: ComparedRun,
    head: ComparedRun,
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
    if head.stopped or head.escalation == "budget":
        # Further samples of some cases only: those that came first, not a draw of all.
        new = whole_samples(new)
    problem = _broken("baseline", old, base_rung) or _broken("change", new, head_rung)
    if problem:
        return GateResult(
            verdict="broken", reason=problem, base_rung=base_rung, head_rung=head_rung
        )
    pairs = pair(old, new, head.skipped)
    suites = suites_of(pairs, terms, _mistrust(head, head_rung))
    cost, latency = cost_rise(pairs), latency_rise(pairs)
    head_advice = _advice(head, objective)
    timed = latency.after.n >= LEAST_LIVE or not _is_replayed(pairs)
    checks = (
        *stop_check(base, head),
        *budget_check(head),
        *quality_checks(suites, pairs.unpaired),
        *(() if head.climbs else test_checks(pairs.unpaired)),
        *non_inferiority(pairs, terms.non_inferiority),
        *margin_check("cost", cost, terms.cost),
        *margin_check("p95 latency", latency, terms.latency_p95 if timed else None),
        *coverage_checks(old, new),
        *share_checks(new, head.partial),
        *objective_check(head_advice),
    )
    verdict, reason = _verdict(checks, suites)
    if verdict == "pass":
        reason += _left_open(terms, cost, suites, timed=timed)
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


def _is_replayed(pairs: Pairs) -> bool:
    return any(
        not bill.live
        for rows in pairs.after.values()
        for row in rows
        for bill in row.replies
    )


def _current(side: ComparedRun) -> str | None:
    """Return the rung that ships: as the run says, else the only one with rows."""
    if side.current is not None:
        return side.current
    rungs = {row.rung for row in side.rows}
    return rungs.pop() if len(rungs) == 1 else None


def _of(side: ComparedRun, rung: str | None) -> list[Row]:
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


def _mistrust(side: ComparedRun, rung: str | None) -> str:
    trust = side.trust.get(rung) if rung is not None else None
    return trust.why_not if trust is not None else ""


def _left_open(terms: Gate, cost: Rise, suites: Sequence[Suite], *, timed: bool) -> str:
    """Say what a pass says nothing about."""
    judged = {suite.mistrust for suite in suites if suite.mistrust}
    unmeasured = "".join(f" Judged quality blocks nothing: {why}." for why in judged)
    without = []
    if terms.cost is None:
        without.append("cost" if cost.change is not None else "cost (unknown)")
    if terms.latency_p95 is None:
        without.append("p95 latency")
    left = ""
    if without:
        left = f" Not gated, for want of a margin in [gate]: {' and '.join(without)}."
    if terms.latency_p95 is not None and not timed:
        left += " p95 latency is not gated, for replies were replayed."
    return unmeasured + left


def _advice(side: ComparedRun, objective: Objective | None) -> Recommendation | None:
    if objective is None:
        return None
    evidence = Evidence(side.rows, side.trust)
    return decide(side.matrix, evidence, objective, current=side.current).recommendation


def _comparable(base: ComparedRun, head: ComparedRun) -> bool:
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
            also = f" And {numbers.count(more, 'more check')}." if more else ""
            return verdict, f"{reasons[0]}{also}"
    return "pass", min(suites, key=lambda suite: suite.p).reason
