"""What strategies set of their calls: prompt files, parameters, form and functions."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.store.archive import reply_key
from pytest_ladder.config.load import load_ladder
from pytest_ladder.core.case import Case
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.strategies import Strategies
from pytest_ladder.real.fingerprints import fingerprints

MODEL = """[[model]]
name = "bot"
tier = "off-the-shelf"
id = "openai/bot"
params = { temperature = 1, max_completion_tokens = 900, seed = 3 }
[[strategy]]
name = "s"
"""
SCHEMA = {
    "type": "object",
    "properties": {"queue": {"enum": ["stock", "returns"]}},
    "required": ["queue"],
    "additionalProperties": False,
}
CASE = Case(id="c", input="Where is it?", metadata={"tone": "kind"}, source="x.jsonl")
Load = Callable[[str], Ladder]


class Order(pydantic.BaseModel):
    """An order of tea."""

    number: int
    note: str = "none"


class Loose(pydantic.BaseModel):
    """Anything else."""

    more: dict[str, int]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.chdir(tmp_path)
    files = {
        "answer.txt": "Be {metadata.tone}.\r\nQ: {input}\r\n",
        "system.txt": "You sell tea.\n",
        "constant.txt": "Which tea?\n",
        "wrong.txt": "One\nTwo {inptu}\n",
        "empty.txt": "\n",
        "queue.json": json.dumps(SCHEMA),
        "wrapped.json": json.dumps({"name": "q", "strict": False, "schema": SCHEMA}),
        "reply.json": '{"queue": "stock"}',
        "list.json": "[]",
        "broken.json": '{"type":\n  object}',
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode())

    def loaded(strategy: str) -> Ladder:
        path = tmp_path / "ladder.toml"
        path.write_text(MODEL + strategy, encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return load_ladder(path)

    return loaded


def asked(ladder: Ladder) -> list[Request]:
    return Strategies(ladder).known_requests(ladder.rungs[0], CASE)


def test_a_prompt_in_a_file_is_the_same_prompt_whatever_its_ends_of_lines(
    load: Load,
) -> None:
    prompt = 'prompt = "Be {metadata.tone}.\\nQ: {input}"\n'
    there = load(prompt + 'system = "You sell tea."')
    before, prints = asked(there), fingerprints(there)
    moved = load('prompt_file = "answer.txt"\nsystem_file = "system.txt"')
    assert [request.messages for request in asked(moved)] == [before[0].messages]
    assert before[0].messages[1]["content"] == "Be kind.\nQ: Where is it?"
    # Replies and outcomes stay where the text is as it was.
    assert reply_key("bot", asked(moved)[0]) == reply_key("bot", before[0])
    assert fingerprints(moved) == prints
    (moved.folder / "answer.txt").write_text("Say: {input}")
    changed = load('prompt_file = "answer.txt"\nsystem_file = "system.txt"')
    assert reply_key("bot", asked(changed)[0]) != reply_key("bot", before[0])
    assert fingerprints(changed) != prints


def test_a_strategys_parameters_win_over_its_models_and_nothing_else_changes(
    load: Load,
) -> None:
    plain = load("")
    assert asked(plain)[0].params == plain.models[0].params
    ladder = load(
        'params = { temperature = 0, max_tokens = 50, reasoning_effort = "low" }'
    )
    (request,) = asked(ladder)
    # The limit of tokens has two names: the strategy's is the only one that is sent.
    assert request.params == {
        "temperature": 0,
        "max_tokens": 50,
        "seed": 3,
        "reasoning_effort": "low",
    }
    assert request.output_limit == 50
    assert request.model.params == plain.models[0].params
    assert fingerprints(ladder) != fingerprints(plain)
    strategies, rung = Strategies(ladder), ladder.rungs[0]
    costs = ladder.models[0], plain.rungs[0]
    assert strategies.estimate(rung.strategy).calls == 1
    assert rung.params["max_tokens"] == 50
    assert costs[1].params is costs[1].model.params


FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "a schema": ("queue.json", {"name": "queue", "schema": SCHEMA, "strict": True}),
    "as OpenAI wraps it": (
        "wrapped.json",
        {"name": "q", "strict": False, "schema": SCHEMA},
    ),
    "a pydantic model": (
        f"{__name__}:Order",
        {
            "name": "Order",
            "schema": {
                "title": "Order",
                "description": "An order of tea.",
                "type": "object",
                "properties": {
                    "number": {"title": "Number", "type": "integer"},
                    "note": {"title": "Note", "type": "string"},
                },
                "required": ["number", "note"],
                "additionalProperties": False,
            },
            "strict": True,
        },
    ),
    "a model that takes any keys": (
        f"{__name__}:Loose",
        {"name": "Loose", "schema": Loose.model_json_schema()},
    ),
}


@pytest.mark.parametrize(("named", "sent"), FORMS.values(), ids=FORMS)
def test_the_form_of_replies_is_sent_as_a_schema(
    load: Load, named: str, sent: dict[str, Any]
) -> None:
    ladder = load(f'response_format = "{named}"')
    (request,) = asked(ladder)
    assert request.params["response_format"] == {
        "type": "json_schema",
        "json_schema": sent,
    }
    assert fingerprints(ladder) != fingerprints(load(""))


def test_a_changed_schema_makes_another_fingerprint(load: Load) -> None:
    ladder = load('response_format = "queue.json"')
    before = fingerprints(ladder)
    (ladder.folder / "queue.json").write_text('{"type": "object"}')
    assert fingerprints(ladder) != before


def test_tools_are_offered_and_called_only_by_what_uses_them(load: Load) -> None:
    tools = 'tools = ["tests.prompting.shop_tools:stock"]\n'
    offered, called = load(tools), load('use = "tools"\n' + tools)
    schemas = [request.params["tools"] for request in asked(offered) + asked(called)]
    assert schemas[0] == schemas[1]
    assert schemas[0][0]["function"]["name"] == "stock"
    calls = ({"id": "1", "function": {"name": "stock", "arguments": "{}"}},)
    talk = Strategies(offered).talk(offered.rungs[0], CASE)
    next(talk)
    with pytest.raises(StopIteration) as end:
        talk.send(Reply(text="", tool_calls=calls))
    assert end.value.value.tool_calls == calls


def test_every_call_of_a_conversation_has_what_the_strategy_sets_but_a_critique_no_form(
    load: Load,
) -> None:
    ladder = load(
        'use = "refine"\nresponse_format = "queue.json"\nparams = { temperature = 0 }'
    )
    talk = Strategies(ladder).talk(ladder.rungs[0], CASE)
    requests, request = [], next(talk)
    try:
        while True:
            requests.append(request)
            messages = [*request.messages, {"role": "assistant", "content": "{}"}]
            request = talk.send(Reply(text="{}", messages=messages))
    except StopIteration:
        pass
    assert ["response_format" in r.params for r in requests] == [True, False, True]
    assert {r.params["temperature"] for r in requests} == {0}


MISTAKES = {
    'prompt_file = "constant.txt"': 'ladder.toml:8: strategy "s": prompt_file: it '
    "shows nothing of the case, so that every case would get the same message; write "
    "{input} where the case's input belongs.",
    'prompt = "{input}"\nprompt_file = "answer.txt"': 'ladder.toml:9: strategy "s": '
    "prompt_file: `prompt` and `prompt_file` exclude each other; keep one of them.",
    'prompt_file = "none.txt"': 'ladder.toml:8: strategy "s": prompt_file: there is no '
    "file `none.txt` (looked at DIR/none.txt); create it or correct the path, which is "
    "relative to the configuration file.",
    'prompt_file = "wrong.txt"': "wrong.txt:2: the field {inptu} is unknown; did you "
    "mean `input`? Known fields: `input`, `context`, `id`, `cluster`, `tags`, "
    "`choices`, `metadata.name`; write {{…}} for literal braces.",
    'system_file = "empty.txt"': 'ladder.toml:8: strategy "s": system_file: '
    "`empty.txt` is empty; write the text into it, or remove the key.",
    "params = { temperature = -1 }": 'ladder.toml:8: strategy "s": params.temperature: '
    "-1 does not fit here; write a number that is 0 or more.",
    'params = { api_base = "http://x" }': 'ladder.toml:8: strategy "s": '
    "params.api_base: this is no parameter of a call; write `api_base` beside "
    "`params`.",
    'response_format = "reply.json"': "reply.json: it says nothing that a JSON schema "
    "says, such as `type` or `properties`; write the schema of a reply, and not a "
    "reply.",
    'response_format = "list.json"': "list.json: it holds a list and no JSON schema; "
    'write one such as {"type": "object", "properties": {…}}.',
    'response_format = "broken.json"': "broken.json:2: the file is not valid JSON "
    "(invalid character); write a JSON schema.",
    'response_format = "queue.json"\nparams = { response_format = {} }': "ladder.toml:8"
    ': strategy "s": params.response_format: `response_format` stands in the strategy '
    "and in its `params`; keep one.",
    'tools = ["stock"]': 'ladder.toml:8: strategy "s": tools: `stock` names no '
    'function; write "package.module:function".',
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.items(), ids=range(12))
def test_a_mistake_gets_a_sentence_with_file_line_and_fix(
    load: Load, tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert str(caught.value).replace(str(tmp_path), "DIR") == expected


def test_what_is_no_pydantic_model_is_said_when_it_is_first_used(load: Load) -> None:
    ladder = load('response_format = "pathlib:Path"')
    with pytest.raises(ConfigError) as caught:
        asked(ladder)
    assert str(caught.value) == (
        'ladder.toml: strategy "s": response_format: pathlib:Path is no pydantic '
        "model; derive it from pydantic.BaseModel, or name a file with a JSON schema."
    )
