"""A run against baselines of one, three and five runs, and `pytest-ladder gate`."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pytest_ladder.cli.main import main
from tests.plugin.scratch_suite import LADDER, Shop
from tests.scripted_server import last_user_message

CASES = [{"id": f"c{n:02}", "input": f"say {n:02}"} for n in range(30)]
WARM = LADDER.replace("temperature = 0", "temperature = 1")
CHANGED = WARM.replace('name = "plain"', 'name = "plain"\nprompt = "{{input}}?"')
ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.1)
def test_answer(reply, case):
    assert reply.text.startswith("right")
"""


def answers(flaky: str, broken: tuple[str, ...] = ()) -> Callable[[object], str]:
    """Answer right, in other words each time; wrong of one case, or for good."""
    said = iter(range(10_000))

    def answer(body: object) -> str:
        prompt = last_user_message(body)  # type: ignore[arg-type]
        missed = prompt.startswith((flaky, *broken))
        return f"{'wrong' if missed else 'right'} {next(said)}"

    return answer


def test_what_the_gate_sees_depends_on_the_runs_in_its_baseline(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of 30 cases break for good, which one run cannot tell from bad luck."""
    shop.cases(CASES)
    shop.test(ANSWER)
    shop.ladder(WARM)
    names = []
    for number in range(5):
        shop.server.reply = answers("say 20" if number == 4 else "none")
        names.append(f"runs/{number}")
        refresh = ("--ladder-live", "--ladder-refresh")
        shop.run(*refresh, f"--ladder-report={names[-1]}")
    for runs in (1, 3, 5):
        update = ("baseline", "update", *names[-runs:], "--output", f"base{runs}")
        assert main([str(word) for word in update]) == 0
    shop.ladder(CHANGED)
    shop.server.reply = answers("none", broken=("say 00", "say 01"))
    found = {}
    for runs in (5, 3, 1):
        live = ("--ladder-live", f"--ladder-baseline=base{runs}", "-v")
        result = shop.run(*live)
        found[runs] = shop.matrix()["gate"]["suites"][0]
        said = "\n".join(result.outlines)
        capsys.readouterr()
        assert main(["gate", f"base{runs}", "ladder-report/current", "-v"]) in (0, 1, 2)
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] in said
        assert result.ret == (1 if found[runs]["verdict"] == "fail" else 0)
        if runs == 5:
            told = "c00 is broken: 5/5 -> 0/3, p = 0.018 (test_shop.py::test_answer)"
            assert any(told in line for line in lines)
            assert any("flaky: c20: 4/5 before, 3/3 after" in line for line in lines)
            assert re.search(r"sees a true drop of \d+\.\d points 4 times in 5", said)
    assert {suite["test"] for suite in found.values()} == {"within"}
    assert {runs: suite["samples"] for runs, suite in found.items()} == {
        1: 1,
        3: 3,
        5: 3,
    }
    assert found[5]["verdict"] == found[3]["verdict"] == "fail"
    assert found[5]["p"] < found[3]["p"] < found[1]["p"]
    assert found[1]["verdict"] != "fail"
