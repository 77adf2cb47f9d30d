from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ladder.core.reply import Usage
from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.rung import Build, Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import Cell, RungResult, build_matrix
from pytest_ladder.stats.intervals import clustered_mean, effective_wilson, wilson


def a_rung(name: str, build: Build | None = None) -> Rung:
    model = Model(name="m", tier=Tier.FINE_TUNED, id="scripted/m", build=build)
    return Rung(model=model, strategy=Strategy(name=name))


def a_row(score: float | None, **fields: Any) -> Row:
    if score is None:
        outcome = Outcome.ERROR
    else:
        outcome = Outcome.PASSED if score == 1 else Outcome.MISSED
    values: dict[str, Any] = {
        "test": "t.py::test_a",
        "rung": "m/a",
        "level": Level.CHEAP,
        "source": "cases.jsonl",
        "case": "one",
        "outcome": outcome,
        "score": score,
    }
    return Row(**{**values, **fields})


def a_bill(key: str, cost: float | None = 0.001, **fields: Any) -> UsedReply:
    return UsedReply(key=key, cost_usd=cost, **{"live": True, **fields})


def only(rows: list[Row], level: Level = Level.CHEAP) -> Cell:
    return build_matrix(rows, [a_rung("a")], {}).rungs[0].levels[level]


def alone(rows: list[Row], build: Build | None = None) -> RungResult:
    return build_matrix(rows, [a_rung("a", build)], {}).rungs[0]


def test_a_unit_is_a_case_and_its_samples_are_averaged_first() -> None:
    rows = [a_row(1, sample=1), a_row(0, sample=2), a_row(1, case="two")]
    cell = only(rows)
    # (1/2 + 1) / 2, and not 2/3
    assert cell.quality == 0.75
    assert (cell.n, cell.missed, cell.errors, cell.coverage) == (2, 1, 0, 1.0)


def test_tests_of_a_case_are_averaged_by_their_weight() -> None:
    rows = [
        a_row(1, test="t.py::test_a", weight=3.0, sample=1),
        a_row(0, test="t.py::test_a", weight=3.0, sample=2),
        a_row(1, test="t.py::test_b", weight=1.0),
    ]
    # three times a half and once a whole, over four
    assert only(rows).quality == 0.625


def test_a_test_of_weight_zero_is_in_no_quality_and_in_no_n() -> None:
    rows = [a_row(1), a_row(0, case="two", weight=0.0)]
    cell = only(rows)
    assert (cell.quality, cell.n, cell.missed) == (1.0, 1, 1)


def test_the_interval_of_passes_and_misses_is_wilsons() -> None:
    rows = [a_row(float(number < 42), case=str(number)) for number in range(50)]
    cell = only(rows)
    assert cell.quality == 0.84
    assert (cell.low, cell.high) == wilson(42, 50)
    assert cell.low == pytest.approx(0.714858, abs=1e-6)


def test_errors_lower_the_coverage_and_leave_quality_alone() -> None:
    rows = [
        a_row(1),
        a_row(None, sample=2),
        a_row(None, case="two"),
        a_row(0, case="3"),
    ]
    cell = only(rows)
    assert (cell.quality, cell.n) == (0.5, 2)
    assert (cell.errors, cell.coverage) == (2, 0.5)


def test_nothing_but_errors_has_no_quality() -> None:
    cell = only([a_row(None), a_row(None, case="two")])
    assert (cell.quality, cell.low, cell.high, cell.n) == (None, None, None, 0)
    assert cell.coverage == 0.0


def test_a_free_form_test_is_a_unit_of_its_own() -> None:
    free = "t.py::test_free"
    rows = [
        a_row(1),
        a_row(0, test=free, source=free, case=""),
        a_row(1, test=f"{free}_too", source=f"{free}_too", case=""),
    ]
    assert only(rows).n == 3
    assert only(rows).quality == pytest.approx(2 / 3)


def test_cases_of_one_name_in_two_files_are_two_units() -> None:
    assert only([a_row(1), a_row(0, source="other.jsonl")]).n == 2


def test_clustered_cases_get_the_wider_interval() -> None:
    # V2 of the methods note
    groups = ["1110", "0010", "1111", "1000", "11", "01"]
    rows = [
        a_row(float(score), case=f"{place}-{number}", cluster=f"doc{place}")
        for place, scores in enumerate(groups)
        for number, score in enumerate(scores)
    ]
    cell = only(rows)
    assert (cell.quality, cell.n) == (0.6, 20)
    assert cell.low == pytest.approx(0.230318, abs=1e-5)
    assert cell.high == pytest.approx(0.882616, abs=1e-5)


def test_a_case_without_cluster_among_clustered_ones_is_its_own() -> None:
    scores = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    clusters = ["doc", "doc", None, None, None, None, None]
    rows = [
        a_row(score, case=str(number), cluster=cluster)
        for number, (score, cluster) in enumerate(zip(scores, clusters, strict=True))
    ]
    mean, _, n_eff, df = clustered_mean(scores, ["doc", "doc", 2, 3, 4, 5, 6])
    cell = only(rows)
    assert (cell.low, cell.high) == effective_wilson(mean, n_eff, df=df)


def test_too_few_clusters_give_a_quality_without_interval() -> None:
    rows = [a_row(float(n > 0), case=str(n), cluster=f"doc{n % 2}") for n in range(4)]
    cell = only(rows)
    assert (cell.quality, cell.low, cell.high, cell.n) == (0.75, None, None, 4)


def test_levels_are_apart_and_come_in_their_order() -> None:
    rows = [a_row(0, level=Level.JUDGED), a_row(1)]
    result = alone(rows)
    assert list(result.levels) == [Level.CHEAP, Level.JUDGED]
    assert result.levels[Level.CHEAP].quality == 1.0
    assert result.levels[Level.JUDGED].quality == 0.0


def test_cost_is_the_mean_over_distinct_replies_per_1000() -> None:
    shared = a_bill("x", 0.001)
    rows = [
        a_row(1, replies=(shared,)),
        a_row(1, test="t.py::test_b", replies=(shared,)),
        a_row(None, case="two", replies=(a_bill("y", 0.004),)),
    ]
    cost = alone(rows, Build(usd=0.35, hours=0.1)).cost
    # 1000 * (0.001 + 0.004) / 2: the shared reply once, that of the error too
    assert cost.serve_usd_per_1k == pytest.approx(2.5)
    # 0.35 of building over 100,000 calls
    assert cost.usd_per_1k == pytest.approx(2.5035)
    assert (cost.build_usd, cost.build_hours, cost.known) == (0.35, 0.1, True)


@pytest.mark.parametrize(
    "replies", [(a_bill("x"), a_bill("y", None)), (a_bill("x", None),), ()]
)
def test_an_unknown_cost_is_never_zero(replies: tuple[UsedReply, ...]) -> None:
    cost = alone([a_row(1, replies=replies)]).cost
    assert (cost.usd_per_1k, cost.serve_usd_per_1k, cost.known) == (None, None, False)


def test_a_free_model_costs_nothing_and_that_is_known() -> None:
    cost = alone([a_row(1, replies=(a_bill("x", 0.0),))]).cost
    assert (cost.usd_per_1k, cost.known) == (0.0, True)


def test_latency_counts_live_replies_only() -> None:
    replies = (
        a_bill("a", latency_s=1.0),
        a_bill("b", latency_s=3.0),
        a_bill("c", latency_s=100.0, live=False),
        a_bill("d", latency_s=None),
    )
    latency = alone([a_row(1, replies=replies), a_row(1, replies=replies)]).latency
    assert (latency.p50_s, latency.n_live, latency.recorded) == (2.0, 2, False)
    assert latency.p95_s == pytest.approx(2.9)


def test_recorded_latency_is_shown_and_marked_when_nothing_was_live() -> None:
    replies = tuple(a_bill(k, live=False, latency_s=s) for k, s in [("a", 1), ("b", 2)])
    latency = alone([a_row(1, replies=replies)]).latency
    assert (latency.p50_s, latency.n_live, latency.recorded) == (1.5, 0, True)


def test_tokens_are_means_per_reply_that_reports_them() -> None:
    replies = (
        a_bill("a", usage=Usage(input=10, output=4)),
        a_bill("b", usage=Usage(input=20, output=5)),
        a_bill("c"),
    )
    tokens = alone([a_row(1, replies=replies)]).tokens
    assert tokens is not None
    assert (tokens.input, tokens.output) == (15.0, 4.5)
    assert alone([a_row(1)]).tokens is None


def test_the_calls_behind_a_tasks_reply_are_counted_in_its_place() -> None:
    task = a_bill("task", 0.003, calls=("one", "two"))
    rows = [
        a_row(1, replies=(task,)),
        # A test asks for one of these calls itself: it is billed in the task already.
        a_row(1, case="two", replies=(a_bill("two", 0.001, live=False),)),
        a_row(1, case="three", replies=(a_bill("three", live=False),)),
    ]
    matrix = build_matrix(rows, [a_rung("a")], {})
    result, spend = matrix.rungs[0], matrix.spend
    assert (result.calls.live, result.calls.replayed) == (2, 1)
    assert result.cost.usd_per_1k == pytest.approx(2.0)
    assert (spend.live_calls, spend.replayed_calls) == (2, 1)
    assert (spend.product_usd, spend.saved_usd) == (0.003, 0.001)


def test_spend_keeps_product_and_evaluation_apart_and_counts_shared_replies_once() -> (
    None
):
    judge = a_bill("judge", 0.01)
    old_judge = a_bill("old-judge", 0.02, live=False)
    rows = [
        a_row(1, replies=(a_bill("x", 0.001),), evaluations=(judge,)),
        # The same request on another rung: one reply, paid once.
        a_row(1, rung="m/b", replies=(a_bill("x", 0.001),), evaluations=(judge,)),
        a_row(1, rung="m/b", case="2", replies=(a_bill("y", 0.5, live=False),)),
        a_row(1, rung="m/b", case="2", evaluations=(old_judge,)),
    ]
    matrix = build_matrix(rows, [a_rung("a"), a_rung("b")], {})
    spend = matrix.spend
    assert (spend.product_usd, spend.evaluation_usd) == (0.001, 0.01)
    assert spend.saved_usd == pytest.approx(0.52)
    assert (spend.live_calls, spend.replayed_calls, spend.unknown_calls) == (2, 2, 0)
    assert [rung.calls.live for rung in matrix.rungs] == [1, 1]
    assert matrix.rungs[0].cost.usd_per_1k == 1.0  # no judge in it


def test_a_task_whose_only_call_has_its_own_key_is_not_taken_for_that_call() -> None:
    result = alone([a_row(1, replies=(a_bill("x", 0.001, calls=("x",)),))])
    assert (result.cost.usd_per_1k, result.calls.live) == (1.0, 1)


def test_a_call_that_two_tasks_share_is_one_call_and_live_if_either_was() -> None:
    tasks = (
        a_bill("first", calls=("shared", "a")),
        a_bill("second", calls=("shared", "b"), live=False),
    )
    calls = alone([a_row(1, replies=tasks)]).calls
    assert (calls.live, calls.replayed) == (2, 1)


def test_a_reply_that_is_product_and_evaluation_is_paid_once_as_product() -> None:
    both = a_bill("x", 0.25)
    rows = [a_row(1, replies=(both,), evaluations=(both,))]
    spend = build_matrix(rows, [a_rung("a")], {}).spend
    assert (spend.product_usd, spend.evaluation_usd, spend.live_calls) == (0.25, 0, 1)


def test_calls_of_unknown_cost_are_counted_beside_the_sums() -> None:
    replies = (
        a_bill("a", 0.25),
        a_bill("b", None),
        a_bill("c", None, calls=("c1", "c2")),
        a_bill("d", None, live=False),
    )
    spend = build_matrix([a_row(1, replies=replies)], [a_rung("a")], {}).spend
    assert (spend.product_usd, spend.unknown_calls) == (0.25, 3)
    assert (spend.saved_usd, spend.unknown_replayed_calls) == (None, 1)


def test_only_unknown_costs_make_the_spend_unknown() -> None:
    rows = [a_row(1, replies=(a_bill("a", None),))]
    spend = build_matrix(rows, [a_rung("a")], {}).spend
    assert (spend.product_usd, spend.evaluation_usd) == (None, 0.0)


def priced(name: str, cost: float | None) -> Row:
    return a_row(1, rung=f"m/{name}", replies=(a_bill(name, cost),))


def test_rungs_come_cheapest_first_and_unknown_ones_last_in_their_given_order() -> None:
    names = ["u", "dear", "tie", "cheap", "tie2", "not-run"]
    costs = {"u": None, "dear": 0.9, "tie": 0.5, "cheap": 0.1, "tie2": 0.5}
    rows = [priced(name, cost) for name, cost in costs.items()]
    matrix = build_matrix(rows, [a_rung(name) for name in names], {})
    ids = [rung.strategy for rung in matrix.rungs]
    assert ids == ["cheap", "tie", "tie2", "dear", "u", "not-run"]
    assert matrix.order_note == (
        "By measured cost m/cheap comes before m/dear; "
        "the run took them the other way round."
    )


def test_there_is_no_order_note_when_measured_and_given_order_agree() -> None:
    rows = [priced("a", 0.1), priced("u", None), priced("b", 0.2)]
    rungs = [a_rung("u"), a_rung("a"), a_rung("not-run"), a_rung("b")]
    assert build_matrix(rows, rungs, {}).order_note is None


def test_states_come_from_the_run_and_else_from_the_rows() -> None:
    rows = [priced("a", 0.1), priced("b", 0.2)]
    rungs = [a_rung("a"), a_rung("b"), a_rung("c"), a_rung("d")]
    states = {"m/b": "stopped", "m/c": "run"}
    matrix = build_matrix(rows, rungs, states)
    assert [rung.state for rung in matrix.rungs] == ["run", "stopped", "run", "not run"]
    assert matrix.rungs[3].levels == {}
    assert matrix.rungs[3].cost.usd_per_1k is None


def test_a_row_of_an_unknown_rung_and_an_unknown_state_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown rung 'm/zzz'"):
        build_matrix([a_row(1, rung="m/zzz")], [a_rung("a")], {})
    with pytest.raises(ValueError, match=r"m/a has the unknown state 'done'"):
        build_matrix([], [a_rung("a")], {"m/a": "done"})


def test_no_rows_at_all_make_an_empty_matrix() -> None:
    matrix = build_matrix([], [a_rung("a")], {})
    assert matrix.levels == ()
    assert (matrix.spend.product_usd, matrix.spend.live_calls) == (0.0, 0)


a_cost = st.none() | st.floats(0, 10)
bills = st.builds(
    UsedReply,
    key=st.sampled_from("abcdef"),
    live=st.booleans(),
    cost_usd=a_cost,
    latency_s=a_cost,
    calls=st.sampled_from([(), ("a", "b"), ("f",)]),
)
rows_of_three_rungs = st.lists(
    st.builds(
        a_row,
        st.none() | st.floats(0, 1),
        test=st.sampled_from(["t1", "t2"]),
        rung=st.sampled_from(["m/a", "m/b", "m/c"]),
        case=st.sampled_from(["one", "two", "three"]),
        level=st.sampled_from(Level),
        sample=st.integers(1, 2),
        weight=st.floats(0, 3),
        cluster=st.none() | st.sampled_from(["x", "y"]),
        replies=st.lists(bills, max_size=2).map(tuple),
        evaluations=st.lists(bills, max_size=1).map(tuple),
    ),
    max_size=12,
)


@given(rows_of_three_rungs, st.randoms(use_true_random=False))
def test_the_order_of_rows_never_changes_the_matrix(
    rows: list[Row], random: Any
) -> None:
    rungs = [a_rung("a"), a_rung("b"), a_rung("c")]
    shuffled = random.sample(rows, len(rows))
    assert build_matrix(rows, rungs, {}) == build_matrix(shuffled, rungs, {})


@given(rows_of_three_rungs)
def test_quality_lies_in_its_interval_and_both_in_the_unit_interval(
    rows: list[Row],
) -> None:
    rungs = [a_rung("a"), a_rung("b"), a_rung("c")]
    for result in build_matrix(rows, rungs, {}).rungs:
        for cell in result.levels.values():
            assert 0 <= cell.coverage <= 1
            if cell.low is not None and cell.high is not None:
                assert cell.quality is not None
                assert 0 <= cell.low <= cell.quality + 1e-12
                assert cell.quality <= cell.high + 1e-12
                assert cell.high <= 1
                assert math.isfinite(cell.low)
