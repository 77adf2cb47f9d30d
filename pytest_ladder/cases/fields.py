"""Fields of a case: what each may hold, and the sentence for what it may not."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import msgspec

from pytest_ladder.core.case import Message
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import kind_of

TEXT_KEYS = ("text", "content", "page_content")
"""Keys under which passages and documents keep their text."""

_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}


def _input(value: Any) -> str | list[Message]:
    if isinstance(value, dict):
        return _input_of_object(value)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return _conversation(value)
    raise ConfigError(
        f"the input is {kind_of(value)}; write a text in quotes or a list of chat "
        "messages."
    )


def _input_of_object(value: dict[str, Any]) -> str | list[Message]:
    """Text of structured input: its only text, its messages, or all of it as JSON."""
    only = next(iter(value.values())) if len(value) == 1 else None
    if isinstance(only, str):
        return only
    if isinstance(value.get("messages"), list) and len(value) == 1:
        return _conversation(value["messages"])
    try:
        return msgspec.json.encode(value).decode()
    except TypeError as error:
        raise ConfigError(
            f"the input cannot be written as JSON ({error}); use texts and numbers."
        ) from error


def _conversation(value: list[Any]) -> list[Message]:
    spoken = False
    for number, message in enumerate(value, start=1):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ConfigError(
                f"message {number} of the input is no chat message; write "
                '{"role": "user", "content": "…"}.'
            )
        if message["role"] == "user":
            spoken = True
            if not isinstance(message.get("content"), str | list):
                raise ConfigError(
                    f"message {number} of the input has no content; write a text."
                )
    if not spoken:
        raise ConfigError(
            "no message of the input is the user's; add one with the role `user`."
        )
    return list(value)


def _id(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        # As pandas has numbers of a column with gaps.
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ConfigError(
            f"the id is {kind_of(value)}; write a text or a whole number."
        )
    clean = value.strip()
    if not clean:
        raise ConfigError(
            "the id is empty; write one, or leave it out and one is made."
        )
    if "[" in clean or "]" in clean:
        raise ConfigError(
            f"the id {clean!r} holds a bracket, which pytest keeps for parameters; "
            "use ( and )."
        )
    if not clean.isprintable() and any(
        unicodedata.category(character) in _UNPRINTABLE for character in clean
    ):
        raise ConfigError(
            f"the id {clean!r} holds a control character; use letters and digits of "
            "any script."
        )
    return clean


def _context(value: Any) -> tuple[str, ...]:
    passages = (value,) if isinstance(value, str | dict) else value
    if not isinstance(passages, list | tuple):
        raise ConfigError(
            f"the context is {kind_of(value)}; write a text or a list of texts."
        )
    return tuple(_passage(passage) for passage in passages)


def _passage(value: Any) -> str:
    if isinstance(value, dict):
        value = next((value[k] for k in TEXT_KEYS if k in value), value)
    if isinstance(value, str):
        return value
    raise ConfigError(
        f"a passage of the context is {kind_of(value)}; write a text, or an object "
        "with a `text`."
    )


def _texts(field: str) -> Callable[[Any], tuple[str, ...]]:
    def check(value: Any) -> tuple[str, ...]:
        values = (value,) if isinstance(value, str) else value
        if isinstance(values, list | tuple) and all(isinstance(v, str) for v in values):
            return tuple(values)
        raise ConfigError(f"{field} holds {kind_of(value)}; write a list of texts.")

    return check


def _cluster(value: Any) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise ConfigError(f"the cluster is {kind_of(value)}; write a text.")


def _metadata(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {str(name): inner for name, inner in value.items()}
    raise ConfigError(
        f'the metadata is {kind_of(value)}; write an object such as {{"team": "a"}}.'
    )


CHECKS: dict[str, Callable[[Any], Any]] = {
    "id": _id,
    "input": _input,
    "expected": lambda value: value,
    "context": _context,
    "relevant": _texts("relevant"),
    "cluster": _cluster,
    "tags": _texts("tags"),
    "metadata": _metadata,
}
"""What makes of a row's value that of a case; raises `ConfigError`."""
