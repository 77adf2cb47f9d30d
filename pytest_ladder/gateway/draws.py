"""Draws: the k-th identical request of one test has a key of its own.

An agent that asks the same again means to get another answer, and would go in circles
on a stored one. Who asks again because the first answer did not reach it, after a
time-out of its own, gets that answer: it was paid for.
"""

from __future__ import annotations

from aiohttp import web


class Asking:
    """One request that had a draw."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request: web.BaseRequest | None = request

    def deliver(self) -> None:
        """Note that its answer was sent."""
        if not self.is_gone:
            self._request = None

    def is_of(self, request: web.BaseRequest) -> bool:
        """Tell whether it is this very request, which is read once more."""
        return self._request is request

    @property
    def is_gone(self) -> bool:
        """Whether the client left before it had the answer."""
        if self._request is None:
            return False
        transport = self._request.transport
        return transport is None or transport.is_closing()


def draw_of(
    asked: dict[str, list[Asking]], key: str, request: web.BaseRequest
) -> tuple[int, Asking]:
    """Return the draw of a request, 0 for the first of its kind, and its holder.

    `asked` is what the test asked before, by the key without draws. Called on the
    engine's thread in order of arrival.
    """
    asking, same = Asking(request), asked.setdefault(key, [])
    for place, before in enumerate(same):
        if before.is_gone or before.is_of(request):
            same[place] = asking
            break
    else:
        place = len(same)
        same.append(asking)
    return (place + 1 if place else 0), asking
