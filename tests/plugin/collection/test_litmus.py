"""A litmus: the most capable rung with the right context at hand, on a few cases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugin.scratch_suite import Shop
from tests.plugin.slope import ANSWER, REPORT, Slope, said

NAMED = 'current = "mid/plain"\nlitmus = "big/plain"\n'


@pytest.fixture
def slope(shop: Shop) -> Slope:
    slope = Slope(shop)
    slope.report = "ladder-report/litmus"
    slope.ladder(head=NAMED)
    slope.cases(40, context=["The answer is right."])
    shop.server.reply = answer
    return slope


def answer(body: Any) -> str:
    shown = str(body["messages"])
    return "right" if "The answer is right." in shown else "wrong"


def test_the_most_capable_rung_sees_the_context_of_20_cases(
    slope: Slope, shop: Shop
) -> None:
    result = shop.run("--ladder=litmus", "--ladder-live")
    assert result.ret == 0
    assert slope.asked == {"big": 20}
    shown = slope.shop.server.requests[0].body["messages"]
    assert "The answer is right." in str(shown)
    assert [rung["id"] for rung in slope.matrix["rungs"]] == ["big/gold"]
    assert slope.matrix["run"]["mode"] == "litmus"
    assert len(slope.rows_of("big/gold")) == 20
    result.stdout.fnmatch_lines(
        ["Feasible: big/gold scores 100.0 % with the right context at hand (at least*"]
    )
    # One rung by itself decides nothing.
    assert slope.matrix["recommendation"] is None


def test_the_same_cases_are_drawn_again_and_replayed(slope: Slope) -> None:
    slope.shop.run("--ladder=litmus", "--ladder-live")
    first = {row["case"] for row in slope.rows_of("big/gold")}
    assert first != {f"c{n}" for n in range(20)}, "drawn at random"
    slope.forget()
    result = slope.shop.run("--ladder=litmus")
    assert {row["case"] for row in slope.rows_of("big/gold")} == first
    assert slope.asked == {}
    assert "Feasible: big/gold" in said(result)


def test_what_context_does_not_mend_is_not_feasible(slope: Slope) -> None:
    slope.shop.server.reply = lambda _: "wrong"
    result = slope.shop.run("--ladder=litmus", "--ladder-live")
    assert "Not feasible: big/gold scores 0.0 %" in said(result)
    assert result.ret == 0, "a litmus asks a question, and no test of it is broken"


def test_few_cases_are_all_taken_and_leave_it_open(slope: Slope) -> None:
    slope.cases(3, context=["The answer is right."])
    result = slope.shop.run("--ladder=litmus", "--ladder-live")
    assert slope.asked == {"big": 3}
    assert "Feasible or not is undecided: big/gold scores 100.0 %" in said(result)


def test_without_a_bar_it_says_how_to_set_one(slope: Slope) -> None:
    slope.ladder('\n[objective]\nkind = "step-function"\n', head=NAMED)
    result = slope.shop.run("--ladder=litmus", "--ladder-live")
    assert "set `quality` in [objective] to hold it against a bar" in said(result)


def test_without_an_objective_it_runs_and_answers_nothing(slope: Slope) -> None:
    slope.ladder("", head=NAMED)
    result = slope.shop.run("--ladder=litmus", "--ladder-live")
    assert result.ret == 0
    assert slope.asked == {"big": 20}


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["plain", "worker"])
def test_cases_without_context_are_refused(
    slope: Slope, workers: tuple[str, ...]
) -> None:
    slope.cases(40)
    result = slope.shop.run("--ladder=litmus", "--ladder-live", *workers)
    assert "no case of this run names one; add `context` to the cases" in said(result)
    assert "INTERNALERROR" not in said(result)
    assert "Traceback" not in said(result)
    assert result.ret not in (0, 3)
    assert slope.asked == {}


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["plain", "worker"])
def test_where_nothing_is_selected_nothing_is_missed(
    slope: Slope, workers: tuple[str, ...]
) -> None:
    result = slope.shop.run("--ladder=litmus", "-k", "nothing", *workers)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "context" not in said(result)


def test_tests_without_cases_are_told_of(slope: Slope) -> None:
    slope.shop.test("@pytest.mark.cheap\ndef test_free(llm):\n    llm('hi')\n")
    result = slope.shop.run("--ladder=litmus", "--ladder-live")
    assert "no test of this run has cases; select one that has." in said(result)
    assert slope.asked == {}


def test_only_cases_that_have_a_context_are_drawn(
    slope: Slope,
) -> None:
    slope.shop.cases(
        [{"id": "bare", "input": "ask 0"}]
        + [
            {"id": f"c{n}", "input": f"ask {n}", "context": ["The answer is right."]}
            for n in range(9)
        ]
    )
    result = slope.shop.run("--ladder=litmus", "--ladder-live")
    assert "INTERNALERROR" not in said(result)
    assert slope.asked == {"big": 9}
    assert result.ret == 0
    slope.shop.cases(
        [
            {"id": f"c{n}", "input": f"ask {n}"}
            | ({"context": ["The answer is right."]} if n % 2 else {})
            for n in range(60)
        ]
    )
    slope.shop.run("--ladder=litmus", "--ladder-live")
    drawn = {int(row["case"][1:]) % 2 for row in slope.rows_of("big/gold")}
    assert drawn == {1}
    assert len(slope.rows_of("big/gold")) == 20


def test_the_rung_that_a_report_measured_best_is_tried(slope: Slope) -> None:
    slope.ladder()
    slope.shop.server.reply = lambda body: "right" if body["model"] == "mid" else "no"
    slope.shop.run("--ladder=matrix", "--ladder-live")
    slope.forget()
    result = slope.shop.run("--ladder=litmus", "--ladder-live", "--ladder-refresh")
    assert slope.asked == {"mid": 20}
    assert "ladder: litmus: mid/gold" in said(result)
    why = "which is measured best in ladder-report/matrix.json: 100.0 %"
    assert f"Tried on model mid (openai/mid), {why}." in said(result)


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["plain", "worker"])
def test_capability_is_never_guessed(slope: Slope, workers: tuple[str, ...]) -> None:
    slope.ladder()
    result = slope.shop.run("--ladder=litmus", "--ladder-live", *workers)
    assert "nothing tells which of them that is (`small/plain`" in said(result)
    assert "name one with --ladder-rungs=… or with `litmus` in ladder.toml" in (
        said(result)
    )
    assert "INTERNALERROR" not in said(result)
    assert result.ret not in (0, 3)
    assert slope.asked == {}


def test_the_command_line_names_the_rung_before_all_else(slope: Slope) -> None:
    result = slope.shop.run("--ladder=litmus", "--ladder-live", "--ladder-rungs=sma*")
    assert slope.asked == {"small": 20}
    assert "Tried on model small (openai/small), which is named by --ladder-rungs." in (
        said(result)
    )


def test_a_name_that_is_no_rung_is_refused(slope: Slope) -> None:
    slope.ladder(head='litmus = "bigg/plain"\n')
    result = slope.shop.run("--ladder=litmus", "--ladder-live")
    assert "`bigg/plain` is not a rung; did you mean `big/plain`?" in said(result)


def test_packed_tests_are_told_of(slope: Slope) -> None:
    slope.shop.test(ANSWER.replace('"cases.jsonl"', '"cases.jsonl", pack=True'))
    result = slope.shop.run("--ladder=litmus", "--ladder-live")
    assert "pack=True" in said(result)
    assert slope.asked == {}


def test_the_plan_of_a_litmus_counts_its_cases_alone(slope: Slope) -> None:
    result = slope.shop.run("--ladder=litmus", "--ladder-plan", "--ladder-live")
    assert "big/gold" in said(result)
    assert slope.asked == {}
    assert not (slope.shop.path / REPORT).exists()
