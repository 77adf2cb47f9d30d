"""A report is read back as it was written, or refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.row import Outcome
from pytest_ladder.core.rung import Build
from pytest_ladder.core.score import Level
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.files.read import read_report, rungs_of
from pytest_ladder.reporting.files.write import write_report
from pytest_ladder.reporting.report import LookTold, Report
from pytest_ladder.reporting.sentences.matrix import headline
from tests.cli.written_report import (
    RUNGS,
    TUNED,
    a_bill,
    a_report,
    a_row,
    files_of,
    some_rows,
    written,
)


def a_climb() -> Report:
    """A report with all that a report can have."""
    judged = [
        a_row(
            "small/rag",
            case,
            test="test_shop.py::test_tone",
            level=Level.JUDGED,
            score=case / 41,
            scores={"tone": 1 / 3, "fit": case / 41},
            sample=2,
            weight=0.3,
            cluster=f"customer {case % 9}",
            tags=("de", "en"),
            evaluations=(a_bill("judge", case, cost_usd=1e-7 / 3),),
        )
        for case in range(30)
    ]
    broken = a_row("small/rag", 39, outcome=Outcome.ERROR, score=None, reason="timeout")
    rows = [*some_rows(["small/rag"], range(39)), broken, *judged]
    rows += some_rows(["small/plain"], range(12))
    report = a_report(
        rows,
        states={"small/plain": "stopped", "tuned/plain": "not run"},
        settled={"small/plain": "fail", "small/rag": "pass"},
        mode="climb",
        seed=11,
    )
    return msgspec.structs.replace(
        report,
        attempts=("10", "11"),
        looks=(LookTold(sentence="small/plain, cheap: 3 of 10", decision="keep"),),
        reasons={"small/plain": "climb: out of reach", "tuned/plain": "climb: decided"},
    )


@pytest.mark.parametrize("report", [a_report(), a_climb(), a_report(objective=None)])
def test_a_report_is_what_was_written(tmp_path: Path, report: Report) -> None:
    first, second = written(tmp_path / "a", report), tmp_path / "b"
    write_report(second, read_report(first))
    assert files_of(first) == files_of(second)


def test_addresses_and_keys_are_not_in_a_report(tmp_path: Path) -> None:
    for name, content in files_of(written(tmp_path / "a")).items():
        assert b"secret" not in content.lower(), name


def test_the_rungs_are_known_as_far_as_a_report_tells(tmp_path: Path) -> None:
    read = read_report(written(tmp_path / "a"))
    assert [rung.id for rung in rungs_of(read)] == [rung.id for rung in RUNGS]
    assert rungs_of(read)[2].model == TUNED  # it has neither address nor key
    bare = msgspec.structs.replace(read, models=())
    tuned = rungs_of(bare)[2].model
    assert (tuned.tier, tuned.build) == (TUNED.tier, Build(usd=123.456789, hours=2.0))


def test_a_first_version_without_later_keys_is_read(tmp_path: Path) -> None:
    folder = written(tmp_path / "a")
    document = json.loads((folder / "matrix.json").read_text())
    later = ("run_order", "volume", "settled", "climb", "reasons", "rows", "ladder")
    for key in (*later, "front", "steps", "order_note"):
        del document[key]
    for key in ("unknown_calls", "unknown_replayed_calls"):
        del document["spend"][key]
    (folder / "matrix.json").write_text(json.dumps(document))
    for name in ("exchanges.jsonl", "benchmark.json"):
        (folder / name).unlink()
    read = read_report(folder)
    assert read.matrix.volume == 1000  # the objective's
    expected = read_report(written(tmp_path / "b")).decision
    assert headline(read.decision) == headline(expected)
    assert read.decision.verdicts == expected.verdicts


def replaced(old: str, new: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return spoil


def line_2(text: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        lines = path.read_text(encoding="utf-8").split("\n")
        lines[1] = text
        path.write_text("\n".join(lines), encoding="utf-8")

    return spoil


def cut(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-3]), encoding="utf-8")


def row_with(**fields: Any) -> str:
    row = json.loads(msgspec.json.encode(a_row("small/plain", 1)))
    return json.dumps({**row, **fields})


@pytest.mark.parametrize(
    ("name", "spoil", "sentence"),
    [
        ("matrix.json", Path.unlink, "DIR: there is no report here (matrix.json is "),
        ("rows.jsonl", Path.unlink, "DIR/rows.jsonl: there is no such file, and a rep"),
        (
            "matrix.json",
            replaced("pytest-ladder/1", "pytest-ladder/2"),
            'DIR/matrix.json: its schema is "pytest-ladder/2", and what can be read is '
            '"pytest-ladder/1"; use the pytest-ladder that wrote it, or run pytest ag',
        ),
        (
            "matrix.json",
            lambda path: path.write_text("[1]"),
            "DIR/matrix.json: it names no schema, and what can be read is",
        ),
        (
            "matrix.json",
            replaced('"mode": ', '"mode" '),
            "DIR/matrix.json:6: this is not valid JSON (expected ':'); run pytest again"
            " to write the report anew, or name another folder.",
        ),
        ("matrix.json", cut, "this is not valid JSON (Input data was truncated); run "),
        (
            "matrix.json",
            replaced('"tier": "off-the-shelf"', '"tier": "huge"'),
            "DIR/matrix.json: this is not what pytest-ladder writes (Invalid enum value"
            " 'huge' at rungs[",
        ),
        (
            "matrix.json",
            replaced('"kind": "good-enough"', '"kind": "good-enuf"'),
            "DIR/matrix.json: this is not what pytest-ladder writes (Invalid enum value"
            " 'good-enuf' at objective.kind); run pytest again",
        ),
        (
            "matrix.json",
            replaced('"strategy": "plain"', '"strategy": "rag"'),
            "DIR/matrix.json: the rung small/plain is small/rag; run pytest again",
        ),
        (
            "matrix.json",
            replaced('"run_order": [', '"run_order": ["small/x", '),
            "DIR/matrix.json: `run_order` names other rungs than `rungs`; run",
        ),
        (
            "rows.jsonl",
            lambda path: path.write_bytes(path.read_bytes() + b'\n"\xfc"\n'),
            "DIR/rows.jsonl:162: the text is not UTF-8 (byte 0xfc); save the file as",
        ),
        (
            "rows.jsonl",
            line_2('{"test": "a"'),
            "DIR/rows.jsonl:2: the line is not valid JSON (Input data was truncated); ",
        ),
        (
            "rows.jsonl",
            line_2('{"test": "a"}'),
            "DIR/rows.jsonl:2: this is not what pytest-ladder writes (Object missing "
            "required field rung); run",
        ),
        (
            "rows.jsonl",
            line_2(row_with(rung="small/plan")),
            "DIR/rows.jsonl:2: the rung `small/plan` is not in matrix.json beside it; "
            "did you mean `small/plain`? Its rungs are `small/plain`",
        ),
        (
            "rows.jsonl",
            line_2(row_with(score=1.5)),
            "DIR/rows.jsonl:2: the score 1.5 is not in [0, 1]; run pytest again",
        ),
        (
            "matrix.json",
            replaced('"volume": 1000', f'"volume": {10**400}'),
            "DIR/matrix.json: this is not what pytest-ladder writes (Expected int <= ",
        ),
        (
            "matrix.json",
            replaced('"usd": 123.456789', '"usd": -1'),
            "DIR/matrix.json: this is not what pytest-ladder writes (Expected float >=",
        ),
        (
            "matrix.json",
            replaced('"build_usd": 0.0', '"build_usd": 1e308'),
            "DIR/matrix.json: this is not what pytest-ladder writes (Expected float <=",
        ),
        (
            "rows.jsonl",
            cut,
            "DIR/rows.jsonl: there are 157 rows, but matrix.json beside it was written "
            "with 160; one of the two files is of another run or was cut short: run",
        ),
        (
            "exchanges.jsonl",
            line_2('{"key": 3}'),
            "DIR/exchanges.jsonl:2: this is not what pytest-ladder writes (Expected st",
        ),
        (
            "benchmark.json",
            lambda path: path.write_text("{"),
            "DIR/benchmark.json:1: this is not valid JSON (Input data was truncated)",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    tmp_path: Path, name: str, spoil: Callable[[Path], None], sentence: str
) -> None:
    folder = written(tmp_path / "report")
    spoil(folder / name)
    with pytest.raises(ConfigError) as caught:
        read_report(folder)
    assert sentence in str(caught.value).replace(str(folder), "DIR")


def bill_with(**fields: Any) -> dict[str, Any]:
    return {"replies": [{"key": "k", "live": True, **fields}]}


AMOUNT = "is not 0 or in [1e-18, 1e+09]"
COUNT = "is not in [0, 1e+15]"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"weight": 1e308}, f"weight 1e+308 {AMOUNT}"),
        ({"weight": -1}, f"weight -1.0 {AMOUNT}"),
        ({"at_least": 5}, "at_least 5.0 is not in [0, 1]"),
        ({"scores": {"tone": -0.1}}, "score `tone` -0.1 is not in [0, 1]"),
        ({"sample": 0}, "sample 0 is not in [1, 1e+15]"),
        ({"sample": 10**400}, f"sample 1{'0' * 29}… is not in [1, 1e+15]"),
        (bill_with(cost_usd=1e308), f"cost_usd 1e+308 {AMOUNT}"),
        (bill_with(cost_usd=1e-320), f"cost_usd 1e-320 {AMOUNT}"),
        (bill_with(cost_usd=-5), f"cost_usd -5.0 {AMOUNT}"),
        (bill_with(latency_s=-1), f"latency_s -1.0 {AMOUNT}"),
        (bill_with(ttft_s=1e300), f"ttft_s 1e+300 {AMOUNT}"),
        (bill_with(usage={"input": 10**400}), f"usage.input 1{'0' * 29}… {COUNT}"),
        (
            bill_with(usage={"input": 1, "cached_input": 10**19}),
            f"usage.cached_input 1{'0' * 19} {COUNT}",
        ),
        (bill_with(usage={"output": -1}), f"usage.output -1 {COUNT}"),
        (
            {"evaluations": bill_with(cost_usd=-1)["replies"]},
            f"cost_usd -1.0 {AMOUNT}",
        ),
    ],
)
def test_a_number_that_no_run_measures_is_one_sentence(
    tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    folder = written(tmp_path / "report")
    line_2(row_with(**fields))(folder / "rows.jsonl")
    with pytest.raises(ConfigError) as caught:
        read_report(folder)
    expected = f"rows.jsonl:2: the {said}; run pytest again to write the report anew, "
    assert expected in str(caught.value)


def test_nothing_at_all_is_a_number_that_runs_measure(tmp_path: Path) -> None:
    folder = written(tmp_path / "report")
    bill = bill_with(cost_usd=0, latency_s=0, ttft_s=0, usage={"input": 0})
    line_2(row_with(weight=0, **bill))(folder / "rows.jsonl")
    assert read_report(folder).rows[1].weight == 0


def test_a_row_stands_there_once(tmp_path: Path) -> None:
    folder = written(tmp_path / "report")
    path = folder / "rows.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    line_2(lines[0].replace('"text": "blue"', '"text": "red"'))(path)
    with pytest.raises(ConfigError) as caught:
        read_report(folder)
    assert (
        "rows.jsonl:2: sample 1 of `c00` stands in line 1 already, with the same "
        "test, rung, level and source; run pytest again"
    ) in str(caught.value)


def test_a_folder_of_several_reports_names_them(tmp_path: Path) -> None:
    written(tmp_path / "shop-a")
    written(tmp_path / "shop-b")
    with pytest.raises(ConfigError, match=r"there is one in .*shop-a`, .*shop-b`: nam"):
        read_report(tmp_path)
