"""A lane and a scripted server for each test, and one event loop for all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_ladder.calls.contract import Answer, Lane, Request
from pytest_ladder.calls.lanes import litellm_internals
from pytest_ladder.calls.lanes.direct import DirectLane
from pytest_ladder.calls.lanes.litellm_children import LitellmChildren
from pytest_ladder.calls.lanes.litellm_lane import LitellmLane
from pytest_ladder.core.case import Message
from pytest_ladder.core.rung import Model, Tier
from tests.scripted_server import ScriptedServer

LANES: dict[str, tuple[str, str]] = {
    "direct": ("direct", "openai/x"),
    "litellm-openai": ("litellm", "openai/x"),
    "litellm-vllm": ("litellm", "hosted_vllm/x"),
    "litellm-children": ("children", "openai/x"),
    "direct-together": ("direct", "together_ai/x"),
    "litellm-together": ("litellm", "together_ai/x"),
}
BASE_VARIABLES = {"together_ai/x": "TOGETHER_AI_API_BASE"}
"""Models that are reached by an address of the environment, and not by `api_base`."""


class Line:
    """One lane to the scripted server, driven from plain tests."""

    def __init__(
        self, lane: Lane, model_id: str, api_base: str | None, runner: asyncio.Runner
    ) -> None:
        self.lane = lane
        self.runner = runner
        self.model = Model(
            name="smol", tier=Tier.OFF_THE_SHELF, id=model_id, api_base=api_base
        )

    def send(
        self,
        messages: list[Message] | None = None,
        *,
        params: dict[str, Any] | None = None,
        address: str | None = None,
        **model: Any,
    ) -> Answer:
        """Send one request; `model` overrides fields of the model."""
        request = Request(
            model=Model(**{**_fields(self.model), **model}),
            messages=messages or [{"role": "user", "content": "Say something now"}],
            params={"timeout": 20, **(params or {})},
        )
        return self.runner.run(self.lane.send(request, address))


def _fields(model: Model) -> dict[str, Any]:
    return {name: getattr(model, name) for name in model.__struct_fields__}


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="session")
def children(runner: asyncio.Runner) -> Iterator[LitellmChildren]:
    """A lane that tests share, because every child imports litellm anew."""
    lane = LitellmChildren(most=1)
    yield lane
    runner.run(lane.close())


@pytest.fixture(params=LANES)
def line(
    request: pytest.FixtureRequest,
    server: ScriptedServer,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Line]:
    """Each lane in turn: what holds for one must hold for all."""
    kind, model_id = LANES[request.param]
    if kind == "children":
        children = request.getfixturevalue("children")
        yield Line(children, model_id, server.api_base, runner)
        return
    lane = DirectLane() if kind == "direct" else LitellmLane()
    api_base: str | None = server.api_base
    if model_id in BASE_VARIABLES:
        monkeypatch.setenv(BASE_VARIABLES[model_id], server.api_base)
        monkeypatch.setenv("TOGETHER_API_KEY", "the key of the provider")
        api_base = None
    yield Line(lane, model_id, api_base, runner)
    runner.run(lane.close())


@pytest.fixture
def direct(server: ScriptedServer, runner: asyncio.Runner) -> Iterator[Line]:
    lane = DirectLane()
    yield Line(lane, "openai/x", server.api_base, runner)
    runner.run(lane.close())


@pytest.fixture
def litellm_line(server: ScriptedServer, runner: asyncio.Runner) -> Iterator[Line]:
    lane = LitellmLane()
    yield Line(lane, "openai/x", server.api_base, runner)
    runner.run(lane.close())


@pytest.fixture(scope="session")
def litellm() -> Any:
    """litellm itself, imported as the lane imports it: it takes three seconds."""
    return litellm_internals.import_litellm()
