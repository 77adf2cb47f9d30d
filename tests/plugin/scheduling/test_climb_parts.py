"""A climb among the rest of pytest: skips, errors, parts, other tests, fixtures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plugin.scratch_suite import Shop
from tests.plugin.slope import (
    ANSWER,
    COUNTED,
    COUNTING,
    NODES,
    OBJECTIVE,
    OTHERS,
    REPORT,
    Slope,
    said,
    told,
)
from tests.scripted_server import fails


@pytest.fixture
def slope(shop: Shop) -> Slope:
    return Slope(shop)


# Skips and errors.

SKIPS = {
    "skip": "@pytest.mark.skip(reason='mine')",
    "skipif": "@pytest.mark.skipif(True, reason='mine')",
    "skipif text": "@pytest.mark.skipif('1 == 1', reason='mine')",
}


@pytest.mark.parametrize("mark", SKIPS)
def test_tests_that_a_mark_skips_are_no_part_of_the_suite(
    slope: Slope, mark: str
) -> None:
    slope.shop.test(
        ANSWER
        + f"""
OTHER = [{{"id": f"o{{n}}", "input": f"ask {{n}}"}} for n in range(20)]

{SKIPS[mark]}
@pytest.mark.cheap
@pytest.mark.ladder(cases=OTHER)
def test_other(reply, case):
    assert False
"""
    )
    result = slope.climb("-rs")
    assert slope.decided == ("mid/plain", "pass")
    assert slope.asked["mid"] == 40
    assert slope.matrix["rungs"][1]["levels"]["cheap"]["n"] == 40
    assert "big" not in slope.asked
    result.stdout.fnmatch_lines(["SKIPPED*mine"])
    assert result.ret == 0


def test_tests_that_skip_by_themselves_do_not_make_a_rung_undecided(
    slope: Slope,
) -> None:
    slope.shop.test(
        NODES
        + """
@pytest.mark.cheap(at_least=0.2)
def test_answer(reply, case):
    if int(case.id[1:]) % 4 == 0:
        pytest.skip("not for this case")
    assert reply.text == "right"
"""
    )
    result = slope.climb()
    assert slope.decided == ("mid/plain", "pass")
    assert "big" not in slope.asked
    assert slope.states["mid/plain"] == "run"
    assert slope.matrix["rungs"][1]["levels"]["cheap"]["n"] == 30
    assert result.ret == 0


def test_a_suite_that_skips_throughout_decides_nothing(slope: Slope) -> None:
    slope.shop.test(ANSWER.replace("assert", "pytest.skip('mine') #"))
    result = slope.climb()
    assert result.ret == 0
    assert not (slope.shop.path / REPORT).exists()


def test_a_rung_whose_calls_fail_is_left_after_one_batch(slope: Slope) -> None:
    reply = slope.shop.server.reply

    def refuse(body: Any) -> Any:
        return fails(400, "no such model") if body["model"] == "mid" else reply(body)

    slope.shop.server.reply = refuse
    result = slope.climb("-rs")
    assert slope.asked == {"small": 10, "mid": 10, "big": 40}
    assert slope.decided == ("big/plain", "pass")
    assert result.ret == pytest.ExitCode.TESTS_FAILED, "errors fail a run"
    result.stdout.fnmatch_lines(["*climb: none of 10 cases finished*"])


# Other ways to run a part, or to stop.


def test_a_part_of_the_cases_is_climbed_by_itself(slope: Slope) -> None:
    result = slope.climb("-k", " or ".join(f"c{n}]" for n in range(20)))
    assert slope.decided == ("mid/plain", "undecided")
    assert slope.asked["mid"] == 20
    assert result.ret == 0


def test_rungs_that_are_not_selected_are_not_climbed(slope: Slope) -> None:
    for choice in (["-k", "mid or big"], ["--ladder-rungs=[mb]i*"]):
        slope.forget()
        result = slope.climb("--ladder-refresh", *choice)
        assert slope.decided == ("mid/plain", "undecided")
        assert slope.asked == {"mid": 40}
        assert result.ret == 0


def test_cases_that_are_selected_on_one_rung_only_are_no_errors_elsewhere(
    slope: Slope,
) -> None:
    slope.climb("-k", "mid or c1 or c2")
    assert slope.decided == ("mid/plain", "undecided")
    assert slope.asked["mid"] == 40
    assert slope.asked["small"] <= 22


@pytest.mark.parametrize("option", ["-x", "--maxfail=2"])
def test_a_climb_stops_where_the_user_says(slope: Slope, option: str) -> None:
    slope.shop.test(
        ANSWER
        + """

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_broken(case):
    raise ValueError("broken")
"""
    )
    result = slope.climb(option)
    assert result.ret != 0
    assert result.parseoutcomes()["failed"] == (1 if option == "-x" else 2)
    assert slope.shop.server.count <= 10


def test_without_anything_failing_x_changes_nothing(slope: Slope) -> None:
    result = slope.climb("-x")
    assert result.ret == 0
    assert slope.asked == {"small": 10, "mid": 40}


def test_lf_climbs_what_failed(slope: Slope) -> None:
    slope.shop.test(ANSWER.replace("(at_least=0.2)", ""))
    slope.climb()
    slope.forget()
    result = slope.shop.run("--ladder=climb", "--lf", "-v")
    assert "test_answer[mid/plain-c17] FAILED" in said(result)
    assert slope.asked == {}
    assert "INTERNALERROR" not in said(result)


@pytest.mark.parametrize("option", ["--collect-only", "--ladder-plan"])
def test_what_only_looks_calls_nobody_and_keeps_no_seed(
    slope: Slope, option: str
) -> None:
    result = slope.climb(option)
    assert slope.asked == {}
    assert not (slope.shop.path / ".ladder/seeds.json").exists()
    assert not (slope.shop.path / REPORT).exists()
    assert "INTERNALERROR" not in said(result)
    assert result.ret in (0, 5)
    if option == "--ladder-plan":
        assert "mid/plain" in said(result)


def test_reruns_count_as_one_test(slope: Slope) -> None:
    slope.shop.test(
        ANSWER.replace("assert", "tell(case)\n    assert")
        + """
seen = set()

def tell(case):
    if case.id in ("c1", "c2") and case.id not in seen:
        seen.add(case.id)
        raise ValueError("flaky")
"""
    )
    result = slope.shop.run_with(
        "rerunfailures", "--ladder=climb", "--ladder-live", "--reruns=1"
    )
    assert slope.decided == ("mid/plain", "pass")
    assert {row["outcome"] for row in slope.rows_of("mid/plain")} <= {
        "passed",
        "missed",
    }
    assert result.ret == 0


def test_the_order_of_the_tests_does_not_matter(slope: Slope) -> None:
    slope.climb()
    first = slope.course
    slope.forget()
    result = slope.shop.run_with("randomly", "--ladder=climb", "-p", "randomly")
    assert slope.course == first
    assert result.ret == 0


def test_other_tests_run_as_usual(slope: Slope) -> None:
    for name, text in OTHERS.items():
        slope.shop.test(text, name)
    result = slope.climb("-v")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["test_a.py::test_one PASSED*"])
    result.assert_outcomes(passed=2 + 42, failed=1, skipped=70)
    assert slope.decided == ("mid/plain", "pass")


def test_a_suite_without_a_ladder_test_runs_as_usual(slope: Slope) -> None:
    slope.shop.test(OTHERS["test_a.py"])
    result = slope.climb()
    result.assert_outcomes(passed=2)


def test_two_ladders_are_climbed_one_after_the_other(slope: Slope) -> None:
    ladder = (slope.shop.path / "ladder.toml").read_text()
    cases = (slope.shop.path / "cases.jsonl").read_text()
    for name in ("one", "two"):
        slope.shop.write(f"{name}/ladder.toml", ladder)
        slope.shop.write(f"{name}/cases.jsonl", cases)
        slope.shop.write(f"{name}/test_{name}.py", "import pytest\n" + ANSWER)
    two = ladder.replace("quality = 0.8", "quality = 1.0")
    slope.shop.write("two/ladder.toml", two)
    result = slope.climb("one", "two")
    first = slope.shop.matrix(f"{REPORT}/one")["recommendation"]
    second = slope.shop.matrix(f"{REPORT}/two")["recommendation"]
    assert (first["rung"], first["verdict"]) == ("mid/plain", "pass")
    assert (second["rung"], second["verdict"]) == ("big/plain", "pass")
    assert result.ret == 0


# Mistakes.


NO_OBJECTIVE = (
    "",
    ANSWER,
    "--ladder=climb climbs until an objective is decided; add",
)
PACKED = (
    OBJECTIVE,
    ANSWER.replace('cases="cases.jsonl"', 'cases="cases.jsonl", pack=True'),
    "a climb stops in the middle of a rung, which pack=True has one test for",
)


@pytest.mark.parametrize(
    ("objective", "test", "sentence", "workers"),
    [
        (*NO_OBJECTIVE, ()),
        (*NO_OBJECTIVE, ("-n2",)),
        (
            OBJECTIVE + 'level = "judged"\n',
            ANSWER,
            '[objective] level = "judged" decides the climb, but no test that was '
            "selected is of that level (selected: cheap)",
            (),
        ),
        (*PACKED, ()),
        (*PACKED, ("-n2",)),
    ],
    ids=["objective", "objective-xdist", "level", "pack", "pack-xdist"],
)
def test_mistakes_are_one_sentence_before_anything_is_called(
    slope: Slope, objective: str, test: str, sentence: str, workers: tuple[str, ...]
) -> None:
    slope.ladder(objective)
    slope.shop.test(test)
    result = slope.climb(*workers)
    assert sentence in said(result)
    assert result.ret not in (0, 3)
    assert "Traceback" not in said(result)
    assert "INTERNALERROR" not in said(result)
    assert slope.asked == {}


# Fixtures of the user.


def test_fixtures_of_session_and_module_are_set_up_once(slope: Slope) -> None:
    slope.shop.test(COUNTED)
    result = slope.climb()
    assert result.ret == 0
    assert [what for _, what in told(slope.shop)] == [
        "session up",
        "module up",
        "module down",
        "session down",
    ]


def test_a_fixture_of_the_session_outlives_a_wrong_guess(slope: Slope) -> None:
    """While mid is completed the climb seems as good as over, and is not."""
    slope.shop.test(COUNTED)
    slope.promise("mid")
    told(slope.shop)
    slope.climb("--ladder-refresh")
    assert slope.decided == ("big/plain", "pass")
    assert [what for _, what in told(slope.shop)] == [
        "session up",
        "module up",
        "module down",
        "session down",
    ]


def test_the_end_of_a_fixture_that_breaks_is_told(slope: Slope) -> None:
    broken = COUNTING.replace('tell("module down")', 'raise ValueError("broken end")')
    slope.shop.test(broken + ANSWER.replace("(reply, case)", "(reply, case, part)"))
    for workers in ((), ("-n1",)):
        result = slope.climb(*workers)
        assert "broken end" in said(result), workers
        assert result.ret == pytest.ExitCode.TESTS_FAILED, workers


def test_json_of_the_report_is_whole(slope: Slope) -> None:
    slope.climb()
    text = (slope.shop.path / REPORT / "matrix.json").read_text()
    assert json.loads(text)["run"]["mode"] == "climb"
