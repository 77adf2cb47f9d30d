"""`pytest-ladder show`: what would be sent, and that nothing is."""

from __future__ import annotations

import json

import pytest

from tests.cli.written_report import Command
from tests.plugin.scratch_suite import ANSWER, LADDER, Shop

STRATEGIES = (
    LADDER
    + """
[[strategy]]
name = "set"
prompt_file = "prompt.txt"
system = "Be brief."
params = {{ temperature = 0.5, reasoning_effort = "low" }}

[[strategy]]
name = "vote"
use = "vote"
votes = 3

[[strategy]]
name = "refine"
use = "refine"
"""
)


def test_a_case_on_a_rung_is_shown_as_it_would_be_sent_and_is_not_sent(
    shop: Shop, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-1234567890")
    shop.ladder(
        STRATEGIES.replace(
            'id = "openai/bot"', 'id = "openai/bot"\napi_key_env = "OPENAI_API_KEY"'
        )
    )
    shop.write("prompt.txt", "Two\x1b lines:\n{input}\n")
    shop.cases([{"id": "sky", "input": "say blue", "expected": "blue"}])
    shop.test(ANSWER)
    status, out, err = command("show", "sky", "bot/set")
    host = shop.server.api_base.split("/")[2]
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "bot/set: sky of cases.jsonl",
        f"to openai/bot at {host}, with OPENAI_API_KEY",
        "",
        "request 1: about 7 tokens",
        "  system:",
        "    Be brief.",
        "  user:",
        "    Two lines:",
        "    say blue",
        "  temperature: 0.5",
        "  max_tokens: 20",
        "  reasoning_effort: low",
    ]
    out = command("show", "cases.jsonl::sky", "bot/vote")[1]
    assert "request 1, 3 times: about 2 tokens" in out.splitlines()
    out = command("show", "sky", "bot/refine")[1]
    assert out.endswith("\nthen up to 2 requests that depend on the replies\n")
    _, out, _ = command("show", "sky", "bot/plain", "--json")
    assert json.loads(out) == {
        "model": "openai/bot",
        "messages": [{"role": "user", "content": "say blue"}],
        "temperature": 0,
        "max_tokens": 20,
    }
    assert command("show", "sky", "bot/loudd")[::2] == (
        2,
        "pytest-ladder: `bot/loudd` is no rung; did you mean `bot/loud`? The rungs are "
        "`bot/plain`, `bot/loud`, `bot/set`, `bot/vote`, `bot/refine`.\n",
    )
    assert command("show", "skyy", "bot/plain")[::2] == (
        2,
        "pytest-ladder: No collected test runs over a case `skyy`; did you mean `sky`? "
        "A test's id ends with it, in brackets, after the rung's.\n",
    )
    assert shop.server.requests == []
