"""No answer makes a store, a recording or a run unusable, whatever it consists of.

A few hundred answers by default; more with

    FUZZED_ANSWERS=3000 pytest tests/calls/test_fuzzed_answers.py
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.calls.lanes import completions
from pytest_ladder.calls.lanes.litellm_child import CallOutcome
from pytest_ladder.calls.prices import PriceTable, cost_of
from pytest_ladder.calls.store import recordings
from pytest_ladder.calls.store.recordings import Recording
from pytest_ladder.calls.store.store import Store
from pytest_ladder.calls.store.stored_reply import StoredReply, store_row
from pytest_ladder.core.reply import Timing
from pytest_ladder.core.rung import Model, Price, Tier
from pytest_ladder.errors import CallError, ReplyNotJson
from tests.odd_answers import OddAnswer, odd_answers

COUNT = int(os.environ.get("FUZZED_ANSWERS", "400"))
MODEL = Model(
    name="m",
    tier=Tier.OFF_THE_SHELF,
    id="openai/x",
    price=Price(input=1.0, output=2.0, cached_input=0.5),
)
REQUEST = Request(model=MODEL, messages=[{"role": "user", "content": "How long?"}])


def read(odd: OddAnswer) -> Answer:
    """Read an answer as the direct lane does; raises `CallError`."""
    if not odd.stream:
        return completions.whole("m", completions.decode("m", odd.body))
    stream = completions.Stream("m")
    for line in odd.body.split(b"\n"):
        if line.startswith(b"data:") and line != b"data: [DONE]":
            stream.add(completions.decode("m", line[5:].strip()), at=0.0)
    return stream.answer()


def read_leniently(odd: OddAnswer) -> Answer:
    """Read what Python's own reader makes of an answer, as litellm does."""
    try:
        payload = json.loads(odd.body.decode(errors="replace"))
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise CallError("no JSON")
    return completions.whole("m", payload)


def answers() -> Iterator[Answer]:
    """Yield what can be read; what cannot is a `CallError`, and nothing else."""
    for odd in odd_answers(COUNT):
        for reader in (read, read_leniently):
            with contextlib.suppress(CallError):
                yield reader(odd)


def stored(answer: Answer) -> StoredReply:
    timing = Timing(sent_s=0.0, done_s=1.0, server_s=answer.server_s)
    cost, _ = cost_of(MODEL, answer.usage, timing.server_s, PriceTable())
    return StoredReply(
        text=answer.text,
        model=answer.model,
        finish_reason=answer.finish_reason,
        tool_calls=answer.tool_calls,
        usage=answer.usage,
        cost_usd=cost,
        timing=timing,
    )


def test_what_is_stored_of_any_answer_is_read_back_as_it_was_shown(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store.sqlite")
    kept = [
        store_row(f"{number}", "openai/x", REQUEST, stored(answer))
        for number, answer in enumerate(answers())
    ]
    store.put([row for row, _ in kept])
    for (key, *_), shown in kept:
        assert store.get(key) == shown
        assert dict(store.kept([key]))[key] is not None
    store.close()
    assert store.notices(0) == []
    # Else the answers would be too odd to tell of anything.
    assert len(kept) > COUNT / 2


def test_no_answer_costs_less_than_nothing_or_more_than_any_call() -> None:
    for answer in answers():
        reply = stored(answer)
        assert reply.cost_usd is None or 0 <= reply.cost_usd < 1e4
        assert answer.server_s is None or 0 <= answer.server_s < math.inf
        if answer.usage is not None:
            told = msgspec.structs.astuple(answer.usage)
            assert all(type(tokens) is int and tokens >= 0 for tokens in told)


def test_any_reply_can_be_used_in_a_test_and_in_the_next_prompt() -> None:
    for answer in answers():
        reply = stored(answer).reply_to(REQUEST, "key", replayed=False)
        assert reply.flag in {None, "empty", "truncated", "filtered"}
        try:
            reply.json()
        except ReplyNotJson as error:
            str(error).encode()
        json.dumps(reply.messages).encode()
        reply.text.encode()


def test_any_answer_comes_out_of_litellms_process(tmp_path: Path) -> None:
    for number, answer in enumerate(answers()):
        line = msgspec.json.encode(CallOutcome(number=number, answer=answer))
        assert msgspec.json.decode(line, type=CallOutcome).answer == answer


def test_any_reply_can_be_recorded(tmp_path: Path) -> None:
    lines = [
        Recording(
            case=f"c{number}",
            key=f"{number:064}",
            identity="openai/x",
            prompt="How long?",
            reply=stored(answer),
        )
        for number, answer in enumerate(answers())
    ]
    recordings.Recordings(tmp_path).write("test_shop", lines, prune=True)
    again = {one.key: one for one in recordings.read(tmp_path / "test_shop.jsonl")}
    assert again == {line.key: line for line in lines}


@pytest.mark.parametrize(
    ("payload", "finish_reason", "reasoning"),
    [
        ({"finish_reason": {"type": "stop_sequence"}}, None, 2),
        ({"finish_reason": ["stop"]}, None, 2),
        ({"finish_reason": 1}, None, 2),
        ({"usage": {"reasoning_tokens": True}}, "stop", 0),
        ({"usage": {"reasoning_tokens": -3}}, "stop", 0),
        ({"usage": {"reasoning_tokens": 10**30}}, "stop", 0),
        ({"usage": {"reasoning_tokens": 2.0}}, "stop", 2),
    ],
)
def test_a_field_of_another_type_counts_as_not_said(
    payload: dict[str, object], finish_reason: str | None, reasoning: int
) -> None:
    usage: dict[str, object] = {"prompt_tokens": 12, "completion_tokens": 5}
    usage["completion_tokens_details"] = payload.get("usage", {"reasoning_tokens": 2})
    choice = {"message": {"content": "45 days"}, "finish_reason": "stop"} | payload
    answer = completions.whole("m", {"choices": [choice], "usage": usage})
    assert (answer.text, answer.finish_reason) == ("45 days", finish_reason)
    assert answer.usage is not None
    assert answer.usage.reasoning == reasoning
