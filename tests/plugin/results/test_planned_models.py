"""A model that is not built yet is priced and judged, and never called."""

from __future__ import annotations

import shutil

import pytest

from pytest_ladder.cli.main import main
from tests.plugin.scratch_suite import LADDER, Run, Shop

ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.1)
def test_answer(reply, case):
    assert case.expected in reply.text

@pytest.mark.cheap
def test_free(llm):
    assert llm("hello").text
"""
PLANNED = """
[[model]]
name = "tuned-8b"
tier = "fine-tuned"
planned = true
price = {{ input = 0.1, output = 0.2 }}
build = {{ usd = 0.5, hours = 40 }}
"""
GOAL = """
[objective]
kind = "step-function"
volume = 1_000_000
"""


@pytest.fixture
def ladder(shop: Shop) -> Shop:
    """A suite with a planned model, whose address and key nobody knows."""
    shop.ladder(LADDER + PLANNED + GOAL)
    shop.test(ANSWER)
    return shop


def names(shop: Shop, folder: str = "ladder-report") -> list[str]:
    return [rung["id"] for rung in shop.matrix(folder)["rungs"]]


def test_a_matrix_names_it_and_neither_tests_nor_calls_it(
    ladder: Shop, run: Run
) -> None:
    result = run("--ladder=matrix", "--ladder-live")
    result.assert_outcomes(passed=6)
    assert {seen.body["model"] for seen in ladder.server.requests} == {"bot"}
    assert names(ladder) == ["bot/plain", "bot/loud"]
    planned = {each["id"]: each for each in ladder.matrix("ladder-report")["planned"]}
    assert list(planned) == ["tuned-8b/plain", "tuned-8b/loud"]
    # By the tokens that bot/plain was measured with, at a tenth of its price.
    bot = ladder.matrix("ladder-report")["rungs"][0]
    plain = planned["tuned-8b/plain"]
    tenth = pytest.approx(bot["cost"]["serve_usd_per_1k"] / 10, rel=1e-3)
    assert plain["serve_usd_per_1k"] == tenth
    assert plain["worth"]["rival"]["rung"] == "bot/plain"
    assert plain["worth"]["rival"]["worth_from"] == 0.75
    told = " ".join(result.stdout.str().split())
    assert "planned: tuned-8b/plain would cost about $0.000" in told
    assert "and $0.50 (40 h) to build: worth it from 75.0 % at 1,000,000 calls" in told
    markdown = (ladder.path / "ladder-report" / "matrix.md").read_text(encoding="utf-8")
    assert "- planned: tuned-8b/plain would cost about" in markdown


def test_a_climb_names_it_and_its_order_is_the_same(ladder: Shop) -> None:
    goal = GOAL.replace('"step-function"', '"good-enough"\nquality = 0.5')
    ladder.ladder(LADDER + goal)
    ladder.run("--ladder=climb", "--ladder-live")
    before = ladder.matrix("ladder-report/climb")["run"]
    ladder.ladder(LADDER + PLANNED + goal)
    result = ladder.run("--ladder=climb", "--ladder-live")
    after = ladder.matrix("ladder-report/climb")["run"]
    # What is planned makes no other order of cases, and so no other attempt.
    assert (after["seed"], after["attempts"]) == (before["seed"], before["attempts"])
    assert {seen.body["model"] for seen in ladder.server.requests} == {"bot"}
    result.stdout.fnmatch_lines(["planned: tuned-8b/plain would cost about *"])


@pytest.mark.parametrize(
    "options",
    [(), ("--ladder-plan",), ("--ladder=matrix", "--ladder-plan"), ("--co", "-q")],
    ids=" ".join,
)
def test_no_other_run_has_anything_of_it(
    ladder: Shop, options: tuple[str, ...]
) -> None:
    ladder.run("--ladder-live", "--ladder-report=first")
    result = ladder.run(*options)
    assert result.ret == 0
    assert "tuned-8b" not in result.stdout.str() + result.stderr.str()


def test_recordings_lack_nothing_of_it(
    ladder: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    ladder.run("--ladder-live")
    capsys.readouterr()
    assert main(["recordings", "check", str(ladder.path)]) == 0
    assert "tuned-8b" not in capsys.readouterr().out


def test_it_cannot_be_asked_for(ladder: Shop) -> None:
    result = ladder.run("--ladder=matrix", "--ladder-rungs=tuned-8b/*")
    result.stderr.fnmatch_lines(
        [
            "*--ladder-rungs=tuned-8b/?* matches only what is planned, which is never "
            "called; the rungs of this run are `bot/plain`, `bot/loud`."
        ]
    )


def test_a_report_tries_plans_on_what_was_measured(
    ladder: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    ladder.ladder(LADDER + GOAL)
    ladder.run("--ladder=matrix", "--ladder-live")
    calls = len(ladder.server.requests)
    ladder.ladder(LADDER + PLANNED + GOAL)
    capsys.readouterr()
    what_if = ["--config", "ladder.toml", "--output", "what-if"]
    assert main(["report", "ladder-report", *what_if]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "$0.50 (40 h) to build: worth it from 75.0 % at 1,000,000 calls" in told
    assert len(ladder.server.requests) == calls
    # And read back, the same is said of fewer calls, where it is the dearer one.
    fewer = ["--volume", "1000", "--output", "fewer"]
    shutil.rmtree(ladder.path / "ladder-report")
    assert main(["report", "what-if", *fewer]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "worth it from 78.0 % at 1,000 calls against bot/plain" in told
    assert [each["id"] for each in ladder.matrix("fewer")["planned"]] == [
        "tuned-8b/plain",
        "tuned-8b/loud",
    ]


def test_shards_say_it_together_and_none_alone(
    ladder: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("plain", "loud"):
        which = (f"--ladder-rungs=bot/{name}", f"--ladder-report={name}")
        result = ladder.run("--ladder=matrix", "--ladder-live", *which)
        assert "planned: tuned-8b" not in result.stdout.str()
        assert [each["worth"] for each in ladder.matrix(name)["planned"]] == [None] * 2
    capsys.readouterr()
    assert main(["merge", "plain", "loud", "--output", "whole"]) == 0
    assert "planned: tuned-8b/plain would cost" in capsys.readouterr().out
    (plain, _) = ladder.matrix("whole")["planned"]
    assert plain["worth"]["rival"]["worth_from"] == 0.75
