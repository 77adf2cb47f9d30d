"""`--ladder-baseline`: a run is held against an earlier one."""

from __future__ import annotations

import shutil

import pytest

from tests.plugin.shop import LADDER, Run, Shop

CASES = [{"id": f"c{n}", "input": f"say {n}", "expected": str(n)} for n in range(40)]
ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.1)
def test_answer(reply, case):
    assert reply.text == "say " + case.expected
"""


@pytest.fixture
def measured(shop: Shop) -> Shop:
    """A shop with a baseline in `base/`, on which every case passed."""
    shop.cases(CASES)
    shop.test(ANSWER)
    shop.run("--ladder-live", "--ladder-report=base")
    return shop


def test_the_same_run_passes(measured: Shop, run: Run) -> None:
    result = run("--ladder-baseline=base")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*PASS*"])
    gates = measured.matrix()["gates"]
    assert gates
    assert {gate["verdict"] for gate in gates} <= {"pass", "undecided"}


def test_a_change_that_costs_quality_fails_the_run(measured: Shop, run: Run) -> None:
    measured.ladder(
        LADDER.replace('name = "plain"', 'name = "plain"\nprompt = "{{input}}?"')
    )
    result = run("--ladder-live", "--ladder-baseline=base")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*ladder.toml::ladder gate*"])
    verdicts = {gate["name"]: gate["verdict"] for gate in measured.matrix()["gates"]}
    assert "fail" in verdicts.values()


def test_a_baseline_that_is_not_there_is_one_sentence(shop: Shop) -> None:
    shop.test(ANSWER)
    result = shop.run("--ladder-baseline=nowhere")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*nowhere*"])


@pytest.mark.parametrize("reference", ["git:--output=x", "git:HEAD^{/x y}"])
def test_a_reference_that_looks_like_an_option_is_refused(
    shop: Shop, reference: str
) -> None:
    shop.test(ANSWER)
    result = shop.run(f"--ladder-baseline={reference}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_nothing_evaluated_is_never_green(measured: Shop, run: Run) -> None:
    measured.test("def test_other():\n    pass\n", name="test_other.py")
    shutil.move(measured.path / "test_shop.py", measured.path / "away.py")
    result = run("--ladder-baseline=base")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no row was evaluated*"])
