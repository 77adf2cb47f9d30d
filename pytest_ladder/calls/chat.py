"""What a test calls: the model of a rung, or a task built on it."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pytest_ladder.calls.asker import Asker
from pytest_ladder.calls.contract import Request
from pytest_ladder.core.case import Message
from pytest_ladder.core.params import near_param, wrong_param
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Model
from pytest_ladder.errors import LadderError, warn

# Parameters are stored with the reply: no key may be among them, and nothing that
# changes who answers.
REFUSED_PARAMS = frozenset(
    {"api_base", "api_key", "base_url", "extra_headers", "headers", "lora", "messages"}
    | {"model"}
)

Prompt = str | list[Message]


class Chat:
    """A model: call it with a prompt, or with messages."""

    def __init__(self, model: Model, asker: Asker, sample: Callable[[], int]) -> None:
        self.model = model
        self._asker = asker
        self.sample = sample
        """Returns which sample of its case a call asks for; the first is 1."""

    def __repr__(self) -> str:
        return f"<llm {self.model.name}>"

    def __call__(self, prompt: Prompt, **params: Any) -> Reply:
        """Return the model's reply; `params` overlay those of `ladder.toml`.

        Raises `LadderError`, `ValueError` or `TypeError` for what cannot be sent, and
        what the engine raises: `MissingReply`, `BudgetReached` or `CallError`.
        """
        __tracebackhide__ = True
        request = make_request(self.model, prompt, params, self.sample())
        return self._asker.ask(request)

    async def acall(self, prompt: Prompt, **params: Any) -> Reply:
        """Do the same from a coroutine, on any event loop."""
        __tracebackhide__ = True
        request = make_request(self.model, prompt, params, self.sample())
        return await self._asker.ask_async(request)


def make_request(
    model: Model,
    prompt: Prompt,
    params: Mapping[str, Any],
    sample: int,
    *,
    draw: int = 0,
    usual: Mapping[str, Any] | None = None,
) -> Request:
    """Return what asks a model; `params` overlay the `usual`, those of the model.

    Raises `LadderError`, `ValueError` or `TypeError` for what cannot be sent.
    """
    __tracebackhide__ = True
    messages = _messages(prompt)
    _check(messages, params)
    return Request(
        model=model,
        messages=messages,
        params={**(model.params if usual is None else usual), **params},
        sample=sample,
        draw=draw,
    )


def _messages(prompt: Any) -> list[Message]:
    """Make messages of a prompt; raises `TypeError` for what is none."""
    __tracebackhide__ = True
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    if not isinstance(prompt, list | tuple) or not prompt:
        raise _no_prompt(prompt, 'such as [{"role": "user", "content": "…"}]')
    for number, message in enumerate(prompt, start=1):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise _no_prompt(
                prompt, f"that are dicts with a `role`, unlike number {number}"
            )
    return list(prompt)


def _no_prompt(prompt: Any, wanted: str) -> TypeError:
    return TypeError(
        f"llm() got {reprlib.repr(prompt)} for a prompt; give a text, or messages "
        f"{wanted}."
    )


def _check(messages: list[Message], params: Mapping[str, Any]) -> None:
    """Refuse what cannot be sent, or not as a parameter.

    Raises `LadderError`, `ValueError` or `TypeError`.
    """
    __tracebackhide__ = True
    refused = REFUSED_PARAMS.intersection(params)
    if refused:
        raise LadderError(
            f"llm() got {min(refused)!r}, which does not belong to what is asked; "
            "set it for the model in ladder.toml."
        )
    wrong = wrong_param(params) if params else None
    if wrong is not None:
        raise ValueError(f"llm(): {'.'.join(wrong.place)}: {wrong.problem}")
    for name in params:
        near = near_param(name)
        if near is not None:
            warn(
                f"llm(): {name!r} is no parameter that is known, and is sent as it is; "
                f"did you mean {near!r}?",
                "llm",
            )
    for name, value in {"messages": messages, **params}.items():
        try:
            msgspec.json.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            problem = f"{reprlib.repr(value)} cannot be sent as JSON ({error})"
            raise TypeError(
                f"llm(): {name}: {problem}; give texts, numbers, lists and dicts."
            ) from None
