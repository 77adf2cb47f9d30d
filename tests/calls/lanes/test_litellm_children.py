"""Children that call litellm die alone, end with their parent, and are few."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.calls.lanes.litellm_children import LitellmChildren
from pytest_ladder.core.rung import Model, Tier
from pytest_ladder.errors import CallError
from tests.scripted_server import ScriptedServer, hangs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

# It is imported in no time, and never answers.
STAND_IN = """
import asyncio

async def acompletion(**arguments):
    await asyncio.sleep(60)
"""


def request(server: ScriptedServer, text: str = "Hi") -> Request:
    model = Model(
        name="smol", tier=Tier.PRETRAINED, id="openai/x", api_base=server.api_base
    )
    return Request(model=model, messages=[{"role": "user", "content": text}])


def pids(lane: LitellmChildren) -> list[int]:
    running = [child._process for child in lane._children]
    return [process.pid for process in running if process is not None]


def runs(pid: int) -> bool:
    """Tell whether a process runs; one that nobody waited for counts as well."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def gone(pid: int) -> bool:
    """Wait a bounded time for the end of a process that is no child of ours."""
    deadline = time.monotonic() + 10
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not runs(pid)


async def arrived(server: ScriptedServer, count: int = 1) -> None:
    async with asyncio.timeout(50):
        while server.count < count:
            await asyncio.sleep(0.01)


def with_children(
    work: Callable[[LitellmChildren], Awaitable[None]], most: int = 1
) -> None:
    """Run `work` over a lane, and see that nothing is left."""

    async def main() -> list[int]:
        lane = LitellmChildren(most)
        try:
            await work(lane)
            return pids(lane)
        finally:
            await lane.close()

    with asyncio.Runner() as runner:
        left = runner.run(main())
    assert [pid for pid in left if runs(pid)] == []


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that children import in place of litellm; it may be rewritten."""
    path = tmp_path / "litellm.py"
    path.write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path))
    return path


def test_a_child_that_is_killed_loses_its_calls_and_is_replaced(
    server: ScriptedServer,
) -> None:
    server.script(hangs(), hangs())

    async def work(lane: LitellmChildren) -> None:
        calls = [
            asyncio.ensure_future(lane.send(request(server), None)) for _ in range(2)
        ]
        await arrived(server, 2)
        (pid,) = pids(lane)
        os.kill(pid, signal.SIGKILL)
        faults = await asyncio.gather(*calls, return_exceptions=True)
        told = "The litellm process that called model 'smol' ended too early "
        for fault in faults:
            assert isinstance(fault, CallError)
            assert str(fault) == f"{told}(exit status -9)"
            assert (fault.status, fault.transient) == (None, True)
        assert (await lane.send(request(server), None)).text == "Hi"
        assert pids(lane) != [pid]

    with_children(work)


def test_children_that_keep_dying_are_given_up(
    stand_in: Path, server: ScriptedServer
) -> None:
    stand_in.write_text("raise ImportError('half installed')\n")

    async def work(lane: LitellmChildren) -> None:
        with pytest.raises(CallError) as caught:
            await lane.open()
        assert str(caught.value) == (
            "litellm's process ended 4 times (exit status 1); write `import litellm` "
            "into conftest.py, which keeps it in pytest's own process and shows why."
        )
        assert not caught.value.transient
        with pytest.raises(CallError, match="ended 4 times"):
            await lane.send(request(server), None)

    with_children(work)


def test_a_call_that_is_cancelled_is_cancelled_in_the_child() -> None:
    hung_up = asyncio.Event()
    asked = asyncio.Event()

    async def listen(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        while await reader.read(1000):
            pass
        hung_up.set()
        writer.close()

    async def work(lane: LitellmChildren) -> None:
        async with await asyncio.start_server(listen, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            model = Model(
                name="smol",
                tier=Tier.PRETRAINED,
                id="openai/x",
                api_base=f"http://127.0.0.1:{port}/v1",
            )
            ask = Request(model=model, messages=[{"role": "user", "content": "Hi"}])
            call = asyncio.ensure_future(lane.send(ask, None))
            async with asyncio.timeout(50):
                await asked.wait()
                call.cancel()
                await hung_up.wait()
            with pytest.raises(asyncio.CancelledError):
                await call

    with_children(work)


@pytest.mark.parametrize(
    ("most", "at_once", "children"), [(2, 40, 1), (2, 60, 2), (1, 200, 1), (2, 200, 2)]
)
def test_a_second_child_starts_when_one_would_have_too_much_to_do(
    stand_in: Path, most: int, at_once: int, children: int
) -> None:
    async def work(lane: LitellmChildren) -> None:
        await asyncio.gather(*(lane.open() for _ in range(at_once)))
        assert len(lane._children) == children

    with_children(work, most)


def test_two_children_share_the_calls(server: ScriptedServer) -> None:
    server.latency_s = 0.3

    async def work(lane: LitellmChildren) -> None:
        async def ask(text: str) -> Answer:
            await lane.open()
            return await lane.send(request(server, text), None)

        for _ in range(2):
            asked = [f"q{n}" for n in range(60)]
            answers = await asyncio.gather(*map(ask, asked))
            assert [answer.text for answer in answers] == asked
        assert [child.is_ready for child in lane._children] == [True, True]

    with_children(work, most=2)


def test_closing_does_not_wait_for_an_import(stand_in: Path) -> None:
    stand_in.write_text("import time\ntime.sleep(60)\n")

    async def work(lane: LitellmChildren) -> None:
        opening = asyncio.ensure_future(lane.open())
        while not pids(lane):
            await asyncio.sleep(0.01)
        opening.cancel()

    begun = time.monotonic()
    with_children(work)
    assert time.monotonic() - begun < 30


@pytest.mark.usefixtures("stand_in")
def test_ctrl_c_is_not_for_children(server: ScriptedServer) -> None:
    impatient = msgspec.structs.replace(request(server), params={"timeout": 0.2})

    async def work(lane: LitellmChildren) -> None:
        await lane.open()
        (pid,) = pids(lane)
        assert os.getsid(pid) != os.getsid(0)
        os.kill(pid, signal.SIGINT)
        with pytest.raises(CallError, match="did not answer within"):
            await lane.send(impatient, None)
        assert pids(lane) == [pid]

    with_children(work)


PARENT = """
import asyncio, sys
from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.lanes.litellm_children import LitellmChildren
from pytest_ladder.core.rung import Model, Tier

async def main():
    lane = LitellmChildren(most=1)
    await lane.open()
    print(lane._children[0]._process.pid, flush=True)
    model = Model(name="m", tier=Tier.PRETRAINED, id="openai/x", api_base={base!r})
    ask = {{"role": "user", "content": "hello"}}
    await lane.send(Request(model=model, messages=[ask]), None)

asyncio.run(main())
"""


@pytest.fixture
def parent(stand_in: Path) -> Iterator[subprocess.Popen[str]]:
    code = PARENT.format(base="http://127.0.0.1:9/v1")
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    )
    with process:
        yield process
        process.kill()


def test_children_end_with_a_parent_that_is_killed(
    parent: subprocess.Popen[str],
) -> None:
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert runs(child)
    parent.kill()
    parent.wait()
    assert gone(child)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
@pytest.mark.usefixtures("stand_in")
def test_no_key_is_on_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-planted-0123456789abcdef"
    monkeypatch.setenv("SHOP_MODEL", key)

    async def work(lane: LitellmChildren) -> None:
        await lane.open()
        child = Path("/proc", *map(str, pids(lane)))
        assert key.encode() in (child / "environ").read_bytes()
        assert key.encode() not in (child / "cmdline").read_bytes()

    with_children(work)
