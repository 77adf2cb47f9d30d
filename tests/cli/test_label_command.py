"""`pytest-ladder label` asks people blind and goes on; `calibrate` tells the rest."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.case import Case, WrittenCase
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.row import Exchange, Row
from pytest_ladder.core.rung import Model, Tier
from pytest_ladder.judging.calibration.labels import line_of, read_labels
from pytest_ladder.judging.prompts import request_of
from pytest_ladder.judging.rubrics import load
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.files.write import write_report
from pytest_ladder.review.questions import item_of, questions_of
from pytest_ladder.review.sessions import Session
from pytest_ladder.review.store import labels_kept_in
from tests.cli.written_report import Command
from tests.judging.judged_rows import a_report, labels_for, some_rows, unjudged

JUDGE = Model(name="[judge]", tier=Tier.OFF_THE_SHELF, id="openai/judge")
M = '[[model]]\nname = "m"\ntier = "off-the-shelf"\nid = "openai/m"\n'
"""The model of the rows."""
ROWS = [*some_rows(30, 10), *some_rows(20, 20, rung="m/rag")]

Asking = Callable[..., str]


class Person:
    """Types answers; `^C` is what it looks like."""

    def __init__(self, answers: list[str]) -> None:
        self._answers = answers

    def readline(self) -> str:
        answer = self._answers.pop(0) if self._answers else ""
        if answer == "^C":
            raise KeyboardInterrupt
        return f"{answer}\n" if answer else ""


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return put(tmp_path / "report", ROWS)


def put(folder: Path, rows: Sequence[Row]) -> Path:
    made = msgspec.structs.replace(
        a_report(rows), exchanges={row.evaluations[0].key: said(row) for row in rows}
    )
    write_report(folder, made)
    return folder


def said(row: Row) -> Exchange:
    case = Case(id=row.case, input=f"input of {row.case}", expected="the truth")
    request = request_of(JUDGE, load("correctness"), case, Reply(text=row.text))
    answer = json.dumps({"reason": "SECRET REASON", "verdict": "pass"})
    return Exchange(
        key=row.evaluations[0].key, messages=tuple(request.messages), text=answer
    )


@pytest.fixture
def label(
    command: Command, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Asking:
    """Give these answers; returns what was printed."""

    def ask(answers: str, *arguments: object) -> str:
        monkeypatch.setattr("sys.stdin", Person(answers.split()))
        file = ("--labels", tmp_path / "labels.jsonl")
        status, out, err = command("label", report, *file, *arguments)
        assert (status, err) == (0, "")
        return out

    return ask


def shown(out: str) -> list[str]:
    """Return the replies that were shown."""
    lines = out.splitlines()
    return [
        lines[place + 1].strip()
        for place, line in enumerate(lines)
        if line.endswith("reply:")
    ]


def test_answers_become_labels(label: Asking, tmp_path: Path) -> None:
    out = label("p f s P f q ")
    found = read_labels(tmp_path / "labels.jsonl")
    assert [one.verdict for one in found] == ["pass", "fail", "pass", "fail"]
    assert {(one.test, one.judge) for one in found} == {
        ("test_shop.py::test_right", "openai/judge")
    }
    texts = {row.text: (row.case, row.rung) for row in ROWS}
    asked = [texts[text] for text in shown(out)]
    assert [(one.case, one.rung) for one in found] == [
        *asked[:2],
        *asked[3:5],
    ]
    assert "4 labels added to" in out
    assert (
        "test_right: 46 labels more until its judge may gate (4 of 50 at least)." in out
    )


def test_case_and_rubric_are_shown_and_rung_and_verdict_are_not(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        msgspec.structs.replace(row, text=f"answer \x1b[31m{n}\n  more")
        for n, row in enumerate(ROWS)
    ]
    folder = put(tmp_path / "report", rows)
    monkeypatch.setattr("sys.stdin", io.StringIO("p\n" * 99))
    _, out, _ = command("label", folder, "--labels", tmp_path / "l", "--count", 30)
    assert "The reply is correct: it states every fact" in out
    assert "input of case-0" in out
    assert "the truth" in out
    assert "\n    more\n" in out
    for hidden in ("m/rag", "m/plain", "SECRET", "\x1b", "[31m"):
        assert hidden not in out


def test_who_goes_on_is_not_asked_again(label: Asking) -> None:
    first = shown(label("p " * 12, "--count", 12))
    rest = shown(label("f " * 99, "--count", 99))
    assert (len(first), len(rest)) == (12, 68)
    assert not set(first) & set(rest)
    assert "All of it is labelled" in label("p ")


def test_strata_get_their_share(label: Asking, tmp_path: Path) -> None:
    label("p " * 40, "--count", 40)
    passed = {(row.case, row.rung): row.outcome == "passed" for row in ROWS}
    found = read_labels(tmp_path / "labels.jsonl")
    assert Counter((one.rung, passed[one.case, one.rung]) for one in found) == {
        ("m/plain", True): 15,
        ("m/plain", False): 5,
        ("m/rag", True): 10,
        ("m/rag", False): 10,
    }


def test_every_answer_is_kept_at_once(label: Asking, tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text(
        line_of(labels_for(ROWS, 1, 0, 0, 0)[0]).rstrip()
    )
    out = label("p p ^C ")
    assert "2 labels added" in out
    assert len(read_labels(tmp_path / "labels.jsonl")) == 3


def test_a_second_rater_gets_the_same_replies(label: Asking, tmp_path: Path) -> None:
    ann = shown(label("p " * 9, "--count", 9, "--rater", "ann"))
    bob = shown(label("p " * 9, "--count", 9, "--rater", "bob"))
    nobody = shown(label("p " * 9, "--count", 9))
    assert ann == bob
    assert not set(ann) & set(nobody)
    cid = shown(label("p " * 9, "--count", 9, "--rater", "cid", "--seed", 7))
    assert set(cid) != set(ann)
    raters = {one.rater for one in read_labels(tmp_path / "labels.jsonl")}
    assert raters == {"ann", "bob", "cid", ""}


def test_what_is_no_answer_is_asked_again(label: Asking, tmp_path: Path) -> None:
    label("yes 5 pass ", "--count", 1)
    (one,) = read_labels(tmp_path / "labels.jsonl")
    assert one.verdict == "pass"


def test_grades_are_taken_where_the_judge_gives_them(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put(tmp_path / "report", some_rows(3, 0, graded=True))
    monkeypatch.setattr("sys.stdin", io.StringIO("4\nf\n"))
    _, out, _ = command("label", folder, "--labels", tmp_path / "l")
    assert "1 to 5, p(ass)" in out
    assert [one.verdict for one in read_labels(tmp_path / "l")] == [4, "fail"]


def test_tests_get_as_many_labels_each(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone = some_rows(20, 20, test="test_shop.py::test_tone")
    folder, path = put(tmp_path / "report", [*ROWS, *tone]), tmp_path / "l"

    def ask(*arguments: object) -> Counter[str]:
        monkeypatch.setattr("sys.stdin", io.StringIO("p\n" * 99))
        command("label", folder, "--labels", path, *arguments)
        return Counter(one.test.rpartition("::")[2] for one in read_labels(path))

    assert ask("--count", 6, "--test", "tone") == {"test_tone": 6}
    assert ask("--count", 10) == {"test_tone": 8, "test_right": 8}


def test_what_was_not_kept_is_shown_without(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put(tmp_path / "report", ROWS)
    (folder / "exchanges.jsonl").unlink()
    monkeypatch.setattr("sys.stdin", io.StringIO("p\n"))
    _, out, _ = command("label", folder, "--labels", tmp_path / "l", "--count", 1)
    assert "correctness@1#" in out
    assert "case-0" in out
    assert len(read_labels(tmp_path / "l")) == 1


@pytest.mark.parametrize(
    ("rubric", "expects"),
    [("correctness", True), ("safety", False), ("Be kind.", True)],
)
def test_without_exchanges_the_report_says_what_the_case_asks_and_expects(
    rubric: str,
    expects: bool,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody was to say whether a reply states what the expected answer states."""
    rows = [
        msgspec.structs.replace(
            row, verdict=msgspec.structs.replace(row.verdict, rubric=load(rubric).id)
        )
        for row in some_rows(4, 2)
        if row.verdict is not None
    ]
    cases = {
        row.unit: WrittenCase(
            source=row.source, case=row.case, input="how long?", expected="3 days"
        )
        for row in rows
    }
    made = msgspec.structs.replace(a_report(rows), exchanges={}, cases=cases)
    write_report(tmp_path / "report", made)
    monkeypatch.setattr("sys.stdin", io.StringIO("p\n"))
    _, out, _ = command("label", tmp_path / "report", "--labels", tmp_path / "l")
    assert "how long?" in out
    assert ("3 days" in out) is expects


def test_a_reply_that_is_not_the_one_that_was_judged_is_not_asked_about(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = some_rows(2, 0)
    made = msgspec.structs.replace(
        a_report([msgspec.structs.replace(rows[0], text="something else"), rows[1]]),
        exchanges={row.evaluations[0].key: said(row) for row in rows},
    )
    write_report(tmp_path / "report", made)
    monkeypatch.setattr("sys.stdin", io.StringIO("p\n" * 9))
    _, out, _ = command("label", tmp_path / "report", "--labels", tmp_path / "l")
    assert shown(out) == [rows[1].text]


def test_the_labels_lie_beside_the_ladder_in_reach(
    shop: Any, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put(shop.path / "deep" / "report", ROWS)
    monkeypatch.setattr("sys.stdin", io.StringIO("p\n"))
    command("label", folder)
    assert len(read_labels(shop.path / "labels.jsonl")) == 1


def test_calibrate_prints_the_table(
    report: Path, command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "labels.jsonl"
    status, out, _ = command("calibrate", report, "--labels", path)
    assert status == 0
    assert "uncalibrated: no labels" in out
    assert "pytest-ladder label" in out
    path.write_text("".join(map(line_of, labels_for(ROWS, 30, 4, 3, 20))))
    status, out, _ = command("calibrate", report, "--labels", path)
    lines = out.splitlines()
    assert lines[0].startswith("test_shop.py::test_right, judged by openai/judge (cor")
    assert "  accuracy           87.7 % (76.8-93.9)" in lines
    assert any(line.startswith("m/plain  75.0 % (59.8-85.8, n=40)") for line in lines)
    assert any("post-stratified" in line for line in lines)
    assert any(line.startswith("Correlation of its score with") for line in lines)
    assert "test_right: its judge may gate, by 57 labels." in lines
    path.write_text("".join(map(line_of, labels_for(ROWS, 10, 4, 3, 2))))
    _, out, _ = command("calibrate", report, "--labels", path)
    assert "test_right: 31 labels more until its judge may gate (19 of 50" in out
    assert "test_right: label next " in out
    assert "review --ask labels --rater NAME --count 31" in out


@pytest.mark.parametrize("what", ["label", "calibrate"])
def test_mistakes_are_one_sentence(
    what: str, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = put(tmp_path / "report", ROWS)
    status, _, err = command(what, folder)
    assert status == 2
    assert "name their file with --labels FILE" in err
    (tmp_path / "broken").write_text("{")
    status, _, err = command(what, folder, "--labels", "broken")
    assert status == 2
    assert "broken:1: the line is not valid JSON" in err
    function = put(tmp_path / "other", some_rows(2, 0, rubric="", judge="short"))
    status, _, err = command(what, function, "--labels", "none")
    assert status == 2
    assert "no judge graded any of its 2 rows" in err


@pytest.mark.parametrize("what", ["label", "calibrate"])
def test_a_newer_report_without_a_judge_does_not_hide_the_judged_one(
    what: str, shop: Any, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.path)
    folder = put(shop.path / "ladder-report", ROWS)
    climb = shop.path / "ladder-report" / "climb"
    write_report(climb, a_report([row for n in range(9) for row in unjudged(n)[1:]]))
    later = (folder / "matrix.json").stat().st_mtime + 5
    os.utime(climb / "matrix.json", (later, later))
    monkeypatch.setattr("sys.stdin", io.StringIO("p\n"))
    status, out, err = command(what)
    assert (status, err) == (0, "")
    said = (
        "By ladder-report: in ladder-report/climb, which is newer, nothing is judged."
    )
    assert out.startswith(f"{said}\n")
    status, _, err = command(what, climb)
    assert status == 2
    assert "name ladder-report, where replies are, or run tests that are" in err


def test_a_report_says_that_labels_lie_beside_it(
    shop: Any, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.path)
    put(shop.path / "ladder-report", ROWS)
    _, out, _ = command("report", "ladder-report")
    assert "to take them in" not in out
    path = shop.path / "labels.jsonl"
    path.write_text("".join(map(line_of, labels_for(ROWS, 30, 4, 3, 20))))
    _, out, _ = command("report", "ladder-report")
    assert (
        "labels.jsonl holds 57 labels, and this report none; to take them in: "
        "pytest-ladder report ladder-report --config ladder.toml --output DIR\n"
    ) in out
    assert "uncalibrated: no labels in this report" in out
    (shop.path / "ladder.toml").write_text(
        '[[model]]\nname = "m"\ntier = "off-the-shelf"\nid = "openai/m"\n'
        '[[strategy]]\nname = "plain"\n[[strategy]]\nname = "rag"\n'
    )
    taken = ("report", "ladder-report", "--config", "ladder.toml", "--output", "DIR")
    status, out, err = command(*taken)
    assert (status, err) == (0, "")
    assert "uncalibrated" not in out
    assert "to take them in" not in out


def test_an_unknown_test_is_named(report: Path, command: Command) -> None:
    status, _, err = command("label", report, "--labels", "x", "--test", "tune")
    assert status == 2
    assert "'tune' in its id" in err


def test_joined_shards_are_calibrated_together(
    shop: Any, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.path)
    put(shop.path / "one", ROWS[:40])
    put(shop.path / "two", ROWS[40:])
    path = shop.path / "labels.jsonl"
    path.write_text("".join(map(line_of, labels_for(ROWS, 30, 4, 3, 20))))
    status, out, err = command("merge", "one", "two", "--output", "both")
    assert (status, err) == (0, "")
    assert "judges, measured by labels" in out
    assert labels_behind(shop.path / "both") == 57


def test_labels_count_where_a_report_is_rendered_and_a_baseline_made(
    shop: Any, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.path)
    put(shop.path / "run", ROWS)
    assert labels_behind(shop.path / "run") == 0
    path = shop.path / "labels.jsonl"
    path.write_text("".join(map(line_of, labels_for(ROWS, 30, 4, 3, 20))))
    for arguments in (
        ("report", "run", "--config", "models.toml", "--output", "made"),
        ("baseline", "update", "run", "--output", "made"),
    ):
        shop.write("models.toml", (shop.path / "ladder.toml").read_text() + M)
        status, _, err = command(*arguments)
        assert (status, err) == (0, "")
        assert labels_behind(shop.path / "made") == 57


def test_a_baseline_made_out_of_reach_of_labels_keeps_what_they_told(
    shop: Any, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(shop.path)
    put(shop.path / "bare", ROWS)
    put(shop.path / "run", ROWS)
    path = shop.path / "labels.jsonl"
    path.write_text("".join(map(line_of, labels_for(ROWS, 30, 4, 3, 20))))
    assert command("baseline", "update", "run", "--output", "told")[0] == 0
    errors = errors_behind(shop.path / "told")
    assert errors["labels"] == 57
    path.unlink()
    status, out, _ = command("baseline", "update", "told", "--output", "again")
    assert status == 0
    assert "labels.jsonl holds none): of its judges it keeps the errors" in out
    assert "by up to 57 labels" in out
    assert errors_behind(shop.path / "again") == errors
    # Nobody told the other run anything, and nothing was lost.
    _, out, _ = command("baseline", "update", "bare", "--output", "again")
    assert "of its judges" not in out
    assert errors_behind(shop.path / "again")["labels"] == 0


def errors_behind(folder: Path) -> dict[str, Any]:
    document = json.loads((folder / "matrix.json").read_text())
    return dict(document["calibration"]["judges"][0]["errors"])


def labels_behind(folder: Path) -> int:
    document = json.loads((folder / "matrix.json").read_text())
    return int(document["calibration"]["judges"][0]["labels"])


def test_the_page_writes_the_line_that_label_writes(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = some_rows(1, 0)
    folder = put(tmp_path / "report", [row])
    monkeypatch.setattr("sys.stdin", Person(["p"]))
    command("label", folder, "--labels", tmp_path / "typed", "--rater", "ann")
    ((question,),) = questions_of(read_report(folder), "").values()
    page = Session("ann", [item_of(question, "ann")], labels_kept_in(tmp_path / "sent"))
    assert page.answer(1, "pass", "")
    assert (tmp_path / "sent").read_bytes() == (tmp_path / "typed").read_bytes() != b""
