"""Spans to an OTLP endpoint, and the count of what it took.

OpenTelemetry's exporter encodes, compresses, sends and tries again. Nothing of
OpenTelemetry that is global is touched: no tracer provider, no sampler; its loggers are
quiet while we send, since we say ourselves what went wrong. Called on the main thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

import pytest_ladder
from pytest_ladder.text.numbers import count
from pytest_ladder.tracking.answers import TOO_LARGE, AnswerWatch, OtlpAnswer
from pytest_ladder.tracking.endpoint import host_of
from pytest_ladder.tracking.names import SCHEMA_URL
from pytest_ladder.tracking.spans import Attributes, RowTrace, Span

_SPANS, _CHARACTERS = 200, 2_000_000
"""How much goes at once; a trace is never torn."""
_TIME_S = 60.0
"""For a request with its repetitions, where nobody says it: six times what exporters
beside a running app may take. Nothing waits for us, and a busy MLflow wants it."""
_TIMES = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
_MOST_WAITS, _LONGEST_WAIT_S = 3, 30.0
"""How often, and how long, we wait where the exporter's own time is over."""
_FEWEST_SPANS = 50
"""A batch this small that nobody answers in time is not halved any more."""


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the spans that were sent."""

    host: str
    spans: int
    taken: int
    reason: str = ""
    """Why some were not taken, in words of ours; empty: all were."""

    @property
    def is_whole(self) -> bool:
        """Whether every span was taken."""
        return self.taken == self.spans

    @property
    def sentence(self) -> str:
        """What is worth telling of it."""
        if self.is_whole:
            return f"{count(self.spans, 'span')} taken by {self.host}"
        lost = f"{self.spans - self.taken:,} of {count(self.spans, 'span')}"
        return f"{lost} were not taken by {self.host}: {self.reason}"


def send(
    traces: Iterable[RowTrace],
    address: str,
    *,
    headers: Mapping[str, str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Delivered:
    """Send traces, and tell how many spans were taken; raises for no failure of that.

    `headers` are added to those of the environment, which also says certificates,
    compression and how long one request with its repetitions may take.
    """
    handed = 0
    with _quiet(), contextlib.closing(_Delivery(address, headers)) as delivery:
        for batch in _batches(traces):
            delivery.take(batch)
            handed += len(batch)
            if progress is not None:
                progress(handed)
    return delivery.told()


def _batches(traces: Iterable[RowTrace]) -> Iterator[list[RowTrace]]:
    batch: list[RowTrace] = []
    spans = size = 0
    for trace in traces:
        values = (v for span in trace.spans for v in span.attributes.values())
        weight = sum(len(value) for value in values if isinstance(value, str))
        full = spans + len(trace.spans) > _SPANS or size + weight > _CHARACTERS
        if batch and full:
            yield batch
            batch, spans, size = [], 0, 0
        batch.append(trace)
        spans, size = spans + len(trace.spans), size + weight
    if batch:
        yield batch


class _Delivery:
    """One exporter, and the count of what it was given."""

    def __init__(self, address: str, headers: Mapping[str, str] | None) -> None:
        self.host = host_of(address)
        self.watch = AnswerWatch()
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, self.watch)
        self.exporter = OTLPSpanExporter(
            endpoint=address,
            headers=dict(headers or {}),
            timeout=None if any(map(os.environ.get, _TIMES)) else _TIME_S,
            session=session,
        )
        version = pytest_ladder.__version__
        self.scope = InstrumentationScope("pytest_ladder", version, SCHEMA_URL)
        self.resource = _resource()
        self.spans = self.taken = 0
        self.reason = ""
        self.is_over = False
        """Whether nothing more is sent, because the rest would fare no better."""

    def close(self) -> None:
        self.exporter.shutdown()  # type: ignore[no-untyped-call]

    def told(self) -> Delivered:
        return Delivered(
            host=self.host, spans=self.spans, taken=self.taken, reason=self.reason
        )

    def take(self, batch: Sequence[RowTrace]) -> None:
        """Count a batch and send it, unless the rest was given up."""
        self.spans += sum(len(trace.spans) for trace in batch)
        self._give(batch)

    def _give(self, batch: Sequence[RowTrace]) -> None:
        """Send a batch, in halves where it is too much at once."""
        if self.is_over:
            return
        spans = [self._of_sdk(span) for trace in batch for span in trace.spans]
        answer = self._sent(spans)
        if not answer.reason or answer.refused:
            self.taken += len(spans) - answer.refused
        too_slow = answer.timed_out and len(spans) > _FEWEST_SPANS
        if len(batch) > 1 and (answer.status == TOO_LARGE or too_slow):
            middle = len(batch) // 2
            self._give(batch[:middle])
            self._give(batch[middle:])
            return
        if answer.reason:
            self.reason = answer.reason
            self.is_over = not (answer.is_of_batch or answer.refused)

    def _sent(self, spans: Sequence[ReadableSpan]) -> OtlpAnswer:
        """Send spans at once; where the endpoint asks for patience, a few times."""
        for _ in range(_MOST_WAITS):
            answer = self._asked(spans)
            if answer.wait_s is None or answer.wait_s > _LONGEST_WAIT_S:
                return answer
            time.sleep(answer.wait_s)
        return self._asked(spans)

    def _asked(self, spans: Sequence[ReadableSpan]) -> OtlpAnswer:
        self.watch.forget()
        result = self.exporter.export(spans)
        answer = self.watch.answer()
        if result is SpanExportResult.SUCCESS or answer.reason:
            return answer
        return OtlpAnswer(reason="OpenTelemetry could make no request of them")

    def _of_sdk(self, span: Span) -> ReadableSpan:
        """Make the span that the exporter wants, with times and ids of its own.

        A tracer would give it others, and a sampler of the environment may leave it
        out.
        """
        status = Status(StatusCode.UNSET)
        if span.error is not None:
            status = Status(StatusCode.ERROR, _encodable(span.error) or None)
        return ReadableSpan(
            name=_encodable(span.name),
            context=_context(span.trace_id, span.span_id),
            parent=_context(span.trace_id, span.parent_id) if span.parent_id else None,
            resource=self.resource,
            attributes=_attributes(span.attributes),
            events=[
                Event(event.name, _attributes(event.attributes), span.end_ns)
                for event in span.events
            ],
            kind=SpanKind.INTERNAL if span.parent_id is None else SpanKind.CLIENT,
            status=status,
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=self.scope,
        )


def _resource() -> Resource:
    """Say who sends: what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say wins.

    Without the id of a process, which is another each time: spans are sent again as
    they were.
    """
    said = dict(Resource.create().attributes)
    if "service.instance.id" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        said.pop("service.instance.id", None)
    if str(said.get("service.name", "")).startswith("unknown_service"):
        said["service.name"] = "pytest-ladder"
    return Resource(said)


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(
        trace_id=int(trace_id, 16),
        span_id=int(span_id, 16),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def _attributes(attributes: Attributes) -> dict[str, Any]:
    return {
        name: _encodable(value) if isinstance(value, str) else value
        for name, value in attributes.items()
    }


def _encodable(text: str) -> str:
    """Return a text that UTF-8 has: one of a model may hold half a character."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("opentelemetry")
    before, handler = logger.propagate, logging.NullHandler()
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.propagate = before
        logger.removeHandler(handler)
