"""Server-sent events, read from bytes as they arrive (WHATWG, "event stream").

Lines end with LF, CR or both, and the `data:` lines up to a blank one are one event.
Some servers leave the blank lines out: then each line that is JSON of its own is one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


def is_done(data: bytes) -> bool:
    """Tell the last event, `[DONE]`, which some quote or write without brackets."""
    return data.strip(b' "[]').upper() == b"DONE"


class Event(NamedTuple):
    """One event."""

    data: bytes
    kind: str = ""
    """Its `event:` field; `error` at some servers."""


class EventReader:
    """Takes bytes in pieces of any length, and returns the events in them."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        """Bytes of a line that has not ended yet."""
        self._data: list[bytes] = []
        self._kind = ""
        self._after_cr = False
        self._begun = False

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that `piece` ends."""
        if self._after_cr and piece:
            # An LF that belongs to the CR before it, which has ended the line.
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        if not _LINE_END.search(piece):
            # A long line in many pieces must not be searched again for each of them.
            self._pieces.append(piece)
            return []
        self._after_cr = piece.endswith(b"\r")
        *lines, rest = _LINE_END.split(b"".join([*self._pieces, piece]))
        self._pieces = [rest]
        return [event for line in lines for event in self._line(line)]

    def end(self) -> list[Event]:
        """Return the events that were not ended when the bytes did."""
        line, self._pieces = b"".join(self._pieces), []
        return [*self._line(line), *self._dispatch()]

    def _line(self, line: bytes) -> list[Event]:
        if not self._begun:
            line, self._begun = line.removeprefix(_BOM), True
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        # Some indent their lines, or write the names of fields in capitals.
        name = name.strip().lower()
        if name not in (b"data", b"event"):
            return []
        # Where blank lines are left out, the next field ends what is whole.
        alone = len(self._data) == 1 and _stands_alone(self._data[0])
        ended = self._dispatch() if alone else []
        if name == b"event":
            self._kind = value.strip().decode(errors="replace")
            return ended
        self._data.append(value.removeprefix(b" "))
        return [*ended, *self._dispatch()] if is_done(value) else ended

    def _dispatch(self) -> list[Event]:
        data, kind = b"\n".join(self._data).strip(), self._kind
        self._data, self._kind = [], ""
        return [Event(data, kind)] if data else []


def _stands_alone(line: bytes) -> bool:
    """Tell a whole event without a blank line after it from a line of a longer one."""
    if not line.strip():
        return True
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
