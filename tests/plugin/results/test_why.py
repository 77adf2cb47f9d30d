"""A row says in `why` why it has no score; no sentence is read for it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.cli.main import main
from pytest_ladder.core.why import Why
from pytest_ladder.reporting.files.read import read_report
from tests.plugin.scratch_suite import ANSWER, CHANGED, JUDGE, LADDER, Run, Shop
from tests.scripted_server import Says, fails, last_user_message, says

TONE = """
@pytest.mark.judged(at_least=0.3, rubric="The reply names a colour.")
def test_tone(verdict):
    assert verdict.passed, verdict.reason
"""
SENTENCES = (
    "not run: budget: $1 of $1 is spent and this call may cost $1.",
    "not run: budget",
    "funnel: a cheap check of the case missed, so it is not judged",
    "funnel: the case passed its cheap checks, and has no verdict: none is stored",
    "No reply of bot is stored.",
    "Timeout (>1.0s) from pytest-timeout.",
)
"""What we tell people ourselves, or another plugin does."""


def answer(body: dict[str, Any]) -> Says:
    if body["model"] == "judge":
        return says(json.dumps({"reason": "it is", "verdict": "pass"}))
    return says(last_user_message(body))


def whys(shop: Shop, folder: str = "ladder-report/current") -> dict[str, str | None]:
    """Return the code of each row by test and case, and sample if it is a later one."""
    return {
        f"{row['test'].rpartition('::')[2]} {row.get('case', '')}"
        + (f" {row['sample']}" if row.get("sample", 1) > 1 else ""): row.get("why")
        for row in shop.rows(folder)
    }


def test_what_the_budget_left_out(shop: Shop, run: Run) -> None:
    shop.test(ANSWER)
    run("--ladder-live", "--ladder-budget=0.000000001")
    rows = shop.rows()
    assert [row["outcome"] for row in rows] == ["error"] * 3
    assert Counter(row["why"] for row in rows) == {"budget": 3}
    assert shop.matrix()["why"] == {"budget": 3}


@pytest.mark.parametrize("mark", ["", ", pack=True"], ids=["", "packed"])
def test_what_has_no_stored_reply(shop: Shop, run: Run, mark: str) -> None:
    shop.test(ANSWER.replace('.jsonl"', f'.jsonl"{mark}'))
    run()
    assert whys(shop) == dict.fromkeys(
        ["test_answer fire", "test_answer sky", "test_answer sun"], "no reply"
    )
    (shop.path / "ladder-report/current/rows.jsonl").unlink()
    run("--ladder-missing=skip")
    assert not (shop.path / "ladder-report/current/rows.jsonl").exists()


@pytest.mark.parametrize("mark", ["", ", pack=True"], ids=["", "packed"])
def test_what_the_funnel_held_back_and_what_lacks_a_verdict(
    shop: Shop, run: Run, mark: str
) -> None:
    shop.ladder(LADDER + JUDGE)
    shop.server.reply = answer
    cheap = ANSWER.replace("cheap", "cheap(at_least=0.3)")
    shop.test(cheap.replace('.jsonl"', f'.jsonl"{mark}') + TONE)
    run("--ladder-live")
    assert whys(shop)["test_tone sun"] == "funnel"
    assert whys(shop)["test_tone sky"] is None
    assert whys(shop)["test_answer sun"] is None
    # Judged first, in a process that knows no cheap check yet.
    head, check = cheap.replace('.jsonl"', f'.jsonl"{mark}').split("\n\n", 1)
    shop.test(head + TONE.replace("a colour", "a new colour") + "\n" + check)
    run("-p", "no:randomly")
    unjudged = {"no reply", "unsure"}
    assert whys(shop)["test_tone sun"] == "funnel"
    assert {whys(shop)["test_tone sky"], whys(shop)["test_tone fire"]} <= unjudged


def test_samples_that_only_the_gate_asked_for(shop: Shop, run: Run) -> None:
    shop.cases([{"id": f"c{n}", "input": f"say {n}"} for n in range(40)])
    shop.test(
        ANSWER.replace("cheap", "cheap(at_least=0.1)").replace(
            "case.expected in reply.text", "reply.text == 'right'"
        )
    )
    seen: Counter[str] = Counter()

    def unlucky(body: dict[str, Any]) -> str:
        prompt = last_user_message(body)
        seen[prompt] += 1
        first = prompt in {f"say {n}?" for n in range(6)} and seen[prompt] == 1
        return "wrong" if first or prompt in ("say 0", "say 1") else "right"

    shop.server.reply = unlucky
    shop.run("--ladder-live", "--ladder-report=base")
    shop.ladder(CHANGED)
    run("--ladder-live", "--ladder-baseline=base")
    codes = {(row.get("sample", 1), row.get("why")) for row in shop.rows()}
    assert codes == {(1, None), (2, "gate sample"), (3, "gate sample")}
    (failed,) = [
        gate for gate in shop.matrix()["gates"] if gate["name"].startswith("quality, ")
    ]
    assert failed["kind"] == "quality"


BROKEN = """
import asyncio

from pytest_ladder import CallError
from pytest_ladder.errors import MetricError

@pytest.fixture
def broken():
    assert False, "a fixture"

@pytest.mark.cheap
def test_setup(llm, broken):
    pass

@pytest.mark.cheap
def test_call(llm):
    llm("fail")

@pytest.mark.cheap
def test_own(llm):
    raise KeyError("x")

@pytest.mark.cheap
def test_metric(llm):
    raise MetricError("no number")

@pytest.mark.cheap
def test_group(llm):
    raise BaseExceptionGroup("two", [CallError("a"), CallError("b")])

@pytest.mark.cheap
def test_mixed_group(llm):
    raise ExceptionGroup("two", [CallError("a"), KeyError("b")])

@pytest.mark.cheap
def test_handled(llm):
    try:
        llm("fail")
    except CallError:
        pytest.fail("the model did not answer")
"""


def test_every_error_has_a_code_and_a_miss_has_none(shop: Shop, run: Run) -> None:
    shop.server.script(*[fails(400)] * 4)
    shop.test(BROKEN)
    run("--ladder-live")
    assert whys(shop) == {
        "test_setup ": "broken",
        "test_call ": "failed call",
        "test_own ": "broken",
        "test_metric ": "failed metric",
        "test_group ": "failed call",
        "test_mixed_group ": "broken",
        "test_handled ": None,
    }


def test_a_timeout_is_known_by_who_raised_it(shop: Shop) -> None:
    shop.test("""
import time

@pytest.mark.cheap
def test_slow(llm):
    time.sleep(5)

@pytest.mark.cheap
def test_reads_like_it(llm):
    pytest.fail("Timeout (>1.0s) from pytest-timeout.")
""")
    shop.run_with("timeout", "--ladder-live", "--timeout=1.0")
    assert whys(shop) == {"test_slow ": "timeout", "test_reads_like_it ": None}
    outcomes = shop.outcomes()
    assert outcomes["test_reads_like_it[bot/plain-]"] == "missed"


@pytest.mark.parametrize("level", ["cheap", "judged"])
@pytest.mark.parametrize("how", ["pytest.fail(said)", "raise KeyError(said)"])
def test_a_test_may_say_what_we_say(shop: Shop, level: str, how: str) -> None:
    shop.test(f"""
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.{level}(at_least=0.1)
@pytest.mark.parametrize("said", {SENTENCES!r}, ids=range({len(SENTENCES)}))
def test_it(reply, said):
    {how}
""")
    shop.run("--ladder-live")
    outcome, why = ("missed", None) if "fail" in how else ("error", "broken")
    rows = shop.rows()
    assert {(row["outcome"], row.get("why")) for row in rows} == {(outcome, why)}
    cell = shop.matrix()["rungs"][0]["levels"][level]
    assert cell["over_budget"] == 0
    # And nothing is taken for ours where the report is read again.
    again = read_report(shop.path / "ladder-report/current")
    assert {row.why for row in again.rows} == {why and Why(why)}
    assert main(["report", "ladder-report/current", "--output", "again"]) == 0
    assert shop.rows("again") == rows


def test_a_renamed_sentence_changes_nothing(shop: Shop, run: Run) -> None:
    shop.ladder(LADDER + JUDGE)
    shop.server.reply = answer
    shop.test(ANSWER.replace("cheap", "cheap(at_least=0.3)") + TONE)
    run("--ladder-live", "--ladder-budget=0.0027")
    folder = shop.path / "ladder-report/current"
    before = shop.matrix()
    assert set(before["why"]) == {"budget", "funnel"}
    (folder / "rows.jsonl").write_text(
        "".join(f"{json.dumps({**row, 'reason': 'la la'})}\n" for row in shop.rows())
    )
    assert main(["report", str(folder), "--output", "again"]) == 0
    again = shop.matrix("again")
    assert (again["why"], again["rungs"]) == (before["why"], before["rungs"])


OLDER = {
    "not run: budget: $1 of $1 is spent.": ("error", Why.BUDGET),
    "funnel: the case passed its cheap checks, and has no verdict: No reply.": (
        "error",
        Why.UNSURE,
    ),
    "funnel: a cheap check of the case missed, so it is not judged": (
        "missed",
        Why.FUNNEL,
    ),
    "KeyError": ("error", None),
    "not run: budget, says a test": ("missed", None),
}


def test_rows_of_older_versions_say_it_in_their_sentence(shop: Shop) -> None:
    shop.test(ANSWER)
    shop.run("--ladder-live")
    folder: Path = shop.path / "ladder-report/current"
    matrix = {**shop.matrix(), "rows": len(OLDER)}
    del matrix["why"]
    (folder / "matrix.json").write_text(json.dumps(matrix))
    row = {**shop.rows()[0], "level": "judged"}
    lines = [
        {**row, "case": f"c{n}", "reason": reason, "outcome": outcome, "score": score}
        for n, (reason, (outcome, _)) in enumerate(OLDER.items())
        for score in [0.0 if outcome == "missed" else None]
    ]
    (folder / "rows.jsonl").write_bytes(
        b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    )
    read = read_report(folder)
    assert [row.why for row in read.rows] == [why for _, why in OLDER.values()]
    assert read.matrix.rungs[0].levels[read.matrix.levels[0]].over_budget == 1
