"""Whatever a server makes of a known answer: a reply, or an error, and a bill.

The answers of `tests/server_shapes.py` with values of other types, keys dropped, deep
nesting, huge numbers, halves of characters, bytes cut and wrong. A hundred by default,
in a second or two; more in a step of its own, with

    FUZZED_ANSWERS=3000 pytest tests/calls/engine/test_fuzzed_shapes.py
"""

from __future__ import annotations

import copy
import itertools
import json
import os
import traceback
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_ladder.calls import retries
from pytest_ladder.calls.contract import Answer
from pytest_ladder.calls.lanes import completions
from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import CallError
from tests.calls.engine.engine_under_test import Desk, outcome_of
from tests.odd_answers import ODD, places, written
from tests.odd_shapes import ALL_SHAPES as SHAPES
from tests.scripted_server import ScriptedServer, Sends

KEY = "sk-planted-0123456789abcdef"
COUNT = int(os.environ.get("FUZZED_ANSWERS", "100"))
FUZZED = settings(
    max_examples=COUNT,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
VALUES = st.sampled_from([*ODD, KEY, f"Bearer {KEY}"])
KINDS = ("replaced", "dropped", "in a list", "in an object", "twice")


class Fuzzed(NamedTuple):
    """An answer, and whether it is a stream."""

    body: bytes
    is_stream: bool
    status: int


@st.composite
def answers(draw: st.DrawFn) -> Fuzzed:
    """Draw one of the shapes, some of whose values and bytes are odd."""
    shape = SHAPES[draw(st.sampled_from(sorted(SHAPES)))]
    is_stream = draw(st.booleans())
    body = shape.stream if is_stream else shape.whole
    lines = body.split(b"\n")
    for _ in range(draw(st.integers(0, 4))):
        number = draw(st.integers(0, len(lines) - 1))
        lines[number] = _line(draw, lines[number])
    body = b"\n".join(lines)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        body = _bytes(draw, body)
    is_events = is_stream and shape.stream_type.startswith("text/event")
    return Fuzzed(body, is_events, shape.status)


def _line(draw: st.DrawFn, line: bytes) -> bytes:
    """Spoil the JSON of one line, if it is any."""
    begin, colon, text = line.partition(b"data:")
    if not colon:
        begin, text = b"", line
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        return line
    found = list(itertools.islice(places(payload), 200))
    if not found:
        return line
    holder, name = found[draw(st.integers(0, len(found) - 1))]
    _spoil(holder, name, draw(st.sampled_from(KINDS)), draw(VALUES))
    return begin + colon + written(payload)


def _spoil(holder: Any, name: Any, kind: str, value: Any) -> None:
    old = holder[name]
    if kind == "dropped":
        del holder[name]
    elif kind == "in a list":
        holder[name] = [old]
    elif kind == "in an object":
        holder[name] = {"value": old, "\ud83d": 1}
    elif kind == "twice":
        holder[name] = [old, copy.deepcopy(old)]
    else:
        holder[name] = copy.deepcopy(value)


def _bytes(draw: st.DrawFn, body: bytes) -> bytes:
    if not body:
        return body
    place = draw(st.integers(0, len(body) - 1))
    byte = draw(st.binary(min_size=0, max_size=2))
    kind = draw(st.sampled_from(["cut", "wrong", "added", "BOM"]))
    if kind == "cut":
        return body[:place]
    if kind == "BOM":
        return b"\xef\xbb\xbf" + body
    return body[:place] + byte + body[place + (kind == "wrong") :]


@pytest.fixture(params=["direct", pytest.param("litellm", marks=pytest.mark.litellm)])
def lane(
    request: pytest.FixtureRequest, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> str:
    monkeypatch.setattr(retries, "MAX_ATTEMPTS", 1)
    monkeypatch.setattr(retries, "MAX_REFUSALS", 1)
    monkeypatch.setattr(retries, "LOST_CALLS", 10**9)
    monkeypatch.setenv("SHOP_LOGIN", KEY)
    return str(request.param)


def test_any_answer_is_a_reply_or_an_error_and_in_the_ledger(
    lane: str, desk: Desk, server: ScriptedServer
) -> None:
    numbers = itertools.count()
    replies: list[Reply] = []

    @FUZZED
    @given(fuzzed=answers())
    def ask(fuzzed: Fuzzed) -> None:
        kind = "text/event-stream" if fuzzed.is_stream else "application/json"
        server.script(Sends(body=fuzzed.body, content_type=kind, status=fuzzed.status))
        before, number = server.count, next(numbers)
        model = {"lane": lane, "api_key_env": "SHOP_LOGIN", "stream": fuzzed.is_stream}
        outcome = outcome_of(desk.submit(f"question {number}", model=model))
        assert server.count == before + 1
        if isinstance(outcome, Reply):
            replies.append(outcome)
            check_reply(desk, outcome, number, model)
        else:
            check_error(outcome)

    ask()
    # Else the answers would be too odd to tell of anything.
    assert len(replies) > COUNT / 4


def check_reply(
    desk: Desk, served: Reply, number: int, model: dict[str, object]
) -> None:
    """Check that a reply is stored as it was shown, and can be used."""
    kept = desk.archive.find(served.key)
    assert kept is not None
    request = desk.request(f"question {number}", model=model)
    again = kept.reply_to(request, served.key, replayed=False)
    assert again == served
    assert [*desk.archive.exchanges([served.key])]
    use(served)
    assert desk.archive.store.notices(0) == []


def check_error(error: Any) -> None:
    """Check that an error shows no key and no frames, and says what it cost."""
    assert isinstance(error, CallError)
    told = "".join(traceback.format_exception(error))
    assert KEY not in told
    assert len(str(error)) <= 400
    assert error.__cause__ is None
    assert "mistake in pytest-ladder" not in told
    assert error.lost is not None
    assert error.lost.calls == 1
    assert error.lost.usd is not None
    assert 0 <= error.lost.usd < 1e4


def use(reply: Reply) -> None:
    """Do with a reply what a test may do."""
    assert reply.flag in {None, "empty", "truncated", "filtered", "refused"}
    for text in (reply.text, reply.reasoning, reply.whole_text, repr(reply)):
        text.encode()
    json.dumps(reply.messages).encode()
    assert reply.cost_usd is None or 0 <= reply.cost_usd < 1e4
    assert reply.text in reply.whole_text


@FUZZED
@given(
    fuzzed=answers().filter(lambda fuzzed: fuzzed.is_stream),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_a_stream_is_read_alike_however_it_is_cut_into_pieces(
    fuzzed: Fuzzed, sizes: list[int]
) -> None:
    def read(pieces: list[bytes]) -> Answer | str:
        try:
            answer = completions.from_events("m", [(1.0, piece) for piece in pieces])
        except CallError as error:
            return str(error)
        return answer

    rest, pieces = fuzzed.body, []
    for size in itertools.cycle(sizes):
        if not rest:
            break
        pieces.append(rest[:size])
        rest = rest[size:]
    assert read(pieces) == read([fuzzed.body])
