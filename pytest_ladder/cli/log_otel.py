"""`pytest-ladder log otel`: a report as traces, to whatever takes OpenTelemetry."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import msgspec

from pytest_ladder.cli.arguments import Given, Subparsers, add_command
from pytest_ladder.cli.printing import ProgressLine, say
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.report import Report
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown
from pytest_ladder.tracking.endpoint import endpoint, host_of, wants_content
from pytest_ladder.tracking.otel import deliver
from pytest_ladder.tracking.spans import traces_of

_DESCRIPTION = """\
Send a report as traces by OTLP (protobuf over HTTP): a trace for each test, case and
rung, in it a span for each call to a model, and each score as an event. Where to is
said as everywhere: OTEL_EXPORTER_OTLP_ENDPOINT, or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
…_HEADERS and …_TIMEOUT. Sent again, it replaces and adds nothing. Questions, replies
and reasons stay here unless you ask for them.
"""
_EXAMPLES = """\
examples:
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 pytest-ladder log otel ladder-report
  pytest-ladder log otel ladder-report --content --dry-run
"""
_SHOWN = 3
"""Traces that `--dry-run` prints."""
_FAILED = 1


def add_otel_to(actions: Subparsers) -> None:
    """Add the action to `pytest-ladder log`."""
    parser = add_command(
        actions,
        "otel",
        "send a report as traces, by OpenTelemetry's protocol",
        _DESCRIPTION,
        _EXAMPLES,
    )
    parser.add_argument(
        "folder", metavar="REPORT", type=Path, help="folder of the report"
    )
    parser.add_argument(
        "--content",
        action=argparse.BooleanOptionalAction,
        help="send what was asked, expected and answered, too, and reasons (default: "
        "as OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says, else not)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="send nothing; print the first traces as lines of JSON, a span each",
    )
    parser.set_defaults(run=_run)


def _run(given: Given) -> int:
    # What is wrong with the environment is told before a long report is read.
    address = endpoint()
    content = wants_content() if given.content is None else given.content
    report = read_report(given.folder)
    if given.dry_run:
        return _show(report, content, host_of(address))
    progress = ProgressLine()

    def tell(traces: int) -> None:
        all_rows = len(report.rows)
        progress(str(given.folder), traces / all_rows, f"{traces:,} of {all_rows:,}")

    try:
        traces = traces_of(report, content=content)
        delivered = deliver(traces, address, progress=tell)
    finally:
        progress.end()
    if not delivered.is_whole:
        sys.stderr.write(f"pytest-ladder: {delivered.sentence}\n")
        return _FAILED
    say(f"{shown(given.folder)}: {delivered.sentence}")
    if not content:
        say("without texts; --content sends what was asked and answered, too")
    elif not report.info.texts:
        say("without texts: the report has none ([report] texts = false)")
    return 0


def _show(report: Report, content: bool, host: str) -> int:
    traces = traces_of(report, content=content)
    spans = 0
    for trace in itertools.islice(traces, _SHOWN):
        spans += len(trace.spans)
        for span in trace.spans:
            say(msgspec.json.encode(span).decode())
    spans += sum(len(trace.spans) for trace in traces)
    what = f"{count(spans, 'span')} of {count(len(report.rows), 'trace')}"
    sys.stderr.write(f"{what} would go to {host}; nothing was sent\n")
    return 0
