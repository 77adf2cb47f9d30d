"""What differs where no reply is stored: the nearest stored request of the same test.

"No match" alone sends people off to guess. A date, an id or a new word in a prompt is
mostly all there is, and either the recording is to be made anew or `ignore` is to say
that it means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.store.differences import RequestDifference, in_texts, in_values
from pytest_ladder.core.case import Message
from pytest_ladder.gateway.app_request import keyed
from pytest_ladder.session.app_link import Visit

_MOST = 50
"""Stored requests that are looked at, the newest first."""
_IGNORE = "if that means nothing, let `ignore` of [gateway] say so"


class _Kept(NamedTuple):
    """What is known of a stored request."""

    messages: list[Message] | None
    """None: a recording, which keeps the last message only."""
    prompt: str
    params: dict[str, Any] | None


def nearest(request: Request, visit: Visit) -> str:
    """Say in a sentence what differs from the nearest stored request; or nothing.

    Blocks, for it reads the store; called on a thread of its own.
    """
    found = [_difference(request, kept, visit) for kept in _kept(visit)]
    if not found:
        return "Nothing that this test asked before is stored."
    best = max(found, key=lambda each: each.alike)
    if not best.place:
        return (
            "Its last message is that of a recording of this case; an earlier one, the "
            "model or a parameter differs."
        )
    return (
        f"The nearest that is stored of this test differs in {best.place}: "
        f"{best.new!r} / stored {best.old!r}; {_IGNORE}."
    )


def _kept(visit: Visit) -> Iterator[_Kept]:
    archive = visit.opened.archive
    named = msgspec.json.encode({"asked_by": visit.asked_by})[1:-1].decode()
    for written in archive.store.requests_with(named, _MOST):
        try:
            sent = msgspec.json.decode(written)
            messages, params = list(sent["messages"]), dict(sent["params"])
        except (msgspec.MsgspecError, UnicodeError, KeyError, TypeError, ValueError):
            continue
        yield _Kept(messages, "", params)
    case = visit.asked_by.rpartition("#")[2] or visit.asked_by.rpartition("#")[0]
    for recording in archive.recordings.of_case(case):
        if not recording.judge:
            yield _Kept(None, recording.prompt, None)


def _difference(request: Request, kept: _Kept, visit: Visit) -> RequestDifference:
    """Return the first difference between a request and one that is stored."""
    ignore = visit.opened.ladder.gateway.ignore
    asked = keyed(request.messages, ignore) or request.messages
    if kept.messages is None:
        last = len(asked) - 1
        new = str(asked[-1].get("content", ""))
        old = keyed([{"role": "", "content": kept.prompt}], ignore)
        stored = kept.prompt if old is None else str(old[0]["content"])
        return in_texts(f"messages[{last}].content", new, stored, 0)
    stored_messages = keyed(kept.messages, ignore) or kept.messages
    for index, (one, other) in enumerate(zip(asked, stored_messages, strict=False)):
        if one != other:
            return in_values(f"messages[{index}]", one, other, index)
    alike = min(len(asked), len(stored_messages))
    if len(asked) != len(stored_messages):
        return RequestDifference(
            "the number of messages", len(asked), len(stored_messages), (alike, 0)
        )
    params = kept.params or {}
    for name in sorted({*request.params, *params}):
        wanted, had = request.params.get(name), params.get(name)
        if wanted != had:
            return in_values(name, wanted, had, alike)
    return RequestDifference("the model", request.model.id, "another one", (alike, 0))
