"""Bodies of answers, unpacked with a limit: a megabyte may be a packed gigabyte.

HTTP clients unpack all that a piece holds at once. So lanes take bodies as they were
sent, and unpack them here.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

from pytest_ladder.calls.lanes import faults

MOST_BYTES = 64 * 1024**2
"""No answer of a model is longer; what is, is a mistake or an attack."""
ACCEPTED = "gzip, deflate"
"""What servers are told that they may pack with."""

# The window of zlib, which finds out by itself whether it is gzip or zlib.
_ANY_HEADER = zlib.MAX_WBITS | 32
_NO_HEADER = -zlib.MAX_WBITS
_GZIP = 0x1F
"""The first byte of what gzip packed."""
_ZSTD = b"\x28\xb5\x2f\xfd"
"""The first bytes of what zstd packed, and of no text."""
_PLAIN = frozenset(
    {"", "identity", "none", "utf-8", "utf8", "binary", "aws-chunked", "chunked"}
)
"""What servers call a body that is not packed."""
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


class Unpacker:
    """Unpacks one body, piece by piece, up to `MOST_BYTES`."""

    def __init__(self, name: str, encoding: str | None, status: int) -> None:
        """`name` is the model's, `encoding` the header `Content-Encoding`.

        Of a refusal the `status` says enough: a body that cannot be unpacked is empty.
        """
        self._name, self._is_refusal = name, status >= 300
        self._left = MOST_BYTES
        names = [name.strip() for name in (encoding or "").lower().split(",")]
        encoding = ", ".join(name for name in names if name not in _PLAIN)
        self._packed = encoding in ("gzip", "x-gzip", "deflate")
        self._other = "" if self._packed else encoding
        """A packing that was not asked for; empty: none."""
        self._first_bytes_decide = encoding != "deflate"
        """Some pack without a word, or say so and do not."""
        self._zlib: Any = None
        """What unpacks; None: nothing came yet, or it is not packed."""

    def unpack(self, piece: bytes) -> bytes:
        """Return what a piece of the body holds; raises `CallError`."""
        if self._first_bytes_decide and piece and not self._other:
            # No text begins with these bytes.
            self._packed, self._first_bytes_decide = piece[0] == _GZIP, False
            self._other = "zstd" if piece.startswith(_ZSTD) else ""
        if self._other:
            if self._is_refusal:
                return b""
            raise faults.packed(self._name, self._other, ACCEPTED)
        if self._packed:
            try:
                piece = self._unpacked(piece)
            except zlib.error as error:
                if self._is_refusal:
                    return b""
                problem = f"it cannot be unpacked: {error}"
                raise faults.unusable(self._name, problem) from None
        self._left -= len(piece)
        if self._left < 0:
            raise faults.too_long(self._name, MOST_BYTES)
        return piece

    def _unpacked(self, piece: bytes) -> bytes:
        """Unpack a piece, of which several may be packed one after the other."""
        if self._zlib is None and piece:
            # Some send `deflate` without the head that it should have.
            has_head = piece[0] == _GZIP or piece[0] & 0x0F == zlib.DEFLATED
            self._zlib = zlib.decompressobj(_ANY_HEADER if has_head else _NO_HEADER)
        whole = b""
        while piece and len(whole) <= self._left:
            # One byte more than is left shows that there is more.
            whole += self._zlib.decompress(piece, self._left + 1 - len(whole))
            piece = self._zlib.unused_data
            if not self._zlib.eof or piece[:1] != bytes([_GZIP]):
                break
            self._zlib = zlib.decompressobj(_ANY_HEADER)
        return whole


def in_utf8(text: bytes, content_type: str) -> bytes:
    """Return a text in UTF-8 where it is none, but `Content-Type` names its charset.

    Many name one out of habit, and send UTF-8.
    """
    named = _CHARSET.search(content_type)
    try:
        text.decode()
    except UnicodeDecodeError:
        try:
            return text.decode(named[1]).encode() if named else text
        except (LookupError, UnicodeError):
            return text
    return text
