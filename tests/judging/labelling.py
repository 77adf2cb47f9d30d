"""Judged replies and labels for them, made by the dozen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_ladder.core.score import Verdict
from pytest_ladder.judging.calibration.labels import JudgedReply, Label, label_of

JUDGE = "openai/judge"
RUBRIC = "correctness@1#0123456789ab"


def judged(
    number: int, score: float, *, rung: str = "m/s", **verdict: Any
) -> JudgedReply:
    told = {"judge": JUDGE, "rubric": RUBRIC} | verdict
    return JudgedReply(
        test="t::test_right",
        case=f"case-{number:03}",
        rung=rung,
        text=f"reply {number} of {rung}" + "." * (number % 7),
        verdict=Verdict(passed=score >= 0.5, score=score, **told),
    )


def many(passes: int, fails: int, rung: str = "m/s") -> list[JudgedReply]:
    scores = [1.0] * passes + [0.0] * fails
    return [judged(n, score, rung=rung) for n, score in enumerate(scores)]


def labelled(
    replies: Sequence[JudgedReply],
    k11: int,
    k10: int,
    k01: int,
    k00: int,
    rater: str = "ann",
) -> list[Label]:
    """Label replies so that people pass k11 and fail k10 of those the judge passed."""
    passed = [one for one in replies if one.verdict.passed]
    failed = [one for one in replies if not one.verdict.passed]
    said = [
        *zip(passed, ["pass"] * k11 + ["fail"] * k10, strict=False),
        *zip(failed, ["pass"] * k01 + ["fail"] * k00, strict=False),
    ]
    return [
        label_of(one, "pass" if what == "pass" else "fail", rater) for one, what in said
    ]
