"""The values that go in and out of the shared room."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from pytest_ladder.calls.store.stored_reply import StoreRow

_NANO = 1_000_000_000

Verdict = Literal["stored", "held", "wait", "over", "go"]
"""What `SharedRoom.admit` says of a call; see `Admission`."""
Outcome = Literal["settled", "twice", "late", "known"]
"""What became of an attempt that was settled.

`settled`: closed, its reply kept. `twice`: its money is booked, but another reply was
there first, so this one was paid for in vain. `late`: this process had been taken for
dead; the worst case that was booked is corrected. `known`: it was settled before.
"""


class CallToAdmit(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a call that asks to be let in."""

    key: str
    """The reply's key, in hexadecimal."""
    worst_nano: int
    """The most that it can cost, in nano-dollars."""
    tokens: int
    """About how many tokens it will count for in the limit per minute."""
    place: str
    """One model at one address; `SharedRoom.open_place` comes before its first call."""
    model: str
    kind: str = "product"
    """What it is booked under: `product` or `evaluation`."""
    ledgers: tuple[str, ...] | None = None
    """What it draws on, besides the ledger of its run; None: what the room does."""
    since: float | None = None
    """Replies older than this count as none (a refresh), by the database's clock, in
    Unix seconds, as `JoinedRun.started`; None: any reply will do."""


class SharedPermit(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that was let in: it is claimed, and its worst case is set aside."""

    key: str
    fence: int
    """Tells this attempt from all others of its key, for ever."""
    reserved_nano: int
    """What is set aside: more than was asked where the model billed too much before."""
    since: float | None = None


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one `CallToAdmit`.

    `stored`: here is `reply`. `held`: another attempt is under way, see
    `SharedRoom.reply_of_other`. `wait`: ask again in `wait_s` seconds. `over`:
    `ledger` would not allow it even if all calls under way were free. `go`: send it
    now, under `permit`, which must be settled.
    """

    verdict: Verdict
    permit: SharedPermit | None = None
    reply: StoreRow | None = None
    wait_s: float = 0.0
    ledger: str = ""
    """Which ledger has not enough left; empty: a slot is waited for, or none."""


class LedgerSums(NamedTuple):
    """How it stands with one ledger in its period of now, in nano-dollars."""

    name: str
    period: str
    """`2026-11`, `2026-11-30`, `run:NAME`, or empty for one without periods."""
    cap: int | None
    settled: int
    """Spent, with unknown bills at their worst case."""
    reserved: int
    """Set aside for calls under way."""
    excess: int
    """By how much single bills were higher than what was set aside for them."""


class JoinedRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a process learns when it joins a run."""

    started: float
    """The database's time, in Unix seconds."""
    cap_nano: int | None
    """The run's cap, as its first process named it; None: no cap."""
    ledgers: tuple[LedgerSums, ...]
    """The ledgers that the run draws on, itself included."""


def nano(usd: float) -> int:
    """Return dollars as nano-dollars, in which sums are exact."""
    return round(usd * _NANO)


def usd(nano_dollars: int) -> float:
    """Return nano-dollars as dollars."""
    return nano_dollars / _NANO
