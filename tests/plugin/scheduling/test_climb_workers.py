"""A climb over workers of xdist: the same decision, the same requests, no deadlock."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.plugin.scratch_suite import Shop
from tests.plugin.slope import (
    ANSWER,
    COUNTED,
    NODES,
    OBJECTIVE,
    OTHERS,
    REPORT,
    Slope,
    said,
    told,
)

THREE = ("test_a.py", "test_b.py", "test_c.py")


@pytest.fixture
def slope(shop: Shop) -> Slope:
    return Slope(shop)


@pytest.mark.parametrize(
    "options",
    [
        ("-n4", "--dist=load"),
        ("-n2", "--dist=loadfile"),
        ("-n2", "--dist=loadgroup"),
        ("-n2", "--dist=worksteal"),
    ],
    ids=" ".join,
)
def test_every_way_to_distribute_decides_the_same_for_the_same_calls(
    slope: Slope, options: tuple[str, ...]
) -> None:
    """Three modules over two workers: what waits for a verdict must not deadlock."""
    slope.cases(24)
    (slope.shop.path / "test_shop.py").unlink()
    grouped = ANSWER.replace("\n@pytest.mark.cheap", "\n@GROUP@pytest.mark.cheap")
    for number, name in enumerate(THREE):
        group = f'@pytest.mark.xdist_group("g{number % 2}")\n' if number else ""
        slope.shop.test(grouped.replace("@GROUP", group), name)
    # A module by itself is a case list by itself, here as in a plain run.
    slope.climb("-n0")
    plain, prompts = slope.course, slope.prompts
    slope.forget()
    result = slope.climb("--ladder-refresh", *options)
    assert slope.course == plain
    assert slope.prompts == prompts
    assert result.ret == 0
    assert slope.decided == ("mid/plain", "pass")
    assert "previous item was not torn down" not in said(result)


def test_free_form_bodies_ask_the_same(slope: Slope) -> None:
    slope.shop.server.latency_s = 0.02
    slope.shop.test("""
@pytest.mark.cheap(at_least=0.2)
@pytest.mark.parametrize("n", range(40))
def test_body(llm, n):
    assert llm(f"ask {n}").text == "right"
""")
    result = slope.climb("-n2")
    assert slope.decided == ("mid/plain", "pass")
    assert slope.asked == {"small": 5, "mid": 40}
    assert len(set(slope.prompts)) == 45
    assert result.ret == 0


def test_reasons_and_looks_are_those_of_a_plain_run(slope: Slope) -> None:
    result = slope.climb("-n1", "-rs")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "climb: 70 calls and about $* not spent",
            "SKIPPED [[]30[]] test_shop.py: climb: * of 10 passed, the bar of 80 %*",
            "SKIPPED [[]40[]] test_shop.py: climb: decided at mid/plain",
        ]
    )
    assert slope.states == {
        "small/plain": "stopped",
        "mid/plain": "run",
        "big/plain": "not run",
    }


def test_a_replay_over_workers_calls_nobody(slope: Slope) -> None:
    slope.climb()
    first = slope.course
    slope.forget()
    result = slope.shop.run("--ladder=climb", "-n1")
    assert slope.course == first
    assert slope.asked == {}
    assert result.ret == 0


def test_nothing_is_asked_beyond_the_batch(slope: Slope) -> None:
    slope.shop.server.latency_s = 0.01
    slope.climb("-n4")
    order = [str(r.body["model"]) for r in slope.shop.server.requests]
    assert order == sorted(order, key=["small", "mid", "big"].index)
    assert slope.asked == {"small": 10, "mid": 40}


@pytest.mark.parametrize("victim", ["c5", "every"])
def test_a_worker_that_dies_costs_the_test_it_ran(slope: Slope, victim: str) -> None:
    slope.cases(30)
    condition = "case.id == 'c5'" if victim == "c5" else "case.id in ('c5', 'c9')"
    slope.shop.test(
        NODES
        + f"""
import os

@pytest.mark.cheap(at_least=0.2)
def test_answer(reply, case, rung):
    if {condition} and rung.id == "mid/plain":
        os._exit(3)
    assert reply.text == "right"
"""
    )
    slope.skill["mid"] = 20
    result = slope.climb("-n2")
    assert "crashed" in said(result)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    mid = {row["case"] for row in slope.rows_of("mid/plain")}
    lost = {"c5"} if victim == "c5" else {"c5", "c9"}
    # Were they misses, 28 of 30 would still be enough.
    assert slope.decided == ("mid/plain", "pass")
    assert mid == {f"c{n}" for n in range(30)} - lost


def test_a_test_that_kills_its_worker_on_every_rung_does_not_hang(slope: Slope) -> None:
    slope.cases(3)
    slope.shop.test(ANSWER.replace("assert", "__import__('os')._exit(3) #"))
    result = slope.climb("-n2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert slope.asked.keys() <= {"small", "mid", "big"}


def test_a_crash_may_be_run_again(slope: Slope, xdist_by_name: None) -> None:
    slope.cases(1)
    # As much as one case shows.
    slope.ladder(OBJECTIVE.replace("0.8", "0.04"))
    slope.skill = {"small": 0, "mid": 20, "big": 20}
    slope.shop.test(
        NODES
        + """
import os, pathlib

@pytest.mark.cheap(at_least=0.2)
def test_answer(reply, case, rung):
    mark = pathlib.Path("crashed.txt")
    if rung.id == "mid/plain" and not mark.exists():
        mark.write_text("once")
        os._exit(3)
    assert reply.text == "right"
"""
    )
    climb = ("--ladder=climb", "--ladder-live", "-n2", "--reruns=1")
    result = slope.shop.run_with("rerunfailures", "-p", "xdist", *climb)
    assert [row["outcome"] for row in slope.rows_of("mid/plain")] == ["passed"]
    assert slope.asked == {"small": 1, "mid": 1}
    assert result.ret == 0


def test_dist_each_is_refused(slope: Slope) -> None:
    result = slope.climb("-n2", "--dist=each")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--ladder=climb runs each test once, and --dist=each on" in said(result)
    assert slope.asked == {}


@pytest.mark.parametrize("workers", ["-n1", "-n2"])
def test_a_suite_of_a_single_test_is_climbed(slope: Slope, workers: str) -> None:
    slope.ladder(prices={"big": 1}, head="")
    slope.cases(1)
    result = slope.climb(workers)
    assert slope.asked == {"big": 1}
    assert result.ret == 0


def test_other_tests_run_as_usual(slope: Slope) -> None:
    for name, text in OTHERS.items():
        slope.shop.test(text, name)
    result = slope.climb("-n1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=2 + 42, failed=1, skipped=70)
    assert slope.decided == ("mid/plain", "pass")


def test_a_suite_without_a_ladder_test_runs_as_usual(slope: Slope) -> None:
    slope.shop.test(OTHERS["test_a.py"])
    result = slope.climb("-n1")
    result.assert_outcomes(passed=2)
    assert "INTERNALERROR" not in said(result)
    slope.shop.test("")
    result = slope.climb("-n1")
    assert "INTERNALERROR" not in said(result)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("options", [("--lf",), ("--ff",), ("-k", "mid or big")])
def test_what_changes_the_tests_last_is_heeded(
    slope: Slope, options: tuple[str, ...]
) -> None:
    slope.shop.test(ANSWER.replace("(at_least=0.2)", ""))
    slope.climb()
    slope.forget()
    result = slope.climb("-n1", *options)
    assert "INTERNALERROR" not in said(result)
    if "--lf" not in options:
        assert slope.decided == ("mid/plain", "pass")
    assert slope.asked == {}


def test_a_climb_stops_where_the_user_says(slope: Slope) -> None:
    slope.shop.test(ANSWER.replace("assert", "raise ValueError #"))
    result = slope.climb("-n2", "-x")
    assert result.ret != 0
    assert slope.shop.server.count <= 20
    assert "INTERNALERROR" not in said(result)


@pytest.mark.parametrize("option", ["--collect-only", "--ladder-plan"])
def test_what_only_looks_calls_nobody(slope: Slope, option: str) -> None:
    result = slope.climb("-n2", option)
    assert slope.asked == {}
    assert "INTERNALERROR" not in said(result)
    assert not (slope.shop.path / REPORT).exists()


@pytest.mark.parametrize("dist", ["load", "loadfile"])
def test_fixtures_are_set_up_once_in_each_worker(slope: Slope, dist: str) -> None:
    slope.shop.test(COUNTED)
    result = slope.climb("-n2", f"--dist={dist}")
    assert result.ret == 0
    lines = told(slope.shop)
    workers = {pid for pid, _ in lines}
    assert len(workers) == (2 if dist == "load" else 1)
    for worker in workers:
        assert [what for pid, what in lines if pid == worker] == [
            "session up",
            "module up",
            "module down",
            "session down",
        ]


def test_modules_of_one_worker_are_left_and_entered_in_order(slope: Slope) -> None:
    (slope.shop.path / "test_shop.py").unlink()
    slope.cases(12)
    for name in THREE:
        slope.shop.test(COUNTED, name)
    for options in ((), ("-n2", "--dist=loadfile"), ("-n2",)):
        result = slope.climb(*options)
        assert result.ret == 0, options
        assert "was not torn down properly" not in said(result)
        lines = told(slope.shop)
        for worker in {pid for pid, _ in lines}:
            events = [what for pid, what in lines if pid == worker]
            assert events.count("session up") == events.count("session down")
            assert 1 <= events.count("session up") <= 3
            ups = [e for e in events if e.startswith("module")]
            assert ups == ["module up", "module down"] * (len(ups) // 2)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupt_is_reported_and_paid_for_once(slope: Slope) -> None:
    slope.shop.server.latency_s = 0.05
    status, output = slope.stopped(signal.SIGINT, "-n2")
    assert status == pytest.ExitCode.INTERRUPTED, output
    assert slope.matrix["recommendation"]["verdict"] == "undecided"
    slope.shop.server.latency_s = 0.0
    result = slope.climb("-n2")
    assert slope.decided == ("mid/plain", "pass")
    assert slope.shop.server.count <= 50 + 8
    assert result.ret == 0


def test_two_ladders_are_climbed_one_after_the_other(slope: Slope) -> None:
    ladder = (slope.shop.path / "ladder.toml").read_text()
    cases = (slope.shop.path / "cases.jsonl").read_text()
    for name in ("one", "two"):
        slope.shop.write(f"{name}/ladder.toml", ladder)
        slope.shop.write(f"{name}/cases.jsonl", cases)
        slope.shop.write(f"{name}/test_{name}.py", "import pytest\n" + ANSWER)
    best = OBJECTIVE.replace("0.8", "1.0")
    slope.shop.write("two/ladder.toml", ladder.replace(OBJECTIVE, best))
    result = slope.climb("one", "two", "-n2")
    decisions = [
        slope.shop.matrix(f"{REPORT}/{name}")["recommendation"]["rung"]
        for name in ("one", "two")
    ]
    assert decisions == ["mid/plain", "big/plain"]
    assert result.ret == 0
