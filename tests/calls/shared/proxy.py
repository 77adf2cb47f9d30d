"""A TCP proxy that loses what it is told to: connections, packets, answers."""

from __future__ import annotations

import asyncio
import contextlib


class Proxy:
    """Forwards to a port on this machine, on the loop of the test."""

    def __init__(self, port: int) -> None:
        self.port = 0
        """Where it listens."""
        self.refusing = False
        """Whether new connections are reset at once."""
        self._target = port
        self._muted: set[asyncio.StreamWriter] = set()
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def mute(self) -> None:
        """Lose all answers on the connections of now: what is asked still arrives."""
        self._muted.update(client for client, _ in self._pairs)

    def reset(self) -> None:
        """Reset the connections of now."""
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self.refusing:
                client.transport.abort()
                return
            with contextlib.suppress(OSError):
                answers, server = await asyncio.open_connection(
                    "127.0.0.1", self._target
                )
                await self._forward(reader, client, answers, server)
        except asyncio.CancelledError:
            pass  # asyncio would report it as an error of the server
        finally:
            client.transport.abort()
            self._tasks.discard(task)

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        server: asyncio.StreamWriter,
    ) -> None:
        pair = (client, server)
        self._pairs.add(pair)
        ways = [
            asyncio.ensure_future(self._pump(reader, server, None)),
            asyncio.ensure_future(self._pump(answers, client, client)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            server.transport.abort()
            self._pairs.discard(pair)
            self._muted.discard(client)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        mutable: asyncio.StreamWriter | None,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if mutable not in self._muted:
                    sink.write(data)
                    await sink.drain()
