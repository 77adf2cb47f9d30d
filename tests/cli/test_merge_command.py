"""`pytest-ladder merge`: the shards of a run as one report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.rung import Price, Rung
from pytest_ladder.reporting.report import Report
from tests.cli.written_report import (
    GOAL,
    PLAIN,
    RUNGS,
    SMALL,
    TUNED,
    Command,
    a_bill,
    a_report,
    a_row,
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
volume = 1000
"""
TEST = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.2)
def test_{name}(reply, case):
    assert case.expected in reply.text
"""


def by_rung(folder: Path) -> dict[str, Any]:
    return {
        rung["id"]: (rung["levels"], rung["cost"], rung["tokens"])
        for rung in matrix_of(folder)["rungs"]
    }


def rows_of(folder: Path) -> set[str]:
    """Rows without what differs from one run to the next."""
    rows = [json.loads(line) for line in files_of(folder)["rows.jsonl"].splitlines()]
    return {f"{row['test']} {row['rung']} {row['case']} {row['score']}" for row in rows}


def test_shards_over_rungs_come_to_the_whole_run(shop: Shop, command: Command) -> None:
    # What costs the same has no order but that of the file, which no shard knows.
    dearer = LADDER.replace("{{input}}!", "please, please, {{input}}")
    shop.ladder(dearer + OBJECTIVE)
    shop.test(TEST.format(name="answer"))
    shards = [shop.path / "shards/plain", shop.path / "shards/loud"]
    for shard in shards:
        which = (f"--ladder-rungs=bot/{shard.name}", f"--ladder-report={shard}")
        shop.run("--ladder=matrix", "--ladder-live", *which)
    shop.run("--ladder=matrix")
    whole, joined = shop.path / "ladder-report", shop.path / "joined"
    status, said, errors = command("merge", *shards, "--output", joined)
    assert (status, errors) == (0, "")
    assert by_rung(joined) == by_rung(whole)
    assert rows_of(joined) == rows_of(whole)
    assert matrix_of(joined)["recommendation"] == matrix_of(whole)["recommendation"]
    lines = said.splitlines()
    ids = [matrix_of(shard)["run"]["id"] for shard in shards]
    assert lines[:5] == [
        "joined 2 reports, 6 rows:",
        f"  shards/plain: 3 rows, run {ids[0]}",
        f"  shards/loud: 3 rows, run {ids[1]}",
        "only in shards/plain: bot/plain",
        "only in shards/loud: bot/loud",
    ]
    assert matrix_of(joined)["run"]["id"] == "+".join(sorted(ids))
    assert "report: joined" in lines
    assert lines[-1].startswith("UNDECIDED: ")  # three cases decide nothing


def test_shards_over_tests_come_to_the_whole_run(shop: Shop, command: Command) -> None:
    shop.ladder(LADDER + OBJECTIVE)
    names = ("one", "two", "three")
    for name in names:
        shop.test(TEST.format(name=name), f"test_{name}.py")
    for name in names:
        where = (f"test_{name}.py", f"--ladder-report={name}")
        shop.run("--ladder=matrix", "--ladder-live", *where)
    shop.run("--ladder=matrix")
    joined = shop.path / "joined"
    assert command("merge", *names, "--output", joined)[0] == 0
    assert by_rung(joined) == by_rung(shop.path / "ladder-report")
    assert rows_of(joined) == rows_of(shop.path / "ladder-report")


def test_the_order_of_the_shards_changes_nothing(
    tmp_path: Path, command: Command
) -> None:
    one = written(tmp_path / "a", a_report(some_rows(["small/plain", "tuned/rag"])))
    rest = a_report(some_rows(["small/rag", "tuned/plain"]), id="run-b")
    two = written(tmp_path / "b", rest)
    command("merge", one, two, "--output", tmp_path / "x")
    command("merge", two, one, "--output", tmp_path / "y")
    joined = files_of(tmp_path / "x")
    assert joined == files_of(tmp_path / "y")
    assert command("report", tmp_path / "x")[0] == 0
    assert files_of(tmp_path / "x") == joined
    models = matrix_of(tmp_path / "x")["ladder"]["models"]
    assert [model["name"] for model in models] == ["small", "tuned"]
    assert matrix_of(tmp_path / "x")["run_order"] == [rung.id for rung in RUNGS]


def test_what_was_spent_is_summed_although_shards_share_a_reply(
    tmp_path: Path, command: Command
) -> None:
    def shard(test: str, name: str, usd: float | None) -> Path:
        bills = (a_bill("small/plain", 0, cost_usd=usd),)
        judged = (a_bill("judge", 0, cost_usd=0.25),)
        row = a_row(
            "small/plain", 0, test=test, replies=bills, evaluations=judged, text=""
        )
        return written(tmp_path / name, a_report([row], id=name))

    # Two jobs without a common store: each paid for it.
    shards = [shard("a", "1", 0.5), shard("b", "2", 0.5), shard("c", "3", None)]
    joined = tmp_path / "joined"
    _, said, _ = command("merge", *shards, "--output", joined)
    spend = matrix_of(joined)["spend"]
    assert (spend["product_usd"], spend["evaluation_usd"]) == (1.0, 0.75)
    assert (spend["live_calls"], spend["unknown_calls"]) == (6, 1)
    assert "spent $1.75 on 6 calls ($1.00 product, $0.75 evaluation), 1 of them" in said
    assert command("report", joined)[0] == 0
    assert matrix_of(joined)["spend"] == spend

    alone = [shard("d", "4", None), shard("e", "5", None)]
    command("merge", *alone, "--output", joined)
    assert matrix_of(joined)["spend"]["product_usd"] is None


def test_what_only_some_shards_have_is_told(tmp_path: Path, command: Command) -> None:
    parts: Sequence[tuple[str, list[str], range]] = (
        ("a", ["small/plain", "small/rag"], range(20)),
        ("b", ["small/plain", "tuned/rag"], range(20, 40)),
        ("c", ["tuned/rag"], range(20)),
    )
    shards = [
        written(tmp_path / name, a_report(some_rows(rungs, cases), id=name))
        for name, rungs, cases in parts
    ]
    _, said, _ = command("merge", *shards, "--output", tmp_path / "joined")
    a, b, c = (str(shard) for shard in shards)
    assert said.splitlines()[4:8] == [
        f"only in {a} and {b}: small/plain",
        f"only in {a}: small/rag",
        f"only in {b} and {c}: tuned/rag",
        "small/rag has 20 of 40 rows, and not test_shop.py::test_answer[c20] and 19 "
        "more",
    ]
    states = {
        line["id"]: line["state"] for line in matrix_of(tmp_path / "joined")["rungs"]
    }
    assert states["tuned/plain"] == "not run"


def test_rungs_that_no_shard_had_together_go_by_their_cost(
    tmp_path: Path, command: Command
) -> None:
    def shard(name: str, *rungs: str) -> Path:
        own = [rung for rung in RUNGS if rung.id in rungs]
        return written(tmp_path / name, a_report(some_rows(rungs), rungs=own, id=name))

    shards = [
        shard("a", "tuned/plain", "tuned/rag"),
        shard("b", "small/plain"),
        shard("c", "small/rag"),
    ]
    assert command("merge", *shards, "--output", tmp_path / "joined")[0] == 0
    assert matrix_of(tmp_path / "joined")["run_order"] == [
        *("small/plain", "small/rag", "tuned/plain", "tuned/rag"),
    ]


def test_the_report_goes_into_the_summary_of_the_job(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    shards = [
        written(tmp_path / rung, a_report(some_rows([rung]), id=rung[-1]))
        for rung in ("small/plain", "small/rag")
    ]
    command("merge", *shards, "--output", tmp_path / "joined")
    summary = (tmp_path / "summary.md").read_bytes()
    assert summary == files_of(tmp_path / "joined")["matrix.md"]


def another(**fields: Any) -> Report:
    """A second shard that differs from `a_report()` in something."""
    return a_report(some_rows(["small/rag"]), **{"id": "run-b", **fields})


def goal(**fields: Any) -> Objective:
    return msgspec.structs.replace(GOAL, **fields)


def with_small(**fields: Any) -> list[Rung]:
    small = msgspec.structs.replace(SMALL, **fields)
    return [
        Rung(model=small, strategy=rung.strategy) if rung.model is SMALL else rung
        for rung in RUNGS
    ]


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (
            another(objective=goal(quality=0.9)),
            "The objective's `quality` is 0.7 in a and 0.9 in b; shards of one report "
            "are runs with the same configuration.",
        ),
        (
            another(objective=goal(level="judged")),
            "The objective's `level` is cheap in a and judged in b; shards",
        ),
        (
            another(objective=None),
            "The objective is good-enough in a and not given in b",
        ),
        (
            another(objective=goal(volume=7), volume=7),
            "The objective's `volume` is 1000 in a and 7 in b; shards",
        ),
        (another(mode="current"), "The mode is matrix in a and current in b; shards"),
        (another(mode="climb"), "b is of a climb, which decides as it goes and cannot"),
        (another(git_sha="def"), "The commit is abc in a and def in b; shards"),
        (
            another(current="small/rag"),
            "The current rung is small/plain in a and small/rag in b; shards",
        ),
        (
            another(rungs=with_small(id="openai/other")),
            "The `id` of model small is openai/small in a and openai/other in b",
        ),
        (
            another(rungs=with_small(revision="2")),
            "The `revision` of model small is not given in a and 2 in b; shards",
        ),
        (
            another(rungs=with_small(price=Price(input=3.0, output=2.0))),
            'The `price` of model small is {"input":1.0,"output":2.0,"cached',
        ),
        (
            another(rungs=RUNGS[::-1]),
            "The shards took `small/plain`, `tuned/rag` in different orders; shards",
        ),
        (
            a_report(some_rows(["tuned/rag"], [7]), id="run-b"),
            "a and b both have the row of test_shop.py::test_answer[c07] on tuned/rag; "
            "give each shard tests or rungs of its own, and each report once.",
        ),
        (
            a_report(
                [a_row("small/plain", case, sample=2) for case in (1, 2, 1)], id="run-b"
            ),
            "b/rows.jsonl:2: sample 2 of `c01` stands in line 1 already, with the same",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    second: Report,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(
        tmp_path / "a", a_report(some_rows(["small/plain", "tuned/plain", "tuned/rag"]))
    )
    written(tmp_path / "b", second)
    status, said, errors = command("merge", "a", "b", "--output", "joined")
    assert (status, said) == (2, "")
    assert errors.startswith(f"pytest-ladder: {sentence}")
    assert errors.count("\n") == 1
    assert not (tmp_path / "joined").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("a --output joined", "a is one report; name two or more to join, or render "),
        ("a b/../a --output joined", "b/../a is named twice; name each shard once."),
        ("a b --output b", "--output b is one of the shards; name another folder, so"),
        ("a none --output joined", "none: there is no report here (matrix.json is mis"),
        ("a b", "the following arguments are required: --output"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_sentence(
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "a")
    written(tmp_path / "b", another())
    before = files_of(tmp_path / "b")
    status, _, errors = command("merge", *arguments.split())
    assert (status, sentence in errors) == (2, True), errors
    assert files_of(tmp_path / "b") == before
    assert not (tmp_path / "joined").exists()


def test_runs_outside_of_a_repository_and_of_several_versions_are_joined(
    tmp_path: Path, command: Command
) -> None:
    one = [Rung(model=TUNED, strategy=PLAIN)]
    first = a_report(some_rows(["tuned/plain"], range(9)), rungs=one, git_sha=None)
    second = a_report(
        some_rows(["tuned/plain"], range(9, 40)),
        rungs=one,
        id="run-b",
        started="2026-01-02T03:00:00+00:00",
        versions={"pytest": "9.0.0", "python": "3.12.1"},
        machine={"system": "Darwin"},
    )
    shards = written(tmp_path / "a", first), written(tmp_path / "b", second)
    assert command("merge", *shards, "--output", tmp_path / "joined")[0] == 0
    run = matrix_of(tmp_path / "joined")["run"]
    assert run["versions"] == {"pytest": "9.0.0", "python": "3.11.7, 3.12.1"}
    assert run["started"] == "2026-01-02T03:00:00+00:00"
    assert (run["id"], run["git_sha"]) == ("run-a+run-b", "abc")
    benchmark = json.loads(files_of(tmp_path / "joined")["benchmark.json"])
    assert benchmark["machine_info"] == {}
