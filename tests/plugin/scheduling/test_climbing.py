"""A climb: what runs, what is paid for, what is decided, and what follows from it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from pytest_ladder.judging.calibration.labels import Label, line_of
from pytest_ladder.judging.jury import standard_of
from pytest_ladder.judging.rubrics import Rubric
from tests.plugin.scratch_suite import Shop
from tests.plugin.slope import (
    ANSWER,
    NODES,
    OBJECTIVE,
    Slope,
    said,
)
from tests.scripted_server import last_user_message


@pytest.fixture
def slope(shop: Shop) -> Slope:
    return Slope(shop)


# What a climb decides, and what it leaves out.


def test_a_climb_stops_at_the_first_rung_that_reaches_the_bar(slope: Slope) -> None:
    result = slope.climb("-rs")
    assert result.ret == 0
    assert slope.decided == ("mid/plain", "pass")
    assert slope.states == {
        "small/plain": "stopped",
        "mid/plain": "run",
        "big/plain": "not run",
    }
    # 4 of 20 cases pass on small, which a batch of 10 settles.
    assert slope.asked == {"small": 10, "mid": 40}
    assert len(slope.rows_of("mid/plain")) == 40
    result.stdout.fnmatch_lines(
        [
            "climb: 70 calls and about $* not spent",
            "small/plain, cheap: * of 10 (40 in all), * fail",
            "mid/plain, cheap: 38 of 40 (40 in all)*: pass",
            "PASS: mid/plain is the cheapest of 2 rungs that meets the bar: 95.0 %*",
            "SKIPPED [[]30[]] test_shop.py: climb: * of 10 passed, the bar of 80 %*",
            "SKIPPED [[]40[]] test_shop.py: climb: decided at mid/plain",
        ]
    )
    looks = slope.matrix["climb"]
    assert [look.rpartition(": ")[2] for look in looks][-1] == "pass"
    assert len(looks) >= 3


def test_nothing_of_a_rung_is_asked_before_the_one_below_is_decided(
    slope: Slope,
) -> None:
    slope.shop.server.latency_s = 0.01
    slope.climb()
    order = [str(r.body["model"]) for r in slope.shop.server.requests]
    assert order == sorted(order, key=["small", "mid", "big"].index)
    seen = [look.split(": ")[1].split() for look in slope.matrix["climb"]]
    # "4 of 10 (40 in all)": what the last look at each rung had seen.
    assert max(int(look[2]) for look in seen) == 40
    assert sum(slope.asked.values()) == 10 + 40


def test_a_climb_that_meets_no_bar_fails_the_run(slope: Slope) -> None:
    slope.skill = {"small": 4, "mid": 6, "big": 8}
    result = slope.climb("--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert slope.decided == (None, "fail")
    assert set(slope.states.values()) == {"stopped"}
    result.stdout.fnmatch_lines(["*ladder objective*", "FAIL: No rung*"])
    names = {c.get("name"): c for c in ET.parse("junit.xml").iter("testcase")}
    assert names["ladder objective"].find("failure") is not None
    assert len(names) == 121


@pytest.mark.parametrize("undecided", ["pass", "fail"])
def test_the_gate_says_what_undecided_means(slope: Slope, undecided: str) -> None:
    gate = f'[gate]\nundecided = "{undecided}"\n'
    slope.ladder(OBJECTIVE + "min_n = 50\n" + gate)
    result = slope.climb()
    assert slope.decided == (None, "undecided")
    assert result.ret == (0 if undecided == "pass" else 1)


def test_a_missed_test_of_the_current_rung_fails_as_ever(slope: Slope) -> None:
    slope.shop.test(ANSWER.replace("(at_least=0.2)", ""))
    result = slope.climb()
    assert slope.decided == ("mid/plain", "pass")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=38 + 4, failed=2, skipped=70)


def test_an_early_pass_that_does_not_last_is_climbed_over(slope: Slope) -> None:
    """The winner is completed (3.9), and its full suite has the last word."""
    slope.promise("mid")
    result = slope.climb("--ladder-refresh")
    assert slope.decided == ("big/plain", "pass")
    assert slope.asked == {"small": 10, "mid": 40, "big": 40}
    mid = [look for look in slope.matrix["climb"] if look.startswith("mid")]
    verdicts = [look.rpartition(": ")[2] for look in mid]
    assert verdicts[-2:] == ["pass", "fail"]
    assert result.ret == 0


@pytest.mark.parametrize("cases", [1, 2, 5, 9])
def test_a_climb_over_few_cases_decides_what_the_matrix_does(
    slope: Slope, cases: int
) -> None:
    slope.cases(cases)
    climbed = slope.climb()
    decided = slope.decided
    slope.shop.run("--ladder=matrix", "--ladder-live")
    assert slope.decided == decided
    assert climbed.ret == 0


def test_a_plain_run_of_a_climb_says_that_all_ran(slope: Slope) -> None:
    slope.ladder(prices={"big": 1}, head="")
    result = slope.climb()
    assert result.ret == 0
    assert "skipped" not in said(result)


# Constraints.


def test_a_rung_that_takes_too_long_to_build_is_not_climbed(slope: Slope) -> None:
    slope.ladder(OBJECTIVE + "build_hours = 2\n")
    text = (slope.shop.path / "ladder.toml").read_text()
    price = "price = { input = 3, output = 3 }\n"
    build = price + "build = { usd = 0.001, hours = 3 }\n"
    assert price in text
    slope.shop.write("ladder.toml", text.replace(price, build))
    result = slope.climb("-rs")
    assert slope.decided == ("big/plain", "pass")
    assert slope.asked == {"small": 5, "big": 40}
    result.stdout.fnmatch_lines(
        ["SKIPPED [[]40[]] *climb: takes 3 h to build, at most 2 h"]
    )
    assert result.ret == 0


def test_a_rung_that_is_good_but_slow_is_climbed_over(slope: Slope) -> None:
    slope.ladder(OBJECTIVE + "latency_p95_s = 0.000001\n")
    result = slope.climb()
    # mid reaches the bar, too slowly; big is tried, and is as slow.
    assert slope.asked == {"small": 5, "mid": 40, "big": 40}
    assert slope.decided == (None, "fail")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    slope.forget()
    replay = slope.shop.run("--ladder=climb")
    assert slope.asked == {}
    assert slope.decided == (None, "fail")
    assert replay.ret == result.ret


# Levels, scores, samples.


def test_judged_cases_wait_for_the_cheap_bar(slope: Slope) -> None:
    slope.ladder(OBJECTIVE + 'level = "judged"\n')
    slope.shop.cases(
        [{"id": f"j{n}", "input": f"ask {n}"} for n in range(100, 140)], "more.jsonl"
    )
    slope.shop.test("""
@pytest.mark.cheap(at_least=0.6)
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    assert reply.text == "right"

@pytest.mark.judged
@pytest.mark.ladder(cases="more.jsonl")
def test_tone(reply, case):
    if reply.text != "right":
        pytest.xfail("data")
""")
    result = slope.climb("-rs")
    assert slope.decided == ("mid/plain", "pass")
    judged = [p for p in slope.prompts if int(p[1].split()[1]) >= 100]
    assert {model for model, _ in judged} == {"mid"}
    result.stdout.fnmatch_lines(
        ["*climb: * of 15 passed at the cheap level, the bar of 60 %*"]
    )
    # The winner is run to its end, at both levels.
    assert slope.asked == {"small": 15, "mid": 80}
    assert result.ret == 0


BOTH = (
    NODES
    + """
@pytest.mark.cheap(at_least=0.6)
def test_answer(reply, case):
    assert reply.text == "right"

@pytest.mark.judged(at_least=0.2, rubric="It is polite.")
def test_tone(verdict):
    assert verdict.passed
"""
)


TONE = (
    NODES
    + """
@pytest.mark.judged(at_least=0.1, rubric="It says right.")
def test_tone(verdict):
    assert verdict.passed
"""
)


def labels_of_a_lenient_judge() -> str:
    """Labels of replies that are gone: it passes all that is right, half of the rest.

    Where people pass 60 % it passes 80 %.
    """
    rubric = standard_of("It says right.")
    assert isinstance(rubric, Rubric)
    return "".join(
        line_of(
            Label(
                case=f"old-{n}",
                rung="mid/plain",
                reply=f"{n:016x}",
                verdict="pass" if n < 60 else "fail",
                judge="openai/judge",
                rubric=rubric.id,
                judged=float(n < 90),
            )
        )
        for n in range(120)
    )


@pytest.mark.parametrize("labelled", [True, False])
def test_a_judged_climb_stops_at_what_people_would_say_where_labels_tell_it(
    slope: Slope, labelled: bool
) -> None:
    slope.skill = {"small": 8, "mid": 19, "big": 20}
    judging(slope, 0.6)
    slope.shop.test(TONE)
    answer = slope.shop.server.reply

    def reply(body: dict[str, Any]) -> Any:
        if body["model"] != "judge":
            return answer(body)
        # It passes half of what is wrong, by what was asked.
        said = last_user_message(body)
        number = int(said.partition("ask ")[2].split()[0])
        good = "\nright\n" in said or 8 <= number % 20 < 14
        verdict = "pass" if good else "fail"
        return json.dumps({"reason": "so", "verdict": verdict})

    slope.shop.server.reply = reply
    if labelled:
        slope.shop.write("labels.jsonl", labels_of_a_lenient_judge())
    result = slope.climb()
    if labelled:
        # 70 % of small by the judge are 40 % by people, 95 % of mid are 91 %.
        assert slope.decided == ("mid/plain", "pass")
        told = "*; its bar of 60 % is 79.* % of what the judge says, by 120 labels"
    else:
        assert slope.decided == ("small/plain", "undecided")
        told = "*; it went by its judge's own word: 0 of 50 labels for its judge: 50*"
    result.stdout.fnmatch_lines([told])


def judging(slope: Slope, bar: float) -> None:
    """Let a judge, who likes everything, decide against a bar."""
    api_base = slope.shop.server.api_base
    judge = f'[judge]\nid = "openai/judge"\napi_base = "{api_base}"\n'
    price = "price = { input = 1, output = 1 }\nparams = { max_tokens = 50 }\n"
    objective = OBJECTIVE.replace("0.8", str(bar)) + 'level = "judged"\n'
    slope.ladder(objective + judge + price)
    slope.shop.test(BOTH)
    answer = slope.shop.server.reply
    verdict = json.dumps({"reason": "fine", "verdict": "pass"})
    slope.shop.server.reply = lambda body: (
        verdict if body["model"] == "judge" else answer(body)
    )


@pytest.mark.parametrize(
    ("bar", "rung", "workers"),
    [(0.8, "mid", ()), (0.97, "big", ()), (0.97, "big", ("-n2",))],
)
def test_what_misses_a_cheap_check_is_not_judged_and_counts_as_a_miss(
    slope: Slope, bar: float, rung: str, workers: tuple[str, ...]
) -> None:
    judging(slope, bar)
    result = slope.climb("-rs", *workers)
    # Nobody labelled what the judge says, so that it decides nothing by itself.
    assert slope.decided == (f"{rung}/plain", "undecided")
    result.stdout.fnmatch_lines(["*; undecided with 0 of 50 labels for its judge: *"])
    judged = [r for r in slope.rows_of("mid/plain") if r["level"] == "judged"]
    missed = {r["case"] for r in judged if r["outcome"] == "missed"}
    # None of small, and of mid none whose cheap check missed. What big says is the
    # same, so that those two are all that is judged on top.
    assert slope.asked["judge"] == (38 if rung == "mid" else 40)
    assert not [r for r in slope.rows_of("small/plain") if r["level"] == "judged"]
    if rung == "mid":
        assert missed == {"c17", "c37"}
        assert slope.asked["mid"] == 40
    decided = slope.decided
    slope.shop.run("--ladder=matrix", "--ladder-live")
    assert slope.decided == decided
    assert result.ret == 0


@pytest.mark.parametrize(
    ("objective", "rung"),
    [
        ('kind = "budget"\nusd_per_1k = 0.02\nvolume = 1000\n', "mid/plain"),
        ('kind = "step-function"\nvolume = 1000\n', "big/plain"),
    ],
    ids=["budget", "step-function"],
)
def test_the_best_rung_is_found_by_halving(
    slope: Slope, objective: str, rung: str
) -> None:
    slope.skill = {"small": 4, "mid": 15, "big": 20}
    slope.ladder("\n[objective]\n" + objective)
    result = slope.climb("-rs")
    assert slope.decided == (rung, "pass")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["climb: *; by successive halving, which may come to another rung than a mat*"]
    )
    if "step" not in objective:
        assert "big" not in slope.asked
        result.stdout.fnmatch_lines(["*climb: over the cap of $0.02 per 1,000 calls*"])
    else:
        assert slope.asked == {"small": 25, "mid": 40, "big": 40}
        result.stdout.fnmatch_lines(["*not among the best 2 of 3*no error guarantee*"])


def test_a_price_that_was_a_guess_is_measured_in_a_few_calls(slope: Slope) -> None:
    """Cases here are shorter than is expected of prompts; only calls show it."""
    budget = '\n[objective]\nkind = "budget"\nusd_per_1k = 0.02\nvolume = 1000\n'
    slope.ladder(budget, prices={"small": 1, "mid": 3, "big": 7})
    slope.climb("-rs")
    assert slope.decided == ("mid/plain", "pass")
    assert slope.asked == {"small": 40, "mid": 40, "big": 5}
    assert slope.states["big/plain"] == "stopped"


def test_a_budget_below_every_rung_is_refused_before_a_call(slope: Slope) -> None:
    slope.ladder('\n[objective]\nkind = "budget"\nusd_per_1k = 0.0001\n')
    result = slope.climb()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "[objective] leaves nothing to climb: small/plain (over the cap" in said(
        result
    )
    assert slope.asked == {}


def test_samples_and_several_tests_of_a_case_are_one_unit(slope: Slope) -> None:
    slope.cases(30)
    slope.shop.test(
        NODES
        + """
@pytest.mark.cheap(at_least=0.2)
@pytest.mark.ladder(samples=2)
def test_answer(reply, case):
    assert reply.text == "right"

@pytest.mark.cheap(at_least=0.2)
def test_length(reply, case):
    assert len(reply.text) == 5
"""
    )
    slope.skill["small"] = 0
    slope.ladder(OBJECTIVE.replace("0.8", "0.7"))
    slope.climb()
    assert slope.decided == ("mid/plain", "pass")
    # Two samples of each unit looked at; the second test shares the first of them.
    small = {row["case"] for row in slope.rows_of("small/plain")}
    assert slope.asked == {"small": 2 * len(small), "mid": 60}
    assert len(slope.rows_of("mid/plain")) == 90


def test_graded_scores_are_bet_on(slope: Slope) -> None:
    slope.shop.test(
        NODES
        + """
@pytest.mark.cheap(at_least=0.2)
def test_answer(reply, case, score):
    score(0.95 if reply.text == "right" else 0.1)
"""
    )
    result = slope.climb()
    assert slope.decided == ("mid/plain", "pass")
    assert slope.asked["small"] < 40
    assert slope.asked["mid"] == 40
    assert result.ret == 0


GRADED = '''
RUBRIC = """+++
scale = "graded"
shown = ["expected"]
+++
It is polite."""

def own(reply, case):
    return 0.75
'''


@pytest.mark.parametrize(
    "standard",
    ['rubric="It is polite.", scale="graded"', "rubric=RUBRIC", "judge=own", ""],
    ids=["marker", "rubric", "function", "call"],
)
def test_grades_are_bet_on_wherever_it_stands_that_a_judge_grades(
    slope: Slope, standard: str
) -> None:
    judging(slope, 0.6)
    tone = TONE.replace('rubric="It says right."', standard)
    if not standard:
        tone = tone.replace("(verdict)", "(reply, judge)").replace(
            "verdict", 'judge(reply, "It is polite.", scale="graded")'
        )
    slope.shop.test(GRADED + tone)
    answer = slope.shop.server.reply
    grade = json.dumps({"reason": "fine", "grade": 4})
    slope.shop.server.reply = lambda body: (
        grade if body["model"] == "judge" else answer(body)
    )
    slope.climb()
    looks = slope.matrix["climb"]
    # No count of passes is a bound for what may lie between pass and fail.
    assert looks[0].startswith("small/plain, judged: 3.75 of 5 "), looks
    assert not [look for look in looks if "pass from" in look]


def test_clusters_stay_in_one_piece(slope: Slope) -> None:
    slope.shop.cases(
        [
            {"id": f"c{n}", "input": f"ask {n}", "cluster": f"k{n % 8}"}
            for n in range(40)
        ]
    )
    slope.climb()
    assert slope.decided == ("mid/plain", "pass")
    clusters = [row["cluster"] for row in slope.rows_of("small/plain")]
    # No more than the last one is torn by the end of a batch.
    assert len([k for k in set(clusters) if clusters.count(k) < 5]) <= 1


def test_free_form_tests_are_climbed_with_nothing_ahead_of_a_batch(
    slope: Slope,
) -> None:
    slope.shop.test("""
@pytest.mark.cheap(at_least=0.2)
@pytest.mark.parametrize("n", range(30))
def test_body(llm, n):
    assert llm(f"ask {n}").text == "right"
""")
    result = slope.climb()
    assert slope.decided == ("mid/plain", "pass")
    assert slope.asked == {"small": 10, "mid": 30}
    result.stdout.fnmatch_lines(["climb: 50 tests left out"])


def test_cases_of_parametrize_and_tasks_are_climbed(slope: Slope) -> None:
    slope.shop.test("""
CASES = [{"id": f"p{n}", "input": f"ask {n}"} for n in range(30)]

def ask(case, llm):
    return llm(case.input)

@pytest.mark.cheap(at_least=0.2)
@pytest.mark.ladder(task=ask)
@pytest.mark.parametrize("case", CASES)
def test_answer(reply, case):
    assert reply.text == "right"
""")
    slope.climb("--ladder-seed=new")
    assert slope.decided == ("mid/plain", "pass")
    assert slope.asked == {"small": 10, "mid": 30}
    assert slope.matrix["run"]["attempts"] == ["1"]
    text = (slope.shop.path / "test_shop.py").read_text()
    slope.shop.write("test_shop.py", text.replace("range(30)", "range(31)"))
    slope.climb()
    assert slope.matrix["run"]["attempts"] == ["0"], "other cases, another suite"
