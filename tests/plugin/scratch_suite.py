"""A shop to test in: a scratch suite with a ladder whose model is a real server."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.scripted_server import ScriptedServer

LADDER = """\
current = "bot/plain"

[[model]]
name = "bot"
tier = "off-the-shelf"
id = "openai/bot"
api_base = "{api_base}"
price = {{ input = 1.0, output = 2.0 }}
params = {{ temperature = 0, max_tokens = 20 }}

[[strategy]]
name = "plain"

[[strategy]]
name = "loud"
prompt = "{{input}}!"
"""
JUDGE = """
[judge]
id = "openai/judge"
api_base = "{api_base}"
price = {{ input = 10.0, output = 10.0 }}
params = {{ max_tokens = 200 }}
"""
ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
def test_answer(reply, case):
    assert case.expected in reply.text
"""
ANSWER_HALF = ANSWER.replace("cheap", "cheap(at_least=0.5)")
"""The same, and half of the cases are enough."""
TWO_TESTS = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.5)
def test_answer(reply, case):
    assert reply.text.endswith(case.expected)

@pytest.mark.cheap(at_least=0.5)
def test_short(reply):
    assert len(reply.text) < 10
"""
TONE = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.judged(rubric="The reply names a colour of the sky.")
def test_tone(verdict):
    assert verdict, verdict.reason
"""
CHANGED = LADDER.replace('name = "plain"', 'name = "plain"\nprompt = "{{input}}?"')
"""The same, and what ships has another prompt."""
CASES = [
    {"id": "sky", "input": "say blue", "expected": "blue"},
    {"id": "fire", "input": "say red", "expected": "red"},
    {"id": "sun", "input": "say green", "expected": "yellow"},
]


class Shop:
    """A scratch suite: three cases (one always misses), rungs bot/plain and bot/loud.

    The server echoes the last user message.
    """

    def __init__(self, pytester: pytest.Pytester, server: ScriptedServer) -> None:
        self.pytester = pytester
        self.server = server
        self.path = pytester.path
        self.ladder(LADDER)
        self.cases(CASES)

    def ladder(self, text: str) -> None:
        """Write ladder.toml; `{api_base}` is filled in, other braces are doubled."""
        text = text.format(api_base=self.server.api_base)
        (self.path / "ladder.toml").write_text(text, encoding="utf-8")

    def cases(self, cases: list[dict[str, Any]], name: str = "cases.jsonl") -> None:
        lines = [json.dumps(case, ensure_ascii=False) for case in cases]
        (self.path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def test(self, source: str, name: str = "test_shop.py") -> None:
        (self.path / name).write_text("import pytest\n" + source, encoding="utf-8")

    def write(self, name: str, text: str) -> Path:
        """Write any file of the suite; its folder is made."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, *arguments: str, plugins: Sequence[Any] = ()) -> pytest.RunResult:
        """Run pytest in this process; with `-n` the workers are processes."""
        # By a name, pytest would look for a plugin in all packages, in every run.
        names = os.environ["PYTEST_PLUGINS"].split(",")
        named = [importlib.import_module(name) for name in names]
        return self.pytester.runpytest_inprocess(*arguments, plugins=[*named, *plugins])

    def run_with(
        self, plugin: str, *arguments: str, plugins: Sequence[Any] = ()
    ) -> pytest.RunResult:
        """Run pytest in this process with one more plugin."""
        return self.run("-p", plugin, *arguments, plugins=plugins)

    def rows(self, folder: str = "ladder-report/current") -> list[dict[str, Any]]:
        text = (self.path / folder / "rows.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def outcomes(self, folder: str = "ladder-report/current") -> dict[str, str]:
        """Return the outcome of each row as `function[rung-case]: outcome`."""
        return {
            f"{row['test'].rpartition('::')[2]}[{row['rung']}-{row.get('case', '')}]": (
                row["outcome"]
            )
            for row in self.rows(folder)
        }

    def matrix(self, folder: str = "ladder-report/current") -> dict[str, Any]:
        text = (self.path / folder / "matrix.json").read_text(encoding="utf-8")
        matrix: dict[str, Any] = json.loads(text)
        return matrix


Run = Callable[..., pytest.RunResult]
"""What the fixture `run` gives."""
ONE_WORKER = pytest.mark.parametrize(
    "run", [(), ("-n", "1")], ids=["plain", "worker"], indirect=True
)
"""For `run` where it does not matter how many workers hand over what they have."""
