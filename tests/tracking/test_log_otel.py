"""`pytest-ladder log otel`: what a receiver gets, and what is said of the rest."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from opentelemetry import trace

from pytest_ladder.core.score import Verdict
from pytest_ladder.reporting.report import Report
from pytest_ladder.tracking.spans import trace_id
from tests.cli.written_report import Command, a_bill, a_report, a_row, written
from tests.otlp_receiver import (
    OtlpReceiver,
    attributes_of,
    cuts,
    never_ends,
    refuses,
    takes,
    takes_after,
    takes_at_most,
    takes_part,
)

KEY = "sk-very-secret"
RUNG = "small/plain"
SPANS = 80
"""Of 40 rows: a root and a call each."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    with OtlpReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"x-api-key={KEY}")
        yield receiver


def a_small_report() -> Report:
    return a_report([a_row(RUNG, case) for case in range(40)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "report", a_small_report())


def test_each_row_is_a_trace_with_a_span_for_each_call(
    receiver: OtlpReceiver,
    folder: Path,
    command: Command,
) -> None:
    provider = trace.get_tracer_provider()
    status, out, err = command("log", "otel", folder)
    assert (status, err) == (0, "")
    assert f"80 spans taken by {receiver.host}" in out
    assert trace.get_tracer_provider() is provider, "nothing global is touched"
    ((path, headers, _),) = receiver.requests
    assert path == "/v1/traces"
    assert headers["x-api-key"] == KEY
    (of_resource,) = receiver.exports[0].resource_spans
    about = attributes_of(of_resource.resource)
    assert about["service.name"] == "pytest-ladder"
    assert "service.instance.id" not in about, "another in each process"
    assert "/gen-ai" in of_resource.scope_spans[0].schema_url
    root, call = receiver.spans[-2:]
    assert root.name == "test_answer"
    assert call.name == "chat small"
    assert call.parent_span_id == root.span_id
    assert call.trace_id == root.trace_id
    assert root.trace_id.hex() == trace_id("run-a", a_row(RUNG, 39))
    told = attributes_of(call)
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "small",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "ladder.rung": RUNG,
        "ladder.level": "cheap",
        "ladder.case": "c39",
        "ladder.sample": 1,
        "ladder.cost_usd": 0.0012,
        "ladder.key": "small/plain:39",
        "ladder.replayed": False,
    }
    (event,) = root.events
    assert event.name == "gen_ai.evaluation.result"
    assert attributes_of(event) == {
        "gen_ai.evaluation.name": "test_answer",
        "gen_ai.evaluation.score.value": 0.0,
        "gen_ai.evaluation.score.label": "fail",
    }
    took_s = (call.end_time_unix_nano - call.start_time_unix_nano) / 1e9
    assert took_s == pytest.approx(1 + 39 / 7)
    # 2026-01-02T03:04:05, and a microsecond for each row before it.
    assert root.start_time_unix_nano == 1_767_323_045_000_039_000


def test_sent_again_it_is_the_same(
    receiver: OtlpReceiver,
    folder: Path,
    command: Command,
) -> None:
    for _ in range(2):
        assert command("log", "otel", folder)[0] == 0
    first, second = receiver.exports
    assert first == second


@pytest.mark.parametrize("variable", ["", "true", "SPAN_ONLY", "span_and_event"])
def test_texts_leave_only_when_asked(
    variable: str,
    receiver: OtlpReceiver,
    folder: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if variable:
        name = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
        monkeypatch.setenv(name, variable)
    assert command("log", "otel", folder, "--no-content")[0] == 0
    quiet = receiver.exports.pop().SerializeToString()
    for text in (b"about c39", b"blue", b"red"):
        assert text not in quiet
    asked = () if variable else ("--content",)
    status, out, _ = command("log", "otel", folder, *asked)
    assert status == 0
    assert "without texts" not in out
    root, call = receiver.spans[-2:]
    told = attributes_of(call)
    assert json.loads(told["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "about c39"}]}
    ]
    assert json.loads(told["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "red"}]}
    ]
    explained = attributes_of(root.events[0])["gen_ai.evaluation.explanation"]
    assert explained == "assert 'blue' in 'red'"


def test_a_judge_is_a_span_of_its_own_and_its_verdict_an_event(
    receiver: OtlpReceiver,
    tmp_path: Path,
    command: Command,
) -> None:
    verdict = Verdict(
        passed=True, score=1.0, reason="fine", judge="openai/big", rubric="tone@2#ab12"
    )
    judged = a_bill(RUNG, 1, live=False, cost_usd=0.5)
    row = a_row(RUNG, 0, verdict=verdict, evaluations=(judged,), scores={"brevity": 1})
    again = a_row(RUNG, 1, replies=row.replies)
    folder = written(tmp_path / "report", a_report([row, again]))
    assert command("log", "otel", folder)[0] == 0
    root, call, judge, _, shared = receiver.spans
    names = [attributes_of(event)["gen_ai.evaluation.name"] for event in root.events]
    assert names == ["test_answer", "brevity", "tone@2"]
    assert judge.name == "chat big"
    told = attributes_of(judge)
    assert told["ladder.judges"]
    assert told["ladder.replayed"]
    assert judge.start_time_unix_nano == call.end_time_unix_nano
    assert not attributes_of(call)["ladder.replayed"]
    assert attributes_of(shared)["ladder.replayed"], "one call is paid for once"


def test_what_the_report_says_of_single_calls_is_told(
    receiver: OtlpReceiver,
    tmp_path: Path,
    command: Command,
) -> None:
    votes = a_bill(RUNG, 0, calls=("one", "two"), flag="truncated")
    row = a_row(RUNG, 0, replies=(votes,))
    report = a_report([row])
    whole = report.exchanges[votes.key]
    about = {"model": "small-2026", "usage": votes.usage, "cost_usd": 0.1}
    each = {
        key: msgspec.structs.replace(
            whole, key=key, finish_reason=reason, latency_s=2.0, **about
        )
        for key, reason in (("one", "stop"), ("two", "length"))
    }
    report = msgspec.structs.replace(report, exchanges=each)
    assert command("log", "otel", written(tmp_path / "a", report))[0] == 0
    _, one, two = receiver.spans
    assert attributes_of(two)["gen_ai.response.model"] == "small-2026"
    reasons = [
        attributes_of(call)["gen_ai.response.finish_reasons"] for call in (one, two)
    ]
    assert reasons == [["stop"], ["length"]]
    assert attributes_of(two)["ladder.cost_usd"] == 0.1
    # One that does not know them tells of the reply, and what a flag says.
    receiver.exports.clear()
    report = msgspec.structs.replace(report, exchanges={})
    assert command("log", "otel", written(tmp_path / "b", report))[0] == 0
    _, call = receiver.spans
    assert attributes_of(call)["ladder.calls"] == 2
    assert attributes_of(call)["gen_ai.response.finish_reasons"] == ["length"]


def test_a_busy_receiver_is_asked_again(
    receiver: OtlpReceiver,
    folder: Path,
    command: Command,
    caplog: pytest.LogCaptureFixture,
) -> None:
    past = "Thu, 01 Jan 1970 00:00:00 GMT"
    receiver.script(refuses(429, retry_after="0"), refuses(503, retry_after=past), cuts)
    assert command("log", "otel", folder)[0] == 0
    assert (len(receiver.spans), len(receiver.requests)) == (SPANS, 4)
    assert not caplog.records, "OpenTelemetry's own log is ours to word"
    assert logging.getLogger("opentelemetry").propagate


def test_patience_is_longer_than_the_exporters_own(
    receiver: OtlpReceiver,
    folder: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    receiver.script(refuses(429, retry_after="0.3"))
    assert command("log", "otel", folder)[0] == 0
    assert len(receiver.spans) == SPANS


@pytest.mark.parametrize(
    ("answers", "lost", "why"),
    [
        (
            [refuses(401, f"no such key: {KEY}")],
            80,
            "401 Unauthorized (no such key: …)",
        ),
        ([refuses(302, location="/login")], 80, "302 Found, which points elsewhere"),
        ([refuses(400, "<html>bad")], 80, "400 Bad Request"),
        ([takes_part(3, "spans too old")], 3, "spans too old"),
        ([never_ends], 80, "its answer does not end"),
        ([cuts] * 9, 80, "its answer broke off"),
        ([refuses(503, retry_after="99")], 80, "503 Service Unavailable"),
        (
            [refuses(429, retry_after="Fri, 31 Dec 2999 23:59:59 GMT")],
            80,
            "429 Too Many Requests",
        ),
        (
            [refuses(200, "<html>Who are you?", content_type="text/html")],
            80,
            "it answers with a web page",
        ),
    ],
)
def test_what_is_not_taken_is_counted_and_said(
    answers: list[object],
    lost: int,
    why: str,
    receiver: OtlpReceiver,
    folder: Path,
    command: Command,
) -> None:
    receiver.script(*answers)  # type: ignore[arg-type]
    status, _, err = command("log", "otel", folder)
    assert status == 1
    said = f"{lost} of 80 spans were not taken by {receiver.host}: {why}"
    assert err.startswith(f"pytest-ladder: {said}")
    assert err.count("\n") == 1
    assert KEY not in err


def test_a_body_that_is_too_large_goes_in_halves(
    receiver: OtlpReceiver,
    folder: Path,
    command: Command,
) -> None:
    receiver.usual = takes_at_most(10_000)
    assert command("log", "otel", folder)[0] == 0
    assert len(receiver.spans) == SPANS
    assert len({span.span_id for span in receiver.spans}) == SPANS
    receiver.usual = takes_at_most(10)
    status, _, err = command("log", "otel", folder)
    assert status == 1
    assert "80 of 80 spans" in err
    assert "413" in err


def test_a_slow_receiver_gets_less_at_once(
    receiver: OtlpReceiver,
    folder: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    receiver.script(takes_after(0.6))
    receiver.usual = takes
    assert command("log", "otel", folder)[0] == 0
    ids = {span.span_id for span in receiver.spans}
    assert len(ids) == SPANS, "what was taken twice has the same ids"
    receiver.usual = takes_after(0.5)
    status, _, err = command("log", "otel", folder)
    assert status == 1
    assert "did not answer in time" in err


def test_nobody_there_is_one_sentence(
    folder: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    with OtlpReceiver() as gone:
        host = gone.host
    address = f"http://me:{KEY}@{host}/v1/traces"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", address)
    status, _, err = command("log", "otel", folder)
    assert status == 1
    assert err == (
        f"pytest-ladder: 80 of 80 spans were not taken by {host}: connection refused\n"
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "TRACES_PROTOCOL=http/protobuf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "begins with http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1", "begins with http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:99999", "begins with http://"),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "yep", "span_only"),
    ],
)
def test_a_mistake_in_the_environment_is_one_sentence(
    name: str,
    value: str,
    said: str,
    folder: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, value)
    status, _, err = command("log", "otel", folder)
    assert status == 2
    assert name in err
    assert said in err


def test_a_dry_run_prints_the_first_spans_and_sends_nothing(
    receiver: OtlpReceiver,
    folder: Path,
    command: Command,
) -> None:
    status, out, err = command("log", "otel", folder, "--dry-run", "--content")
    assert (status, receiver.requests) == (0, [])
    spans = [json.loads(line) for line in out.splitlines()]
    assert [span["name"] for span in spans] == ["test_answer", "chat small"] * 3
    assert "80 spans of 40 traces would go to" in err


def test_a_long_report_goes_in_several_requests_with_whole_traces(
    receiver: OtlpReceiver,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "support-evals")
    rows = [a_row(RUNG, case, text="💩") for case in range(600)]
    report = msgspec.structs.replace(a_report(rows), exchanges={})
    folder = written(tmp_path / "report", report)
    assert command("log", "otel", folder, "--content")[0] == 0
    assert len(receiver.spans) == 1200
    assert len(receiver.requests) == 6
    traces = [
        {span.trace_id for span in request.resource_spans[0].scope_spans[0].spans}
        for request in receiver.exports
    ]
    assert sum(map(len, traces)) == 600, "none is torn"
    (of_resource,) = receiver.exports[0].resource_spans
    assert attributes_of(of_resource.resource)["service.name"] == "support-evals"
