"""What is compared with what, and what is said of all that is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.ladder import Gate
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import MoreSamples
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.result import GateResult
from pytest_ladder.reporting.sentences.gate import gate_lines
from tests.decide.gate.baseline_and_change import TEST, Score, rows, side

ALL = [1.0] * 40
DROP = [0.0] * 14 + [1.0] * 26
SHORT, OTHER = "test_shop.py::test_short", "test_other.py::test_answer"


def text_of(result: GateResult) -> str:
    return "\n".join(gate_lines(result))


@pytest.mark.parametrize(
    "after",
    [
        [],
        rows(DROP, test="test_shop.py::test_renamed"),
        rows(DROP, weight=0.0),
    ],
    ids=["removed", "renamed", "weighs nothing"],
)
def test_a_test_that_is_gone_leaves_the_gate_undecided(after: list[Row]) -> None:
    before = side([*rows(ALL), *rows(ALL, test=SHORT)])
    result = gate(before, side([*after, *rows(ALL, test=SHORT)]))
    assert result.verdict == "undecided"
    assert f"has results that the change has none of: {TEST}; run all" in result.reason


def test_a_test_that_was_skipped_or_left_out_by_a_climb_is_not_gone() -> None:
    """As one that calls models by itself, in a replay."""
    before = side([*rows(ALL), *rows(ALL, test=SHORT)])
    after = side(rows(ALL, test=SHORT))
    skipped = gate(before, msgspec.structs.replace(after, skipped=(TEST,)))
    assert skipped.verdict == "pass"
    assert f"for the change skipped them: {TEST}." in text_of(skipped)
    assert gate(before, msgspec.structs.replace(after, climbs=True)).verdict == "pass"


def test_what_weighs_something_now_is_compared() -> None:
    result = gate(side(rows(ALL, weight=0.0)), side(rows(ALL)))
    assert result.verdict == "pass"
    assert "Not compared" not in text_of(result)


def test_a_baseline_that_was_stopped_decides_nothing() -> None:
    base = msgspec.structs.replace(side(rows(ALL[:12])), stopped=True)
    result = gate(base, side(rows(ALL)))
    assert result.verdict == "undecided"
    assert "The baseline is of a run that was stopped" in result.reason


def test_what_only_the_change_has_is_named_and_passes() -> None:
    result = gate(side(rows(ALL)), side([*rows(ALL), *rows(DROP, test=SHORT)]))
    assert result.verdict == "pass"
    told = f"Not compared, for the baseline has no result of them: {SHORT}."
    assert told in text_of(result)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"test": OTHER}, "test_other.py (cheap)"),
        (
            {"test": "test_shop.py::test_tone", "level": Level.JUDGED},
            "test_shop.py (ju",
        ),
    ],
    ids=["file", "level"],
)
def test_a_file_or_level_that_was_not_run_is_named_and_passes(
    fields: dict[str, Any], named: str
) -> None:
    """As by `pytest -m cheap`, or of one folder only."""
    result = gate(side([*rows(ALL), *rows(ALL, **fields)]), side(rows(ALL)))
    assert result.verdict == "pass"
    assert f"Not compared, for nothing of them was run: {named}" in text_of(result)


def test_where_no_test_is_the_same_both_are_named() -> None:
    result = gate(side(rows(ALL)), side(rows(ALL, test=OTHER)))
    assert result.verdict == "undecided"
    assert "no case that both sides finished" in result.reason
    assert "the baseline has test_shop.py (cheap), the change " in result.reason
    assert f"{OTHER} (renamed, or run from another folder?)" in result.reason


@pytest.mark.parametrize("why", ["budget", "stopped"])
def test_further_samples_of_some_cases_count_for_nothing(why: str) -> None:
    """Those that came first were drawn again, and they had missed."""
    once: Sequence[Score] = [0.0] * 3 + [1.0] * 37
    again: Sequence[Score] = [[0.0, 0.0, 0.0]] * 3 + [1.0] * 37
    escalation: MoreSamples = "budget" if why == "budget" else "run"
    head = msgspec.structs.replace(
        side(rows(again)), escalation=escalation, stopped=why == "stopped"
    )
    mixed, plain = gate(side(rows(ALL)), head), gate(side(rows(ALL)), side(rows(once)))
    assert mixed.suites == plain.suites
    assert mixed.verdict == "undecided"
    assert "the run took more" not in text_of(mixed)


@pytest.mark.parametrize(
    ("ran", "verdict"), [(3, "pass"), (20, "pass"), (21, "fail"), (40, "fail")]
)
def test_a_part_of_the_cases_may_miss_as_often_as_all(ran: int, verdict: str) -> None:
    missed = [0.0] * ran + [1.0] * (40 - ran)
    before, after = rows(missed, at_least=0.5), rows(missed, at_least=0.5)
    part = {TEST: 40} if ran < 40 else {}
    head = msgspec.structs.replace(side(after[:ran]), partial=part)
    result = gate(side(before), head)
    share = next(one for one in result.checks if one.name.startswith("at_least"))
    assert share.verdict == verdict
    told = ", of which a part ran" if part else ""
    assert share.reason.endswith(f"at_least=0.5 needs 20 of 40{told}.")


def test_cases_that_are_gone_for_good_ask_for_no_share() -> None:
    few = rows([0.0] * 10 + [1.0] * 15, at_least=0.9)
    result = gate(side(rows([1.0] * 100, at_least=0.9)), side(few))
    assert result.verdict == "fail"
    share = next(one for one in result.checks if one.name.startswith("at_least"))
    assert share.reason.endswith("15 of 25 passed; at_least=0.9 needs 23 of 25.")


def pool(seconds: Sequence[float]) -> list[Row]:
    """A baseline of some draws: the first is wrong of all cases, the others right."""
    draws = []
    for sample, took in enumerate(seconds, start=1):
        score = float(sample > 1)
        for row in rows([score] * 40, seconds=took, live=True):
            bill = msgspec.structs.replace(
                row.replies[0], key=row.replies[0].key + (f"~{sample}" * (sample > 1))
            )
            draws.append(msgspec.structs.replace(row, sample=sample, replies=(bill,)))
    return draws


def test_a_reply_that_the_baseline_holds_is_compared_with_itself() -> None:
    """A pull request that changes nothing replays one draw, and an unlucky one."""
    base = side(pool([1.0, 2.0, 3.0]))
    unlucky = gate(base, side(rows([0.0] * 40, seconds=1.0, live=False)))
    assert unlucky.verdict == "pass"
    assert [suite.change for suite in unlucky.suites] == [0.0]
    # What takes another time is another reply, of the same words.
    assert gate(base, side(rows([0.0] * 40, seconds=9.0, live=False))).verdict == "fail"
    assert gate(base, side(rows([0.0] * 40, seconds=1.0, live=True))).verdict == "fail"


def test_a_task_that_writes_its_replies_otherwise_made_them_all_the_same() -> None:
    made = [
        msgspec.structs.replace(row, text=f"{row.text}.")
        for row in rows([0.0] * 40, seconds=1.0, live=False)
    ]
    result = gate(side(pool([1.0, 2.0, 3.0])), side(made))
    assert [suite.change for suite in result.suites] == [0.0]


def test_a_few_live_calls_among_replayed_ones_gate_no_latency() -> None:
    before = side(rows([1.0] * 80, seconds=1.0))
    live = [place < 3 for place in range(80)]
    after = side(rows([1.0] * 80, seconds=5.0, live=live))
    result = gate(before, after, Gate(latency_p95=0.2))
    assert result.verdict == "pass"
    assert "p95 latency is not gated, for replies were replayed." in result.reason


def test_of_the_same_replies_another_check_is_seen() -> None:
    replies = rows(ALL, seconds=1.0, live=False)
    stricter = [
        msgspec.structs.replace(row, score=0.0, outcome=Outcome.MISSED)
        for row in replies[:14]
    ]
    result = gate(side(replies), side([*stricter, *replies[14:]]))
    assert result.verdict == "fail"
