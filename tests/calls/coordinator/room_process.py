"""A room in a process of its own, which does what it is told by lines of JSON.

    python -m tests.calls.coordinator.room_process SIDE FOLDER SETTINGS

Each line names a method of `Room`, and is answered by a line when that has returned;
several may be under way. `RoomProcess` is the other end, for tests.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder import clock
from pytest_ladder.calls.contract import EngineSettings, MachinesRun, Progress, Request
from pytest_ladder.calls.coordinator import (
    CallPlace,
    Coordinator,
    Go,
    Known,
    LookUp,
    Wait,
    WantedCall,
)
from pytest_ladder.calls.one_machine.room import Room
from pytest_ladder.calls.shared.address import from_environment
from pytest_ladder.calls.shared.machines import Machines
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.store.stored_reply import StoredReply
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Model, Tier

ROOT = Path(__file__).parents[3]
MODEL = Model(name="bot", tier=Tier.OFF_THE_SHELF, id="openai/bot")
ONE, MACHINES = "one machine", "machines"
STORE_URL = "STORE_URL"


def machines(settings: EngineSettings, look_up: LookUp) -> Machines:
    address = from_environment(STORE_URL, "ladder")
    assert address is not None
    run = MachinesRun(address, "a run", (), started=clock.unix(), has_caps=False)
    return Machines(settings, run, look_up, Progress())


SIDES: dict[str, Callable[[EngineSettings, LookUp], Coordinator]] = {
    ONE: Room,
    MACHINES: machines,
}
"""Makes the coordinator of a process by the name of its side."""
Told = dict[str, Any]
PLACE: Told = {"name": "bot", "at_once": 8}


class RoomProcess:
    """Drives one; what is named like a method of `Coordinator` does what that does."""

    def __init__(
        self, side: str, folder: Path, settings: Told, store_url: str = ""
    ) -> None:
        module = "tests.calls.coordinator.room_process"
        command = [sys.executable, "-m", module, side, str(folder)]
        self.process = subprocess.Popen(
            [*command, json.dumps(settings)],
            cwd=ROOT,
            env={**os.environ, STORE_URL: store_url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: list[Future[Told]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def begin(self, method: str, **arguments: Any) -> Future[Told]:
        """Tell it to do something, and return what it will answer."""
        answer: Future[Told] = Future()
        self._answers.append(answer)
        line = {"number": len(self._answers) - 1, "method": method} | arguments
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        return answer

    def do(self, method: str, **arguments: Any) -> Told:
        return self.begin(method, **arguments).result(30)

    def admit(self, key: str, **wanted: Any) -> Told:
        return self.do("admit", key=key, **wanted)

    def settle(self, key: str, usd: float | None, text: str | None = None) -> None:
        self.do("settle", key=key, usd=usd, text=text)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)

    def end(self) -> None:
        self.process.communicate(timeout=30)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            answer = json.loads(line)
            self._answers[answer.pop("number")].set_result(answer)


class _Driven:
    """Does what it is told."""

    def __init__(self, side: str, folder: Path, settings: Told) -> None:
        settings = Told(workers=2, is_shared=True) | settings
        run = EngineSettings(
            live=True, folder=folder / "run", owner_pid=os.getpid(), **settings
        )
        self._archive = Archive(folder)
        self._archive.store.is_shared = side == MACHINES
        self._looked_up = 0
        self.room = SIDES[side](run, self._look_up)
        self._going: dict[str, Go] = {}

    def _look_up(self, request: Request, archive: Archive, key: str) -> Reply | None:
        self._looked_up += 1
        kept = archive.find(key)
        if kept is None:
            return None
        return kept.reply_to(request, key, replayed=False)

    def _wanted(self, key: str, **fields: Any) -> WantedCall:
        model = msgspec.structs.replace(MODEL, id=fields.pop("model", MODEL.id))
        request = Request(model=model, messages=[{"role": "user", "content": key}])
        place = CallPlace(**(PLACE | fields.pop("place", {})))
        of_reply = _key(key)
        wanted = WantedCall(request, self._archive, of_reply, place, 1, bill="bot")
        return wanted._replace(**fields)

    async def admit(self, key: str, **wanted: Any) -> Told:
        admitted = await self.room.admit(self._wanted(key, **wanted))
        told: Told = {"got": type(admitted).__name__}
        if isinstance(admitted, Go):
            self._going[key] = admitted
        elif isinstance(admitted, Known) and isinstance(admitted.outcome, Reply):
            told["text"] = admitted.outcome.text
        elif isinstance(admitted, Wait):
            told["seconds"] = admitted.seconds
        return told

    async def settle(self, key: str, usd: float | None, text: str | None) -> Told:
        go = self._going.pop(key)
        row = None
        if text is not None:
            row, _ = self._archive.row(
                _key(key), go.wanted.request, StoredReply(text=text)
            )
        await self.room.settle(go, usd, row)
        return {}

    async def store(self, key: str, text: str) -> Told:
        """Store a reply, and nothing else: as one does that is then killed."""
        request = self._wanted(key).request
        row, _ = self._archive.row(_key(key), request, StoredReply(text=text))
        self._archive.store.put([row])
        return {}

    async def give_up(self, key: str) -> Told:
        await self.room.give_up(self._wanted(key))
        return {}

    async def released(self, key: str) -> Told:
        await self.room.released(self._wanted(key))
        return {}

    async def pause(self, seconds: float) -> Told:
        await self.room.pause(CallPlace(**PLACE), seconds)
        return {}

    async def known(self, keys: list[str]) -> Told:
        known = await self.room.known(self._archive, [_key(key) for key in keys])
        return {"keys": sorted(key for key in keys if _key(key) in known)}

    async def spent(self) -> Told:
        spending = self.room.spending
        assert spending is not None
        surprises = [str(surprise) for surprise in spending.surprises()]
        refused = spending.refused().calls
        usd = spending.spent_usd()
        return {"usd": usd, "surprises": surprises, "refused": refused}

    async def now(self) -> Told:
        """Return its clock, and how often a reply was looked up."""
        return {"at": clock.monotonic(), "looked_up": self._looked_up}


def _key(name: str) -> str:
    """Return the key of a reply, as a database takes it."""
    return hashlib.sha256(name.encode()).hexdigest()


async def _serve(driven: _Driven) -> None:
    async def answer(number: int, method: str, arguments: Told) -> None:
        try:
            told = await getattr(driven, method)(**arguments)
        except Exception:  # noqa: BLE001 - the test sees it at once
            traceback.print_exc()
            told = {"got": "an error, see above"}
        sys.stdout.write(json.dumps({"number": number} | told) + "\n")
        sys.stdout.flush()

    tasks = []
    while line := await asyncio.to_thread(sys.stdin.readline):
        arguments = json.loads(line)
        number, method = arguments.pop("number"), arguments.pop("method")
        tasks.append(asyncio.ensure_future(answer(number, method, arguments)))
    for task in tasks:
        task.cancel()
    await driven.room.finish()


if __name__ == "__main__":
    DRIVEN = _Driven(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]))
    asyncio.run(_serve(DRIVEN))
    DRIVEN.room.close()
