"""The core alone: with no package beside those that every installation brings.

Each run is a process that finds only what the dependencies of pyproject.toml bring, so
that an import of anything else shows, wherever it stands.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.plugin.scratch_suite import LADDER, Shop
from tests.scripted_server import says

ROOT = Path(__file__).parents[3]
# Python imports this file when it starts.
HIDING = """
import sys
from importlib.machinery import PathFinder

HIDDEN = {hidden}

class CoreFinder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in HIDDEN:
            return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = CoreFinder
"""
ANSWERS = """
from pytest_ladder import Reply

pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.5)
def test_answer(reply, case):
    assert case.expected in reply.text
    assert Reply(text="{}").json({"type": "object"}) == {}
"""
UNPRICED = LADDER.replace("price =", "# price =")
MODEL = """
[[model]]
name = "far"
tier = "off-the-shelf"
id = "{id}"
params = {{{{ max_tokens = 20 }}}}
"""
INSTALL = "pip install 'pytest-ladder[litellm]'"

Alone = Callable[..., str]
"""Runs pytest with the core alone, and returns what it printed."""


def packages_of_core() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found, left = {"pytest-ladder"}, list(project["project"]["dependencies"])
    while left:
        requirement = Requirement(left.pop())
        name = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate(
            {"extra": ""}
        )
        if wanted and name not in found:
            found.add(name)
            left += importlib.metadata.requires(name) or []
    return found


@pytest.fixture(scope="module")
def core_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that makes Python see the core alone, on its path."""
    core = packages_of_core()
    hidden = {
        module
        for module, packages in importlib.metadata.packages_distributions().items()
        if not core.intersection(map(canonicalize_name, packages))
    }
    assert {"litellm", "bm25s", "openai", "xdist", "xllamacpp"} <= hidden
    folder = tmp_path_factory.mktemp("core-only")
    (folder / "sitecustomize.py").write_text(HIDING.format(hidden=hidden))
    return folder


@pytest.fixture
def alone(shop: Shop, core_only: Path) -> Alone:
    def run(*arguments: str, status: int = 0) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(core_only))
            patch.setenv("PYTEST_PLUGINS", "pytest_ladder.plugin")
            patch.setenv("COLUMNS", "200")
            result = shop.pytester.runpytest_subprocess(*arguments)
        assert result.ret == status, result.stdout.str()
        return result.stdout.str() + result.stderr.str()

    return run


def asked_of(shop: Shop) -> Iterator[dict[str, Any]]:
    return (request.body for request in shop.server.requests)


def test_a_matrix_is_run_replayed_and_reported_at_an_unknown_cost(
    shop: Shop, alone: Alone, core_only: Path
) -> None:
    shop.ladder(UNPRICED)
    shop.test(ANSWERS)
    note = (
        "ladder: bot: cost unknown, as litellm and its price list are not installed; "
        f"declare `price` or `serve` in ladder.toml, or run {INSTALL}."
    )
    planned = alone("--ladder-plan")
    assert note in planned
    assert "at an unknown price" in planned
    assert shop.server.count == 0
    assert note in alone("--ladder=matrix", "--ladder-live")
    assert shop.server.count == 6
    replayed = alone("--ladder=matrix")
    assert "unknown cost" in replayed
    assert note not in replayed
    assert (
        "bot has no price, so its cost is unknown: litellm, which brings the list, is "
        "not installed. Add `price = { input = …, output = … }` to its [[model]], in "
        f"USD per million tokens, or run {INSTALL}."
    ) in replayed
    assert shop.server.count == 6
    for rung in shop.matrix("ladder-report")["rungs"]:
        assert rung["cost"]["usd_per_1k"] is None
    for command in (["report", "ladder-report"], ["gate", *["ladder-report"] * 2]):
        done = subprocess.run(
            [sys.executable, "-m", "pytest_ladder.cli.main", *command],
            env={**os.environ, "PYTHONPATH": str(core_only)},
            cwd=shop.path,
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
        assert done.returncode in (0, 2)  # of two runs that are one, few cases


def test_without_a_price_the_first_rung_is_not_called_the_cheapest(
    shop: Shop, alone: Alone
) -> None:
    shop.ladder(UNPRICED.replace("current =", "# current ="))
    shop.test(ANSWERS)
    said = alone("--ladder-live")
    assert "`current` is not set, so this is the first rung" in said


def test_a_budget_without_a_price_is_refused_with_both_ways_out(
    shop: Shop, alone: Alone
) -> None:
    shop.ladder(UNPRICED)
    shop.test(ANSWERS)
    said = alone("--ladder-live", "--ladder-budget=1", status=4)
    assert (
        "--ladder-budget: the price of model 'bot' is unknown; declare `price` or "
        f"`serve` in ladder.toml, or run {INSTALL}, which brings a list of prices and "
        "limits, or drop --ladder-budget."
    ) in said
    shop.ladder(LADDER.replace(", max_tokens = 20", ""))
    said = alone("--ladder-live", "--ladder-budget=1", status=4)
    assert "set params.max_tokens in ladder.toml, or run pip install" in said
    assert shop.server.count == 0


def test_a_model_of_another_protocol_fails_once_and_says_how_to_call_it(
    shop: Shop, alone: Alone
) -> None:
    far = MODEL.format(id="bedrock/anthropic.claude-3-haiku-20240307-v1:0")
    shop.ladder(LADDER + far)
    shop.test(ANSWERS)
    said = alone("--ladder=matrix", "--ladder-live", status=1)
    fix = (
        f"which is not installed; run {INSTALL}, or, if the provider speaks OpenAI's "
        'protocol, set lane = "direct" with its `api_base`.'
    )
    assert f"ladder: far: needs litellm, {fix}" in said
    assert f"Model 'far' needs litellm, {fix}" in said
    assert "attempts" not in said
    assert "Traceback" not in said
    outcomes = shop.outcomes("ladder-report")
    assert {o for name, o in outcomes.items() if "far" in name} == {"error"}
    assert {o for name, o in outcomes.items() if "bot" in name} == {"passed", "missed"}


@pytest.mark.parametrize(
    "strategy", ['corpus = "kb"', 'examples = "kb/shots.jsonl"\nselect = "similar"']
)
def test_a_search_names_its_extra_and_all_else_runs(
    shop: Shop, alone: Alone, strategy: str
) -> None:
    shop.write("kb/shots.jsonl", '{"text": "blue", "expected": "b"}')
    shop.ladder(f'{LADDER}\n[[strategy]]\nname = "found"\n{strategy}\n')
    shop.test(ANSWERS)
    assert "2 passed, 1 missed" in alone("--ladder-live")
    said = alone("--ladder=matrix", "--ladder-live", status=4)
    assert (
        'ladder.toml: strategy "found": a corpus, and select = "similar", are searched '
        "by bm25s, which is not installed; run pip install 'pytest-ladder[rag]'."
    ) in said


@pytest.fixture
def judged(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop whose judge is one of which litellm's list says that it takes schemas."""
    monkeypatch.setenv("DEEPSEEK_API_BASE", shop.server.api_base)
    monkeypatch.setenv("DEEPSEEK_API_KEY", "k")
    verdict = says(json.dumps({"reason": "fine", "verdict": "pass"}))
    shop.server.reply = lambda body: (
        verdict if body["model"].startswith("deepseek") else "blue"
    )
    shop.ladder(f'{LADDER}\n[judge]\nid = "deepseek/deepseek-chat"\n')
    shop.test("""
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.judged(rubric="It names a colour.")
def test_tone(verdict):
    assert verdict
""")
    return shop


def test_verdicts_that_were_recorded_with_the_price_list_are_replayed(
    judged: Shop, alone: Alone
) -> None:
    judged.run("--ladder-live").assert_outcomes(passed=3)
    assert sum("response_format" in body for body in asked_of(judged)) == 3
    before = judged.server.count
    assert "3 passed" in alone()
    assert judged.server.count == before


def test_verdicts_that_were_recorded_without_the_price_list_are_replayed_with_it(
    judged: Shop, alone: Alone
) -> None:
    assert "3 passed" in alone("--ladder-live")
    assert not any("response_format" in body for body in asked_of(judged))
    before = judged.server.count
    judged.run().assert_outcomes(passed=3)
    assert judged.server.count == before
