"""Apps that are asked in a rehearsal: many cases are in one app at once.

A body that waits for an app holds its turn, for nobody can tell that it waits. So from
the moment it takes an address (`llm.headers`, `llm.env()`, `llm.base_url`) it runs
beside all others, without a turn: that is what `ahead="fixtures"` allows. What it
prints from there on is seen. Called on the thread of the rehearsal, save that calls are
served on the engine's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_ladder.calls.asker import Asker
from pytest_ladder.calls.contract import Request
from pytest_ladder.core.reply import Reply
from pytest_ladder.session.app_link import (
    AppCall,
    AppLink,
    AppSide,
    Links,
    Visit,
    asked_by,
)
from pytest_ladder.session.ladder_test import LadderItem
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.turns import Rehearsal


@contextmanager
def rehearsed_apps(
    session: LadderSession, item: LadderItem, rehearsal: Rehearsal
) -> Iterator[AppSide]:
    """Let a rehearsal give apps an address while it lasts."""
    apps = _Apps(session, item, rehearsal)
    with session.apps.rehearsal():
        try:
            yield apps
        finally:
            apps.end()


class _Apps:
    def __init__(
        self, session: LadderSession, item: LadderItem, rehearsal: Rehearsal
    ) -> None:
        self._session = session
        self._item = item
        self._rehearsal = rehearsal
        self.calls: list[AppCall] = []
        """What apps asked for the rehearsal so far."""
        self._links = Links()

    def link(self, asker: Asker) -> AppLink:
        """Return the link by which apps ask through an asker."""
        self._rehearsal.run_beside()
        if (known := self._links.of(asker)) is not None:
            return known
        item, session = self._item, self._session
        archive = item.test.opened.archive

        async def serve(request: Request) -> Reply:
            return await session.engine.ask_async(request, archive, ahead=True)

        opened, case = item.test.opened, item.case
        visit = Visit(
            *(item.rung, opened, asked_by(item.test.nodeid, case)),
            *(asker.through(serve), lambda: item.sample, self.calls),
        )
        session.apps.gateway.listen_for(opened)
        return self._links.add(asker, AppLink(session.apps.gateway, visit))

    def leave(self, asker: Asker) -> None:
        """End the link of a task that is over."""
        self._links.leave(asker)

    def end(self) -> None:
        """End all links."""
        self._links.end()
