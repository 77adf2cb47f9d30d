"""What changed since a case was recorded, where its reply is no longer found.

A recording keeps the model, and of the request the last message only; the local store,
where it still holds that request, knows the rest.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.store.archive import TRANSPORT_PARAMS, Archive, prompt_of
from pytest_ladder.calls.store.differences import RequestDifference, in_texts, in_values
from pytest_ladder.calls.store.recordings import Recording
from pytest_ladder.core.case import has_parts

_MOST = 20
"""Recordings of a case that are looked at."""
_LONGEST_ID = 60
_UNKNOWN = (
    "the same last message; an earlier message or a parameter differs (recordings keep "
    "the last message only)"
)


class Change(NamedTuple):
    """A request that was recorded as another one."""

    recording: Recording
    """The nearest of the case that is not used otherwise."""
    told: str
    """What differs, to follow "recorded with"."""


def change_of(
    request: Request,
    archive: Archive,
    of_case: Sequence[Recording],
    used: Container[str],
) -> Change | None:
    """Say what differs from the nearest recording of the same case; None: none is.

    `used` are the keys of recordings that another request is answered by. A further
    sample or draw of what is recorded is no change. Costs some look-ups in memory, and
    one in the store where the last message is the same.
    """
    recorded = {recording.key for recording in of_case}
    for name in ("sample", "draw"):
        first = msgspec.structs.replace(request, **{name: 1})
        if getattr(request, name) > 1 and archive.key(first) in recorded:
            return None
    unused = [each for each in of_case if not each.judge and each.key not in used]
    if not unused:
        return None
    prompt, identity = prompt_of(request.messages[-1]), archive.identity(request.model)

    def nearness(pair: tuple[Recording, RequestDifference]) -> tuple[bool, bool, int]:
        recording, found = pair
        return recording.identity == identity, not found.place, found.alike[1]

    pairs = [(each, in_texts("it", prompt, each.prompt, 0)) for each in unused[:_MOST]]
    nearest, found = max(pairs, key=nearness)
    told, ids = [], [one[:_LONGEST_ID] for one in (identity, nearest.identity)]
    if identity != nearest.identity:
        told.append(f"another model: {ids[0]!r} / recorded {ids[1]!r}")
    if found.place:
        told.append(_of_prompt(found, prompt, nearest.prompt))
    return Change(
        nearest, " and ".join(told) or _of_the_rest(request, archive, nearest)
    )


def _of_prompt(found: RequestDifference, new: str, old: str) -> str:
    """Word a difference of the last message; attachments stand as a line of text."""
    lines = zip(new.splitlines(), old.splitlines(), strict=False)
    one, other = next(((a, b) for a, b in lines if a != b), ("", ""))
    if all("bytes, sha256 " in line and line[:1] == "[" for line in (one, other)):
        return f"another image or file: {one} / recorded {other}"
    return f"another prompt: {found.new!r} / recorded {found.old!r}"


def _of_the_rest(request: Request, archive: Archive, recording: Recording) -> str:
    """Say what differs where model and last message are the same."""
    written = archive.store.request(recording.key)
    try:
        sent = msgspec.json.decode(written or b"")
        roles, were = _roles(request.messages), _roles(sent["messages"])
        messages, params = list(sent["messages"]), dict(sent["params"])
    except (msgspec.MsgspecError, UnicodeError, KeyError, TypeError, ValueError):
        return _UNKNOWN
    if roles != were:
        return f"other messages: {roles} / recorded {were}"
    asked = request.messages
    if has_parts(asked):
        from pytest_ladder.core.attachments import shortened

        asked = shortened(asked)
    for one, other in zip(asked, messages, strict=True):
        if one != other:
            found = in_values("it", one, other, 0)
            role = one.get("role", "")
            return f"another {role} message: {found.new!r} / recorded {found.old!r}"
    for name in sorted({*request.params, *params} - TRANSPORT_PARAMS):
        values = request.params.get(name), params.get(name)
        if values[0] != values[1]:
            # A text stays unsaid, for it may be a secret.
            is_plain = all(isinstance(v, int | float | None) for v in values)
            shown = f": {values[0]} / recorded {values[1]}" if is_plain else ""
            return f"another {name}{shown}"
    return _UNKNOWN


def _roles(messages: Iterable[Any]) -> str:
    return ", ".join(str(message["role"]) for message in messages)
