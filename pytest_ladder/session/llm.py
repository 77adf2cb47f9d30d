"""The `llm` of tests and tasks: a rung's model, and the sum of a task's calls."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from pytest_ladder.calls.chat import Asker, Chat
from pytest_ladder.calls.contract import Request, Served
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply, Timing, Usage
from pytest_ladder.core.rung import Rung
from pytest_ladder.errors import LadderError
from pytest_ladder.prompting.messages import Prompter

Task = Callable[[Case, "Llm"], Any]


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


def request_for(rung: Rung, prompter: Prompter, case: Case, sample: int = 1) -> Request:
    """Return the request that a rung sends for a case."""
    prompt = prompter.messages(rung.strategy, case)
    params = dict(rung.model.params)
    return Request(
        model=rung.model, messages=prompt.messages, params=params, sample=sample
    )


class Recorder:
    """An asker that remembers the replies it passed on; threads of a task may share it.

    Without a lock: appending to a list is safe between threads.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self.served: list[Served] = []

    def ask(self, request: Request) -> Served:
        """Ask, and remember the reply."""
        served = self._asker.ask(request)
        self.served.append(served)
        return served

    async def ask_async(self, request: Request) -> Served:
        """Ask, and remember the reply."""
        served = await self._asker.ask_async(request)
        self.served.append(served)
        return served


def run_task(task: Task, case: Case, llm: Llm, recorder: Recorder) -> Served:
    """Run a user's application on a case; its calls add up to one reply.

    The task gets an `llm` whose asker is `recorder`, and returns str, dict or
    Reply; one that is `async def` was made a plain function before (`event_loops`).
    Raises `LadderError` for any other result.
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
