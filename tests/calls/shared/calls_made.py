"""Rooms, calls and rows for the tests of what machines share."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.room import SharedRoom
from pytest_ladder.calls.shared.words import CallToAdmit
from pytest_ladder.calls.store.stored_reply import StoreRow

PLACE = "bot at api.example"


def key_of(number: object) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def call(number: object, **changed: Any) -> CallToAdmit:
    fields: dict[str, Any] = {
        "key": key_of(number), "worst_nano": 100, "tokens": 10, "place": PLACE,
        "model": "bot",
    }  # fmt: skip
    return CallToAdmit(**(fields | changed))


def row(number: object, said: str = "hello") -> StoreRow:
    return key_of(number), "bot@1", '{"messages":[]}', f'{{"text":"{said}"}}'


@asynccontextmanager
async def opened(
    address: SharedAddress,
    run: str = "a run",
    *,
    cap_nano: int | None = None,
    ceiling: int = 1_000,
    place: str = PLACE,
    rpm: float | None = None,
    tpm: float | None = None,
    window_s: float = 60.0,
    **options: Any,
) -> AsyncIterator[SharedRoom]:
    room = SharedRoom(address, run, **options)
    await room.open(cap_nano)
    await room.open_place(place, rpm=rpm, tpm=tpm, ceiling=ceiling, window_s=window_s)
    try:
        yield room
    finally:
        await room.close()
