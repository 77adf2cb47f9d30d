"""Made-up results of one rung, for tests of gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.gate.result import ComparedRun
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.reporting.report import Report, RunInfo, report_on

RUNG = "bot/plain"
TEST = "test_shop.py::test_answer"
Score = float | Sequence[float | None] | None


def a_row(place: int, score: float | None, sample: int = 1, **fields: Any) -> Row:
    """Return the row of a case; None is an error."""
    outcome = Outcome.PASSED if score == 1 else Outcome.MISSED
    live = fields.pop("live", True)
    tokens = fields.pop("tokens", None)
    bill = UsedReply(
        key=f"k{place}-{sample}",
        live=live,
        cost_usd=fields.pop("usd", 0.001),
        latency_s=fields.pop("seconds", 1.0),
        usage=Usage(input=tokens) if tokens else None,
    )
    values: dict[str, Any] = {
        "test": TEST,
        "rung": RUNG,
        "level": Level.CHEAP,
        "source": "cases.jsonl",
        "case": f"c{place:03}",
        "case_hash": f"h{place}",
        "sample": sample,
        "outcome": Outcome.ERROR if score is None else outcome,
        "score": score,
        "replies": (bill,),
        "text": f"reply {place} scored {score}",
    }
    return Row(**{**values, **fields})


def rows(scores: Sequence[Score], **fields: Any) -> list[Row]:
    """Return a row for each case, or several where there are several samples."""
    made = []
    for place, score in enumerate(scores):
        several = score if isinstance(score, Sequence) else [score]
        for sample, one in enumerate(several, start=1):
            each = {key: _at(value, place) for key, value in fields.items()}
            made.append(a_row(place, one, sample, **each))
    return made


def side(made: Sequence[Row], current: str | None = RUNG) -> ComparedRun:
    return ComparedRun(
        rows=made, matrix=build_matrix(made, _rungs(made), {}), current=current
    )


def report(
    made: Sequence[Row],
    *,
    name: str = "run",
    started: str = "2026-01-01T00:00:00+00:00",
    objective: Objective | None = None,
    current: str | None = RUNG,
) -> Report:
    info = RunInfo(id=name, started=started, mode="current", current=current)
    matrix = build_matrix(made, _rungs(made), {})
    return report_on(info, matrix, made, objective)


def changed(
    broke: int, fixed: int, n: int, passes: int
) -> tuple[list[Score], list[Score]]:
    """Return scores before and after: of n cases so many pass before."""
    before: list[Score] = [float(place < passes) for place in range(n)]
    after = list(before)
    after[:broke] = [0.0] * broke
    after[n - fixed :] = [1.0] * fixed
    return before, after


def _rungs(made: Sequence[Row]) -> list[Rung]:
    names = dict.fromkeys(row.rung for row in made) or {RUNG: None}
    return [_rung(name) for name in names]


def _rung(name: str) -> Rung:
    model, strategy = name.split("/")
    return Rung(
        model=Model(name=model, tier=Tier.OFF_THE_SHELF, id="scripted/bot"),
        strategy=Strategy(name=strategy),
    )


def _at(value: Any, place: int) -> Any:
    return (
        value[place]
        if isinstance(value, Sequence | Mapping) and not isinstance(value, str)
        else value
    )
