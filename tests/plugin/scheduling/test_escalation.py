"""Escalation: a gated live run takes more samples where one does not tell."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.scratch_suite import CHANGED, JUDGE, LADDER, Run, Shop
from tests.scripted_server import ScriptedServer

CASES = [{"id": f"c{n}", "input": f"say {n}", "expected": str(n)} for n in range(40)]
ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.1)
def test_answer(reply, case):
    assert reply.text == "right"
"""
GATED = ("--ladder-live", "--ladder-baseline=base")
MORE = (
    "ladder gate: quality (cheap, *) -*points on 40 cases, p = 0.*: that may be chance*"
)


class Luck:
    """Answers right, but for some cases of what ships, and of the change."""

    def __init__(self) -> None:
        self.shipped_misses = {"say 0", "say 1", "say 2"}
        self.first_misses: set[str] = {f"say {n}?" for n in range(6)}
        """Prompts of the change answered wrong the first time."""
        self.always_misses: set[str] = set()
        self._seen: Counter[str] = Counter()

    def __call__(self, body: dict[str, Any]) -> str:
        prompt = body["messages"][-1]["content"]
        self._seen[prompt] += 1
        unlucky = prompt in self.first_misses and self._seen[prompt] == 1
        missed = self.shipped_misses | self.always_misses
        return "wrong" if unlucky or prompt in missed else "right"


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """One for all tests here: what was measured at one address is known by it."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves its baseline and its store for the others."""
    return tmp_path_factory.mktemp("first") / "run"


@pytest.fixture
def luck(shop: Shop) -> Luck:
    luck = Luck()
    shop.server.reply = luck
    return luck


@pytest.fixture
def measured(shop: Shop, luck: Luck, first_run: Path) -> Shop:
    """A shop with a baseline in `base/`, and a change that may have made it worse."""
    shop.cases(CASES)
    shop.test(ANSWER)
    if first_run.exists():
        shutil.copytree(first_run, shop.path, dirs_exist_ok=True)
    else:
        shop.run("--ladder-live", "--ladder-report=base")
        shutil.copytree(shop.path, first_run)
    shop.ladder(CHANGED)
    return shop


def samples_of(shop: Shop, folder: str = "ladder-report/current") -> Counter[str]:
    """Count the rows of each rung and sample."""
    return Counter(f"{row['rung']} {row.get('sample', 1)}" for row in shop.rows(folder))


def verdict_of(result: pytest.RunResult) -> str:
    (line,) = [line for line in result.outlines if line.startswith("gate: ")]
    return line.removeprefix("gate: ").partition(":")[0]


def test_a_drop_that_may_be_chance_is_looked_into(
    measured: Shop, luck: Luck, run: Run
) -> None:
    before = measured.server.count
    result = run(*GATED)
    assert result.ret == 0
    assert verdict_of(result) == "PASS"
    result.stdout.fnmatch_lines([MORE])
    assert measured.server.count - before == 3 * 40
    assert samples_of(measured) == {f"bot/plain {n}": 40 for n in (1, 2, 3)}
    assert measured.matrix()["run"]["escalation"] == "run"
    page = (measured.path / "ladder-report/current/matrix.md").read_text()
    assert page.startswith("<!-- pytest-ladder gate -->")
    assert "so the run took more:" in page
    result.assert_outcomes(passed=114)
    result.stdout.fnmatch_lines_random(["*114 passed, 6 missed*"])


def test_a_drop_that_stays_fails_the_run(measured: Shop, luck: Luck) -> None:
    luck.always_misses = {f"say {n}?" for n in range(7)}
    measured.ladder(CHANGED.replace("temperature = 0", "temperature = 1"))
    result = measured.run(*GATED)
    assert samples_of(measured)["bot/plain 3"] == 40
    assert (result.ret, verdict_of(result)) == (1, "FAIL")
    result.stdout.fnmatch_lines(["*ladder.toml::ladder gate*"])


def test_where_nothing_got_worse_nothing_more_is_called(
    measured: Shop, luck: Luck
) -> None:
    luck.first_misses = {"say 0?"}
    before = measured.server.count
    result = measured.run(*GATED)
    assert (result.ret, verdict_of(result)) == (0, "PASS")
    result.stdout.no_fnmatch_line("*may be chance*")
    result.assert_outcomes(passed=39)
    assert measured.server.count - before == 40
    assert measured.matrix()["run"].get("escalation", "") == ""


def test_a_replay_runs_nothing_more_and_says_what_would(measured: Shop) -> None:
    measured.run("--ladder-live")
    before = measured.server.count
    result = measured.run("--ladder-baseline=base")
    assert measured.server.count == before
    assert samples_of(measured) == {"bot/plain 1": 40}
    result.stdout.fnmatch_lines(["*Two more samples*--ladder-live*by itself*"])


def test_beyond_the_budget_nothing_is_called_and_nothing_decided(
    measured: Shop, run: Run
) -> None:
    measured.run("--ladder-live", "--ladder-report=once")
    once = measured.matrix("once")["spend"]["product_usd"]
    budget = f"--ladder-budget={0.8 * once:.6f}"
    result = run(*GATED, budget)
    assert (result.ret, verdict_of(result)) == (0, "UNDECIDED")
    result.stdout.fnmatch_lines(["gate: UNDECIDED: *and the budget did not allow*"])
    assert measured.matrix()["spend"]["product_usd"] <= 0.8 * once
    paid = len(measured.rows()) - 40
    assert 0 <= paid < 80
    before = measured.server.count
    again = run(*GATED)
    assert (again.ret, verdict_of(again)) == (0, "PASS")
    assert measured.server.count - before == 80 - paid


def test_in_a_matrix_only_what_ships_gets_more(measured: Shop) -> None:
    result = measured.run(*GATED, "--ladder=matrix")
    assert verdict_of(result) == "PASS"
    assert samples_of(measured, "ladder-report") == {
        "bot/plain 1": 40,
        "bot/plain 2": 40,
        "bot/plain 3": 40,
        "bot/loud 1": 40,
    }


def test_what_only_the_gate_asked_for_is_not_recorded(measured: Shop) -> None:
    measured.run(*GATED)
    lines = [
        json.loads(line)
        for path in (measured.path / "recordings").rglob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert len(lines) == 40
    before = measured.server.count
    assert measured.run().ret == 0
    assert measured.run(*GATED).ret == 0
    assert measured.server.count == before


def test_what_is_held_back_is_not_collected(measured: Shop) -> None:
    listed = measured.run(*GATED, "--collect-only", "-q")
    listed.stdout.fnmatch_lines(["40 tests collected*"])
    listed.stdout.no_fnmatch_line("*-s2]*")
    one = measured.run(*GATED, "-k", "c39")
    one.stdout.fnmatch_lines(["collected 40 items / 39 deselected / 1 selected"])
    one.assert_outcomes(passed=1, deselected=39)


def test_last_failed_knows_what_was_collected_only(measured: Shop, luck: Luck) -> None:
    measured.test(ANSWER.replace("(at_least=0.1)", ""))
    luck.always_misses = {"say 7?"}
    assert measured.run("-pcacheprovider", *GATED).ret == 1
    again = measured.run("--lf", "--collect-only", "-q")
    listed = [line for line in again.outlines if "::" in line]
    assert listed == [
        f"test_shop.py::test_answer[bot/plain-c{n}]" for n in (0, 1, 2, 3, 4, 5, 7)
    ]


def test_fixtures_of_others_are_set_up_once(measured: Shop, run: Run) -> None:
    measured.write(
        "conftest.py",
        "import os, pytest\n"
        "@pytest.fixture(scope='session', autouse=True)\n"
        "def server():\n"
        "    with open('told', 'a') as file: file.write(f'up {os.getpid()}\\n')\n"
        "    yield\n"
        "    with open('told', 'a') as file: file.write(f'down {os.getpid()}\\n')\n",
    )
    for misses in ({"say 0?"}, {f"say {n}?" for n in range(7)}):
        measured.server.reply = luck = Luck()
        luck.first_misses = misses
        run(*GATED, "--ladder-refresh")
    told = Counter((measured.path / "told").read_text().splitlines())
    assert set(told.values()) <= {1, 2}
    ups = sum(n for line, n in told.items() if line.startswith("up"))
    assert ups == sum(told.values()) - ups


FREE = ANSWER.replace("(reply, case)", "(llm, case)").replace(
    "    assert", "    reply = llm.ask(case)\n    assert"
)
PACKED = ANSWER.replace('jsonl")', 'jsonl", pack=True)')


@pytest.mark.parametrize(
    ("source", "workers"),
    [
        (PACKED, ()),
        (PACKED, ("-n1",)),
        (ANSWER.replace("def test", "async def test"), ()),
        (FREE, ()),
        (FREE, ("-n1",)),
        (
            ANSWER.replace(
                "@pytest.mark.cheap",
                '@pytest.mark.parametrize("tone", ["a"])\n@pytest.mark.cheap',
            ).replace("(reply, case)", "(reply, case, tone)"),
            (),
        ),
    ],
    ids=["packed", "packed-xdist", "async", "free", "free-xdist", "parametrized"],
)
def test_every_kind_of_test_has_more_samples(
    measured: Shop, source: str, workers: tuple[str, ...]
) -> None:
    measured.test(source)
    measured.ladder(LADDER)
    measured.server.reply = luck = Luck()
    luck.shipped_misses = {"say 0", "say 1", "say 2"}
    measured.run("--ladder-live", "--ladder-refresh", "--ladder-report=base")
    measured.ladder(CHANGED)
    result = measured.run(*GATED, *workers)
    result.stdout.fnmatch_lines([MORE])
    assert (result.ret, verdict_of(result)) == (0, "PASS")
    assert samples_of(measured) == {f"bot/plain {n}": 40 for n in (1, 2, 3)}
    names = {row["test"] for row in measured.rows()}
    assert len(names) == 1


def test_what_others_leave_to_chance_is_left_out(measured: Shop) -> None:
    measured.test(
        ANSWER
        + """
@pytest.mark.cheap(at_least=0.1)
@pytest.mark.ladder(external=True)
def test_metric(reply, case):
    pass
"""
    )
    measured.run(*GATED)
    rows = Counter(row["test"].rpartition("::")[2] for row in measured.rows())
    assert rows == {"test_answer": 120, "test_metric": 40}


def test_dist_each_is_refused(measured: Shop) -> None:
    result = measured.run(*GATED, "--dist=each", "--tx=2*popen")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--ladder-baseline with --ladder-live runs each*"])


JUDGED = (
    ANSWER
    + """
@pytest.mark.judged(at_least=0.1, rubric="It is polite.")
def test_tone(verdict):
    assert verdict.passed
"""
)


def test_samples_that_missed_a_cheap_check_are_not_judged_either(
    measured: Shop, run: Run
) -> None:
    luck = Luck()

    def answer(body: dict[str, Any]) -> str:
        if body["model"] == "judge":
            return json.dumps({"reason": "it is", "verdict": "pass"})
        return luck(body)

    measured.server.reply = answer
    measured.test(JUDGED)
    measured.ladder(LADDER + JUDGE)
    measured.run("--ladder-live", "--ladder-refresh", "--ladder-report=base")
    measured.ladder(CHANGED + JUDGE)
    result = run(*GATED)
    assert (result.ret, verdict_of(result)) == (0, "PASS")
    levels = Counter((row["level"], row.get("sample", 1)) for row in measured.rows())
    assert levels == {
        (level, n): 40 for level in ("cheap", "judged") for n in (1, 2, 3)
    }
    held_back = [row for row in measured.rows() if "funnel" in row.get("reason", "")]
    assert {row.get("sample", 1) for row in held_back} == {1}
    assert len(held_back) == 6


def test_the_plan_tells_what_more_samples_would_cost(measured: Shop) -> None:
    before = measured.server.count
    result = measured.run(*GATED, "--ladder-plan")
    result.stdout.fnmatch_lines(
        ["40 calls, at most $*", "If the gate *more samples: 80 more calls, at most $*"]
    )
    assert (result.ret, measured.server.count) == (0, before)
    measured.run("--ladder-live", "--ladder-plan").stdout.no_fnmatch_line(
        "If the gate*"
    )


def test_a_run_that_stops_at_the_first_failure_passes_no_gate(
    measured: Shop, luck: Luck, run: Run
) -> None:
    measured.test(ANSWER.replace("(at_least=0.1)", ""))
    result = run("--ladder-live", "--ladder-baseline=base", "-x")
    assert result.ret != 0
    assert verdict_of(result) == "UNDECIDED"
    result.stdout.fnmatch_lines(["gate: UNDECIDED: The run was stopped before *"])
    assert measured.matrix()["run"]["stopped"]


@pytest.mark.parametrize("source", [ANSWER, PACKED], ids=["plain", "packed"])
def test_replies_that_cannot_vary_are_not_asked_for_again_and_again(
    measured: Shop, luck: Luck, run: Run, source: str
) -> None:
    measured.test(source)
    luck.first_misses = set()
    luck.always_misses = {f"say {n}?" for n in range(6)}
    before = measured.server.count
    result = run(*GATED)
    result.stdout.fnmatch_lines([MORE])
    # At temperature 0 the second replies are those of before.
    assert measured.server.count - before == 2 * 40
    assert samples_of(measured) == {f"bot/plain {n}": 40 for n in (1, 2)}
    # They are no evidence either: once more the same shows nothing.
    assert (result.ret, verdict_of(result)) == (0, "UNDECIDED")
    assert result.stdout.str().count("p = 0.062") > 1
    page = (measured.path / "ladder-report/current/matrix.md").read_text()
    assert "for at temperature 0 the replies did not vary" in page
    assert "means over" not in page


def test_above_temperature_0_equal_replies_prove_nothing(
    measured: Shop, luck: Luck
) -> None:
    measured.ladder(CHANGED.replace("temperature = 0", "temperature = 1"))
    luck.first_misses = set()
    luck.always_misses = {f"say {n}?" for n in range(6)}
    measured.run(*GATED)
    assert samples_of(measured) == {f"bot/plain {n}": 40 for n in (1, 2, 3)}
