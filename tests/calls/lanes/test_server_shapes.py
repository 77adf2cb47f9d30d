"""What real servers answer is read alike, whole and streamed, on both lanes."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.calls.store.stored_reply import StoredReply
from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import CallError
from tests.odd_shapes import ALL_SHAPES as SHAPES
from tests.scripted_server import ScriptedServer, Sends
from tests.server_shapes import Shape

if TYPE_CHECKING:
    from tests.calls.conftest import Line


def reply_of(line: Line, answer: Answer) -> Reply:
    """Return the reply that a test gets of an answer."""
    fields = {name: getattr(answer, name) for name in ("text", "reasoning", "refusal")}
    stored = StoredReply(
        **fields, finish_reason=answer.finish_reason, tool_calls=answer.tool_calls
    )
    asked = [{"role": "user", "content": "How long?"}]
    request = Request(model=line.model, messages=asked)
    return stored.reply_to(request, "key", replayed=False)


def act_of(shape: Shape, *, stream: bool) -> Sends:
    return Sends(
        body=shape.stream if stream else shape.whole,
        status=shape.status,
        content_type=shape.stream_type if stream else shape.whole_type,
    )


def is_read_as_it_comes(shape: Shape) -> bool:
    in_one_piece = shape.stream.lstrip().startswith(b"{")
    return shape.stream_type.startswith("text/event") and not in_one_piece


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [n for n in SHAPES if not SHAPES[n].is_error])
def test_an_answer_is_read_as_its_server_means_it(
    line: Line, server: ScriptedServer, name: str, stream: bool
) -> None:
    shape = SHAPES[name]
    server.script(act_of(shape, stream=stream))
    before = time.monotonic()
    answer = line.send(stream=stream)
    assert {field: getattr(answer, field) for field in shape.read} == shape.read
    if not stream:
        assert answer.first_token_at is None or name.endswith("without being asked")
    elif is_read_as_it_comes(shape) and shape.flag != "empty":
        assert answer.first_token_at is not None
        assert before < answer.first_token_at < time.monotonic()
    reply = reply_of(line, answer)
    assert (reply.text, reply.reasoning, reply.flag) == (
        shape.text,
        shape.reasoning,
        shape.flag,
    )
    assert reply.messages[-1]["content"] == answer.text or answer.refusal
    assert reply.whole_text == (answer.text or answer.refusal or "")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [n for n in SHAPES if SHAPES[n].is_error])
def test_an_error_that_claims_success_is_no_reply(
    line: Line, server: ScriptedServer, name: str, stream: bool
) -> None:
    shape = SHAPES[name]
    server.script(act_of(shape, stream=stream))
    with pytest.raises(CallError, match="reported an error") as caught:
        line.send(stream=stream)
    fault: Any = caught.value
    assert {field: getattr(fault, field) for field in shape.read} == shape.read
    # It was answered, so it may be billed.
    assert fault.unsure or fault.usage is not None


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_connection_that_breaks_after_the_last_word_costs_no_second_call(
    line: Line, server: ScriptedServer, stream: bool
) -> None:
    shape = SHAPES["OpenAI"]
    said = act_of(shape, stream=stream)
    missing = said.body + b" " * 9
    server.script(dataclasses.replace(said, body=missing, cut_after=len(said.body)))
    answer = line.send(stream=stream)
    assert {field: getattr(answer, field) for field in shape.read} == shape.read
