"""Drift since an anchor: many small drops, none of which blocks alone."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.ladder import Gate
from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.drift import Anchor
from pytest_ladder.decide.gate.result import GateResult
from pytest_ladder.decide.judge_errors import ErrorsOf
from pytest_ladder.reporting.gate_comment import gate_markdown
from pytest_ladder.reporting.sentences.gate import gate_lines
from tests.decide.gate.baseline_and_change import rows, side
from tests.decide.gate.test_judged_suites import GOOD, POOR, judged

N = 100


def a_run(missed: int, name: int = 0, **fields: Any) -> list[Row]:
    """Return 100 rows of which the first ones missed; `name` makes its draws fresh."""
    scores = [float(place >= missed) for place in range(N)]
    return rows(scores, seconds=1.0 + name, **fields)


def held(
    runs: Sequence[list[Row]], head: list[Row], terms: Gate | None = None, **more: Any
) -> GateResult:
    """Hold `head` against the last of `runs`, of which the first one is the anchor."""
    anchor = Anchor(
        name="git:v1", run=side(runs[0]), later=[side(run) for run in runs[1:]], **more
    )
    return gate(side(runs[-1]), side(head), terms, anchor=anchor)


FALLING = [a_run(missed, missed) for missed in range(11)]
"""Ten baselines after the first, each a point lower than the one before."""


def test_ten_points_in_ten_steps_fail_where_no_step_did() -> None:
    for before, after in itertools.islice(itertools.pairwise(FALLING), 0, None, 4):
        assert gate(side(before), side(after)).verdict == "pass"
    result = held(FALLING, a_run(10, 99))
    assert (result.verdict, result.decided_by) == ("fail", "drift, cheap")
    assert result.reason.startswith(
        "Drift (cheap): -10.0 points since git:v1 over 10 baselines, e = "
    )
    assert "(20 or more is drift); mend it, or move `anchor`" in result.reason
    (drift,) = result.drifts
    assert (drift.baselines, drift.needed) == (10, 20.0)
    assert "Drift (cheap): -10.0 points" in gate_markdown(result)


def test_a_change_that_makes_up_for_it_passes() -> None:
    assert held(FALLING, a_run(1, 99)).verdict == "pass"


def test_a_drift_below_what_blocks_passes() -> None:
    terms = Gate(quality_drop=0.15)
    result = held(FALLING, a_run(10, 99), terms)
    assert result.verdict == "pass"
    (check,) = (check for check in result.checks if check.kind == "drift")
    assert "below 15 points nothing blocks" in check.reason


def test_a_single_bad_baseline_is_no_drift() -> None:
    result = held([a_run(0), a_run(40, 1)], a_run(40, 2))
    assert result.verdict == "pass"
    assert result.drifts[0].evidence < 2
    assert any("-40.0 points since git:v1" in line for line in gate_lines(result))


def test_noise_is_no_drift() -> None:
    chance = random.Random(7)
    flaky = [
        rows(
            [float(place > 30 or chance.random() < 0.7) for place in range(N)],
            seconds=1.0 + run,
        )
        for run in range(16)
    ]
    assert held(flaky[:-1], flaky[-1]).drifts[0].evidence < 20


def test_a_pool_counts_each_of_its_draws_once() -> None:
    """As `baseline update` makes them: the newest run joins up to four before it."""

    def draws(run: int, sample: int) -> list[Row]:
        return [msgspec.structs.replace(row, sample=sample) for row in a_run(run, run)]

    pools = []
    for run in range(11):
        newest = range(run, max(-1, run - 5), -1)
        pools.append(
            [row for n, each in enumerate(newest, 1) for row in draws(each, n)]
        )
    pooled = held(pools, a_run(10, 99)).drifts[0]
    alone = held(FALLING, a_run(10, 99)).drifts[0]
    assert pooled.baselines == 10
    assert pooled.evidence == pytest.approx(alone.evidence)
    # The last pool is of the last five runs.
    assert pooled.change == pytest.approx(-0.08)


def test_tests_that_call_no_model_count_where_their_results_change() -> None:
    runs = [a_run(n, n, replies=[()] * N) for n in range(11)]
    (drift,) = held(runs, runs[-1]).drifts
    # A row without a reply is told from the one before by its score alone.
    assert drift.baselines == 10
    assert held([runs[3]] * 4, runs[3]).drifts == ()


def test_baselines_that_replay_the_anchor_say_nothing_new() -> None:
    result = held([a_run(3)] * 5, a_run(3))
    assert result.drifts == ()
    assert result.verdict == "pass"


def test_cases_that_changed_since_are_left_out() -> None:
    hashes = [f"new{place}" if place < 10 else f"h{place}" for place in range(N)]
    runs = [a_run(0), *(a_run(n, n, case_hash=hashes) for n in range(1, 11))]
    result = held(runs, a_run(10, 99, case_hash=hashes))
    assert result.drifts[0].change == 0
    assert result.verdict == "pass"


def test_the_rungs_that_shipped_are_compared() -> None:
    other = [a_run(n, n, rung="bot/loud") for n in range(1, 11)]
    anchor = Anchor(
        name="git:v1",
        run=side(a_run(0)),
        later=[side(run, "bot/loud") for run in other],
    )
    head = side(a_run(10, 99, rung="bot/loud"), "bot/loud")
    result = gate(side(other[-1], "bot/loud"), head, anchor=anchor)
    assert result.decided_by == "drift, cheap"


@pytest.mark.parametrize(
    ("errors", "verdict", "change"),
    [
        (None, "undecided", -0.1),
        # What people would see is that over sensitivity + specificity - 1.
        (GOOD, "fail", -0.1 / 0.85),
        (POOR, "fail", -0.1 / 0.4),
    ],
    ids=["unlabelled", "good", "poor"],
)
def test_a_drift_that_a_judge_saw_is_read_as_its_labels_say(
    errors: ErrorsOf | None, verdict: str, change: float
) -> None:
    def a_judged_run(missed: int) -> list[Row]:
        fresh = [row.replies for row in a_run(missed, missed)]
        made = judged([float(place >= missed) for place in range(N)])
        return [
            msgspec.structs.replace(row, replies=replies)
            for row, replies in zip(made, fresh, strict=True)
        ]

    runs = [side(a_judged_run(missed)) for missed in range(11)]
    anchor = Anchor(name="git:v1", run=runs[0], later=runs[1:])
    result = gate(runs[-1], runs[-1], errors=errors, anchor=anchor)
    assert (result.verdict, result.decided_by) == (verdict, "drift, judged")
    assert result.drifts[0].change == pytest.approx(change, abs=0.004)
    lacks = "undecided with 0 of 50 labels for its judge."
    assert result.reason.endswith(lacks) is (errors is None)


def test_each_of_two_levels_needs_twice_the_evidence() -> None:
    both = [
        [*run, *(a_run(0, n, level=Level.JUDGED, test="test_tone.py::test_tone"))]
        for n, run in enumerate(FALLING)
    ]
    result = held(both, both[-1])
    assert [drift.needed for drift in result.drifts] == [40.0, 40.0]


def test_heavy_tests_weigh_more() -> None:
    def two(missed: int, name: int) -> list[Row]:
        heavy = a_run(0, name, weight=9.0)
        light = a_run(missed, name, test="test_b.py::test_light", weight=1.0)
        return [*heavy, *light]

    runs = [two(6 * n, n) for n in range(11)]
    (drift,) = held(runs, runs[-1]).drifts
    assert drift.change == pytest.approx(-0.06)


def test_what_cannot_be_seen_is_said_and_decides_nothing() -> None:
    anchor = Anchor(name="git:v1", run=None, unseen=["It was not looked at: why."])
    result = gate(side(a_run(0)), side(a_run(0, 1)), anchor=anchor)
    assert result.verdict == "pass"
    assert any("not looked at: why." in line for line in gate_lines(result))
