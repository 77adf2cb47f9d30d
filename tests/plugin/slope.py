"""Something to climb: rungs whose skill a test sets, and what the server saw."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.plugin.scratch_suite import Shop
from tests.scripted_server import Act, Body, last_user_message

OBJECTIVE = """
[objective]
kind = "good-enough"
quality = 0.8
volume = 1000
"""
MODEL = """
[[model]]
name = "{name}"
tier = "off-the-shelf"
id = "openai/{name}"
api_base = "{api_base}"
price = {{ input = {price}, output = {price} }}
params = {{ temperature = 0, max_tokens = 5 }}
"""
STRATEGY = """
[[strategy]]
name = "plain"
"""
PRICES = {"small": 1, "mid": 3, "big": 9}
ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.2)
def test_answer(reply, case):
    assert reply.text == "right"
"""
NODES = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")
"""
COUNTING = """
import os

def tell(what):
    with open("told.txt", "a") as file:
        file.write(f"{os.getpid()} {what}\\n")

@pytest.fixture(scope="session")
def whole():
    tell("session up")
    yield
    tell("session down")

@pytest.fixture(scope="module")
def part():
    tell("module up")
    yield
    tell("module down")

@pytest.fixture
def each():
    yield
"""
COUNTED = COUNTING + ANSWER.replace("(reply", "(whole, part, each, reply")
OTHERS = {
    "test_a.py": "def test_one():\n    pass\n\ndef test_two():\n    pass\n",
    "test_z.py": "def test_three():\n    assert False\n",
}
"""Tests that are none of ours: two pass, one fails."""
MATRIX_REPORT = "ladder-report"
REPORT = "ladder-report/climb"


class Slope:
    """A shop of 40 cases and three rungs; the n-th of 20 is right up to a skill."""

    def __init__(self, shop: Shop, cases: int = 40) -> None:
        self.shop = shop
        self.report = REPORT
        """The folder that is looked into."""
        self.skill: dict[str, float] = {"small": 4, "mid": 19, "big": 20}
        """Of 20 cases, by model."""
        self.cases(cases)
        self.ladder()
        shop.test(ANSWER)
        shop.server.reply = self._reply

    def cases(self, count: int, **fields: Any) -> None:
        """Write cases c0, c1, …"""
        self.shop.cases(
            [{"id": f"c{n}", "input": f"ask {n}", **fields} for n in range(count)]
        )

    def ladder(
        self,
        objective: str = OBJECTIVE,
        prices: Mapping[str, float] = PRICES,
        head: str = 'current = "mid/plain"\n',
        name: str = "ladder.toml",
    ) -> None:
        """Write a configuration."""
        api_base = self.shop.server.api_base
        models = [
            MODEL.format(name=name, price=price, api_base=api_base)
            for name, price in prices.items()
        ]
        self.shop.write(name, "".join([head, *models, STRATEGY, objective]))

    def climb(self, *arguments: str) -> Any:
        """Climb live."""
        return self.shop.run("--ladder=climb", "--ladder-live", *arguments)

    def stopped(self, how: signal.Signals, *arguments: str) -> tuple[int, str]:
        """Climb in a process that gets a signal after 20 calls: status and output."""
        command = [sys.executable, "-m", "pytest", "--ladder=climb", "--ladder-live"]
        process = subprocess.Popen(
            [*command, "--ladder-concurrency=4", *arguments],
            cwd=self.shop.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 60
            while self.shop.server.count < 20 and time.monotonic() < deadline:
                time.sleep(0.01)
            os.killpg(process.pid, how)
            output, _ = process.communicate(timeout=30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, output

    @property
    def matrix(self) -> dict[str, Any]:
        return self.shop.matrix(self.report)

    @property
    def states(self) -> dict[str, str]:
        return {rung["id"]: rung["state"] for rung in self.matrix["rungs"]}

    @property
    def decided(self) -> tuple[Any, Any]:
        """The recommended rung, and the verdict."""
        advice = self.matrix["recommendation"]
        return advice["rung"], advice["verdict"]

    @property
    def course(self) -> tuple[Any, ...]:
        """All that a climb decided on its way."""
        matrix = self.matrix
        kept = [
            (rung["id"], rung["state"], {k: v["n"] for k, v in rung["levels"].items()})
            for rung in matrix["rungs"]
        ]
        return self.decided, sorted(kept, key=str), matrix["climb"]

    @property
    def asked(self) -> dict[str, int]:
        """Requests that the server saw, by model."""
        seen = self.shop.server.requests
        return dict(Counter(str(request.body["model"]) for request in seen))

    @property
    def prompts(self) -> list[tuple[str, str]]:
        """Model and prompt of each request, sorted."""
        return sorted(
            (str(r.body["model"]), last_user_message(r.body))
            for r in self.shop.server.requests
        )

    def rows_of(self, rung: str) -> list[dict[str, Any]]:
        return [row for row in self.shop.rows(self.report) if row["rung"] == rung]

    def forget(self) -> None:
        """Forget what the server saw."""
        self.shop.server.requests.clear()
        self.shop.server.count = 0

    def promise(self, model: str) -> None:
        """Let a model be right in the first half of the order, and wrong after it."""
        self.skill[model] = 20
        self.climb("--ladder-report=promise")
        asked = [r.body for r in self.shop.server.requests]
        order = [last_user_message(body) for body in asked if body["model"] == model]
        half = set(order[: len(order) // 2])
        self.forget()

        def reply(body: Body) -> str | Act:
            if body["model"] != model:
                return self._reply(body)
            return "right" if last_user_message(body) in half else "wrong"

        self.shop.server.reply = reply

    def _reply(self, body: Body) -> str | Act:
        number = int(last_user_message(body).split()[1])
        right = number * 7 % 20 < self.skill[str(body["model"])]
        return "right" if right else "wrong"


def spoken(matrix: Mapping[str, Any]) -> str:
    """Return a matrix without what differs from run to run."""
    run = {k: v for k, v in matrix["run"].items() if k not in ("id", "started")}
    return json.dumps({**matrix, "run": run}, sort_keys=True)


def said(result: Any) -> str:
    """Return all output, with white space folded."""
    return " ".join((result.stdout.str() + result.stderr.str()).split())


def told(shop: Shop) -> list[list[str]]:
    path = shop.path / "told.txt"
    lines = [line.split(" ", 1) for line in path.read_text().splitlines()]
    path.unlink()
    return lines
