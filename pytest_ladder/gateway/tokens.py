"""Tokens: whose call it is, told by a secret of 128 bits.

Used on the main thread, on those of rehearsals and on the engine's; each table is read
and changed in single steps.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import NamedTuple

from pytest_ladder.core.rung import Rung
from pytest_ladder.session.app_link import Visit
from pytest_ladder.session.open_ladder import OpenLadder

_BYTES = 16
_MOST_READ = 128
"""Characters of a token that is looked up; none of ours is longer."""


class RungPass(NamedTuple):
    """Lets an app in that serves many tests of a rung, and says no more than that."""

    rung: Rung
    opened: OpenLadder


class AppTokens:
    """Who may ask; a token that is over is known, and lets nobody in.

    They are looked up by a digest with a key of this process, so that the time a
    look-up takes says nothing of how much of a guess is right.
    """

    def __init__(self, worker: str) -> None:
        """`worker` is that of xdist, whose name its tokens carry; empty: none."""
        self._prefix = f"{worker}-" if worker else ""
        self._key = secrets.token_bytes(_BYTES)
        self._known: dict[bytes, tuple[str, Visit | RungPass]] = {}
        self._over: set[bytes] = set()

    def add(self, holder: Visit | RungPass) -> str:
        """Return a new token."""
        token = self._prefix + secrets.token_urlsafe(_BYTES)
        self._known[self._digest(token)] = (token, holder)
        return token

    def end(self, token: str) -> None:
        """Let nobody in with a token any more."""
        digest = self._digest(token)
        if self._known.pop(digest, None) is not None:
            self._over.add(digest)

    def is_over(self, token: str) -> bool:
        """Tell whether a token is one whose test, or rung, is over."""
        return self._digest(token) in self._over

    def holder(self, token: str) -> Visit | RungPass | None:
        """Return whose token it is, None if it is nobody's now."""
        known = self._known.get(self._digest(token))
        if known is None or not hmac.compare_digest(known[0].encode(), _bytes(token)):
            return None
        return known[1]

    def _digest(self, token: str) -> bytes:
        return hashlib.blake2b(_bytes(token), key=self._key, digest_size=16).digest()


def _bytes(token: str) -> bytes:
    return token[:_MOST_READ].encode("utf-8", "surrogateescape")
