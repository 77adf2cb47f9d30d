"""The verdict: cost, latency, coverage, shares, the objective, and nothing at all."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from pytest_ladder.core.ladder import Gate, Objective
from pytest_ladder.core.row import Row
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.margins import latency_rise
from pytest_ladder.decide.gate.pairs import pair
from pytest_ladder.decide.gate.result import Check, GateResult
from pytest_ladder.stats.exact import beyond_runs
from tests.decide.gate.baseline_and_change import RUNG, a_row, changed, rows, side

FINE = [1.0] * 60


def check_of(result: GateResult, name: str) -> Check:
    return next(check for check in result.checks if check.name.startswith(name))


@pytest.mark.parametrize(
    ("before", "after", "current", "told"),
    [
        ([], FINE, RUNG, "baseline has no row"),
        (FINE, [], RUNG, "change has no row"),
        ([None] * 20, FINE, RUNG, "baseline has only errors"),
        (FINE, [None] * 20, RUNG, "change has only errors"),
        (FINE, FINE, "bot/other", "has no row of bot/other"),
    ],
)
def test_without_an_evaluated_row_the_gate_is_broken_and_never_green(
    before: list[float | None], after: list[float | None], current: str, told: str
) -> None:
    result = gate(side(rows(before), current), side(rows(after), current))
    assert result.verdict == "broken"
    assert told in result.reason


def test_a_side_that_does_not_say_what_ships_is_broken() -> None:
    two = [*rows(FINE), *rows(FINE, rung="bot/rag")]
    assert gate(side(two, None), side(rows(FINE))).verdict == "broken"
    assert gate(side(rows(FINE), None), side(rows(FINE), None)).verdict == "pass"


def test_without_a_case_in_common_it_is_undecided() -> None:
    result = gate(side(rows(FINE)), side(rows(FINE, source="other.jsonl")))
    assert result.verdict == "undecided"
    assert "60 added, 60 dropped" in result.reason


def test_what_shipped_is_compared_with_what_would_ship() -> None:
    before, after = changed(12, 0, 60, 60)
    old = side([*rows(before), *rows(after, rung="bot/rag")])
    new = side([*rows(before), *rows(after, rung="bot/rag")], current="bot/rag")
    assert gate(old, side(rows(before))).verdict == "pass"
    result = gate(old, new)
    assert (result.base_rung, result.head_rung) == (RUNG, "bot/rag")
    assert result.verdict == "fail"


def test_a_rung_that_does_not_ship_holds_nothing() -> None:
    before, after = changed(30, 0, 60, 60)
    old = side([*rows(before), *rows(before, rung="bot/rag")])
    assert (
        gate(old, side([*rows(before), *rows(after, rung="bot/rag")])).verdict == "pass"
    )


@pytest.mark.parametrize(
    ("usd", "margin", "verdict"),
    [
        (0.0010, 0.10, "pass"),
        (0.00109, 0.10, "pass"),
        (0.0011, 0.10, "fail"),
        (0.0050, None, "pass"),
        (0.0005, 0.0, "pass"),
        (None, 0.10, "undecided"),
        (None, None, "pass"),
    ],
)
def test_cost_per_call_has_a_relative_margin(
    usd: float | None, margin: float | None, verdict: str
) -> None:
    result = gate(side(rows(FINE)), side(rows(FINE, usd=usd)), Gate(cost=margin))
    assert result.verdict == verdict
    assert result.cost is not None
    if usd is not None:
        assert result.cost.before.value == pytest.approx(1.0)
        assert result.cost.change == pytest.approx(usd / 0.001 - 1)


def test_a_dear_case_alone_does_not_establish_a_rise() -> None:
    after = rows(FINE, usd=[0.02] + [0.001] * 59)
    result = gate(side(rows(FINE)), side(after), Gate(cost=0.10))
    assert (result.verdict, check_of(result, "cost").verdict) == ("undecided",) * 2


def test_from_nothing_to_something_is_a_rise() -> None:
    free = side(rows(FINE, usd=0.0))
    assert gate(free, side(rows(FINE)), Gate(cost=5.0)).verdict == "fail"
    assert gate(free, free, Gate(cost=0.0)).verdict == "pass"


def spread(n: int, scale: float) -> list[float]:
    return [scale * (1 + place / n) for place in range(n)]


def in_runs(scales: Sequence[float], n: int) -> list[Row]:
    """Return a baseline of several runs, each so many times slower than the others."""
    return [
        a_row(place, 1.0, number, seconds=seconds * scale, run=f"r{number}")
        for number, scale in enumerate(scales, start=1)
        for place, seconds in enumerate(spread(n, 1.0))
    ]


@pytest.mark.parametrize(
    ("n", "scale", "live", "verdict"),
    [
        (200, 1.0, True, "pass"),
        (200, 1.5, True, "fail"),
        (200, 1.5, False, "pass"),  # a replay measures none
        (58, 1.5, True, "undecided"),
        (59, 1.5, True, "fail"),
    ],
)
def test_latency_is_judged_by_live_calls_and_by_enough_of_them(
    n: int, scale: float, live: bool, verdict: str
) -> None:
    before = in_runs([1.0, 1.02, 0.99], n)
    after = rows([1.0] * n, seconds=spread(n, scale), live=live)
    result = gate(side(before), side(after), Gate(latency_p95=0.2))
    assert result.verdict == verdict
    assert gate(side(before), side(after)).verdict == "pass"
    told = "p95 latency is not gated, for replies were replayed." in result.reason
    assert told is not live


@pytest.mark.parametrize(
    ("runs", "slower", "verdict"),
    [
        ([1.0], 1.5, "undecided"),  # as slow as a bad day of the provider
        ([1.0, 1.01], 1.5, "undecided"),
        ([1.0, 1.01, 0.99], 1.5, "fail"),
        ([1.0, 1.01, 0.99], 1.1, "pass"),
        ([1.0, 1.3, 0.8], 1.5, "undecided"),
        ([1.0, 1.3, 0.8, 1.1, 0.9], 2.0, "fail"),
        ([1.0, 1.01], 1.1, "pass"),
    ],
)
def test_a_slow_run_is_told_from_a_slow_day_by_three_runs_or_more(
    runs: list[float], slower: float, verdict: str
) -> None:
    old = side(in_runs(runs, 100))
    new = side(rows([1.0] * 100, seconds=spread(100, slower)))
    result = gate(old, new, Gate(latency_p95=0.2))
    assert result.verdict == verdict
    told = "takes a baseline of 3 runs to tell that from a slow day" in result.reason
    assert told is (verdict == "undecided" and len(runs) < 3)
    assert result.latency is not None
    assert result.latency.low is not None
    assert result.latency.low < (result.latency.change or 0)


@pytest.mark.parametrize(
    ("n", "stalled", "verdict"),
    [
        (60, 3, "pass"),  # not one in twenty
        (60, 4, "undecided"),
        (60, 6, "undecided"),
        (60, 9, "fail"),
        (300, 18, "undecided"),
        (300, 30, "fail"),
    ],
)
def test_a_few_calls_that_stall_are_not_taken_for_a_slow_change(
    n: int, stalled: int, verdict: str
) -> None:
    """The runs before are all alike, so that a p95 far from theirs looks certain."""
    before = side(in_runs([1.0, 1.01, 0.99, 1.0, 1.005], n))
    seconds = spread(n, 1.0)[:-stalled] + [3.0] * stalled
    result = gate(before, side(rows([1.0] * n, seconds=seconds)), Gate(latency_p95=0.2))
    assert result.verdict == verdict
    told = f"{n} calls may be so slow by chance" in result.reason
    assert told is (verdict == "undecided")


def test_calls_that_vary_turn_a_gate_red_less_than_one_time_in_twenty() -> None:
    """Nothing changed: 60 calls of one kind, whose p95 leans to the slow side."""
    random = np.random.default_rng(18)
    red = 0
    for _ in range(120):
        seconds = random.lognormal(0, 1.0, (4, 60)).tolist()
        before = [
            a_row(place, 1.0, run, seconds=one, run=f"r{run}")
            for run, calls in enumerate(seconds[:-1], start=1)
            for place, one in enumerate(calls)
        ]
        rise = latency_rise(pair(before, rows([1.0] * 60, seconds=seconds[-1])))
        red += rise.established and (rise.change or 0) >= 0.2
    # By the runs alone 11 are red.
    assert red <= 3


def test_days_of_a_provider_that_differ_turn_a_gate_red_one_time_in_twenty() -> None:
    """Nothing changed, and the p95 of each run is off by 20 % (sd): 20,000 times."""
    random = np.random.default_rng(5)
    for runs in (3, 5):
        logs = random.normal(0, 0.2, (20_000, runs + 1))
        rise = logs[:, 0] - logs[:, 1:].mean(axis=1)
        sd = logs[:, 1:].std(axis=1, ddof=1) * (1 + 1 / runs) ** 0.5
        # The lower end that `beyond_runs` gives, for all at once.
        one = beyond_runs(logs[0, 0], logs[0, 1:].tolist(), 0.9)
        t = (one.high - one.mean) / sd[0]
        red = (rise - t * sd > 0) & (rise >= np.log(1.2))
        assert red.mean() <= 0.052


@pytest.mark.parametrize(("errors", "verdict"), [(5, "pass"), (6, "undecided")])
def test_below_95_percent_coverage_nothing_is_decided(
    errors: int, verdict: str
) -> None:
    after: list[float | None] = [1.0] * (100 - errors) + [None] * errors
    full = side(rows([1.0] * 100))
    assert gate(full, side(rows(after))).verdict == verdict
    assert gate(side(rows(after)), full).verdict == verdict


def test_a_drop_blocks_although_coverage_is_low() -> None:
    after: list[float | None] = [None] * 10 + [0.0] * 20 + [1.0] * 70
    assert gate(side(rows([1.0] * 100)), side(rows(after))).verdict == "fail"


@pytest.mark.parametrize(
    ("passes", "at_least", "verdict"),
    [(90, 0.9, "pass"), (89, 0.9, "fail"), (50, 1.0, "pass")],
)
def test_the_share_that_a_test_asks_for_is_held(
    passes: int, at_least: float, verdict: str
) -> None:
    scores = [float(place < passes) for place in range(100)]
    made = side(rows(scores, at_least=at_least))
    result = gate(made, made)
    assert result.verdict == verdict
    if verdict == "fail":
        assert "at_least=0.9 needs 90 of 100" in result.reason


def test_parameters_of_the_users_own_share_one_share() -> None:
    tests = [f"t.py::test_a[{place % 2}]" for place in range(100)]
    scores = [float(place % 2 == 0 or place > 20) for place in range(100)]
    made = side(rows(scores, at_least=0.9, test=tests))
    assert check_of(gate(made, made), "at_least").reason.startswith(
        "t.py::test_a: 90 of 100 passed"
    )


@pytest.mark.parametrize(("bar", "verdict"), [(0.8, "pass"), (0.95, "fail")])
def test_the_objective_is_judged_where_one_is_given(bar: float, verdict: str) -> None:
    made = side(rows([float(place < 90) for place in range(100)]))
    goal = Objective(kind="good-enough", quality=bar)
    result = gate(made, made, Gate(), goal)
    assert (result.verdict, check_of(result, "objective").verdict) == (verdict, verdict)
    assert gate(made, made).verdict == "pass"


def two_rungs(plain: int, rag: int) -> list[Row]:
    made: list[Row] = []
    for name, passes, usd in (("plain", plain, 0.001), ("rag", rag, 0.003)):
        scores = [float(place < passes) for place in range(100)]
        made += [
            msgspec.structs.replace(
                row,
                replies=(
                    msgspec.structs.replace(row.replies[0], key=f"{name}-{row.case}"),
                ),
            )
            for row in rows(scores, rung=f"bot/{name}", usd=usd)
        ]
    return made


def test_advice_is_told_apart_where_both_sides_ran_the_same_rungs() -> None:
    goal = Objective(kind="good-enough", quality=0.85)
    old, new = side(two_rungs(90, 95)), side(two_rungs(80, 95))
    result = gate(old, new, Gate(), goal)
    assert result.base_advice is not None
    assert result.head_advice is not None
    assert (result.base_advice.rung, result.head_advice.rung) == (RUNG, "bot/rag")
    alone = gate(side(rows(FINE)), new, Gate(), goal)
    assert alone.base_advice is None


def test_the_worst_verdict_is_that_of_the_gate() -> None:
    before, after = changed(12, 0, 60, 60)
    result = gate(side(rows(before)), side(rows(after, usd=None)), Gate(cost=0.1))
    assert {check.verdict for check in result.checks} == {"pass", "fail", "undecided"}
    assert result.verdict == "fail"
    assert result.reason.startswith(
        "Quality (cheap, test_shop.py) went from 100.0 % to"
    )


@pytest.mark.parametrize(
    ("terms", "usd", "told"),
    [
        (
            Gate(),
            0.001,
            "Not gated, for want of a margin in [gate]: cost and p95 latency.",
        ),
        (Gate(), None, "in [gate]: cost (unknown) and p95 latency."),
        (Gate(latency_p95=0.2), 0.001, "in [gate]: cost."),
        (Gate(cost=0.1), 0.001, "in [gate]: p95 latency."),
        (Gate(cost=0.1, latency_p95=0.2), 0.001, "interval -6.0 to +6.0."),
    ],
)
def test_a_pass_says_what_it_says_nothing_about(
    terms: Gate, usd: float | None, told: str
) -> None:
    result = gate(side(rows(FINE, usd=usd)), side(rows(FINE, usd=usd)), terms)
    assert result.verdict == "pass"
    assert result.reason.endswith(told)


@pytest.mark.parametrize(
    ("broke", "verdict"), [(0, "undecided"), (3, "undecided"), (12, "fail")]
)
def test_samples_that_were_not_affordable_leave_a_pass_undecided(
    broke: int, verdict: str
) -> None:
    before, after = changed(broke, 0, 60, 60)
    head = msgspec.structs.replace(side(rows(after)), escalation="budget")
    result = gate(side(rows(before)), head)
    assert result.verdict == verdict
    check = check_of(result, "escalation")
    assert (check.verdict, "--ladder-budget" in check.reason) == ("undecided", True)
    if verdict == "undecided":
        assert result.reason.startswith(check.reason)
