"""A finished report as spans: one trace a row, a span in it for each call to a model.

Pure data out of pure data: nothing here knows how spans travel. The same report always
gives the same spans with the same ids, so that sending it again replaces and adds
nothing.

What a report does not know it does not say. Of time it knows when the run began and how
long each call took, and not when each was made: so every trace begins with the run, a
microsecond after the one before it, and its calls follow each other; one whose length
nobody knows takes none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from pytest_ladder.core.case import Message
from pytest_ladder.core.reply import told_of
from pytest_ladder.core.row import Exchange, Outcome, Row, UsedReply
from pytest_ladder.reporting.files.read import rungs_of
from pytest_ladder.reporting.report import Report, content_text
from pytest_ladder.reporting.without_texts import silent_rows
from pytest_ladder.tracking import names

Value = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, Value]

EXTERNAL = "#external"
"""How the key ends of a metric that calls by itself: nothing is known of its calls."""
_SECOND, _MICROSECOND = 1_000_000_000, 1_000
_FINISHED = {"truncated": "length", "filtered": "content_filter"}
"""What a flag tells of why a model stopped, where its own word was not kept."""
_GRADES = {Outcome.PASSED: "pass", Outcome.MISSED: "fail"}


class SpanEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened at the end of a span: a score."""

    name: str
    attributes: Attributes


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A row's test, or one call to a model."""

    name: str
    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""
    parent_id: str | None
    """None: the root of its trace."""
    start_ns: int
    """Nanoseconds since 1970, in UTC."""
    end_ns: int
    attributes: Attributes
    events: tuple[SpanEvent, ...] = ()
    error: str | None = None
    """What went wrong, maybe without a word on it; None: nothing did."""


class RowTrace(msgspec.Struct, frozen=True, kw_only=True):
    """All spans of one row, the root first."""

    row: Row
    spans: tuple[Span, ...]

    @property
    def id(self) -> str:
        """32 hexadecimal digits."""
        return self.spans[0].trace_id


def traces_of(
    report: Report,
    rows: Iterable[Row] | None = None,
    *,
    content: bool,
    place: str = "",
) -> Iterator[RowTrace]:
    """Yield the traces of a report, or of some of its rows.

    Without `content` nothing is in them that anybody said: no message, no reply, no
    reason, nothing that was expected. `place`: see `trace_id`.
    """
    chosen = report.rows if rows is None else list(rows)
    maker = _Maker(report, content, place)
    for number, row in enumerate(chosen if content else silent_rows(chosen)):
        yield RowTrace(row=row, spans=tuple(maker.spans(number, row)))


def trace_id(run: str, row: Row, place: str = "") -> str:
    """Return the id of a row's trace, which run and row alone decide.

    `place` tells copies apart where a server has ids but once for all its places.
    """
    told = [
        *(row.run or run, row.test, row.rung, row.level, row.source, row.case),
        str(row.sample),
    ]
    if place:
        told.append(place)
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:32]


class _Call(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes one span: a reply with its bill, or one of the calls behind it."""

    name: str
    attributes: Attributes
    latency_s: float | None = None
    error: str | None = None


class _Maker:
    """Makes the spans of one report's rows, in their order."""

    def __init__(self, report: Report, content: bool, place: str) -> None:
        self.report = report
        self.place = place
        self.content = content
        self.models = {rung.id: rung.model.id for rung in rungs_of(report)}
        self.began_ns = _nanoseconds(report.info.started)
        self.paid: set[str] = set()
        """Keys of replies whose first use is told already."""

    def spans(self, number: int, row: Row) -> Iterator[Span]:
        """Yield the root, then the calls."""
        trace = trace_id(self.report.info.id, row, self.place)
        root = _span_id(trace, "root")
        at = began = self.began_ns + number * _MICROSECOND
        calls = []
        for place, call in enumerate(self._calls(row)):
            end = at + round((call.latency_s or 0) * _SECOND)
            calls.append(
                Span(
                    name=call.name,
                    trace_id=trace,
                    span_id=_span_id(trace, str(place)),
                    parent_id=root,
                    start_ns=at,
                    end_ns=end,
                    attributes=call.attributes,
                    error=call.error,
                )
            )
            at = end
        yield Span(
            name=row.test.rpartition("::")[2],
            trace_id=trace,
            span_id=root,
            parent_id=None,
            start_ns=began,
            end_ns=at,
            attributes={**_place(row), **dict(self._told(row))},
            events=tuple(_scores(row)),
            error=row.reason if row.outcome is Outcome.ERROR else None,
        )
        yield from calls

    def _told(self, row: Row) -> Iterator[tuple[str, Value]]:
        yield names.RUN, row.run or self.report.info.id
        yield names.TEST, row.test
        yield names.SOURCE, row.source
        yield names.OUTCOME, str(row.outcome)
        if row.tags:
            yield names.TAGS, row.tags
        if row.why is not None:
            yield names.ERROR, str(row.why)
        if not self.content:
            return
        case = self.report.cases.get(row.unit)
        if case is not None and case.input:
            asked = case.input
            if isinstance(asked, str):
                asked = [{"role": "user", "content": asked}]
            yield names.INPUT_MESSAGES, _messages(asked)
        expected = row.expected or (case.wanted if case is not None else "")
        if expected:
            yield names.EXPECTED, expected
        if row.text:
            answer = {"role": "assistant", "content": row.text}
            yield names.OUTPUT_MESSAGES, _messages([answer])

    def _calls(self, row: Row) -> Iterator[_Call]:
        asked, place = self.models.get(row.rung), _place(row)
        for bill in row.replies:
            yield from self._called(bill, asked, place)
        for bill in row.evaluations:
            own = bill.key.endswith(EXTERNAL)
            judge = None if own else _judge_of(row)
            yield from self._called(bill, judge, {**place, names.JUDGES: True})
        for lost in row.lost:
            cost: Attributes = {} if lost.usd is None else {names.COST_USD: lost.usd}
            about = {names.KEY: lost.key, names.CALLS: lost.calls, **cost}
            yield _Call(
                name=_name(asked),
                attributes={**_model(asked), **place, **about, names.ERROR: "no reply"},
                error="",
            )

    def _called(
        self, bill: UsedReply, asked: str | None, place: Attributes
    ) -> Iterator[_Call]:
        """Yield the calls behind a reply, or the reply where they are not all known."""
        behind = [self.report.exchanges.get(key) for key in bill.calls]
        known = [each for each in behind if each is not None and each.usage is not None]
        uses = [(bill, self.report.exchanges.get(bill.key))]
        if len(known) == len(behind) > 0:
            uses = [(_bill_of(each, bill), each) for each in known]
        for one, exchange in uses:
            # Only the first use of a live reply is paid, so that sums count it once.
            is_paid = one.live and one.key not in self.paid
            self.paid.add(one.key)
            more: dict[str, Value] = {names.REPLAYED: not is_paid}
            if one is bill and len(bill.calls) > 1:
                more[names.CALLS] = len(bill.calls)
            yield _Call(
                name=_name(asked),
                attributes={
                    **_model(asked),
                    **place,
                    **dict(_figures(one)),
                    **more,
                    **dict(self._said(exchange, one)),
                },
                latency_s=one.latency_s,
            )

    def _said(
        self, exchange: Exchange | None, bill: UsedReply
    ) -> Iterator[tuple[str, Value]]:
        reason = exchange.finish_reason if exchange is not None else None
        reason = reason or _FINISHED.get(told_of(bill.flag))
        if reason:
            yield names.FINISH_REASONS, [reason]
        if exchange is None:
            return
        if exchange.model:
            yield names.RESPONSE_MODEL, exchange.model
        if self.content:
            yield names.INPUT_MESSAGES, _messages(exchange.messages)
            answer = {"role": "assistant", "content": exchange.text}
            if reason:
                answer["finish_reason"] = reason
            yield names.OUTPUT_MESSAGES, _messages([answer])


def _place(row: Row) -> dict[str, Value]:
    """Say which row it is; on every span, because many screens list single ones."""
    return {
        names.RUNG: row.rung,
        names.LEVEL: str(row.level),
        names.CASE: row.case,
        names.SAMPLE: row.sample,
    }


def _judge_of(row: Row) -> str | None:
    """Return the id of the model that judged; of a jury nobody knows whose call."""
    verdict = row.verdict
    if verdict is None or not verdict.rubric or " + " in verdict.judge:
        return None
    return verdict.judge


def _bill_of(exchange: Exchange, whole: UsedReply) -> UsedReply:
    """Return the bill of one call behind a reply."""
    return UsedReply(
        key=exchange.key,
        live=whole.live,
        cost_usd=exchange.cost_usd,
        latency_s=exchange.latency_s,
        usage=exchange.usage,
    )


def _scores(row: Row) -> Iterator[SpanEvent]:
    """Yield the row's score, those beside it, and the judge's verdict.

    An event of a trace, not a record of a log: every backend takes traces.
    """
    name = row.test.rpartition("::")[2]
    if row.score is not None:
        label = _GRADES.get(row.outcome, "")
        yield _score(name, row.score, label, row.reason)
    elif row.why is not None:
        failed = {names.EVALUATION_NAME: name, names.ERROR: str(row.why)}
        yield SpanEvent(name=names.EVALUATION, attributes=failed)
    for named, value in row.scores.items():
        yield _score(named, value)
    if (verdict := row.verdict) is not None:
        judged = verdict.rubric or verdict.judge or "verdict"
        label = "pass" if verdict.passed else "fail"
        yield _score(judged.partition("#")[0], verdict.score, label, verdict.reason)


def _score(name: str, value: float, label: str = "", why: str = "") -> SpanEvent:
    told: dict[str, Value] = {names.EVALUATION_NAME: name, names.SCORE_VALUE: value}
    if label:
        told[names.SCORE_LABEL] = label
    if why:
        told[names.EXPLANATION] = why
    return SpanEvent(name=names.EVALUATION, attributes=told)


def _name(asked: str | None) -> str:
    return f"{names.CHAT} {_model_name(asked)}" if asked else names.CHAT


def _model_name(asked: str) -> str:
    return asked.partition("/")[2] or asked


def _model(asked: str | None) -> dict[str, Value]:
    """Name a model as its provider does; the prefix of its id names the provider."""
    told: dict[str, Value] = {names.OPERATION: names.CHAT}
    if asked:
        prefix, slash, _ = asked.partition("/")
        if slash:
            told[names.PROVIDER] = names.PROVIDERS.get(prefix, prefix)
        told[names.REQUEST_MODEL] = _model_name(asked)
    return told


def _figures(bill: UsedReply) -> Iterator[tuple[str, Value]]:
    yield names.KEY, bill.key
    if bill.cost_usd is not None:
        yield names.COST_USD, bill.cost_usd
    if bill.ttft_s is not None:
        yield names.FIRST_TOKEN, bill.ttft_s
    if (usage := bill.usage) is not None:
        yield names.INPUT_TOKENS, usage.input
        yield names.OUTPUT_TOKENS, usage.output
        for name, part in (
            (names.CACHE_READ, usage.cached_input),
            (names.CACHE_WRITE, usage.cache_write),
            (names.REASONING, usage.reasoning),
        ):
            if part:
                yield name, part


def _messages(messages: Iterable[Message]) -> str:
    """Write messages in the form of the conventions, as JSON."""
    told: list[dict[str, Any]] = []
    for message in messages:
        part = {"type": "text", "content": content_text(message)}
        one = {"role": str(message.get("role", "user")), "parts": [part]}
        if "finish_reason" in message:
            one["finish_reason"] = message["finish_reason"]
        told.append(one)
    return json.dumps(told, ensure_ascii=False)


def _span_id(trace: str, place: str) -> str:
    return hashlib.sha256(f"{trace} {place}".encode()).hexdigest()[:16]


def _nanoseconds(moment: str) -> int:
    """Read ISO 8601, in UTC where it names no zone."""
    read = datetime.fromisoformat(moment)
    aware = read if read.tzinfo is not None else read.replace(tzinfo=UTC)
    return int(aware.timestamp()) * _SECOND + aware.microsecond * _MICROSECOND
