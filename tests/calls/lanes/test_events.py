"""Server-sent events, by the standard and as servers bend it."""

from __future__ import annotations

import pytest

from pytest_ladder.calls.lanes.events import Event, EventReader

A, B = b'{"a": 1}', b'{"b": 2}'
READ: dict[str, tuple[bytes, list[Event]]] = {
    "LF": (b"data: %b\n\ndata: %b\n\n" % (A, B), [Event(A), Event(B)]),
    "CR": (b"data: %b\r\rdata: %b\r\r" % (A, B), [Event(A), Event(B)]),
    "CRLF": (b"data: %b\r\n\r\ndata: %b\r\n\r\n" % (A, B), [Event(A), Event(B)]),
    "no blank": (b"data:%b\n\n" % A, [Event(A)]),
    "two lines": (b'data: {"a":\ndata:  1}\n\n', [Event(b'{"a":\n 1}')]),
    "no blank lines": (b"data: %b\ndata: %b\n" % (A, B), [Event(A), Event(B)]),
    "no end": (b"data: %b" % A, [Event(A)]),
    "done, and the connection stays": (b"data: [DONE]\n", [Event(b"[DONE]")]),
    "data without data": (b"data:\n\ndata\n\ndata: %b\n\n" % A, [Event(A)]),
    "comments and other fields": (
        b": hello\nid: 7\nretry: 10\n\ndata: %b\n\n" % A,
        [Event(A)],
    ),
    "a kind": (
        b"data: %b\n\nevent: error\ndata: %b\n\ndata: %b\n\n" % (A, B, A),
        [Event(A), Event(B, "error"), Event(A)],
    ),
    "a kind without blank lines": (
        b"data: %b\nevent: error\ndata: %b\n" % (A, B),
        [Event(A), Event(B, "error")],
    ),
    "a BOM": (b"\xef\xbb\xbfdata: %b\n\n" % A, [Event(A)]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("name", READ)
def test_events_are_read_whatever_pieces_they_come_in(name: str, size: int) -> None:
    body, expected = READ[name]
    reader, events = EventReader(), []
    for begin in range(0, len(body), size):
        events += reader.feed(body[begin : begin + size])
    assert [*events, *reader.end()] == expected
