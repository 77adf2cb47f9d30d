"""`pytest-ladder cases export`: best replies to train on, and never the exam."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from pytest_ladder.core.case import Case
from pytest_ladder.core.row import Outcome
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.training import exam_cases, training_set
from tests.cli.written_report import Command, a_bill, a_report, a_row, written
from tests.plugin.scratch_suite import ANSWER, Shop
from tests.reporting.test_case_texts import with_cases


def a_dev_report() -> Report:
    rows = []
    for rung, text in (("small/plain", "blue, plainly"), ("tuned/plain", "blue")):
        rows += [
            a_row(rung, case, text=text if case < 30 else "red") for case in range(40)
        ]
    # Of c01 the best is cut off, and of c02 a second test missed the tuned reply.
    cut = (a_bill("tuned/plain", 1, flag="truncated"),)
    rows = [
        msgspec.structs.replace(row, replies=cut)
        if (row.rung, row.case) == ("tuned/plain", "c01")
        else row
        for row in rows
    ]
    missed = a_row("tuned/plain", 2, outcome=Outcome.MISSED, score=0.0, text="blue")
    rows.append(msgspec.structs.replace(missed, test="test_shop.py::test_tone"))
    return with_cases(a_report(rows))


def test_the_best_whole_reply_to_each_case_is_taken() -> None:
    found = training_set(a_dev_report(), 1.0)
    chosen = {one.case.case: (one.rung, one.text) for one in found.examples}
    assert chosen["c00"] == ("tuned/plain", "blue"), "of equals the better rung's"
    assert chosen["c01"] == ("small/plain", "blue, plainly")
    assert chosen["c02"] == ("small/plain", "blue, plainly")
    assert len(chosen) == 36
    assert found.too_low == 4
    assert len(training_set(a_dev_report(), 0.0).examples) == 40


def test_a_case_of_the_exam_is_known_by_name_and_by_what_it_asks() -> None:
    cases = a_dev_report().cases.values()
    by_name = Case(id="c03", source="cases.jsonl", input="other")
    reworded = Case(id="x", source="y", input="Which colour is  C04")
    talk = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "which colour is c05?"},
    ]
    in_talk = Case(id="z", input=talk)
    other = Case(id="c06", source="other.jsonl", input="which colour is c6?")
    found = exam_cases(cases, [by_name, reworded, in_talk, other])
    assert [case.case for case in found] == ["c03", "c04", "c05"]


def test_export_writes_chat_rows_and_refuses_the_exam(
    shop: Shop, command: Command
) -> None:
    shop.test(ANSWER)
    report = written(shop.path / "dev", a_dev_report())
    arguments = ("cases", "export", report, "--output")
    status, output, _ = command(
        *arguments, "a.jsonl", "--for", "openai", "--system", "S"
    )
    assert status == 0
    assert "36 rows written to a.jsonl" in output
    assert "left out, for no reply scored enough: 4 cases" in output
    lines = (shop.path / "a.jsonl").read_text("utf-8").splitlines()
    assert json.loads(lines[0]) == {
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": "which colour is c00?"},
            {"role": "assistant", "content": "blue"},
        ]
    }
    command(*arguments, "b.jsonl", "--for", "trl")
    first = json.loads((shop.path / "b.jsonl").read_text("utf-8").splitlines()[0])
    assert first == {
        "prompt": [{"role": "user", "content": "which colour is c00?"}],
        "completion": [{"role": "assistant", "content": "blue"}],
    }
    status, _, errors = command(*arguments, "a.jsonl", "--for", "trl")
    assert status == 2
    assert "exists already" in errors

    # The exam takes in a case of the dev split, under another name.
    shop.cases([{"id": "own", "input": "Which colour is c07", "expected": "blue"}])
    status, _, errors = command(*arguments, "c.jsonl", "--for", "openai")
    assert status == 2
    assert "1 case of 40 in the report is evaluated by the suite" in errors
    assert "(c07)" in errors
    assert not Path("c.jsonl").exists()
    (shop.path / "dev/inputs.jsonl").unlink()
    status, _, errors = command(*arguments, "c.jsonl", "--for", "openai")
    assert status == 2
    assert "inputs.jsonl is missing" in errors
