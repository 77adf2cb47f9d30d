"""A judge behind a scripted server, and the words to script it with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.core.ladder import JudgeConfig
from pytest_ladder.core.rung import Price
from pytest_ladder.judging.jury import Jury, judge_models
from tests.calls.engine.engine_under_test import Desk, asker_of
from tests.scripted_server import Body, ScriptedServer, says


class Bench:
    """A scripted server, and juries whose models it plays."""

    def __init__(self, server: ScriptedServer, desk: Desk) -> None:
        self.server = server
        self.asker = asker_of(desk.engine, desk.archive)

    def jury(self, *models: Any, **fields: Any) -> Jury:
        """Make a jury of `models`, by default one; `fields` are the first one's."""
        named = models or ("openai/judge",)
        prices = {"price": Price(input=1.0, output=2.0)}
        judges = [
            JudgeConfig(id=name, api_base=self.server.api_base, **(prices | fields))
            for name in named
        ]
        return Jury(judge_models(judges), self.asker)

    def says(self, *answers: Any) -> None:
        """Let the next answers be these: texts, or objects to write as JSON."""
        texts = [a if isinstance(a, str) else json.dumps(a) for a in answers]
        self.server.script(*(says(text) for text in texts))

    @property
    def asked(self) -> list[Body]:
        return [request.body for request in self.server.requests]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ScriptedServer() as server, Desk(tmp_path, server.api_base) as desk:
        yield Bench(server, desk)
