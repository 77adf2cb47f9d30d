"""What becomes of a model that is tried, from rows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest

from pytest_ladder.core.rung import Limits, Model, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.comparison import Trust
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.tried import Tried, hold_against
from pytest_ladder.reporting.report import Report, RunInfo, report_on
from pytest_ladder.reporting.sentences.tried import lines_to_keep, tried_sentences
from tests.decide.ladders import Made, ladder, passes, rows_of

HIDING = [None] * 20 + [1.0] * 160 + [0.0] * 20
"""As much better as it has errors."""
SHIPS = Made(scores=passes(160, 200), usd=0.001)


def held(new: Made, **others: Made) -> Tried:
    made = {"bot/plain": SHIPS, "new/plain": new}
    made |= {f"{name}/plain": one for name, one in others.items()}
    matrix, evidence = ladder(made)
    tried = [name for name in made if name != "bot/plain"]
    return hold_against(matrix, evidence, tried, "bot/plain", None)[0]


def report(new: Made, *models: Model) -> Report:
    made = {"bot/plain": SHIPS, "new/plain": new}
    matrix, evidence = ladder(made)
    info = RunInfo(
        id="r", started="", mode="current", current="bot/plain", tried=("new/plain",)
    )
    made_of = report_on(info, matrix, [*evidence.rows()])
    return msgspec.structs.replace(made_of, models=models)


@pytest.mark.parametrize(
    ("scores", "verdict", "why"),
    [
        (passes(180, 200), "better", ""),
        (passes(140, 200), "worse", ""),
        (passes(160, 200), "undecided", ""),
        (passes(163, 200), "undecided", ""),
        # Twenty errors might be misses, and then it is no better.
        (HIDING, "undecided", "errors may hide the opposite"),
        ([1.0] * 195 + [None] * 5, "better", ""),
        ([None] * 200, "undecided", "new/plain has no score at the cheap level"),
        (
            [],
            "undecided",
            "new/plain was not run; --ladder-live asks for what is not stored",
        ),
    ],
)
def test_the_paired_interval_decides(
    scores: Sequence[float | None], verdict: str, why: str
) -> None:
    tried = held(Made(scores=scores))
    assert (tried.verdict, tried.why) == (verdict, why)


def test_a_model_that_errs_where_it_would_be_worse_is_not_taken_for_better() -> None:
    """It finishes only what it can do, and on that it is as good as what ships."""
    scores = [1.0] * 160 + [None] * 40
    ships = Made(scores=[1.0] * 140 + [0.0] * 20 + [1.0] * 40)
    matrix, evidence = ladder({"bot/plain": ships, "new/plain": Made(scores=scores)})
    (tried,) = hold_against(matrix, evidence, ["new/plain"], "bot/plain", None)
    assert tried.compared is not None
    assert tried.compared.established
    assert (tried.verdict, tried.errors) == ("undecided", 40)


def test_several_that_are_tried_at_once_need_more_to_be_told() -> None:
    new = Made(scores=[1.0] * 165 + [0.0] * 35)
    assert held(new).verdict == "better"
    many = {f"other{n}": SHIPS for n in range(9)}
    assert held(new, **many).verdict == "undecided"


def test_what_did_not_run_is_held_against_nothing() -> None:
    matrix, evidence = ladder({"new/plain": SHIPS})
    (tried,) = hold_against(matrix, evidence, ["new/plain"], "bot/plain", None)
    assert (tried.verdict, tried.why) == ("undecided", "bot/plain was not run")


def test_a_judge_that_nobody_checked_decides_nothing() -> None:
    made = {"bot/plain": SHIPS, "new/plain": Made(scores=passes(200, 200))}
    matrix, _ = ladder(made, level=Level.JUDGED)
    trust = dict.fromkeys(made, Trust(why_not="0 of 50 labels"))
    evidence = Evidence(rows_of(made, Level.JUDGED), trust)
    (tried,) = hold_against(matrix, evidence, ["new/plain"], "bot/plain", Level.JUDGED)
    assert (tried.verdict, tried.why) == ("undecided", "0 of 50 labels")


@pytest.mark.parametrize(
    ("quality", "right"), [(0.95, "better"), (0.6, "worse"), (0.8, "undecided")]
)
def test_of_many_draws_few_are_told_wrong(quality: float, right: str) -> None:
    """100 draws of 100 cases each; benchmarks/bench_try.py has 500 of many kinds."""
    drawn, told = random.Random(7), Counter[str]()

    def scores(share: float) -> list[float]:
        return [float(drawn.random() < share) for _ in range(100)]

    for _ in range(100):
        ships, new = Made(scores=scores(0.8)), Made(scores=scores(quality))
        matrix, evidence = ladder({"bot/plain": ships, "new/plain": new})
        (tried,) = hold_against(matrix, evidence, ["new/plain"], "bot/plain", None)
        told[tried.verdict] += 1
    assert told[right] >= 80
    opposite = {"better": "worse", "worse": "better"}
    assert told[opposite.get(right, "better")] <= 8


NEW = Model(
    name="new",
    tier=Tier.OFF_THE_SHELF,
    id="hosted_vllm/new",
    params={"temperature": 0, "stop": ["\n", '"'], "max_tokens": 48},
    api_base="http://127.0.0.1:1/v1",
    limits=Limits(rpm=60, tpm=9000),
)


def test_the_end_says_verdict_cost_and_what_keeps_it() -> None:
    made = report(Made(scores=passes(180, 200), usd=0.002), NEW)
    assert [*tried_sentences(made), *lines_to_keep(made)] == [
        "new/plain is better than bot/plain, which ships: +10.0 points at the cheap "
        "level (+6.6 to +14.9, paired 95 % interval, n=200). It costs $2.00 per 1,000 "
        "calls, against $1.00.",
        "To keep it, add to ladder.toml:",
        "",
        "[[model]]",
        'name = "new"',
        'tier = "off-the-shelf"',
        'id = "hosted_vllm/new"',
        'params = { temperature = 0, stop = ["\\n", "\\""], max_tokens = 48 }',
        'api_base = "http://127.0.0.1:1/v1"',
        "limits = { rpm = 60, tpm = 9000 }",
    ]


def test_what_is_worse_is_not_to_be_kept() -> None:
    made = report(Made(scores=passes(100, 200), usd=None), NEW)
    (line,) = tried_sentences(made)
    assert lines_to_keep(made) == []
    assert line.startswith("new/plain is worse than bot/plain, which ships: -30.0 ")
    assert line.endswith("What 1,000 calls cost is unknown, against $1.00.")


def test_what_was_held_against_nothing_is_not_to_be_kept() -> None:
    made = report(Made(scores=[None] * 200), NEW)
    (held_back,) = made.tried
    made = msgspec.structs.replace(
        made, tried=[msgspec.structs.replace(held_back, over_budget=150)]
    )
    (line,) = tried_sentences(made)
    assert lines_to_keep(made) == []
    assert (
        "has no score at the cheap level; 50 errors and 150 not run: budget. " in line
    )


def test_what_is_undecided_says_why() -> None:
    made = report(Made(scores=HIDING), NEW)
    (line,) = tried_sentences(made)
    assert line.startswith("Undecided whether new/plain is better than bot/plain: ")
    assert "; errors may hide the opposite; 20 errors. It costs" in line
