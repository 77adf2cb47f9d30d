"""`benchmark(llm, "…")` in ladder tests, through pytest-benchmark."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.plugin.scratch_suite import LADDER, Shop

SUITE = """
@pytest.mark.cheap
def test_speed(llm, benchmark):
    assert benchmark(llm, "say blue").text == "say blue"
"""


@pytest.fixture
def timed(shop: Shop) -> Shop:
    shop.write(
        "conftest.py", "from pytest_ladder.integrations.benchmarks import benchmark\n"
    )
    shop.test(SUITE)
    return shop


def run_timed(shop: Shop, *arguments: str) -> pytest.RunResult:
    return shop.run_with("benchmark", *arguments)


def test_each_round_is_a_call_of_its_own(timed: Shop) -> None:
    result = run_timed(timed, "--ladder-live", "--benchmark-json=out.json")
    result.assert_outcomes(passed=1)
    assert timed.server.count == 6
    (theirs,) = json.loads((timed.path / "out.json").read_text())["benchmarks"]
    assert (theirs["stats"]["rounds"], theirs["stats"]["iterations"]) == (5, 1)
    ours = timed.path / "ladder-report/current/benchmark.json"
    (rung,) = json.loads(ours.read_text())["benchmarks"]
    assert rung["stats"]["rounds"] == 6
    recorded = timed.path / "recordings/test_shop.jsonl"
    assert len(recorded.read_text().splitlines()) == 1
    run_timed(timed, "--ladder-live")
    assert timed.server.count == 11


def test_a_replay_runs_once_and_times_nothing(timed: Shop) -> None:
    run_timed(timed, "--ladder-live")
    result = run_timed(timed)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*Rounds*")
    assert timed.server.count == 6
    (rung,) = timed.matrix()["rungs"]
    assert rung["latency"]["n_live"] == 0


def test_it_gives_latency_and_no_quality(timed: Shop) -> None:
    timed.test(
        SUITE + "\n@pytest.mark.cheap\ndef test_no(llm):\n    assert not llm('x')\n"
    )
    run_timed(timed, "--ladder-live")
    (rung,) = timed.matrix()["rungs"]
    cell = rung["levels"]["cheap"]
    assert (cell["quality"], cell["n"]) == (0.0, 1)
    assert rung["latency"]["n_live"] == 7


def test_the_budget_leaves_the_rounds_it_paid_for(timed: Shop) -> None:
    timed.ladder(LADDER.replace("input = 1.0", "input = 1000.0"))
    result = run_timed(timed, "--ladder-live", "--ladder-budget=0.082")
    result.assert_outcomes(passed=1)
    assert 2 < timed.server.count < 6, timed.server.count


def test_the_user_chooses_the_rounds(timed: Shop) -> None:
    timed.test(
        SUITE.replace('(llm, "say blue")', '.pedantic(llm, ("say blue",), rounds=2)')
    )
    run_timed(timed, "--ladder-live").assert_outcomes(passed=1)
    assert timed.server.count == 3


@pytest.mark.parametrize("live", [(), ("--ladder-live",)], ids=["replay", "live"])
@pytest.mark.parametrize(
    "options", ["rounds=3, iterations=2", "setup=print", "warmup_rounds=1"]
)
def test_what_it_cannot_do_is_one_sentence(
    timed: Shop, options: str, live: tuple[str, ...]
) -> None:
    timed.test(
        SUITE.replace('(llm, "say blue")', f'.pedantic(llm, ("say blue",), {options})')
    )
    result = run_timed(timed, *live)
    result.assert_outcomes(failed=1)
    name = options.split(", ")[-1].split("=")[0]
    result.stdout.fnmatch_lines(
        [f"*benchmark.pedantic has no `{name}` in a ladder test*write*rounds=*"]
    )
    assert set(timed.outcomes().values()) == {"error"}
    assert timed.server.count == 0


def test_over_processes_nothing_is_timed(timed: Shop) -> None:
    run_timed(timed, "--ladder-live", "-n2").assert_outcomes(passed=1)
    assert timed.server.count == 1


def test_other_tests_keep_their_fixture(timed: Shop) -> None:
    timed.test("def test_plain(benchmark):\n    assert benchmark(abs, -1) == 1\n")
    run_timed(timed, "--benchmark-max-time=0.01").assert_outcomes(passed=1)
    assert not (timed.path / "ladder-report").exists()


def test_without_the_plugin_the_sentence_names_the_extra() -> None:
    script = (
        "import sys; sys.modules['pytest_benchmark'] = None\n"
        "import pytest_ladder.integrations.benchmarks"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert "pip install 'pytest-ladder[benchmark]'" in done.stderr
