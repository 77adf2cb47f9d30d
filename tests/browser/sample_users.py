"""Reports with users in them: rungs by outcomes, with all that can be wrong."""

from __future__ import annotations

import datetime
import random
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from pytest_ladder.core.aggregate import Aggregate, Look, VariantSums
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.outcomes import OutcomeKind, RealOutcome
from pytest_ladder.core.score import Level
from pytest_ladder.decide.real.users import Declared
from pytest_ladder.reporting.report import Report, report_on
from tests.browser.sample_reports import sample_report

TODAY = datetime.date(2026, 7, 1)
LOOKS = (7, 14, 21, 28)
"""Days of June."""

# Name, kind, goal, mean of a unit on the first rung, what a rung adds, guardrail.
OUTCOMES: tuple[
    tuple[str, OutcomeKind, Literal["up", "down"], float, float, float | None], ...
] = (
    ("resolved", "rate", "up", 0.31, 0.022, None),
    ("escalated-to-a-person", "rate", "down", 0.08, 0.004, 0.01),
    ("minutes", "mean", "down", 19.4, -0.4, None),
    ("csat", "rating", "up", 3.4, 0.12, None),
    ("conversations-with-a-thumb-up", "thumbs", "up", 0.62, 0.02, None),
)


def sums_of(kind: OutcomeKind, rung: str, n: int, mean: float) -> dict[str, Any]:
    """Sums of `n` units with a mean and a plausible spread."""
    rng = random.Random(f"{kind} {rung}")
    mean *= 1 + rng.gauss(0, 0.01)
    if kind == "rate":
        return {"sum": round(n * mean), "sum_squares": round(n * mean)}
    if kind == "thumbs":
        up = round(n * mean)
        return {
            "sum": up,
            "sum_squares": up,
            "per_sum": n,
            "per_sum_squares": n,
            "cross": up,
        }
    spread = (0.6 * mean) ** 2 if kind == "mean" else 1.3
    return {"sum": n * mean, "sum_squares": n * (mean**2 + spread)}


def an_aggregate(
    outcome: RealOutcome,
    rungs: Mapping[str, float],
    *,
    units: int = 2000,
    uneven: float = 1.0,
    **more: Any,
) -> Aggregate:
    """Return an outcome of rungs with a mean each; the last one has `uneven` units."""
    counts = dict.fromkeys(rungs, units)
    counts[list(rungs)[-1]] = round(units * uneven)
    total = sum(counts.values())
    given: dict[str, Any] = {
        "name": outcome.name,
        "kind": outcome.kind,
        "goal": outcome.goal,
        "experiment": outcome.experiment,
        "unit": "user_id",
        "assigned": "random" if outcome.experiment else "observed",
        "control": "v0" if outcome.experiment else None,
        "range": outcome.range,
        "scale": outcome.scale or (),
        "first": datetime.date(2026, 6, 1),
        "last": datetime.date(2026, 6, 28),
        "looks": tuple(
            Look(to=datetime.date(2026, 6, day), units=round(total * day / 28))
            for day in LOOKS
        ),
        "dropped": {"event too late": 57},
        "variants": tuple(
            VariantSums(
                variant=f"v{n}",
                rung=rung,
                fingerprint="as-met",
                share=1 / len(rungs) if outcome.experiment else None,
                units=counts[rung],
                **sums_of(outcome.kind, rung, counts[rung], mean),
            )
            for n, (rung, mean) in enumerate(rungs.items())
        ),
    }
    return Aggregate(**given | more)


def sample_users(
    models: int = 2,
    strategies: int = 3,
    outcomes: int = 5,
    *,
    cases: int = 12,
    uneven: float = 1.0,
    missing: tuple[str, ...] = (),
    stale: tuple[str, ...] = (),
    judged: bool = True,
    primary: str = "resolved",
    level: Level = Level.REAL,
    **more: Any,
) -> Report:
    """Make the report of a run whose rungs met users in one experiment.

    The last rung has `uneven` times the units that were planned; `more` are fields of
    all aggregates.
    """
    base = sample_report(models, strategies, cases, judged=judged)
    rungs = [rung.id for rung in base.matrix.rungs]
    declared, aggregates = [], {}
    for name, kind, goal, mean, step, guardrail in OUTCOMES[:outcomes]:
        outcome = RealOutcome(
            name=name,
            kind=kind,
            goal=goal,
            experiment=None if kind == "thumbs" else "june",
            primary=name == primary,
            guardrail=guardrail,
            range=(0, 120) if kind == "mean" else None,
            scale=(1, 5) if kind == "rating" else None,
        )
        declared.append(outcome)
        aggregates[name] = an_aggregate(
            outcome,
            {rung: mean + k * step for k, rung in enumerate(rungs)},
            units=300 if kind in ("rating", "thumbs") else 4000,
            uneven=uneven,
            **more,
        )
    declared += [RealOutcome(name=name, kind="rate") for name in missing]
    return report_on(
        base.info,
        base.matrix,
        base.rows,
        Objective(kind="good-enough", quality=0.36, level=level),
        declared=Declared(
            outcomes=tuple(declared),
            primary=primary,
            aggregates=aggregates,
            prints={
                outcome.name: {
                    rung: "as-now" if rung in stale else "as-met" for rung in rungs
                }
                for outcome in declared
            },
            today=TODAY,
        ),
    )


def renamed(report: Report, names: Mapping[str, str]) -> Report:
    """The same report with other names of rungs, however long or hostile.

    Decided anew, from rows and users that bear them.
    """
    assert report.declared is not None

    def other(value: Any) -> Any:
        return names.get(value, value) if isinstance(value, str) else value

    aggregates = {
        name: msgspec.structs.replace(
            one,
            variants=tuple(
                msgspec.structs.replace(v, rung=other(v.rung)) for v in one.variants
            ),
        )
        for name, one in report.declared.aggregates.items()
    }
    return report_on(
        report.info,
        msgspec.structs.replace(
            report.matrix,
            rungs=tuple(
                msgspec.structs.replace(rung, id=other(rung.id))
                for rung in report.matrix.rungs
            ),
        ),
        [msgspec.structs.replace(row, rung=other(row.rung)) for row in report.rows],
        report.objective,
        declared=msgspec.structs.replace(
            report.declared,
            aggregates=aggregates,
            prints={
                name: {other(rung): value for rung, value in prints.items()}
                for name, prints in report.declared.prints.items()
            },
        ),
    )
