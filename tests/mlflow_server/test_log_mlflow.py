"""`pytest-ladder log mlflow` against a real server, read back through its REST API.

In an environment of its own (`[dev-mlflow]`), which .ci/run makes: the server takes
640 MB of packages, and up to a minute to start.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from pytest_ladder.core.case import WrittenCase
from pytest_ladder.core.making import making_of
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.rung import Rung
from pytest_ladder.core.score import Level, Verdict
from pytest_ladder.reporting.files.write import write_report
from pytest_ladder.reporting.report import Report
from tests.cli.written_report import (
    CASES,
    PASSING,
    PLAIN,
    TUNED,
    a_report,
    a_row,
    some_rows,
)
from tests.mlflow_server.conftest import Mlflow, values
from tests.mlflow_server.dying_proxy import DyingProxy

SECRET = "my question of "
"""Begins every text that somebody said."""
DIGEST = hashlib.sha256(f"{SECRET}{{input}}".encode()).hexdigest()[:12]
PARAMS = {"temperature": 0.25, "extra_body": {"top k!": 40}, "stop": ["END"]}
ONCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
KINDER = 30
"""Cases whose tone the judge likes."""


def judged_row(rung: str, case: int) -> Row:
    kind = case < KINDER
    return a_row(
        rung,
        case,
        test="test_shop.py::test_tone",
        level=Level.JUDGED,
        outcome=Outcome.PASSED if kind else Outcome.MISSED,
        score=float(kind),
        reason=f"{SECRET}judge",
        verdict=Verdict(
            passed=kind, score=float(kind), reason=f"{SECRET}judge", judge="o/judge"
        ),
    )


def report_of(
    folder: Path, run: str, rungs: Sequence[str] = tuple(PASSING), **info: Any
) -> Path:
    """Write the report of a run, cheap and judged, with texts everywhere."""
    rows = [
        msgspec.structs.replace(row, text=f"{SECRET}{row.case}")
        for row in (
            *some_rows(),
            *(judged_row(rung, case) for rung in PASSING for case in range(CASES)),
        )
        if row.rung in rungs
    ]
    cases = {
        row.unit: WrittenCase(
            source=row.source,
            case=row.case,
            input=f"{SECRET}{row.case}",
            expected=f"{SECRET}gold",
        )
        for row in rows
    }
    report: Report = a_report(rows, id=run, **info)
    asked = msgspec.structs.replace(PLAIN, prompt=f"{SECRET}{{input}}", params=PARAMS)
    makings = {"tuned/plain": making_of(Rung(model=TUNED, strategy=asked))}
    write_report(folder, msgspec.structs.replace(report, cases=cases, makings=makings))
    return folder


def all_that_was_sent(server: Mlflow, runs: dict[str, Any]) -> str:
    """Return runs and artifacts of an experiment as one text."""
    parent = next(run for name, run in runs.items() if "/" not in name)
    names = [f"report/{n}" for n in ("matrix.md", "index.html", "rows.jsonl")]
    parts = [server.artifact(parent, name) for name in (*names, "matrix.json")]
    rungs = [run for run in runs.values() if run is not parent]
    parts += [server.artifact(run, "cases.json") for run in rungs]
    return json.dumps(runs) + b"".join(parts).decode()


class Once(NamedTuple):
    """A report that was logged once, without texts."""

    report: Path
    done: subprocess.CompletedProcess[str]
    runs: dict[str, Any]


@pytest.fixture(scope="module")
def once(mlflow_server: Mlflow, tmp_path_factory: pytest.TempPathFactory) -> Once:
    report = report_of(tmp_path_factory.mktemp("once"), "once")
    # One that must phone nobody: in this process MLflow knows of pytest.
    done = mlflow_server.run_apart("log", "mlflow", str(report), "--experiment=once")
    return Once(report, done, mlflow_server.runs("once"))


def test_a_report_is_a_run_with_a_run_for_each_rung(
    once: Once, mlflow_server: Mlflow
) -> None:
    _, done, runs = once
    assert (done.returncode, done.stderr) == (0, "")
    assert set(runs) == {"once", *PASSING}
    parent = runs["once"]["info"]
    page = f"{mlflow_server.url}/#/experiments/{parent['experiment_id']}/runs/"
    assert done.stdout.splitlines()[-1] == page + parent["run_id"]
    assert done.stdout.startswith("logged to the experiment once: 5 runs, ")
    assert {run["info"]["status"] for run in runs.values()} == {"FINISHED"}
    tags = values(runs["once"], "tags")
    assert (tags["ladder.run_id"], tags["ladder.verdict"]) == ("once", "pass")
    assert tags["mlflow.note.content"].startswith("## pytest-ladder: 4 rungs")
    assert values(runs["once"], "metrics")["recommended.quality"] == 0.75


def test_a_rung_has_what_runs_are_filtered_and_compared_by(once: Once) -> None:
    rung = once.runs["tuned/plain"]
    parent = once.runs["once"]["info"]["run_id"]
    assert values(rung, "tags")["mlflow.parentRunId"] == parent
    assert values(rung, "params") == {
        "model": "tuned",
        "strategy": "plain",
        "tier": "fine-tuned",
        "model_id": "local/tuned",
        "adapter": "lora.gguf",
        "build_usd": "123.457",
        "build_hours": "2",
        "build_examples": "800",
        "judge": "o/judge",
        "strategy.use": "single-turn",
        "strategy.prompt": f"sha256:{DIGEST}",
        "params.temperature": "0.25",
        "params.extra_body.top k_": "40",
        "params.stop": '["END"]',
    }
    metrics = values(rung, "metrics")
    assert (metrics["cheap.quality"], metrics["cheap.n"]) == (0.9, CASES)
    assert metrics["judged.low"] < metrics["judged.quality"] == 0.75
    data = [run["inputs"]["dataset_inputs"] for run in once.runs.values()]
    assert {one["dataset"]["name"] for (one,) in data} == {"cases.jsonl"}
    assert len({one["dataset"]["digest"] for (one,) in data}) == 1


def test_no_text_leaves_the_machine_unasked(once: Once, mlflow_server: Mlflow) -> None:
    assert SECRET not in all_that_was_sent(mlflow_server, once.runs)
    table = json.loads(mlflow_server.artifact(once.runs["small/rag"], "cases.json"))
    assert len(table["data"]) == 2 * CASES
    assert not {"reason", "input", "expected", "text"} & set(table["columns"])


def test_no_byte_of_a_text_passes_on_the_way(
    mlflow_server: Mlflow, tmp_path: Path
) -> None:
    report = report_of(tmp_path, "watched", rungs=["tuned/rag"])
    sent = []
    for traces in ("none", "misses"):
        given = "--experiment=watched", f"--traces={traces}"
        with DyingProxy(mlflow_server.url, lives=10_000) as proxy:
            done = mlflow_server.log(report, *given, url=proxy.url)
        assert done.returncode == 0, done.stderr
        sent.append(b"\n".join(proxy.seen))
    assert SECRET.encode() not in sent[0]
    assert b"cheap.quality" in sent[0]
    assert SECRET.encode() in sent[1], "where it is asked for it is seen"


def test_tables_are_those_of_mlflow(
    once: Once, mlflow_server: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own client reads them, of all runs of the experiment."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.url)
    experiment = once.runs["once"]["info"]["experiment_id"]
    with warnings.catch_warnings(action="ignore"):
        from mlflow import MlflowClient

        table = MlflowClient().load_table(experiment, "cases.json")
    assert len(table) == 4 * 2 * CASES
    assert table["score"].sum() == sum(PASSING.values()) + 4 * KINDER


def test_logged_twice_it_is_the_same_runs(once: Once, mlflow_server: Mlflow) -> None:
    done = mlflow_server.log(once.report, "--experiment=once")
    assert done.returncode == 0, done.stderr
    assert "5 runs, 5 of them known already, 0 new metrics" in done.stdout
    runs = mlflow_server.runs("once")
    assert set(runs) == set(once.runs)
    for name, run in runs.items():
        before = once.runs[name]
        assert run["info"] == before["info"]
        assert run["inputs"] == before["inputs"]
        for kind in ("tags", "params", "metrics"):
            assert values(run, kind) == values(before, kind)


def test_what_changed_is_updated_and_a_param_is_kept(
    mlflow_server: Mlflow, tmp_path: Path
) -> None:
    mlflow_server.log(report_of(tmp_path / "a", "again"), "--experiment=again")
    ids = {
        name: run["info"]["run_id"] for name, run in mlflow_server.runs("again").items()
    }
    later = report_of(
        tmp_path / "b", "again", rungs=["small/plain"], current="small/rag"
    )
    done = mlflow_server.log(later, "--experiment=again")
    assert done.returncode == 0, done.stderr
    kept = "again keeps the param current = small/plain; it is small/rag now"
    assert kept in done.stdout
    assert (
        "left out, for it was not run: small/rag, tuned/plain, tuned/rag" in done.stdout
    )
    runs = mlflow_server.runs("again")
    assert {name: run["info"]["run_id"] for name, run in runs.items()} == ids
    assert values(runs["again"], "metrics")["rows"] == 2 * CASES


def test_what_died_half_way_is_completed_by_the_next(
    mlflow_server: Mlflow, tmp_path: Path
) -> None:
    report = report_of(tmp_path, "halved")
    with DyingProxy(mlflow_server.url, lives=14) as proxy:
        done = mlflow_server.log(report, "--experiment=halved", url=proxy.url, **ONCE)
    assert (done.returncode, done.stdout) == (1, "")
    (said,) = done.stderr.splitlines()
    assert said.startswith("pytest-ladder: The server of MLflow at 127.0.0.1:")
    assert said.endswith("logging again completes it.")
    half = {name: run["info"] for name, run in mlflow_server.runs("halved").items()}
    assert half["halved"]["status"] == "RUNNING"
    done = mlflow_server.log(report, "--experiment=halved")
    assert done.returncode == 0, done.stderr
    whole = mlflow_server.runs("halved")
    assert set(whole) == {"halved", *PASSING}
    for name, info in half.items():
        assert whole[name]["info"]["run_id"] == info["run_id"]
    for run in whole.values():
        assert run["info"]["status"] == "FINISHED"
        assert "ladder.files" in values(run, "tags")
    assert values(whole["small/rag"], "metrics")["cheap.quality"] == 0.75


def test_two_machines_at_once_leave_one_run_of_each(
    mlflow_server: Mlflow, tmp_path: Path
) -> None:
    report, place = report_of(tmp_path, "at-once"), "--experiment=at-once"
    given = "log", "mlflow", str(report), place
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(mlflow_server.run_apart, *given) for _ in range(2)]
    said = [done.result().stderr for done in both]
    assert [done.result().returncode for done in both] == [0, 0], said
    runs = mlflow_server.runs("at-once")
    assert set(runs) == {"at-once", *PASSING}
    parent = runs["at-once"]["info"]["run_id"]
    for name, run in runs.items():
        assert run["info"]["status"] == "FINISHED"
        if name in PASSING:
            assert values(run, "tags")["mlflow.parentRunId"] == parent
            table = json.loads(mlflow_server.artifact(run, "cases.json"))
            assert len(table["data"]) == 2 * CASES


def test_misses_are_traces_with_scores_and_what_was_expected(
    mlflow_server: Mlflow, tmp_path: Path
) -> None:
    report = report_of(tmp_path, "traced")
    arguments = "--experiment=traced", "--traces=misses"
    done = mlflow_server.log(report, *arguments)
    assert done.returncode == 0, done.stderr
    missed = sum(CASES - n for n in PASSING.values()) + 4 * (CASES - KINDER)
    new = f"{missed} traces, {missed} of them new, {2 * missed} new assessments"
    assert new in done.stdout
    traces = mlflow_server.traces("traced")
    assert len(traces) == missed
    found = [assessments(trace) for trace in traces]
    cheap = {
        "test_answer": (0.0, "CODE", "test_shop.py::test_answer"),
        "expected": (f"{SECRET}gold", "HUMAN", "cases.jsonl"),
    }
    assert cheap in found
    judged = {**cheap, "test_tone": (0.0, "LLM_JUDGE", "o/judge")}
    del judged["test_answer"]
    assert judged in found
    # Those that passed stay here: in tables, too, and the page has no text at all.
    runs = mlflow_server.runs("traced")
    table = json.loads(mlflow_server.artifact(runs["tuned/rag"], "cases.json"))
    rows = [dict(zip(table["columns"], line, strict=True)) for line in table["data"]]
    assert {(row["outcome"], bool(row["text"])) for row in rows} == {
        ("passed", False),
        ("missed", True),
    }
    assert SECRET.encode() not in mlflow_server.artifact(
        runs["traced"], "report/index.html"
    )
    again = mlflow_server.log(report, *arguments)
    assert f"{missed} traces, 0 of them new, 0 new assessments" in again.stdout
    assert [assessments(trace) for trace in mlflow_server.traces("traced")] == found


def assessments(trace: Any) -> dict[str, tuple[Any, str, str]]:
    """Return value and source of each by name; no name stands there twice."""
    told = trace["assessments"]
    assert len({one["assessment_name"] for one in told}) == len(told)
    return {
        one["assessment_name"]: (
            (one.get("feedback") or one.get("expectation"))["value"],
            one["source"]["source_type"],
            one["source"]["source_id"],
        )
        for one in told
    }


def test_a_dry_run_sends_nothing(mlflow_server: Mlflow, tmp_path: Path) -> None:
    report = report_of(tmp_path, "dry")
    done = mlflow_server.log(report, "--experiment=dry", "--traces=all", "--dry-run")
    assert done.returncode == 0
    assert "  metric cheap.quality = 0.75" in done.stdout
    assert done.stdout.endswith("; nothing was sent\n")
    found = mlflow_server.ask(
        "api/2.0/mlflow/experiments/search", {"max_results": 100}
    )["experiments"]
    assert "dry" not in [one["name"] for one in found]


def test_a_server_that_is_down_is_one_sentence_without_the_password(
    mlflow_server: Mlflow, tmp_path: Path
) -> None:
    with DyingProxy(mlflow_server.url, lives=0) as proxy:
        address = proxy.url.replace("//", "//me:hunter2@")
        done = mlflow_server.log(report_of(tmp_path, "down"), url=address)
    assert (done.returncode, done.stdout) == (1, "")
    host = proxy.url.removeprefix("http://")
    assert done.stderr == (
        f"pytest-ladder: The server of MLflow at {host} cannot be reached; what was "
        "logged stays, and logging again completes it.\n"
    )


def test_a_server_that_is_ill_is_told_from_one_that_is_away(
    mlflow_server: Mlflow, tmp_path: Path
) -> None:
    with DyingProxy(mlflow_server.url, lives=2, then=500) as proxy:
        done = mlflow_server.log(report_of(tmp_path, "ill"), url=proxy.url, **ONCE)
    assert done.returncode == 1
    assert " answers 500; what was logged stays" in done.stderr


@pytest.mark.parametrize(
    ("status", "said", "why"),
    [
        (401, ("application/json", b'{"detail": "who?"}'), "does not let us in"),
        (200, ("text/html", b"<html>Sign in</html>"), "answers with a web page"),
        (200, ("application/json", b"{}"), "does not answer as a server of MLflow"),
    ],
)
def test_what_stands_before_a_server_is_named(
    mlflow_server: Mlflow,
    tmp_path: Path,
    status: int,
    said: tuple[str, bytes],
    why: str,
) -> None:
    with DyingProxy(mlflow_server.url, lives=0, then=status, said=said) as proxy:
        done = mlflow_server.log(report_of(tmp_path, "shut"), url=proxy.url, **ONCE)
    assert done.returncode == 1
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:5000", "localhost", "htp://localhost:5000", "http:/localhost"),
        *("http://", "http://localhost:99999", "http://[::1", "http://a b:5000"),
    ],
)
def test_what_is_no_address_is_refused_at_once(
    mlflow_server: Mlflow, tmp_path: Path, url: str
) -> None:
    done = mlflow_server.log(tmp_path, url=url)
    assert done.returncode == 2
    assert done.stderr.startswith("pytest-ladder: MLFLOW_TRACKING_URI is no address; ")
    assert "MLFLOW_TRACKING_URI=http://localhost:5000" in done.stderr


def test_nobody_was_phoned(mlflow_server: Mlflow, phoned: Path) -> None:
    """Not by a process of ours, although nothing asked MLflow to be quiet."""
    assert "MLFLOW_DISABLE_TELEMETRY" not in mlflow_server.environment
    assert not phoned.exists(), phoned.read_text(encoding="utf-8")
