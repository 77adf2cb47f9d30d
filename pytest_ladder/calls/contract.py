"""What calls and their users agree on: requests, answers, lanes and settings.

Every model is reached by a `Lane`: a request goes in, an answer or a `CallError` comes
out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from pytest_ladder.core.case import Message
from pytest_ladder.core.reply import Reply, Usage
from pytest_ladder.core.rung import Model

USUAL_OUTPUT = 256
"""Tokens that an answer is taken to have where nothing limits it."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One call: everything that decides its reply."""

    model: Model
    messages: list[Message]
    params: dict[str, Any] = {}
    """The model's parameters overlaid with the call's own."""
    sample: int = 1
    """Which of several replies to the same request is meant; from 1 on."""

    def __repr__(self) -> str:
        # Parameters may hold a secret, and a traceback may show locals.
        return f"Request({self.model!r}, {self.messages!r})"

    @property
    def output_limit(self) -> int | None:
        """Tokens that the parameters allow for the answer; None: they do not say."""
        params = self.params | self.params.get("extra_body", {})
        limit: int | None = params.get("max_completion_tokens")
        return limit or params.get("max_tokens")

    @property
    def prompt_bytes(self) -> int:
        """Length of what the messages say, from which tokens are estimated."""
        return sum(len(str(m.get("content", "")).encode()) for m in self.messages)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider answered, in one form for all providers."""

    text: str
    model: str = ""
    """The model as the provider names it."""
    finish_reason: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    usage: Usage | None = None
    """None when the provider reported none."""
    first_token_at: float | None = None
    """`time.monotonic()` of the first streamed token; None unless streamed."""
    server_s: float | None = None
    """Seconds of computing, where the server reports them."""


class Lane(Protocol):
    """A way to send requests."""

    async def open(self) -> None:
        """Load what sending needs, so that no call's latency includes it."""

    async def send(self, request: Request, address: str | None) -> Answer:
        """Send one request, once: no retry, no limit, no store.

        `address` is the base URL of a server that this session started; None
        leaves it to the model's `api_base` or the provider. Raises `CallError`.
        """

    async def close(self) -> None:
        """Close all connections; called once, on the loop that sent."""


class Served(NamedTuple):
    """A reply, its key, and whether a model was called for it in this run."""

    reply: Reply
    key: str
    live: bool


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a process may call models."""

    live: bool = False
    """Whether models may be called for what is not stored."""
    refresh: bool = False
    """Whether to call again for what is stored."""
    concurrency: int | None = None
    """Calls at once for each model; None: `limits.concurrency`, else adaptive."""
    budget_usd: float | None = None
    """Hard cap of the run; None: no cap."""
    folder: Path
    """What the processes of the run share: local servers, limits, the budget."""
    owner_pid: int
    """The process whose end ends the local servers."""
    workers: int = 1
    """Processes that share the limits."""
    started: float
    """Unix time at which the run started."""


class Progress:
    """What the engine did so far, for a status line.

    Written on the engine's thread and read from any: each attribute is a number or a
    text of its own, so that no lock is needed.
    """

    def __init__(self) -> None:
        self.done = 0
        self.expected = 0
        """Calls that are known to be needed, done ones included; 0: not known."""
        self.in_flight = 0
        self.spent_usd = 0.0
        self.note = ""
        """What the engine waits for besides replies, such as a download; or empty."""
