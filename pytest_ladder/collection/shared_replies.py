"""Brings what other machines have paid for, before the tests look it up.

The requests that are known of the collected tests, and of their extra samples, are
asked of the shared store in groups of thousands. A conversation is known as far as its
replies are at hand: so the tests of which something came are looked at again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.store.stored_reply import StoredReply
from pytest_ladder.collection.known_calls import known_calls
from pytest_ladder.errors import LadderError
from pytest_ladder.session.ladder_test import LadderItem
from pytest_ladder.session.session import LadderSession

if TYPE_CHECKING:
    from pytest_ladder.calls.shared.address import SharedAddress


def use_store(session: LadderSession, items: Iterable[pytest.Item]) -> None:
    """Begin to use the store that the ladders of a session name, if there is one.

    Raises `ConfigError`, and `StoreError` where a live run cannot reach it.
    """
    collected = [*session.items_of(items), *session.items_of(session.extra_samples)]
    session.store.use(WantedReplies(session, collected))


class WantedReplies:
    """What collected tests are known to ask for, and this machine does not have.

    Looked up when it is first asked for: one process of a run does so.
    """

    def __init__(self, session: LadderSession, items: Iterable[LadderItem]) -> None:
        self._session = session
        self._items = [item for item in items if item.test.opened.ladder.store]

    def __bool__(self) -> bool:
        return bool(self._at_first)

    def fetch(self, address: SharedAddress) -> None:
        """Bring those that others have paid for. Raises `StoreError`."""
        from pytest_ladder.calls.shared.at_hand import fetch

        for opened in self._session.opened:
            asked: set[str] = set()
            wanted = self._at_first.get(id(opened), {})
            while new := [key for key in wanted if key not in asked]:
                asked.update(new)
                if not fetch(address, opened.archive.store, new):
                    break
                # What was at hand from the start asks for nothing else.
                items = {id(item): item for item in wanted.values()}
                wanted = _missing_of(self._session, items.values())

    @cached_property
    def _at_first(self) -> dict[int, dict[str, LadderItem]]:
        """For each ladder that misses something, the keys and who asks for them."""
        own: dict[int, list[LadderItem]] = {}
        for item in self._items:
            own.setdefault(id(item.test.opened), []).append(item)
        found = {of: _missing_of(self._session, items) for of, items in own.items()}
        return {of: wanted for of, wanted in found.items() if wanted}


def _missing_of(
    session: LadderSession, items: Iterable[LadderItem]
) -> dict[str, LadderItem]:
    return {key: item for item in items for key in _missing(session, item)}


def _missing(session: LadderSession, item: LadderItem) -> Iterator[str]:
    """Yield the keys of what a test is known to ask for, and that is not at hand."""
    opened, missing = item.test.opened, []
    archive = opened.archive

    def at_hand(request: Request) -> StoredReply | None:
        key = archive.key(request)
        kept = archive.find(key)
        if kept is None:
            missing.append(key)
        return kept

    judged, calls = item.test.judged, item.test.task is None and item.test.uses_reply
    for case, sample in item.cases_and_samples if calls else ():
        # What is wrong with a case, its test shows.
        with contextlib.suppress(LadderError):
            known = known_calls(opened, item.rung, case, sample, at_hand)
            if judged is not None and known.reply is not None:
                jury = session.running.jury_of(opened)
                for request in judged.requests(jury, known.reply, case):
                    at_hand(request)
    yield from missing
