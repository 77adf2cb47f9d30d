"""Models of --ladder-try, beside those that a configuration declares."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest

from pytest_ladder.config.load import load_ladder
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.errors import ConfigError
from pytest_ladder.session.tried import with_tried

LADDER = """current = "bot/plain"

[[model]]
name = "bot"
tier = "fine-tuned"
id = "hosted_vllm/bot"
api_base = "http://127.0.0.1:1/v1"
api_key_env = "BOT_KEY"
params = { temperature = 0, max_tokens = 20, seed = 7, extra_body = { top_k = 1 } }
limits = { rpm = 60 }
price = { input = 1.0, output = 2.0 }

[[model]]
name = "big"
tier = "off-the-shelf"
id = "openai/big"

[[strategy]]
name = "plain"

[[strategy]]
name = "loud"
prompt = "{input}!"
models = ["bot"]

[[strategy]]
name = "grand"
models = ["big"]
"""


@pytest.fixture
def ladder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ladder:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ladder.toml").write_text(LADDER)
    return load_ladder(tmp_path / "ladder.toml")


def test_it_is_asked_as_what_ships_is_and_pays_its_own_price(ladder: Ladder) -> None:
    tried = with_tried(ladder, ["hosted_vllm/org/new:7b", "anthropic/claude-x"])
    assert [rung.id for rung in tried.tried] == [
        *("hosted_vllm-org-new-7b/plain", "hosted_vllm-org-new-7b/loud"),
        *("anthropic-claude-x/plain", "anthropic-claude-x/loud"),
    ]
    assert tried.rungs == (*ladder.rungs, *tried.tried)
    here, elsewhere = tried.models[2:]
    assert here.params == elsewhere.params == {"temperature": 0, "max_tokens": 20}
    # The same server has the same address and key; no other one gets either.
    assert (here.api_base, here.api_key_env) == ("http://127.0.0.1:1/v1", "BOT_KEY")
    assert (elsewhere.api_base, elsewhere.api_key_env) == (None, None)
    assert (here.limits.rpm, elsewhere.limits.rpm) == (60, None)
    assert here.price is None


MISTAKES = {
    "a provider that is none": (
        "opnai/x",
        "--ladder-try=opnai/x: `opnai` is no provider that is known; did you mean "
        "`openai`?*",
    ),
    "no provider": (
        "gpt-99-nano",
        "--ladder-try=gpt-99-nano: `gpt-99-nano` is no model that is known; begin "
        "with its provider, as in `openai/gpt-5-nano`.",
    ),
    "no name": ("openai/", "--ladder-try=openai/: it names no model; write one *"),
    "a local one that is none": (
        "local/smolm2-135m",
        "--ladder-try=local/smolm2-135m: `smolm2-135m` is no model here; did you mean "
        "`smollm2-135m`?*",
    ),
    "a file that is not there": (
        "local/new.gguf",
        "--ladder-try=local/new.gguf: there is no file new.gguf; correct the path.",
    ),
    "one that is there": (
        "openai/big",
        "--ladder-try=openai/big is model `big` of ladder.toml already; run "
        "--ladder=matrix --ladder-rungs='big/*' instead.",
    ),
    "twice": ("openai/x,openai/x", "--ladder-try=openai/x is given twice; *"),
    "two of one name": (
        "openai/a:b,openai/a-b",
        "--ladder-try=openai/a-b would be called `openai-a-b`, as openai/a:b is; try "
        "one at a time.",
    ),
}


@pytest.mark.parametrize(("ids", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_gets_one_sentence(ladder: Ladder, ids: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_tried(ladder, ids.split(","))
    assert fnmatch.fnmatchcase(str(caught.value), told), caught.value


def test_a_ladder_that_names_nothing_that_ships_holds_nothing_against_it(
    tmp_path: Path, ladder: Ladder
) -> None:
    (tmp_path / "ladder.toml").write_text(LADDER.partition("\n")[2])
    with pytest.raises(ConfigError) as caught:
        with_tried(load_ladder(ladder.path), ["openai/x"])
    assert str(caught.value).startswith(
        "--ladder-try holds a model against what ships, and ladder.toml does not name "
        "it; add `current = …` at its top: one of `bot/plain`, "
    )
