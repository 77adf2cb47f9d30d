"""The seam: which attempt to call a model may go, and what came of it.

Several processes work on one run, or on several runs at once. Before each attempt one
thing is asked, `admit`: is the reply known by now, does another process call for it, is
there money for the worst case, and is it the turn of this call? After it one thing is
said, `settle`: what it cost, and the reply. How claim, money, limits and reply are kept
is a matter of the side: `one_machine/` keeps them in SQLite files and file locks.

A `Coordinator` is used on the engine's loop only, but for `close`, `spending` and what
that returns. A side waits inside `admit` where it hears of what it waits for, and
returns `Wait` where only time helps. Over machines a call that is let in has its money
and a time to go, which `admit` waits for: whoever asked first goes first, everywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, Protocol

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.store.stored_reply import StoreRow
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Model
from pytest_ladder.errors import BudgetReached, LadderError
from pytest_ladder.text.numbers import count, dollars

LookUp = Callable[[Request, Archive, str], Reply | LadderError | None]
"""Tells what became of a call in this run, as far as is known on this machine: its
reply, or why it failed; None: nothing yet."""


class CallPlace(NamedTuple):
    """What has limits of its own: a model at one address, or all local models."""

    name: str
    at_once: int
    """Calls that may be under way together, of all processes that share the limits."""
    rpm: float | None = None
    """Requests a minute; None: not limited."""
    tpm: float | None = None
    """Tokens a minute; None: not limited."""


class WantedCall(NamedTuple):
    """A call that is to be made; asked for anew with each of its attempts."""

    request: Request
    archive: Archive
    key: str
    """Of the reply; empty: it is not kept, and nobody else waits for it."""
    place: CallPlace
    tokens: int
    """About how many it takes, for limits per minute."""
    worst_usd: float | None = None
    """The most that an attempt may cost; None: nothing is set aside."""
    bill: str = ""
    """Whose bill it is on: after one that was too high, calls of that name reserve
    more."""
    looked_up_at: float | None = None
    """When the reply was found missing (`clock.monotonic()`); None: not looked up."""


class Known(NamedTuple):
    """The call has come to its end elsewhere; nothing is held."""

    outcome: Reply | LadderError


class Held(NamedTuple):
    """Another process makes the call: `released` tells when that is over."""


class Wait(NamedTuple):
    """Not now: ask again after so many seconds, a second at most.

    Only the claim on the reply is held meanwhile; so what has changed since, such as
    the price of a call, counts.
    """

    seconds: float


class Over(NamedTuple):
    """There is no money for it, and none to come."""

    error: BudgetReached


class Go(NamedTuple):
    """The attempt may be sent, now; to be settled whatever comes of it."""

    wanted: WantedCall
    token: Any
    """What the side holds for it, and nobody else reads."""


class Refused(NamedTuple):
    """The calls that the budget did not allow."""

    calls: int
    usd: float
    """What those calls would have cost at most."""


class Surprise(NamedTuple):
    """Bills of one model that were higher than its limits allow."""

    quota: str
    """The model: its name, and what tells it apart from others of that name."""
    bills: int
    usd: float
    """The highest of those bills."""

    def __str__(self) -> str:
        model = self.quota.rpartition("-")[0]
        return (
            f"Model {model!r} billed {count(self.bills, 'call')} higher than its "
            f"prompt and its limits allow, up to {dollars(self.usd)}; later calls "
            "reserve as much. Correct `price` or `max_tokens` in ladder.toml, or ask "
            "the provider what it counts."
        )


class Spending(Protocol):
    """What a run may spend, and what it has spent, over all its processes; in USD."""

    @property
    def ledger(self) -> str:
        """What has the cap: a ledger of several runs; empty: `--ladder-budget`."""

    @property
    def cap_usd(self) -> float:
        """The hard cap."""

    def spent_usd(self) -> float:
        """Return what is spent or set aside."""

    def refused(self) -> Refused:
        """Return the calls that were not allowed so far."""

    def surprises(self) -> Sequence[Surprise]:
        """Return which models billed more than was set aside."""


class Coordinator(Protocol):
    """Keeps processes from paying twice, and from spending or sending too much."""

    @property
    def spending(self) -> Spending | None:
        """The budget; None: there is none."""

    def has_cap(self, model: Model) -> bool:
        """Whether calls of a model draw on a cap, so that worst cases must be known."""

    @property
    def writing(self) -> Collection[asyncio.Task[Any]]:
        """The tasks that write paid replies; they must not be cancelled."""

    async def known(self, archive: Archive, keys: Sequence[str]) -> Collection[str]:
        """Return which of many replies are kept already, so that none is wanted."""

    async def admit(self, wanted: WantedCall) -> Known | Held | Wait | Over | Go:
        """Ask for an attempt: claim, money and a place in the limits, or none of them.

        On one machine the claim stays with the call from its first attempt on until a
        reply is settled, or `give_up`; over machines each attempt claims anew, so that
        a later one may find it `Held` or `Known`. Raises `StoreError`.
        """

    async def settle(
        self, go: Go, usd: float | None, row: StoreRow | None = None
    ) -> None:
        """Say what an attempt cost, None if nobody knows, and keep its reply.

        Returns when the reply is on disk; then money, place and claim are free. A
        caller that is cancelled meanwhile changes nothing of that. Raises `StoreError`.
        """

    async def give_up(self, wanted: WantedCall) -> None:
        """End the claim of a call that has brought no reply, if it is held."""

    async def released(self, wanted: WantedCall) -> None:
        """Return when no other process calls for a reply any more."""

    async def pause(self, place: CallPlace, seconds: float) -> None:
        """Let nobody send anything there for so many seconds."""

    async def finish(self) -> None:
        """Return when everything that was settled is on disk, or could not be."""

    def close(self) -> None:
        """Give back all that is held; called once, when the loop has ended."""
