"""Made-up outcomes of real use, and reports of suites that declare them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pytest_ladder.core.aggregate import SEVERAL, Aggregate, VariantSums
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.decide.real.users import Declared
from pytest_ladder.reporting.report import Report, RunInfo, report_on
from tests.decide.ladders import Made, passes, rows_of

FEW, RAG = "bot/few", "bot/rag"
TODAY = datetime.date(2026, 7, 1)


def arm(rung: str, successes: float, units: int, **fields: Any) -> VariantSums:
    """Return a variant of a rate; its name is that of the strategy."""
    given = {"sum": successes, "sum_squares": successes, "share": 0.5, **fields}
    return VariantSums(variant=rung.partition("/")[2], rung=rung, units=units, **given)


def june(*arms: VariantSums, **fields: Any) -> Aggregate:
    """Return an outcome of the experiment of June, whose control is the first arm."""
    given: dict[str, Any] = {
        "name": "resolved",
        "kind": "rate",
        "experiment": "june",
        "assigned": "random",
        "control": arms[0].variant,
        "first": datetime.date(2026, 6, 1),
        "last": datetime.date(2026, 6, 28),
        "variants": tuple(
            msgspec.structs.replace(one, share=1 / len(arms))
            if one.share == 0.5
            else one
            for one in arms
        ),
    }
    return Aggregate(**{**given, **fields})


TOLD = june(arm(FEW, 200, 2400), arm(RAG, 300, 2400))
"""Users fare better with the second rung, by 4.2 points."""
OPEN = june(arm(FEW, 262, 2380), arm(RAG, 312, 2400))
"""The example of the design: +2.0 points, undecided while it runs."""
BROKEN = june(arm(FEW, 200, 2400), arm(RAG, 300, 1900))
SEVERAL_ARMS = msgspec.structs.replace(TOLD, dropped={SEVERAL: 212})
LEAKING = msgspec.structs.replace(TOLD, leaks={"beta": 3})
OBSERVED = msgspec.structs.replace(TOLD, assigned="observed")
STALE = june(arm(FEW, 200, 2400), arm(RAG, 300, 2400, fingerprint="0ld"))
OLD = msgspec.structs.replace(TOLD, last=datetime.date(2026, 1, 1))


def escalated(few: int, rag: int, **fields: Any) -> Aggregate:
    """Return the guardrail of RW21, of which less is better."""
    arms = arm(FEW, few, 2380), arm(RAG, rag, 2400)
    return june(*arms, name="escalated", goal="down", **fields)


GUARDRAIL = RealOutcome(
    name="escalated",
    kind="rate",
    experiment="june",
    goal="down",
    guardrail=0.02,
    table="t.csv",
)


def declared(
    *aggregates: Aggregate, others: Sequence[RealOutcome] = (), **fields: Any
) -> Declared:
    """Declare `resolved` as primary; what is imported are the aggregates."""
    primary = RealOutcome(
        name="resolved", kind="rate", experiment="june", primary=True, table="t.csv"
    )
    given: dict[str, Any] = {
        "outcomes": (primary, *others),
        "primary": "resolved",
        "aggregates": {one.name: one for one in aggregates},
        "prints": {},
        "today": TODAY,
    }
    return Declared(**{**given, **fields})


def report(
    users: Declared | None,
    made: Mapping[str, Made] | None = None,
    objective: Objective | None = None,
    current: str | None = FEW,
) -> Report:
    """Return the report of a suite whose rungs pass 80 % and 90 % of 50 cases."""
    made = made or {
        FEW: Made(scores=passes(40, 50), usd=0.001),
        RAG: Made(scores=passes(45, 50), usd=0.002),
    }
    rows = rows_of({**made})
    rungs = [one.rung(name) for name, one in made.items()]
    info = RunInfo(
        id="r1", started="2026-07-01T00:00:00Z", mode="matrix", current=current
    )
    matrix = build_matrix(rows, rungs, {})
    return report_on(info, matrix, rows, objective, declared=users)


def at_real(**fields: Any) -> Objective:
    return Objective(level=Level.REAL, **{"kind": "good-enough", **fields})
