"""What the examples for CI run against their own PostgreSQL does what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.calls.shared.commands.checkout import Checkout
from tests.scripted_server import ScriptedServer

WORKFLOW = Path(__file__).parents[4] / "examples/ci/github/ladder-shards.yml"
LADDER = """
[[model]]
name = "bot"
tier = "off-the-shelf"
id = "openai/bot"
api_base = "{api_base}"
price = {{ input = 1.0, output = 2.0 }}
params = {{ max_tokens = 20 }}
[store]
schema = "fresh"
ledger = "team"
"""
SUITE = """
import pytest

def thirty():
    return [{"input": f"say {n}"} for n in range(30)]

@pytest.mark.ladder(cases=thirty)
@pytest.mark.cheap
def test_said(reply, case):
    assert reply.text
"""


def test_the_rehearsal_makes_the_tables_and_tries_ten_cases(checkout: Checkout) -> None:
    job = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["rehearse"]
    (step,) = (step for step in job["steps"] if "LADDER_STORE_URL" in str(step))
    (checkout.folder / "test_said.py").write_text(SUITE, encoding="utf-8")
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    address = {"LADDER_STORE_URL": checkout.database.owner_url}
    with ScriptedServer() as server:
        ladder = LADDER.format(api_base=server.api_base)
        (checkout.folder / "ladder.toml").write_text(ladder, encoding="utf-8")
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=checkout.folder,
            env={**os.environ, "OPENAI_API_KEY": "k", "PATH": commands, **address},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "schema fresh: tables made" in done.stdout
    assert "10 passed" in done.stdout
    assert server.count == 10
    assert checkout.database.rows("SELECT version FROM fresh.meta") != []
