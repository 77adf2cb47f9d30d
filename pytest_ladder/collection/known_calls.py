"""What is known of the calls behind a reply before a test runs, from what is kept.

For `--ladder-plan` and `pytest-ladder recordings`: both hold the conversation of a
strategy as far as kept replies carry it, and call no model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pytest_ladder.calls.asker import Asker
from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.store.stored_reply import StoredReply
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Rung
from pytest_ladder.errors import ConfigError, MissingReply
from pytest_ladder.session.open_ladder import OpenLadder

LookUp = Callable[[Request], StoredReply | None]
"""Returns what was kept of the reply to a request."""


class KnownCalls(NamedTuple):
    """How far the conversation about a case is known."""

    requests: list[Request]
    """In the order in which they are asked."""
    reply: Reply | None
    """What the conversation comes to; None: it does not, or replies are not kept."""
    is_all: bool
    """Whether nothing else will be asked."""


def known_calls(
    opened: OpenLadder, rung: Rung, case: Case, sample: int, look_up: LookUp
) -> KnownCalls:
    """Hold the conversation about a case with what is kept.

    `look_up` is called for each request that is known. Raises `ConfigError` for files
    or cases that the strategy cannot use.
    """
    requests: list[Request] = []

    def noted(request: Request) -> StoredReply | None:
        requests.append(request)
        return look_up(request)

    try:
        talk = opened.strategies.talk(rung, case, sample)
        return KnownCalls(requests, asker_of_kept(noted).hold(talk), is_all=True)
    except MissingReply:
        pass
    except ConfigError:
        raise
    except Exception:  # noqa: BLE001 - of any kind: the test itself shows it
        return KnownCalls(requests, None, is_all=True)
    for request in opened.strategies.known_requests(rung, case, sample):
        if request not in requests:
            noted(request)
    is_all = opened.strategies.all_is_known(rung.strategy)
    return KnownCalls(requests, None, is_all=is_all)


def asker_of_kept(look_up: LookUp) -> Asker:
    """Return what answers from kept replies, and raises `MissingReply` without one."""

    def serve(request: Request) -> Reply:
        kept = look_up(request)
        if kept is None:
            raise MissingReply(f"No reply of {request.model.name} is stored.")
        return kept.reply_to(request, "", replayed=True)

    return Asker(serve)
