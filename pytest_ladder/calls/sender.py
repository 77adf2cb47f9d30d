"""The sender: one attempt on its way to a model, by the lane of that model.

It knows no budget, no limits and no store. Used on the engine's loop only.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from pytest_ladder import clock
from pytest_ladder.calls.contract import (
    Answer,
    EngineSettings,
    Lane,
    Progress,
    Request,
)
from pytest_ladder.calls.lanes import faults
from pytest_ladder.calls.lanes.address import lane_of
from pytest_ladder.calls.lanes.scripted import ScriptedModel
from pytest_ladder.calls.lanes.table import LANES, LaneNeeds
from pytest_ladder.calls.local import servers
from pytest_ladder.calls.response_formats import ResponseFormats, send_as_declared
from pytest_ladder.calls.wrong_keys import Door
from pytest_ladder.core.reply import Timing
from pytest_ladder.core.rung import Model


class Sender:
    """Sends requests, and takes their times."""

    def __init__(self, settings: EngineSettings, progress: Progress) -> None:
        self.scripted: dict[str, ScriptedModel] = {}
        """Scripted models by name."""
        self._workers = settings.workers
        self._folder = settings.folder
        self._looked_at: set[str] = set()
        """Local models that were asked whether they know of tools."""
        self._progress = progress
        self._servers = servers.Servers(settings.folder / "servers", settings.owner_pid)
        self._formats = ResponseFormats(settings.folder)
        self._lanes: dict[str, Lane] = {}

    async def send(
        self, request: Request, folder: Path, asked: float, door: Door, quota: str
    ) -> tuple[Answer, Timing]:
        """Send a request, once; its times count from `asked` (`clock.monotonic()`).

        Raises `CallError` only, unless the model is scripted.
        """
        self._progress.in_flight += 1
        in_flight, fault, address = self._progress.in_flight, None, None
        try:
            if request.model.is_local:
                address = await self._address(request.model, folder)
                if request.params.get("tools"):
                    await self._look_for_tools(request.model, address)
            lane = self._lane(request)
            await lane.open()
            if request.fallbacks:
                await self._formats.wait_for_first(quota)
            sent = clock.monotonic()
            door.sends()
            if request.fallbacks:
                answer = await self._formats.send(lane, request, address, quota)
            elif request.form_from:
                answer = await send_as_declared(lane, request, address)
            else:
                answer = await lane.send(request, address)
            done = clock.monotonic()
        except Exception as error:  # of any kind: its frames may hold a key
            if request.model.is_scripted:
                raise  # the user's own code, which has no key
            fault = faults.bare(request.model.name, error)
        finally:
            self._progress.in_flight -= 1
        if fault is not None:
            raise fault
        first = answer.first_token_at
        return answer, Timing(
            sent_s=sent - asked,
            first_token_s=None if first is None else first - asked,
            done_s=done - asked,
            in_flight=in_flight,
            server_s=answer.server_s,
        )

    async def close(self) -> None:
        """Close all connections."""
        for lane in self._lanes.values():
            await lane.close()
        self._lanes.clear()

    async def _address(self, model: Model, folder: Path) -> str:
        """Return the address of a local model's server.

        Downloading weights and starting a server block, so a thread does both.
        """
        weights = await asyncio.to_thread(
            servers.weights_path, model.id, folder, self._note
        )
        self._note("")
        adapter = None if model.adapter is None else folder / model.adapter
        return await asyncio.to_thread(self._servers.address, weights, adapter)

    async def _look_for_tools(self, model: Model, address: str) -> None:
        if model.name in self._looked_at:
            return
        from pytest_ladder.calls.local.lost_tools import note_lost_tools

        self._looked_at.add(model.name)
        await asyncio.to_thread(note_lost_tools, address, model, self._folder)

    def _note(self, text: str) -> None:
        self._progress.note = text

    def _lane(self, request: Request) -> Lane:
        """Return the lane of a request; a lane is made with its first call."""
        name = "direct" if request.native is not None else lane_of(request.model)
        if name not in self._lanes:
            needs = LaneNeeds(self.scripted, self._workers)
            self._lanes[name] = LANES[name](needs)
        return self._lanes[name]
