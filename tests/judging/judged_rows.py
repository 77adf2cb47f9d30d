"""Reports with judged rows and labels, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level, Verdict
from pytest_ladder.core.why import Why
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.judging.calibration.calibrate import calibrations_of, judged_of
from pytest_ladder.judging.calibration.labels import Label
from pytest_ladder.reporting.report import Report, RunInfo, report_on
from tests.judging.labelling import JUDGE, RUBRIC, labelled

TEST = "test_shop.py::test_right"
MODEL = Model(name="m", tier=Tier.OFF_THE_SHELF, id="openai/gpt-5-nano")
RUNGS = [
    Rung(model=MODEL, strategy=Strategy(name=name)) for name in ("plain", "loud", "rag")
]
INFO = RunInfo(id="run", started="2026-01-02T03:04:05Z", mode="matrix")


def a_row(number: int, passed: bool = True, **fields: Any) -> Row:
    """Make a judged row; `judge`, `rubric`, `graded` and so on are of its verdict."""
    about = {"judge": JUDGE, "rubric": RUBRIC, "graded": False}
    verdict = {name: fields.pop(name, value) for name, value in about.items()}
    score = fields.pop("score", float(passed))
    rung = fields.get("rung", "m/plain")
    told = {
        "test": TEST,
        "rung": rung,
        "level": Level.JUDGED,
        "source": "cases.jsonl",
        "case": f"case-{number:03}",
        "outcome": Outcome.PASSED if passed else Outcome.MISSED,
        "text": f"reply {number} of {rung}",
        "evaluations": (UsedReply(key=f"{rung}-{number}", live=True, cost_usd=0.01),),
        "verdict": Verdict(passed=passed, score=score, **verdict),
    }
    return Row(score=score, **{**told, **fields})


def some_rows(passes: int, fails: int, **fields: Any) -> list[Row]:
    return [a_row(n, n < passes, **fields) for n in range(passes + fails)]


def unjudged(number: int, **fields: Any) -> list[Row]:
    """Make the rows of a case that missed a cheap check, and so was not judged."""
    missed = a_row(number, passed=False, verdict=None, evaluations=(), **fields)
    cheap = {"test": "test_shop.py::test_short", "level": Level.CHEAP}
    return [
        msgspec.structs.replace(missed, why=Why.FUNNEL),
        msgspec.structs.replace(missed, reason="assert 'a' in 'b'", **cheap),
    ]


def labels_for(
    rows: Sequence[Row], k11: int, k10: int, k01: int, k00: int, rater: str = "ann"
) -> list[Label]:
    """Label as `labelled` does."""
    return labelled(judged_of(rows), k11, k10, k01, k00, rater)


def a_report(rows: Sequence[Row], labels: Sequence[Label] = ()) -> Report:
    order = [rung.id for rung in RUNGS]
    return msgspec.structs.replace(
        report_on(INFO, build_matrix(rows, RUNGS, {}), rows),
        models=(MODEL,),
        calibrations=calibrations_of(rows, labels, order),
    )
