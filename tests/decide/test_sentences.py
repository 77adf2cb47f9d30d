"""Sentences of decisions, gates and climbs: true and short in each situation.

An audit found sentences that were false or told nothing, such as "m00/s is not
measured" where all its calls had failed. `sentences.txt` has what a reader is to see,
under the name of each situation.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.ladder import Gate, Objective
from pytest_ladder.core.score import Level, Verdict
from pytest_ladder.decide.comparison import Trust
from pytest_ladder.decide.decision import Part
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.result import ComparedRun
from pytest_ladder.decide.objective import decide
from pytest_ladder.reporting.sentences.gate import gate_lines
from pytest_ladder.reporting.sentences.matrix import details
from tests.decide.climbing import Table, open_climb, walk
from tests.decide.gate.baseline_and_change import changed, rows, side
from tests.decide.ladders import Made, ladder, passes

CHEAP, JUDGED, REAL = Level.CHEAP, Level.JUDGED, Level.REAL
BAR_80 = Objective(kind="good-enough", quality=0.8)
JUDGED_80 = Objective(kind="good-enough", quality=0.8, level=JUDGED)
CAP_5 = Objective(kind="budget", usd_per_1k=5)
STEP = Objective(kind="step-function")
NO_LABELS = Trust(why_not="0 of 50 labels for its judge")
SAID = Verdict(passed=True, score=1.0, judge="openai/judge", rubric="correctness@1#0")
CATALOGUE = Path(__file__).with_name("sentences.txt").read_text(encoding="utf-8")
SENTENCES = {
    name: text.strip().splitlines()
    for name, text in re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", CATALOGUE, re.M)
}
Pair = tuple[ComparedRun, ComparedRun]
Told = Callable[[], Sequence[str]]
"""What is said in a situation, a line each."""


def good(many: int, of: int = 100, usd: float | None = 0.001, **fields: Any) -> Made:
    """Return a rung that passes the first so many cases."""
    return Made(scores=passes(many, of), usd=usd, **fields)


def failed(many: int, **fields: Any) -> Made:
    """Return a rung of which every call failed."""
    return Made(scores=[None] * many, **fields)


def decision(
    made: dict[str, Made],
    objective: Objective,
    trust: Mapping[str, Trust] | None = None,
    *,
    part: Part | None = None,
    current: str | None = None,
    **fields: Any,
) -> Told:
    """Decide; `fields` are what `build_matrix` is told beside rows and rungs."""

    def told() -> list[str]:
        level = objective.level if trust else CHEAP
        matrix, evidence = ladder(made, level=level, **fields)
        evidence.trust = trust or {}
        found = decide(matrix, evidence, objective, current=current, part=part)
        assert found.recommendation is not None
        advice = found.recommendation
        return [f"{advice.verdict.upper()}: {advice.reason}", *details(found)]

    return told


def gated(
    before: ComparedRun,
    after: ComparedRun,
    terms: Gate | None = None,
    objective: Objective | None = None,
    **fields: Any,
) -> Told:
    """Hold a change against its baseline; `fields` are of the change."""

    def told() -> list[str]:
        head = msgspec.structs.replace(after, **fields)
        lines = [
            line.strip() for line in gate_lines(gate(before, head, terms, objective))
        ]
        # Figures, flips and the drop that can be seen have tests of their own.
        figures = r"quality,|\$|p95|c\d|and |.* 4 times in 5"
        return [line for line in lines if not re.match(figures, line)]

    return told


def flipped(broke: int, fixed: int = 0, n: int = 100, **fields: Any) -> Pair:
    """Return a baseline that passes 9 of 10 cases, and what a change does to it."""
    before, after = changed(broke, fixed, n, n * 9 // 10)
    return side(rows(before, **fields)), side(rows(after, **fields))


def same(n: int, **fields: Any) -> ComparedRun:
    """Return a run that passes all its cases."""
    return side(rows([1.0] * n, **fields))


def climbed(table: Table, **terms: Any) -> Told:
    """Climb, and say of each rung why it was stopped or not run."""

    def told() -> list[str]:
        course = open_climb(table, **terms)
        walk(course, table)
        reasons = {rung: course.reason(rung) for rung in course.rungs}
        return [f"{rung}: {why}" for rung, why in reasons.items() if why]

    return told


def mixed(many: int, of: int) -> list[float]:
    """Return so many passes in no order."""
    scores = passes(many, of)
    random.Random(1).shuffle(scores)
    return scores


SITUATIONS: dict[str, Told] = {
    "a pass with room": decision(
        {"m00/s": good(70), "m01/s": good(90, usd=0.01)}, BAR_80
    ),
    "a pass of ten cases": decision({"m00/s": good(8, 10)}, BAR_80),
    "a pass that other cases may turn": decision({"m00/s": good(80)}, BAR_80),
    "nine cases": decision({"m00/s": good(8, 9)}, BAR_80),
    "no rung meets the bar": decision(
        {"m00/s": good(50), "m01/s": good(70, usd=0.01)}, BAR_80
    ),
    "nothing passes at all": decision({"m00/s": good(0)}, BAR_80),
    "everything passes": decision(
        {"m00/s": good(100), "m01/s": good(100, usd=0.01)}, BAR_80
    ),
    "a bar of nothing": decision(
        {"m00/s": good(0)}, Objective(kind="good-enough", quality=0.0)
    ),
    "words of other kinds": decision(
        {"m00/s": good(70)},
        Objective(kind="good-enough", quality=0.8, usd_per_1k=0.5, right_usd=1),
    ),
    "all calls failed": decision({"m00/s": failed(100)}, BAR_80),
    "the only call failed": decision({"m00/s": failed(1)}, BAR_80),
    "all calls of two rungs failed": decision(
        {"m00/s": failed(100), "m01/s": failed(100)}, BAR_80
    ),
    "calls failed on one rung and the other misses the bar": decision(
        {"m00/s": failed(100), "m01/s": good(50, usd=0.01)}, BAR_80
    ),
    "calls failed on one rung and the other passes": decision(
        {"m00/s": failed(20, usd=None), "m01/s": good(20, 20)}, BAR_80
    ),
    "errors that could turn it": decision(
        {
            "m00/s": Made(scores=[*passes(79, 94), *[None] * 6]),
            "m01/s": good(95, usd=0.01),
        },
        BAR_80,
    ),
    "errors that cannot turn it": decision(
        {"m00/s": Made(scores=[*passes(85, 94), *[None] * 6])}, BAR_80
    ),
    "many errors that cannot turn it": decision(
        {"m00/s": Made(scores=[*passes(35, 35), *[None] * 15])},
        Objective(kind="good-enough", quality=0.55),
    ),
    "a level without tests": decision(
        {"m00/s": good(90)}, Objective(kind="good-enough", quality=0.8, level=REAL)
    ),
    "nothing ran": decision({"m00/s": Made(), "m01/s": Made()}, BAR_80),
    "only what is decided is counted": decision(
        {
            "m00/s": good(8, 9, usd=0.0005),
            "m01/s": good(50, usd=0.0008),
            "m02/s": good(90),
        },
        BAR_80,
    ),
    "what has no price is no dearer one": decision(
        {"m00/s": good(90, usd=None), "m01/s": good(90, usd=0.01)}, BAR_80
    ),
    "what passes has no price": decision({"m00/s": good(90, usd=None)}, BAR_80),
    "only what has no price passes": decision(
        {"m00/s": good(70), "m01/s": good(90, usd=None)}, BAR_80
    ),
    "a climb left one untried for want of a price": decision(
        {"m00/s": good(50), "m01/s": good(90, usd=0.01), "m02/s": Made()},
        BAR_80,
        expected={"m02/s": None},
    ),
    "a climb passed by one that has no price": decision(
        {"m00/s": good(90), "m01/s": good(35, 35, usd=None)},
        BAR_80,
        states={"m01/s": "stopped"},
    ),
    "a climb left a cheaper one untried": decision(
        {"m00/s": good(50), "m01/s": good(90, usd=0.01), "m02/s": Made()},
        BAR_80,
        expected={"m02/s": 4.0},
    ),
    "nothing passes and one has no price": decision(
        {"m00/s": good(50), "m01/s": Made()}, BAR_80, expected={"m01/s": None}
    ),
    "a winner that was not run to its end": decision(
        {"m00/s": good(4, 15), "m01/s": good(38, 40, usd=0.01)},
        BAR_80,
        states={"m00/s": "stopped", "m01/s": "stopped"},
        settled={"m00/s": "fail", "m01/s": "pass"},
    ),
    "the next rung was stopped after a few cases": decision(
        {
            "m00/s": Made(scores=[1.0, 0.0, 1.0, 0.0] * 2 + passes(28, 32), usd=0.001),
            "m01/s": good(5, 5, usd=0.01),
        },
        msgspec.structs.replace(BAR_80, quality=0.7),
        states={"m01/s": "stopped"},
    ),
    "a run that was stopped": decision(
        {"m00/s": good(4, 15), "m01/s": good(20, 40, usd=0.01)},
        BAR_80,
        states={"m01/s": "stopped"},
    ),
    "a part of the suite": decision(
        {"m00/s": good(90)}, BAR_80, part=Part(items=30, of=200)
    ),
    "a volume of one": decision({"m00/s": good(90, build_usd=2)}, BAR_80, volume=1),
    "a volume of a thousand": decision({"m00/s": good(90)}, BAR_80, volume=1000),
    "building pays later": decision(
        {
            "m00/s": good(90, usd=0.002),
            "m01/s": good(92, usd=0.0005, build_usd=500, build_hours=12),
        },
        BAR_80,
    ),
    "too slow": decision(
        {"m00/s": good(90, seconds=5)},
        Objective(kind="good-enough", quality=0.8, latency_p95_s=2),
    ),
    "a latency that nobody knows": decision(
        {"m00/s": good(90, seconds=None)},
        Objective(kind="good-enough", quality=0.8, latency_p95_s=2),
    ),
    "too few for min_n": decision(
        {"m00/s": good(28, 30)}, Objective(kind="good-enough", quality=0.8, min_n=50)
    ),
    "a move from what ships": decision(
        {"m00/s": good(70), "m01/s": good(90, usd=0.01)}, BAR_80, current="m00/s"
    ),
    "a judge without labels says pass": decision(
        {"m00/s": good(90)}, JUDGED_80, {"m00/s": NO_LABELS}
    ),
    "a judge without labels says fail": decision(
        {"m00/s": good(50)}, JUDGED_80, {"m00/s": NO_LABELS}
    ),
    "labels on either side of the bar": decision(
        {"m00/s": good(85), "m01/s": good(95, usd=0.01)},
        JUDGED_80,
        {
            "m00/s": Trust(value=0.82, low=0.74, high=0.88),
            "m01/s": Trust(value=0.93, low=0.88, high=0.97),
        },
    ),
    "a criterion keeps a cheaper one out": decision(
        {"m00/s": good(90, seconds=5), "m01/s": good(92, usd=0.01)},
        Objective(kind="good-enough", quality=0.8, latency_p95_s=2),
    ),
    "the best that keeps to the limits": decision(
        {
            "m00/s": good(70),
            "m01/s": good(90, usd=0.002),
            "m02/s": good(95, usd=0.003, seconds=5),
        },
        Objective(kind="budget", usd_per_1k=5, latency_p95_s=2),
    ),
    "within a budget": decision(
        {"m00/s": good(70), "m01/s": good(90, usd=0.004)}, CAP_5
    ),
    "within a budget for less than the best": decision(
        {"m00/s": good(90), "m01/s": good(91, usd=0.004)}, CAP_5
    ),
    "the better one is over the budget": decision(
        {"m00/s": good(70), "m01/s": good(90, usd=0.01)}, CAP_5
    ),
    "the fastest of few live calls": decision(
        {"m00/s": good(5, 5), "m01/s": good(5, 5, seconds=0.5)},
        Objective(kind="budget", usd_per_1k=5, quality=0.5, best="speed"),
    ),
    "nothing is within the budget": decision({"m00/s": good(70, usd=0.01)}, CAP_5),
    "a budget and a price that nobody knows": decision(
        {"m00/s": good(70, usd=None)}, CAP_5
    ),
    "a budget and a better one that has no price": decision(
        {"m00/s": good(70), "m01/s": good(90, usd=None)}, CAP_5
    ),
    "a budget and a bar that only a dearer one meets": decision(
        {"m00/s": good(70), "m01/s": good(90, usd=0.01)},
        Objective(kind="budget", usd_per_1k=5, quality=0.6),
    ),
    "a budget and a bar that nothing meets": decision(
        {"m00/s": good(70), "m01/s": good(90, usd=0.01)},
        Objective(kind="budget", usd_per_1k=5, quality=0.95),
    ),
    "a budget where calls of the other one failed": decision(
        {"m00/s": Made(scores=[*passes(70, 80), *[None] * 20]), "m01/s": good(60)},
        CAP_5,
    ),
    "a budget by a judge without labels": decision(
        {"m00/s": good(90)},
        Objective(kind="budget", usd_per_1k=5, level=JUDGED),
        {"m00/s": NO_LABELS},
    ),
    "finalists of a climb": decision(
        {
            "m00/s": good(15, 25),
            "m01/s": good(70, usd=0.002),
            "m02/s": good(90, usd=0.01),
        },
        STEP,
        states={"m00/s": "stopped"},
    ),
    "finalists of a climb for value": decision(
        {
            "m00/s": good(15, 25),
            "m01/s": good(70, usd=0.002),
            "m02/s": good(90, usd=0.01),
        },
        Objective(kind="value", right_usd=0.05, wrong_usd=0.2),
        states={"m00/s": "stopped"},
    ),
    "a climb left out what is over the budget": decision(
        {"m00/s": good(70), "m01/s": Made()}, CAP_5, expected={"m01/s": 90.0}
    ),
    "a step": decision({"m00/s": good(70), "m01/s": good(90, usd=0.01)}, STEP),
    "a step that is not established": decision(
        {
            "m00/s": Made(scores=[*passes(10, 20), *passes(70, 80)]),
            "m01/s": good(83, usd=0.01),
        },
        STEP,
    ),
    "the cheapest is by far the best": decision(
        {"m00/s": good(90), "m01/s": good(50, usd=0.01)}, STEP
    ),
    "nothing differs on many cases": decision(
        {"m00/s": good(300, 300), "m01/s": good(300, 300, usd=0.01)}, STEP
    ),
    "a step from one rung": decision({"m00/s": good(90)}, STEP),
    "a step where one has no price": decision(
        {"m00/s": good(70, usd=None), "m01/s": good(90, usd=0.01)}, STEP
    ),
    "a step to one that has no price": decision(
        {"m00/s": good(70), "m01/s": good(90, usd=None)}, STEP
    ),
    "a step from all that may be the cheapest": decision(
        {
            "m00/s": good(50),
            "m01/s": good(90, usd=0.01),
            "m02/s": good(60, usd=None),
        },
        STEP,
    ),
    "a step with a bar that one meets": decision(
        {"m00/s": good(70), "m01/s": good(90, usd=0.01)},
        Objective(kind="step-function", quality=0.85),
    ),
    "gate: nothing changed": gated(*flipped(0)),
    "gate: better": gated(*flipped(0, 8)),
    "gate: worse": gated(*flipped(10)),
    "gate: perhaps worse": gated(*flipped(3)),
    "gate: a little worse": gated(*flipped(1)),
    "gate: one case": gated(same(1), same(1)),
    "gate: many calls failed": gated(same(20), side(rows([*[1.0] * 17, *[None] * 3]))),
    "gate: all calls failed": gated(same(20), side(rows([None] * 20))),
    "gate: no baseline row": gated(side([]), same(20)),
    "gate: dearer": gated(same(40), same(40, usd=0.002), Gate(cost=0.1)),
    "gate: perhaps dearer": gated(
        same(40), same(40, usd=[0.01, *[0.001] * 39]), Gate(cost=0.1)
    ),
    "gate: no longer free": gated(same(40, usd=0.0), same(40), Gate(cost=0.1)),
    "gate: a cost is unknown": gated(same(40, usd=None), same(40), Gate(cost=0.1)),
    "gate: one live call": gated(same(1), same(1), Gate(latency_p95=0.2)),
    "gate: no drop is to be shown": gated(*flipped(1, 1), Gate(non_inferiority=0.02)),
    "gate: a drop of which fewer cases would have told": gated(
        *flipped(2, n=30), Gate(non_inferiority=0.15)
    ),
    "gate: a share and a drop": gated(
        same(40, at_least=0.9), side(rows(passes(34, 40), at_least=0.9))
    ),
    "gate: few clusters": gated(
        same(40, cluster=["a", "b"] * 20),
        side(rows(passes(30, 40), cluster=["a", "b"] * 20)),
    ),
    "gate: an objective fails": gated(*flipped(15), objective=BAR_80),
    "gate: another rung ships": gated(
        same(40), side(rows([1.0] * 40, rung="bot/rag"), "bot/rag")
    ),
    "gate: a judge without labels": gated(*flipped(12, level=JUDGED, verdict=SAID)),
    "gate: stopped": gated(*flipped(0), stopped=True),
    "gate: a part": gated(*flipped(0), part=Part(items=30, of=100)),
    "gate: no budget for more samples": gated(*flipped(3), escalation="budget"),
    "gate: more samples that are the same": gated(*flipped(10), escalation="run"),
    "gate: other cases": gated(same(40), same(40, case_hash="other")),
    "gate: a test is gone": gated(
        side([*rows([1.0] * 20), *rows([1.0] * 20, test="test_shop.py::test_b")]),
        same(20),
    ),
    "climb: to a bar": climbed(
        {"a/s": mixed(60, 200), "b/s": mixed(180, 200), "c/s": mixed(190, 200)}
    ),
    "climb: unfinished": climbed(
        {"a/s": mixed(60, 200), "b/s": mixed(190, 200)}, finish_winner=False
    ),
    "climb: all miss": climbed({"a/s": passes(0, 40), "b/s": passes(20, 40)}),
    "climb: calls fail": climbed({"a/s": [None] * 60, "b/s": mixed(58, 60)}),
    "climb: few cases": climbed({"a/s": passes(8, 8)}),
    "climb: grades": climbed(
        {"a/s": [0.5, 0.6] * 30, "b/s": [0.9] * 60}, graded=dict.fromkeys(Level, True)
    ),
    "climb: a cheap bar": climbed(
        {
            name: {CHEAP: mixed(n, 60), JUDGED: mixed(58, 60)}
            for name, n in (("a/s", 20), ("b/s", 58))
        },
        cheap_bar=0.9,
        objective={"level": JUDGED},
    ),
    "climb: halving": climbed(
        {"a/s": passes(9, 60), "b/s": passes(30, 60), "c/s": passes(40, 60)},
        objective={"kind": "step-function", "quality": None},
    ),
    "climb: no room above": climbed(
        {"a/s": [1.0] * 60, "b/s": passes(30, 60)},
        objective={"kind": "step-function", "quality": None},
    ),
    "climb: a cap": climbed(
        {"a/s": passes(30, 60), "b/s": passes(30, 60), "c/s": passes(40, 60)},
        objective={"kind": "budget", "quality": None, "usd_per_1k": 5},
        price_cap_ok={"a/s": True, "b/s": None, "c/s": False},
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_is_said_is_so(name: str) -> None:
    assert list(SITUATIONS[name]()) == SENTENCES[name]


@pytest.mark.parametrize("name", SITUATIONS)
def test_no_sentence_is_long_or_broken(name: str) -> None:
    for sentence in SITUATIONS[name]():
        assert len(sentence) < 330
        ill = ("  ", ",,", "..", "nan", "inf %", " 1 points", " 1 cases", " 1 calls")
        assert not any(one in sentence for one in ill)


def test_every_sentence_has_its_situation() -> None:
    assert list(SENTENCES) == list(SITUATIONS)
