"""What calls and their users agree on: requests, answers, lanes and settings.

Every model is reached by a `Lane`: a request goes in, an answer or a `CallError` comes
out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from pytest_ladder.core.case import Message, has_parts
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.rung import Model

if TYPE_CHECKING:
    from pytest_ladder.calls.shared.address import SharedAddress

USUAL_OUTPUT = 256
"""Tokens that an answer is taken to have where nothing limits it."""
VECTORS = "vectors"
"""The finish reason of an answer that is no text: vectors, as JSON."""


class NativeCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call in the words of a provider's own API, which is passed through as it is."""

    route: str
    """Such as `/messages`; messages and parameters of the request are in its words."""
    headers: dict[str, str] = {}
    """What an app's client sent with it: versions and betas, by names in lower case."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One call: everything that decides its reply."""

    model: Model
    messages: list[Message]
    params: dict[str, Any] = {}
    """The model's parameters overlaid with the call's own."""
    sample: int = 1
    """Which of several replies to the same request is meant; from 1 on."""
    draw: int = 0
    """Which of several replies to the same prompt within one conversation, from 1 on.

    0: the prompt is asked once, and the key says nothing of draws.
    """
    embeds: bool = False
    """Whether the vectors of its messages are asked for, and no reply to them."""
    native: NativeCall | None = None
    """The API of its provider that it is meant for; None: chat completions."""
    fallbacks: tuple[dict[str, Any] | None, ...] = ()
    """What to ask for, in order, where the server does not take the response format.

    None stands for no format. As all that follows, it is no part of the key.
    """
    form_from: str = ""
    """Where the configuration asks for its response format; empty: nowhere."""
    fresh: bool = False
    """Whether the stored reply is of no use: a live run calls once more for it."""
    keyed: list[Message] | None = None
    """Messages that the key is made of, where parts of the real ones mean nothing.

    None: the real ones.
    """
    asked_by: str = ""
    """The test whose app asks, as it is stored; empty: no app asks. Not in the key."""
    alongside: tuple[Request, ...] = ()
    """What a conversation asks next whatever the reply is, so that it may be called for
    at the same time."""
    is_alongside: bool = False
    """Whether the call before it in its conversation has it in its `alongside`."""

    def __repr__(self) -> str:
        # Parameters may hold a secret, and a traceback may show locals.
        from pytest_ladder.core.attachments import shortened

        return f"Request({self.model!r}, {shortened(self.messages)!r})"

    @property
    def output_limit(self) -> int | None:
        """Tokens that the parameters allow for the answer; None: they do not say."""
        params = self.params | self.params.get("extra_body", {})
        names = ("max_completion_tokens", "max_tokens")
        if self.native is not None:
            names = ("max_output_tokens", "max_tokens")
        return next(filter(None, map(params.get, names)), None)

    @property
    def prompt_bytes(self) -> int:
        """Length of messages and tools, from which tokens are estimated."""
        if has_parts(self.messages):
            from pytest_ladder.core.attachments import estimated_bytes

            said = sum(estimated_bytes(m.get("content", "")) for m in self.messages)
        else:
            said = sum(len(str(m.get("content", "")).encode()) for m in self.messages)
        tools = self.params.get("tools")
        return said + (len(msgspec.json.encode(tools)) if tools else 0)

    @property
    def images(self) -> int:
        """How many images its messages hold."""
        if not has_parts(self.messages):
            return 0
        from pytest_ladder.core.attachments import images_in

        return images_in(self.messages)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider answered, in one form for all providers."""

    text: str
    """As it came, with thoughts that stand in it."""
    reasoning: str = ""
    """Thoughts that came apart from the text."""
    refusal: str | None = None
    """The words of a refusal that came as one; None: none did."""
    model: str = ""
    """The model as the provider names it."""
    finish_reason: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    usage: Usage | None = None
    """None when the provider reported none."""
    first_token_at: float | None = None
    """`clock.monotonic()` of the first streamed token; None unless streamed."""
    server_s: float | None = None
    """Seconds of computing, where the server reports them."""
    native: dict[str, Any] | None = None
    """What no other field holds, as it came: see `Reply`."""
    response_format: str | None = None
    """The fallback that it answers, as `StoredReply` names it; lanes leave it out."""


class Lane(Protocol):
    """A way to send requests."""

    async def open(self) -> None:
        """Load what sending needs, so that no call's latency includes it."""

    async def send(self, request: Request, address: str | None) -> Answer:
        """Send one request, once: no retry, no limit, no store.

        What met a closing connection was not sent (`lanes/keep_alive.py`).
        `address` is the base URL of a server that this session started; None
        leaves it to the model's `api_base` or the provider. Raises `CallError`.
        """

    async def close(self) -> None:
        """Close all connections; called once, on the loop that sent."""


class MachinesRun(NamedTuple):
    """A run that shares replies, money and limits with other machines."""

    address: SharedAddress
    """Of the store that they share."""
    name: str
    """The same in all processes of the run, on whatever machine."""
    ledgers: tuple[str, ...]
    """What it draws on besides its own budget."""
    started: float
    """By this machine's clock, in Unix seconds."""
    has_caps: bool
    """Whether one of its ledgers has a cap, so that worst cases must be known."""


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
    is_shared: bool = False
    """Whether other processes are of the run: workers, or what started this one."""
    machines: MachinesRun | None = None
    """What other machines share with this one; None: nothing."""


class Progress:
    """What the engine did so far, for a status line.

    Written on the engine's thread and read from any: each attribute is a number or a
    text of its own, so that no lock is needed.
    """

    def __init__(self) -> None:
        self.done = 0
        self.expected = 0
        """Calls that are known to be needed, done ones included; 0: not known."""
        self.feeds = 0
        """Lists of calls that are not known to their ends: more are to be expected."""
        self.in_flight = 0
        self._work = self._work_done = 0
        self.spent_usd = 0.0
        self.note = ""
        """What the engine waits for besides replies, such as a download; or empty."""

    def expect(self, request: Request) -> None:
        """Note a call that is known to be needed."""
        self.expected += 1
        self._work += _work_of(request)

    def end(self, request: Request, usd: float) -> None:
        """Note a call that brought a reply, and what that cost."""
        self.done += 1
        self.spent_usd += usd
        self._work_done += _work_of(request)

    def left_s(self, elapsed_s: float) -> float | None:
        """Return the seconds that the expected calls will take; None: not known yet."""
        if self.expected <= self.done or not self._work_done:
            return None
        return max(0.0, self._work / self._work_done - 1) * elapsed_s


def _work_of(request: Request) -> int:
    """Return how long a call takes as compared to others.

    A model on this machine reads for about as long as its prompt is: a rung with
    examples takes many times as long as one without. Elsewhere many calls run at once,
    and the length of a prompt says little.
    """
    return request.prompt_bytes if request.model.is_local else 1
