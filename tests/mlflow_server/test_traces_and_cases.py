"""Traces by OTLP to a real server of MLflow, and cases out of it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.cases.load import load_file
from pytest_ladder.core.case import WrittenCase
from pytest_ladder.core.review import Grade, reply_hash
from pytest_ladder.real.reviews import line_of
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.files.write import write_report
from tests.cli.written_report import a_bill, a_report, a_row
from tests.mlflow_server.conftest import Mlflow

TRACES = 200
RUNG = "tuned/rag"


def a_report_of_200(folder: Path, run: str) -> Path:
    rows = [a_row(RUNG, n, text=f"c{n:02}, I think") for n in range(TRACES)]
    cases = {
        row.unit: WrittenCase(
            source=row.source,
            case=row.case,
            input=f"about {row.case}?",
            expected="blue",
        )
        for row in rows
    }
    report = msgspec.structs.replace(a_report(rows, id=run), cases=cases)
    write_report(folder, report)
    return folder


def to_otlp(server: Mlflow, experiment: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{server.url}/v1/traces",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": f"x-mlflow-experiment-id={experiment}",
    }


def test_200_traces_arrive_by_otlp_and_sent_again_are_the_same(
    mlflow_server: Mlflow, tmp_path: Path
) -> None:
    folder = str(a_report_of_200(tmp_path, "by-otlp"))
    there = to_otlp(mlflow_server, mlflow_server.new_experiment("otlp"))
    found = []
    for _ in range(2):
        done = mlflow_server.run("log", "otel", folder, "--content", **there)
        assert done.returncode == 0, done.stderr
        assert "400 spans taken by 127.0.0.1" in done.stdout
        found.append(mlflow_server.traces("otlp"))
    assert len(found[0]) == TRACES
    assert found[0] == found[1]
    usage = json.loads(found[0][0]["trace_metadata"]["mlflow.trace.tokenUsage"])
    assert usage == {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    assert any("about c07?" in trace["request_preview"] for trace in found[0])


@pytest.fixture(scope="module")
def assessed(mlflow_server: Mlflow, tmp_path_factory: pytest.TempPathFactory) -> Mlflow:
    """Return the server with an experiment `assessed`, of 200 traces.

    Ann reviewed the reply to each, which is "cNN, I think".
    """
    folder = a_report_of_200(tmp_path_factory.mktemp("report"), "assessed")
    reviews = folder / "reviews.jsonl"
    grades = [
        Grade(
            source="cases.jsonl",
            case=row.case,
            rung=RUNG,
            reply=reply_hash(row.text),
            verdict="fail",
            rater="ann",
        )
        for row in read_report(folder).rows
    ]
    reviews.write_bytes(b"\n".join(map(line_of, grades)))
    asked = ("--experiment=assessed", "--traces=all", f"--reviews={reviews}")
    done = mlflow_server.log(folder, *asked)
    assert done.returncode == 0, done.stderr
    return mlflow_server


def test_200_traces_have_feedback_and_expectations(assessed: Mlflow) -> None:
    traces = assessed.traces("assessed")
    assert len(traces) == TRACES
    for trace in traces:
        told = {one["assessment_name"]: one for one in trace["assessments"]}
        assert sorted(told) == ["expected", "review", "test_answer"]
        assert told["expected"]["expectation"]["value"] == "blue"
        assert told["review"]["feedback"]["value"] == 0
        by = {"source_type": "HUMAN", "source_id": "ann"}
        assert told["review"]["source"] == by


def test_questions_and_replies_are_plain_texts_and_costs_are_ours(
    assessed: Mlflow,
) -> None:
    for trace in assessed.traces("assessed"):
        asked = json.loads(trace["request_preview"])
        assert asked.startswith("about c")
        assert json.loads(trace["response_preview"]) == f"{asked[6:-1]}, I think"
        cost = json.loads(trace["trace_metadata"]["mlflow.trace.cost"])
        paid = a_bill(RUNG, int(asked[7:-1])).cost_usd
        assert cost["total_cost"] == pytest.approx(paid)


def test_a_report_in_two_experiments_has_its_traces_in_both(
    mlflow_server: Mlflow, tmp_path: Path
) -> None:
    rows = [a_row(RUNG, case) for case in range(2)]
    write_report(tmp_path, a_report(rows, id="twice"))
    for name in ("here", "there"):
        done = mlflow_server.log(tmp_path, f"--experiment={name}", "--traces=all")
        assert done.returncode == 0, done.stderr
        assert len(mlflow_server.traces(name)) == len(rows)


def a_dataset(server: Mlflow, name: str, records: list[dict[str, Any]]) -> None:
    made = server.ask("api/3.0/mlflow/datasets/create", {"name": name})
    path = f"api/3.0/mlflow/datasets/{made['dataset']['dataset_id']}/records"
    server.ask(path, {"records": json.dumps(records)})


def test_a_dataset_becomes_a_file_of_cases(
    mlflow_server: Mlflow, tmp_path: Path
) -> None:
    talk = [{"role": "user", "content": "hi"}]
    facts = {"expected_facts": ["x", "y"], "guidelines": "short"}
    a_dataset(
        mlflow_server,
        "support",
        [
            {
                "inputs": {"question": "How long?"},
                "expectations": {"expected_response": "45 days"},
                "outputs": {"response": "a model said so"},
                "tags": {"team": "a", "mlflow.user": "somebody"},
            },
            {"inputs": {"messages": talk}, "expectations": facts},
            {"inputs": {"question": ""}},
        ],
    )
    output = tmp_path / "cases.jsonl"
    asked = ("cases", "pull", "mlflow:support", "--output", str(output))
    done = mlflow_server.run(*asked)
    assert done.returncode == 0, done.stderr
    assert "2 cases of mlflow:support written to" in done.stdout
    assert "left out: 1 (dr-" in done.stdout
    assert "it asks nothing" in done.stdout
    cases = {case.text: case for case in load_file(output, "cases.jsonl")}
    assert set(cases) == {"How long?", "hi"}
    asked_first = cases["How long?"]
    assert asked_first.expected == "45 days"
    assert asked_first.tags == ("team=a",)
    assert asked_first.id.startswith("how-long-")
    assert cases["hi"].input == talk
    assert cases["hi"].expected == facts
    written = output.read_bytes()
    assert b"a model said" not in written
    assert b"somebody" not in written
    refused = mlflow_server.run(*asked)
    assert refused.returncode == 2
    assert "--replace" in refused.stderr
    assert mlflow_server.run(*asked, "--replace").returncode == 0
    assert output.read_bytes() == written, "a diff shows what changed, and nothing else"


def test_traces_become_cases_with_the_newest_kept(
    assessed: Mlflow, tmp_path: Path
) -> None:
    output = tmp_path / "traces.jsonl"
    asked = ("cases", "pull", "mlflow-traces:assessed", "-o", str(output), "--most=150")
    done = assessed.run(*asked)
    assert done.returncode == 0, done.stderr
    assert "there are more than 150" in done.stdout
    cases = load_file(output, "traces.jsonl")
    assert len(cases) == 150
    assert {case.expected for case in cases} == {"blue"}
    assert all(str(case.input).startswith("about c") for case in cases)
    assert {case.tags for case in cases} == {()}
    chosen = "mlflow-traces:assessed?attributes.status = 'ERROR'"
    done = assessed.run("cases", "pull", chosen, "-o", str(tmp_path / "no.jsonl"))
    assert done.returncode == 2
    assert "holds no case that fits, of 0 read; nothing was written." in done.stderr
    assert not (tmp_path / "no.jsonl").exists()


def test_what_is_not_there_is_named(mlflow_server: Mlflow, tmp_path: Path) -> None:
    a_dataset(mlflow_server, "orders", [{"inputs": {"question": "q"}}])
    for source, said in (
        ("mlflow:order", "did you mean `orders`?"),
        ("mlflow-traces:nowhere", "no experiment 'nowhere'"),
        ("langfuse:orders", "is no source of cases"),
        ("mlflow-traces:Default?tags.a ~ 1", "refused"),
    ):
        output = tmp_path / "cases.jsonl"
        done = mlflow_server.run("cases", "pull", source, "-o", str(output))
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert not output.exists()
