"""Reports made by hand, written as pytest writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.row import Exchange, Outcome, Row, UsedReply
from pytest_ladder.core.rung import Build, Model, Price, Rung, Serve, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.reporting.files.write import write_report
from pytest_ladder.reporting.report import Report, RunInfo, report_on

Command = Callable[..., tuple[int, str, str]]
"""What the fixture `command` gives: exit status, output and errors of a command."""

CASES = 40
VOLUME = 1000
GOAL = Objective(kind="good-enough", quality=0.7, volume=VOLUME)
SMALL = Model(
    name="small",
    tier=Tier.OFF_THE_SHELF,
    id="openai/small",
    price=Price(input=1.0, output=2.0),
    api_base="https://secret.example/v1",
    api_key_env="SECRET_KEY",
)
TUNED = Model(
    name="tuned",
    tier=Tier.FINE_TUNED,
    id="local/tuned",
    adapter="lora.gguf",
    build=Build(usd=123.456789, hours=2.0, examples=800),
    serve=Serve(usd_per_hour=0.9, utilisation=0.5),
)
PLAIN, RAG = Strategy(name="plain"), Strategy(name="rag", corpus="kb")
RUNGS = tuple(
    Rung(model=model, strategy=strategy)
    for model in (SMALL, TUNED)
    for strategy in (PLAIN, RAG)
)
PASSING = {"small/plain": 20, "small/rag": 30, "tuned/plain": 36, "tuned/rag": 38}
"""Of 40 cases."""
INFO = RunInfo(
    id="run-a",
    started="2026-01-02T03:04:05+00:00",
    mode="matrix",
    git_sha="abc",
    versions={"pytest": "9.0.0", "python": "3.11.7"},
    machine={"system": "Linux"},
    current="small/plain",
)


def a_bill(rung: str, case: int, **fields: Any) -> UsedReply:
    """One reply: 1,000 tokens in, 100 out, a second and a bit."""
    usage, latency = Usage(input=1000, output=100), 1 + case / 7
    usd = 0.0012 if rung.startswith("small") else 0.9 / 3600 * latency / 0.5
    bill = {"live": True, "cost_usd": usd, "latency_s": latency, "usage": usage}
    return UsedReply(key=f"{rung}:{case}", **{**bill, **fields})


def a_row(rung: str, case: int, **fields: Any) -> Row:
    passed = case < PASSING[rung]
    row = {
        "test": "test_shop.py::test_answer",
        "level": Level.CHEAP,
        "source": "cases.jsonl",
        "case": f"c{case:02}",
        "outcome": Outcome.PASSED if passed else Outcome.MISSED,
        "score": float(passed),
        "reason": "" if passed else "assert 'blue' in 'red'",
        "replies": (a_bill(rung, case),),
        "text": "blue" if passed else "red",
    }
    return Row(rung=rung, **{**row, **fields})


def some_rows(
    rungs: Sequence[str] = tuple(PASSING), cases: Sequence[int] = range(CASES)
) -> list[Row]:
    return [a_row(rung, case) for rung in rungs for case in cases]


def a_report(
    rows: Sequence[Row] | None = None,
    *,
    rungs: Sequence[Rung] = RUNGS,
    objective: Objective | None = GOAL,
    states: Mapping[str, str] | None = None,
    settled: Mapping[str, Any] | None = None,
    volume: int = VOLUME,
    **info: Any,
) -> Report:
    """Make the report of a matrix; `info` are fields of its `RunInfo`."""
    rows = some_rows() if rows is None else rows
    matrix = build_matrix(
        rows, rungs, states or {}, volume=volume, settled=settled or {}
    )
    about = msgspec.structs.replace(INFO, **info)
    exchanges = {
        bill.key: Exchange(
            key=bill.key,
            messages=({"role": "user", "content": f"about {row.case}"},),
            text=row.text,
        )
        for row in rows
        for bill in row.replies
    }
    models = {rung.model.name: rung.model for rung in rungs}
    return msgspec.structs.replace(
        report_on(about, matrix, rows, objective),
        exchanges=exchanges,
        models=tuple(models.values()),
    )


def written(folder: Path, report: Report | None = None) -> Path:
    write_report(folder, report or a_report())
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def matrix_of(folder: Path) -> dict[str, Any]:
    text = (folder / "matrix.json").read_text(encoding="utf-8")
    matrix: dict[str, Any] = json.loads(text)
    return matrix


def costs_of(folder: Path) -> dict[str, Any]:
    return {rung["id"]: rung["cost"] for rung in matrix_of(folder)["rungs"]}
