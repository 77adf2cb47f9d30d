"""Chats as models are trained on: the last turn of the assistant is expected."""

from __future__ import annotations

from typing import Any

from pytest_ladder.core.case import Message
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import listed

_ROLES = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "tool": "tool",
    "function": "function",
}
_WHO = ("role", "from", "type")
_WHAT = ("content", "value")


def roles_of(turns: list[Any]) -> list[Message] | None:
    """Return turns as chat messages, also ShareGPT's; None: they are something else."""
    messages = []
    for turn in turns:
        if not isinstance(turn, dict):
            return None
        who = next((name for name in _WHO if isinstance(turn.get(name), str)), "")
        what = next((name for name in _WHAT if name in turn), "")
        role = _ROLES.get(str(turn.get(who)).lower())
        if role is None:
            return None
        rest = {k: v for k, v in turn.items() if k not in (who, what)}
        # What Arrow fills in where only some messages have a key.
        rest = {k: v for k, v in rest.items() if v is not None}
        messages.append({"role": role, "content": turn.get(what), **rest})
    return messages or None


def split(messages: list[Message]) -> tuple[list[Message], Any]:
    """Take the assistant's last turn off the end; None: another one speaks last."""
    last = messages[-1]
    if last["role"] != "assistant":
        return messages, None
    said = last.get("content")
    if isinstance(said, list) and all(type(p) is dict and "text" in p for p in said):
        said = "\n".join(str(part["text"]) for part in said)
    return messages[:-1], said or last.get("tool_calls")


def of_chat(left: Any) -> dict[str, Any] | None:
    """Read `messages` as OpenAI's fine-tuning has them."""
    return _read(left, "messages")


def of_sharegpt(left: Any) -> dict[str, Any] | None:
    """Read `conversations` of turns `from` somebody."""
    return _read(left, "conversations")


def _read(left: Any, name: str) -> dict[str, Any] | None:
    turns = left.take(name)
    if not isinstance(turns, list) or not turns:
        return None
    messages = roles_of(turns)
    if messages is None:
        roles = {
            turn.get("role", turn.get("from")) for turn in turns if type(turn) is dict
        }
        raise ConfigError(
            f"`{name}` holds turns of {listed(sorted(map(str, roles))) or 'nobody'}; "
            f"known are {listed(_ROLES)}."
        )
    asked, answer = split(messages)
    given = left.take("expected", "ideal", "target", "reference", "groundtruth")
    if given is not None and answer is not None:
        # What is expected is said, so the turn is what a model once answered.
        left["reply"] = answer
        answer = given
    row: dict[str, Any] = left.row(
        input=asked, expected=answer if given is None else given
    )
    return row
