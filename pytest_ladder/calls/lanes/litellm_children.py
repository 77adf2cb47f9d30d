"""litellm's lane through child processes: its import and its calls on other cores.

In pytest's own process litellm's seconds of import and its milliseconds of computing
for each call would slow the tests down, and the tests would slow litellm down.

Everything here runs on the engine's loop, so there is no lock. Each child has one task
there, which starts it, reads its outcomes and waits for its end; a call waits for a
future that this task sets. Cancelling a call sends the child an order to cancel it;
cancelling the task ends the child. Ctrl-C does not reach children (they have a session
of their own): it ends the run, whose end closes this lane. Should pytest be killed, the
children's standard input closes, and they end by themselves.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

import msgspec

from pytest_ladder import clock
from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.calls.lanes.litellm_child import READY, CallOrder, CallOutcome
from pytest_ladder.errors import CallError

# The child runs this same package, wherever it is installed. The other folders of this
# process's path come last: a folder of tests must not hide the standard library.
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); import pytest_ladder; "
    "sys.path[:] = sys.path[1:] + sys.argv[2:]; "
    "from pytest_ladder.calls.lanes import litellm_child; litellm_child.main()"
)
_PACKAGE = os.fspath(Path(__file__).parents[3])
# A child makes about 250 calls a second: with fewer at once one is enough.
_BUSY = 50
# A child that dies is replaced, but only so often in a run.
_MOST_LOST = 3
_LONGEST_LINE = 2**30
_CLOSING_S = 1.0

_Pending = asyncio.Future[Answer | CallError | None]


class LitellmChildren:
    """A lane over `litellm.acompletion` in up to `most` processes of its own."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._children: list[_Child] = []
        self._lost: list[_Child] = []
        self._waiting = 0

    async def open(self) -> None:
        """Start as many children as it takes, and wait until one is ready.

        Raises `CallError` when they die one after the other.
        """
        self._waiting += 1
        try:
            self._start_missing()
            while not self._ready():
                opened = [child.opened for child in self._children]
                await asyncio.wait(opened, return_when=asyncio.FIRST_COMPLETED)
                self._start_missing()
        finally:
            self._waiting -= 1

    async def send(self, request: Request, address: str | None) -> Answer:
        """Send one request, once; raises `CallError`."""
        await self.open()
        child = min(self._ready(), key=lambda child: len(child.calls))
        sent = clock.monotonic()
        outcome = await child.call(request, address)
        # Raised here, because a traceback shows locals (`--showlocals`), and the
        # frames below hold the environment.
        if isinstance(outcome, CallError):
            raise outcome
        if outcome is None:
            raise CallError(
                f"The litellm process that called model {request.model.name!r} ended "
                f"too early ({child.end})",
                transient=True,
            )
        if outcome.first_token_at is None:
            return outcome
        first = sent + outcome.first_token_at
        return msgspec.structs.replace(outcome, first_token_at=first)

    async def close(self) -> None:
        """End the children."""
        for child in self._children:
            child.running.cancel()
        await asyncio.gather(
            *(child.running for child in self._children), return_exceptions=True
        )
        self._children.clear()
        self._lost.clear()

    def _ready(self) -> list[_Child]:
        return [child for child in self._children if child.is_ready]

    def _start_missing(self) -> None:
        """Replace children that died, and start more where there are many calls.

        Raises `CallError` when too many died.
        """
        self._lost += [child for child in self._children if child.end]
        self._children = [child for child in self._children if not child.end]
        load = self._waiting + sum(len(child.calls) for child in self._children)
        wanted = min(self._most, 1 + load // _BUSY)
        if len(self._lost) <= _MOST_LOST:
            missing = wanted - len(self._children)
            self._children += [_Child() for _ in range(missing)]
        if not self._children:
            raise CallError(
                f"litellm's process ended {len(self._lost)} times "
                f"({self._lost[-1].end}); write `import litellm` into conftest.py, "
                "which keeps it in pytest's own process and shows why."
            )


class _Child:
    """One child process and its calls."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.calls: dict[int, _Pending] = {}
        self.opened: asyncio.Future[None] = loop.create_future()
        """Done when litellm is imported, and at the latest when the process ends."""
        self.end = ""
        """How the process ended; empty while it runs."""
        self.running = loop.create_task(self._run())
        """Cancelling it ends the process."""
        self._process: Process | None = None
        self._environment = dict(os.environ)
        self._numbers = itertools.count(READY + 1)

    @property
    def is_ready(self) -> bool:
        return self.opened.done() and not self.end

    async def call(
        self, request: Request, address: str | None
    ) -> Answer | CallError | None:
        """Return the answer or the error of a request; None: the process ended."""
        number = next(self._numbers)
        outcome: _Pending = asyncio.get_running_loop().create_future()
        self.calls[number] = outcome
        try:
            self._order(
                CallOrder(
                    number=number,
                    request=request,
                    address=address,
                    environment=self._changes(),
                )
            )
            return await outcome
        except asyncio.CancelledError:
            self._order(CallOrder(number=number))
            raise
        finally:
            del self.calls[number]

    def _changes(self) -> dict[str, str | None]:
        """Return what was set and removed in the environment since the last call.

        Keys are read from it at each call, by us and by litellm.
        """
        before, now = self._environment, dict(os.environ)
        if now == before:
            return {}
        self._environment = now
        removed: dict[str, str | None] = dict.fromkeys(before.keys() - now.keys())
        return removed | {k: v for k, v in now.items() if before.get(k) != v}

    def _order(self, order: CallOrder) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(msgspec.json.encode(order) + b"\n")

    async def _run(self) -> None:
        """Start the process, read from it until it ends, and free all who wait."""
        end = "it did not start"
        try:
            self._process = await _spawn(self._environment)
            await self._read(self._process)
        except OSError as error:
            end = str(error)
        finally:
            if self._process is not None:
                end = f"exit status {await _ended(self._process)}"
            self.end = end
            # All calls that still wait for an outcome get None.
            if not self.opened.done():
                self.opened.set_result(None)
            for outcome in self.calls.values():
                if not outcome.done():
                    outcome.set_result(None)

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            if not line.endswith(b"\n"):
                return  # it was killed in the middle of a line
            outcome = msgspec.json.decode(line, type=CallOutcome)
            waiting = self.calls.get(outcome.number)
            if outcome.number == READY:
                self.opened.set_result(None)
            elif waiting is not None and not waiting.done():
                waiting.set_result(outcome.answer or outcome.error())


async def _spawn(environment: dict[str, str]) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", _START, _PACKAGE, *sys.path),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        limit=_LONGEST_LINE,
        env=environment,
        start_new_session=True,  # Ctrl-C in the terminal is not for it
    )


async def _ended(process: Process) -> int | None:
    """Close a child's input, which ends it, and return its exit status."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        return await asyncio.wait_for(process.wait(), _CLOSING_S)
    except TimeoutError:
        process.kill()
        return await process.wait()
