"""A link: one connection to the database, made again whenever it is lost.

Used on the engine's loop only; one statement at a time runs on it, and the others wait
for `_turn`. Every statement may be run twice: the functions of `functions.sql` know
what they have answered before. So whatever breaks a connection (the server restarts, a
proxy resets it, an answer does not come), the statement is tried anew for `patience_s`
seconds, and only then fails.

A network that swallows packets tells nobody. So an answer that takes longer than
`answer_s` counts as lost: a timer shuts the socket down, on a copy of its descriptor,
because psycopg closes its own; psycopg then sees the end of the connection and raises.
Cancelling its wait would not do: it first asks the server, through the same network, to
cancel the statement.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from pytest_ladder import clock
from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.errors import StoreError

if TYPE_CHECKING:
    import psycopg

PATIENCE_S = 60.0
"""Seconds for which a lost database is waited for."""
ANSWER_S = 20.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
TAKEN_FOR_DEAD = "LA001"
"""What the database answers to a process that it took for dead."""


class DatabaseLink:
    """One connection to a shared store, for the engine's loop."""

    def __init__(
        self,
        address: SharedAddress,
        *,
        patience_s: float = PATIENCE_S,
        answer_s: float = ANSWER_S,
        rejoin: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """`rejoin` is awaited when this process was taken for dead meanwhile."""
        self.waiting_since: float | None = None
        """When the database was lost (`clock.monotonic()`); None: it is there."""
        self._address = address
        self._patience_s = patience_s
        self._answer_s = answer_s
        self._rejoin = rejoin
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._turn = asyncio.Lock()

    async def rows(
        self, function: str, casts: Sequence[str], *values: Any, patiently: bool = True
    ) -> list[tuple[Any, ...]]:
        """Call a function of the schema, whatever that takes, and return its rows.

        `casts` are the types of its arguments. Raises `StoreError` when the database
        is away for too long, or at once unless `patiently`; and `ConfigError` where
        trying again is no use.
        """
        places = ", ".join(f"%s::{cast}" for cast in casts)
        return await self.query(
            f"SELECT * FROM {{schema}}.{function}({places})",
            values,
            patiently=patiently,
        )

    async def query(
        self, text: str, values: Sequence[Any], *, patiently: bool = True
    ) -> list[tuple[Any, ...]]:
        """Run a statement, with `{schema}` in it; raises as `rows` does."""
        from psycopg import sql

        name = sql.Identifier(self._address.schema).as_string()
        statement = text.replace("{schema}", name.replace("%", "%%"))
        pause_s = _FIRST_PAUSE_S
        async with self._turn:
            while True:
                answer = await self._tried(statement, values)
                if isinstance(answer, list):
                    self.waiting_since = None
                    return answer
                now = clock.monotonic()
                if self.waiting_since is None:
                    self.waiting_since = now
                if not patiently or now - self.waiting_since > self._patience_s:
                    raise StoreError(self._address.unreachable(answer))
                await asyncio.sleep(pause_s)
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(Exception):  # it is of no use any more
                await connection.close()

    async def _tried(
        self, statement: str, values: Sequence[Any]
    ) -> list[tuple[Any, ...]] | str:
        """Run a statement once; a text says why it may work later."""
        import psycopg

        if self._connection is None:
            made = await self._address.connecting()
            if isinstance(made, str):
                return made
            self._connection = made
        refusal = None
        try:
            return await self._answer(self._connection, statement, values)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            reason, is_lost = self._address.reason(error), True
        except psycopg.Error as error:
            reason, is_lost = self._address.reason(error), False
            if error.sqlstate != TAKEN_FOR_DEAD:
                refusal = self._address.refusal(error)
        # Raised out here, so that it has no frames of psycopg behind it.
        if refusal is not None:
            raise refusal
        if is_lost:
            await self.close()
        elif self._rejoin is not None:
            await self._rejoin()
        return reason

    async def _answer(
        self,
        connection: psycopg.AsyncConnection[Any],
        statement: str,
        values: Sequence[Any],
    ) -> list[tuple[Any, ...]]:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._answer_s, _cut, connection)
        try:
            cursor = await connection.execute(statement, values, binary=True)
            return await cursor.fetchall()
        finally:
            timer.cancel()


def _cut(connection: psycopg.AsyncConnection[Any]) -> None:
    """Shut a connection down, so that whoever waits for it learns that it is lost."""
    with contextlib.suppress(Exception):  # it may be closed by now
        copy = socket.socket(fileno=os.dup(connection.pgconn.socket))
        with copy:
            copy.shutdown(socket.SHUT_RDWR)
