"""What goes into the statements of groups, and what comes out: arrays, and rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pytest_ladder.calls.shared.words import (
    Admission,
    CallToAdmit,
    SharedPermit,
)
from pytest_ladder.calls.store.stored_reply import StoreRow

ADMIT = (
    *("uuid", "text[]", "bytea[]", "bigint[]", "bigint[]", "bigint[]"),
    *("text[]", "text[]", "text[]", "timestamptz[]"),
)
SETTLE = (
    *("uuid", "bytea[]", "bigint[]", "bigint[]"),
    *("text[]", "bytea[]", "bytea[]", "timestamptz[]"),
)
KEEP = ("bytea[]", "text[]", "bytea[]", "bytea[]")
# When a call that got `wait` should ask again.
_ASK_AGAIN_S = 0.1


class Entering(NamedTuple):
    """A call that asks to be let in."""

    call: CallToAdmit
    ticket: int
    """By it the database knows a question that it has answered."""


class Closing(NamedTuple):
    """An attempt that is to be settled."""

    permit: SharedPermit
    bill_nano: int | None
    row: StoreRow | None


class Admitted(NamedTuple):
    """What the database said of one call."""

    admission: Admission
    go_s: float
    """In how many seconds it may be sent."""
    paused_s: float
    """For how many seconds its place is paused."""


def admit_values(group: Sequence[Entering]) -> list[Any]:
    """Return a group as the arrays that `admit` takes."""
    calls = [call for call, _ in group]
    return [
        [bytes.fromhex(call.key) for call in calls],
        [ticket for _, ticket in group],
        [call.worst_nano for call in calls],
        [call.tokens for call in calls],
        [call.place for call in calls],
        [call.model for call in calls],
        [call.kind for call in calls],
        [time_of(call.since) for call in calls],
    ]


def admitted(
    group: Sequence[Entering], rows: Sequence[tuple[Any, ...]]
) -> list[Admitted]:
    """Read the rows of `admit`, in the order of the group."""
    said: dict[int, Admitted] = {}
    for nth, verdict, fence, reserved, go_s, paused_s, ledger, *reply in rows:
        call, permit, stored = group[nth - 1].call, None, None
        if verdict == "go":
            permit = SharedPermit(
                key=call.key, fence=fence, reserved_nano=reserved, since=call.since
            )
        if verdict == "stored":
            stored = store_row_of(call.key, *reply)
        admission = Admission(
            verdict=verdict,
            permit=permit,
            reply=stored,
            wait_s=_ASK_AGAIN_S if verdict == "wait" else 0.0,
            ledger=ledger or "",
        )
        said[nth] = Admitted(admission, go_s or 0.0, paused_s)
    return [said[nth] for nth in range(1, len(group) + 1)]


def store_row_of(key: str, identity: str, request: bytes, reply: bytes) -> StoreRow:
    """Return a reply as the local store writes it; here its JSON is kept as bytes."""
    return key, identity, request.decode(), reply.decode()


def settle_values(group: Sequence[Closing]) -> list[Any]:
    """Return a group as the arrays that `settle` takes."""
    return [
        [bytes.fromhex(permit.key) for permit, _, _ in group],
        [permit.fence for permit, _, _ in group],
        [bill for _, bill, _ in group],
        [row and row[1] for _, _, row in group],
        [row and row[2].encode() for _, _, row in group],
        [row and row[3].encode() for _, _, row in group],
        [time_of(permit.since) for permit, _, _ in group],
    ]


def in_order(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Return what a function said of each, in the order asked."""
    return [said for _, said in sorted(rows)]


def columns_of(
    rows: Sequence[StoreRow],
) -> tuple[list[bytes], list[str], list[bytes], list[bytes]]:
    """Return rows as columns: keys, identities, requests and replies."""
    return (
        [bytes.fromhex(key) for key, _, _, _ in rows],
        [identity for _, identity, _, _ in rows],
        [request.encode() for _, _, request, _ in rows],
        [reply.encode() for _, _, _, reply in rows],
    )


def time_of(unix: float | None) -> datetime | None:
    """Return Unix seconds as the database takes them; None stays None."""
    return None if unix is None else datetime.fromtimestamp(unix, UTC)
