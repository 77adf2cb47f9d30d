"""`pytest-ladder merge` of the shards of `--ladder-shard`: all of them, of one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.shard import CutSource, Shard
from pytest_ladder.reporting.files.outdated import mark, unmark
from pytest_ladder.reporting.report import Report
from tests.cli.written_report import (
    PASSING,
    Command,
    a_report,
    files_of,
    matrix_of,
    some_rows,
    written,
)
from tests.plugin.scratch_suite import LADDER, Shop

OBJECTIVE = """
[objective]
kind = "good-enough"
quality = 0.5
"""
SUITE = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.3)
def test_answer(reply, case):
    assert case.expected in reply.text

@pytest.mark.cheap(at_least=0.9)
@pytest.mark.ladder(cases="more.jsonl", pack=True)
def test_more(reply, case):
    assert case.expected in reply.text

@pytest.mark.cheap
@pytest.mark.parametrize("word", ["a", "b", "c"])
def test_free(llm, word):
    assert llm(word).text

@pytest.mark.cheap
@pytest.mark.skip(reason="not yet")
def test_later(reply, case):
    pass
"""
CASES = [
    {
        "id": f"c{n}",
        "input": f"say {n}",
        "expected": str(n) if n % 5 else "no",
        "cluster": f"k{n // 2}" if n < 20 else None,
        "tags": ["even"] if n % 2 else [],
    }
    for n in range(40)
]
TIMES = {"id", "started", "shard"}
CUT = {"cases.jsonl": CutSource(items=40, digest="aa")}
ONE = Shard(index=1, total=4, run="77", ladder="bb", cut=CUT)


@pytest.fixture
def suite(shop: Shop) -> Shop:
    shop.ladder(LADDER + OBJECTIVE)
    shop.cases(CASES)
    shop.cases([{**case, "expected": ""} for case in CASES[:25]], "more.jsonl")
    shop.test(SUITE)
    return shop


def sharded(shop: Shop, total: int, *arguments: str) -> list[Path]:
    """Run all shards, and return the folders of their reports."""
    for index in range(1, total + 1):
        shop.run("--ladder=matrix", f"--ladder-shard={index}/{total}", *arguments)
    return sorted((shop.path / "ladder-report/shards").iterdir())


def report_of(folder: Path) -> dict[str, Any]:
    """Return all that a report says, but for what tells one run from another."""
    files = files_of(folder)
    document = matrix_of(folder)
    document["run"] = {k: v for k, v in document["run"].items() if k not in TIMES}
    lines = {
        name: [json.loads(line) for line in files[name].splitlines()]
        for name in ("rows.jsonl", "inputs.jsonl")
    }
    return {
        "matrix.json": document,
        "matrix.csv": files["matrix.csv"],
        "rows": lines["rows.jsonl"],
        "inputs": sorted(lines["inputs.jsonl"], key=str),
    }


def a_shard(index: int, cut_into: int = 4, **changes: Any) -> Report:
    """Return the report of a shard, of `cut_into` that have all cases together."""
    cases = range(index - 1, 40, cut_into)
    info = {"id": f"run-{index}", "tests": {"test_shop.py::test_answer": 160}}
    shard = {"index": index, **changes.pop("shard", {})}
    return a_report(
        some_rows(tuple(PASSING), cases),
        shard=msgspec.structs.replace(ONE, **shard),
        **{**info, **changes},
    )


def joined(
    tmp_path: Path, command: Command, *reports: Report, partial: bool = False
) -> tuple[int, str, str]:
    for place, report in enumerate(reports):
        written(tmp_path / "abcdef"[place], report)
    names = [str(tmp_path / "abcdef"[place]) for place in range(len(reports))]
    options = ["--partial"] if partial else []
    status, said, errors = command(
        "merge", *names, "--output", tmp_path / "joined", *options
    )
    return status, said, errors.replace(f"{tmp_path}/", "")


@pytest.mark.parametrize("total", [2, 20])
def test_all_shards_merged_are_the_report_of_the_whole_run(
    suite: Shop, command: Command, total: int
) -> None:
    suite.run("--ladder=matrix", "--ladder-live")
    calls = suite.server.count
    suite.run("--ladder=matrix", "--ladder-report=whole")
    folders = sharded(suite, total)
    assert len(folders) == total
    status, said, errors = command("merge", *folders, "--output", "joined")
    assert (status, errors) == (0, "")
    assert f"joined {total} reports, 136 rows:" in said
    whole, merged = (report_of(suite.path / name) for name in ("whole", "joined"))
    assert merged["matrix.json"] == whole["matrix.json"]
    assert merged["matrix.csv"] == whole["matrix.csv"]
    assert merged["rows"] == whole["rows"]
    assert merged["inputs"] == whole["inputs"]
    assert suite.server.count == calls
    assert matrix_of(suite.path / "joined")["run"]["part"] is None


def test_shards_that_are_missing_are_named(suite: Shop, command: Command) -> None:
    folders = sharded(suite, 5, "--ladder-live")
    left = [folders[n] for n in (0, 2, 4)]
    status, said, errors = command("merge", *left, "--output", "joined")
    assert (status, said) == (2, "")
    assert errors == (
        "pytest-ladder: shards 2 and 4 of 5 are missing; name their reports as well, "
        "or join what is there with --partial, as a report of a part.\n"
    )
    assert not (suite.path / "joined").exists()
    status, said, errors = command("merge", *left, "--output", "joined", "--partial")
    assert (status, errors) == (0, "")
    part = matrix_of(suite.path / "joined")["run"]["part"]
    assert part["shard"] == "shards 1, 3 and 5 of 5"
    assert part["items"] < 136 < part["of"]  # what the others skipped nobody knows
    which = f"{part['shard']}: {part['items']} of {part['of']} items"
    assert f"A part of the suite: {which}." in said
    assert "UNDECIDED: Only a part of the suite ran" in said


def test_many_that_are_missing_are_named_in_a_few_words(
    tmp_path: Path, command: Command
) -> None:
    of_thirty = {"total": 30}
    reports = [a_shard(n, 30, shard=of_thirty) for n in (1, 4, 5, 30)]
    _, _, errors = joined(tmp_path, command, *reports)
    assert "shards 2, 3 and 6 to 29 of 30 are missing; name their" in errors


def test_one_that_is_missing_is_named(tmp_path: Path, command: Command) -> None:
    status, _, errors = joined(tmp_path, command, a_shard(1), a_shard(2), a_shard(4))
    assert status == 2
    assert "shard 3 of 4 is missing; name its report as well, or" in errors


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (a_shard(1, id="x"), "a and b are both shard 1 of 4; name each shard once."),
        (a_report(), "a is shard 1 of 4, and b is no shard; join shards by themsel"),
        (a_shard(2, shard={"total": 5}), "a is shard 1 of 4, and b shard 2 of 5; sha"),
        (a_shard(2, shard={"run": "78"}), "a is of the run 77, and b of 78; shards of"),
        (
            a_shard(2, shard={"ladder": "b"}),
            "The configuration file of a is not that of b; shards of one report are of "
            "one run, with one command.",
        ),
        (
            a_shard(2, shard={"cut": {"cases.jsonl": CutSource(items=9, digest="")}}),
            "a is a shard of 40 cases or tests of cases.jsonl, and b one of 9; shards",
        ),
        (
            a_shard(2, shard={"cut": {"other.jsonl": CutSource(items=9, digest="")}}),
            "a is a shard of 40 cases or tests of cases.jsonl, and b one of 0; shards",
        ),
        (
            a_shard(2, shard={"cut": {"cases.jsonl": CutSource(items=40, digest="")}}),
            "What cases.jsonl has is not the same in a and in b; shards of one report",
        ),
        (
            a_shard(2, tests={"test_shop.py::test_answer": 80}),
            "test_shop.py::test_answer has 160 rows in all shards of a, and 80 in thos",
        ),
        (
            a_shard(2, versions={"pytest-ladder": "9"}),
            "pytest-ladder was None in a and 9 in b, and may cut otherwise; shards",
        ),
        (a_shard(2, git_sha="def"), "The commit is abc in a and def in b; shards of"),
    ],
)
def test_what_is_not_of_one_run_is_refused(
    tmp_path: Path, command: Command, second: Report, sentence: str
) -> None:
    status, said, errors = joined(
        tmp_path, command, a_shard(1), second, a_shard(3), a_shard(4)
    )
    assert (status, said) == (2, "")
    assert errors.startswith(f"pytest-ladder: {sentence}")
    assert errors.count("\n") == 1


def test_partial_is_for_shards(tmp_path: Path, command: Command) -> None:
    one = a_report(some_rows(["small/plain"]))
    other = a_report(some_rows(["small/rag"]), id="run-b")
    status, _, errors = joined(tmp_path, command, one, other, partial=True)
    assert status == 2
    assert "--partial is for shards of --ladder-shard" in errors


def test_a_file_that_says_an_impossible_shard_is_one_sentence(
    tmp_path: Path, command: Command
) -> None:
    written(tmp_path / "x", a_shard(1))
    text = (tmp_path / "x/matrix.json").read_text()
    bad = text.replace('"total": 4', '"total": 99999999999')
    assert bad != text
    (tmp_path / "x/matrix.json").write_text(bad)
    written(tmp_path / "y", a_shard(2))
    status, _, errors = command(
        "merge", tmp_path / "x", tmp_path / "y", "--output", tmp_path / "z"
    )
    assert status == 2
    assert errors.count("\n") == 1
    assert "total" in errors


def test_what_no_shard_can_tell_fails_the_merge(suite: Shop, command: Command) -> None:
    """A share: each shard may miss as often as the whole suite."""
    suite.test(SUITE.replace("at_least=0.3", "at_least=0.81"))
    for index in (1, 2, 3):
        arguments = ("--ladder-live", "--ladder=matrix", f"--ladder-shard={index}/3")
        assert suite.run(*arguments).ret == 0
    assert suite.run("--ladder=matrix").ret == pytest.ExitCode.TESTS_FAILED
    folders = sorted((suite.path / "ladder-report/shards").iterdir())
    status, said, _ = command("merge", *folders, "--output", "joined")
    assert status == 1
    assert said.splitlines()[-1] == (
        "FAILED at_least, test_shop.py::test_answer: test_shop.py::test_answer: 32 of "
        "40 passed; at_least=0.81 needs 33 of 40."
    )
    assert command("merge", *folders[:2], "--output", "part", "--partial")[0] == 0


def test_an_objective_that_fails_the_whole_run_fails_the_merge(
    suite: Shop, command: Command
) -> None:
    suite.ladder(LADDER + OBJECTIVE.replace("0.5", "0.99"))
    folders = sharded(suite, 2, "--ladder-live")
    whole = suite.run("--ladder=matrix")
    assert whole.ret == pytest.ExitCode.TESTS_FAILED
    status, said, _ = command("merge", *folders, "--output", "joined")
    assert status == 1
    assert "FAILED objective: " in said


def test_a_shard_whose_last_run_was_killed_is_refused(
    tmp_path: Path, command: Command
) -> None:
    shards = [
        written(tmp_path / f"{n}", a_shard(n, 2, shard={"total": 2})) for n in (1, 2)
    ]
    mark(shards[1], "The run that began today was killed; run all tests again.")
    for options in ([], ["--partial"]):
        status, said, errors = command("merge", *shards, "--output", "x", *options)
        assert (status, said) == (2, "")
        assert errors.endswith(
            "2 is out of date. The run that began today was killed; run all tests "
            "again.\n"
        )
    unmark(shards[1])
    assert command("merge", *shards, "--output", tmp_path / "x")[0] == 0


def test_a_shard_that_failed_by_itself_fails_the_merge(
    suite: Shop, command: Command
) -> None:
    """Whatever it was for, a test that is no ladder test included."""
    suite.write("test_own.py", "def test_own() -> None:\n    assert False\n")
    statuses = [
        suite.run("--ladder=matrix", "--ladder-live", f"--ladder-shard={index}/2").ret
        for index in (1, 2)
    ]
    assert sorted(statuses) == [pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED]
    failed = 1 + statuses.index(pytest.ExitCode.TESTS_FAILED)
    folders = sorted((suite.path / "ladder-report/shards").iterdir())
    status, said, _ = command("merge", *folders, "--output", "joined")
    assert status == 1
    assert said.splitlines()[-1] == (
        f"FAILED shard {failed} of 2: its own run failed, see what it printed "
        f"(ladder-report/shards/{failed}-of-2)"
    )
    suite.write("test_own.py", "def test_own() -> None:\n    pass\n")
    assert suite.run("--ladder=matrix", f"--ladder-shard={failed}/2").ret == 0
    assert command("merge", *folders, "--output", "joined")[0] == 0


@pytest.mark.parametrize("undecided", ["fail", "pass"])
def test_an_undecided_objective_fails_the_merge_where_it_fails_a_run(
    suite: Shop, command: Command, undecided: str
) -> None:
    gate = f'\n[gate]\nundecided = "{undecided}"\n'
    suite.ladder(LADDER + OBJECTIVE + "min_n = 500\n" + gate)
    folders = sharded(suite, 2, "--ladder-live")
    whole = suite.run("--ladder=matrix")
    verdict = suite.matrix("ladder-report")["recommendation"]["verdict"]
    assert verdict == "undecided"
    assert whole.ret == (1 if undecided == "fail" else 0)
    status, said, _ = command("merge", *folders, "--output", "joined")
    assert status == whole.ret
    assert ("FAILED objective: " in said) == (undecided == "fail")


def test_the_order_of_the_shards_changes_nothing(
    tmp_path: Path, command: Command
) -> None:
    shards = [written(tmp_path / f"{n}", a_shard(n)) for n in (1, 2, 3, 4)]
    command("merge", *shards, "--output", tmp_path / "x")
    command("merge", *shards[::-1], "--output", tmp_path / "y")
    assert files_of(tmp_path / "x") == files_of(tmp_path / "y")


def test_a_shard_whose_tests_were_all_skipped_is_there(
    suite: Shop, command: Command
) -> None:
    suite.test(SUITE)
    suite.run("--ladder=matrix", "--ladder-live", "--ladder-shard=1/2")
    suite.run("--ladder=matrix", "--ladder-missing=skip", "--ladder-shard=1/2")
    suite.run("--ladder=matrix", "--ladder-missing=skip", "--ladder-shard=2/2")
    folders = sorted((suite.path / "ladder-report/shards").iterdir())
    assert [len(suite.rows(str(f.relative_to(suite.path)))) for f in folders][1] < 10
    status, said, errors = command("merge", *folders, "--output", "joined")
    assert (status, errors) == (0, ""), said
