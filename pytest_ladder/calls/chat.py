"""What a test calls: the model of a rung, or a task built on it."""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from pytest_ladder.calls.contract import Request, Served
from pytest_ladder.core.case import Case, Message
from pytest_ladder.core.params import wrong_param
from pytest_ladder.core.reply import Reply, Timing, Usage
from pytest_ladder.core.rung import Model, Rung
from pytest_ladder.errors import LadderError
from pytest_ladder.prompting.messages import Prompter

# Parameters are stored with the reply: no key may be among them, and nothing that
# changes who answers.
_REFUSED_PARAMS = frozenset(
    {"api_base", "api_key", "base_url", "extra_headers", "headers", "lora", "messages"}
    | {"model"}
)

Prompt = str | list[Message]
Task = Callable[[Case, "Llm"], Any]


class Asker(Protocol):
    """Answers requests, and notes in the row what they cost."""

    def ask(self, request: Request) -> Served:
        """Answer from any thread."""

    def ask_async(self, request: Request) -> Awaitable[Served]:
        """Answer from any event loop."""


class Chat:
    """A model: call it with a prompt, or with messages."""

    def __init__(self, model: Model, asker: Asker, sample: Callable[[], int]) -> None:
        self.model = model
        self._asker = asker
        self.sample = sample
        """Tells which sample of its case is asked for."""

    def __repr__(self) -> str:
        return f"<llm {self.model.name}>"

    def __call__(self, prompt: Prompt, **params: Any) -> Reply:
        """Return the model's reply; `params` overlay those of `ladder.toml`."""
        __tracebackhide__ = True
        return self._asker.ask(self._request(prompt, params)).reply

    async def acall(self, prompt: Prompt, **params: Any) -> Reply:
        """Do the same from a coroutine, whatever its loop."""
        __tracebackhide__ = True
        return (await self._asker.ask_async(self._request(prompt, params))).reply

    def _request(self, prompt: Prompt, params: dict[str, Any]) -> Request:
        __tracebackhide__ = True
        messages = _messages(prompt)
        _check(messages, params)
        return Request(
            model=self.model,
            messages=messages,
            params={**self.model.params, **params},
            sample=self.sample(),
        )


class Llm(Chat):
    """The model of a rung, which also puts cases to it."""

    def __init__(
        self, rung: Rung, prompter: Prompter, asker: Asker, sample: Callable[[], int]
    ) -> None:
        super().__init__(rung.model, asker, sample)
        self.rung = rung
        self._prompter = prompter

    def __repr__(self) -> str:
        return f"<llm {self.rung.id}>"

    def ask(self, case: Case, **params: Any) -> Reply:
        """Return the reply to a case, put to the model by the rung's strategy."""
        __tracebackhide__ = True
        return self.serve(case, **params).reply

    def serve(self, case: Case, **params: Any) -> Served:
        """Answer a case like `ask`, and say under which key and whether live."""
        prompt = self._prompter.messages(self.rung.strategy, case)
        served = self._asker.ask(self._request(prompt.messages, params))
        reply = msgspec.structs.replace(served.reply, retrieved=prompt.retrieved)
        return served._replace(reply=reply)


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
    told = f"llm() got {reprlib.repr(prompt)} for a prompt"
    return TypeError(f"{told}; give a text, or messages {wanted}.")


def _check(messages: list[Message], params: dict[str, Any]) -> None:
    """Refuse what cannot be sent, or not as a parameter.

    Raises `LadderError`, `ValueError` or `TypeError`.
    """
    __tracebackhide__ = True
    refused = _REFUSED_PARAMS.intersection(params)
    if refused:
        raise LadderError(
            f"llm() got {min(refused)!r}, which does not belong to what is asked; "
            "set it for the model in ladder.toml."
        )
    wrong = wrong_param(params)
    if wrong is not None:
        raise ValueError(f"llm(): {'.'.join(wrong.place)}: {wrong.problem}")
    for name, value in {"messages": messages, **params}.items():
        try:
            msgspec.json.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            problem = f"{reprlib.repr(value)} cannot be sent as JSON ({error})"
            raise TypeError(
                f"llm(): {name}: {problem}; give texts, numbers, lists and dicts."
            ) from None


def request_for(rung: Rung, prompter: Prompter, case: Case, sample: int = 1) -> Request:
    """Return the request that a rung sends for a case."""
    prompt = prompter.messages(rung.strategy, case)
    params = dict(rung.model.params)
    return Request(
        model=rung.model, messages=prompt.messages, params=params, sample=sample
    )


class Recorder:
    """An asker that remembers what it served; threads of a task may share it."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self.served: list[Served] = []

    def ask(self, request: Request) -> Served:
        """Pass on, and remember."""
        served = self._asker.ask(request)
        self.served.append(served)
        return served

    async def ask_async(self, request: Request) -> Served:
        """Pass on, and remember."""
        served = await self._asker.ask_async(request)
        self.served.append(served)
        return served


def run_task(task: Task, case: Case, llm: Llm, recorder: Recorder) -> Served:
    """Run a user's application on a case; its calls add up to one reply.

    The task gets an `llm` whose asker is `recorder`, and returns str, dict or
    Reply; one that is `async def` comes with a loop of its own around it. Raises
    `LadderError` for any other result.
    """
    result = task(case, llm)
    return _sum_up(_as_reply(result, task), recorder.served)


def _as_reply(result: Any, task: Task) -> Reply:
    if isinstance(result, Reply):
        return result
    if isinstance(result, str):
        return Reply(text=result)
    if isinstance(result, dict):
        return Reply(text=msgspec.json.encode(result).decode())
    name = getattr(task, "__qualname__", repr(task))
    raise LadderError(
        f"The task {name} returned {type(result).__name__}; return str, dict or Reply."
    )


def _sum_up(reply: Reply, served: list[Served]) -> Served:
    """Put the usage, cost and latency of all calls of a task on its reply."""
    calls = [call.reply for call in served]
    usages = [call.usage for call in calls]
    costs = [call.cost_usd for call in calls]
    latencies = [call.latency_s for call in calls]
    known = [cost for cost in costs if cost is not None]
    total = msgspec.structs.replace(
        reply,
        usage=sum((u for u in usages if u is not None), Usage()) if calls else None,
        cost_usd=sum(known) if calls and len(known) == len(costs) else None,
        timing=_summed(latencies),
        replayed=bool(served) and not any(call.live for call in served),
    )
    keys = "\n".join(call.key for call in served)
    key = f"task:{hashlib.sha256(keys.encode()).hexdigest()}" if served else ""
    return Served(total, key, live=any(call.live for call in served))


def _summed(latencies: list[float | None]) -> Timing | None:
    if not latencies or None in latencies:
        return None
    return Timing(sent_s=0.0, done_s=sum(lat for lat in latencies if lat is not None))
