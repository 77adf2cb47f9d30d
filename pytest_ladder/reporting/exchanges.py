"""What was said in the calls behind the rows, out of the archive."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.core.row import Row
from pytest_ladder.reporting.report import Exchange

MOST = 20_000
"""Calls that are kept for reading; a suite beyond that is not read call by call."""


def exchanges_of(archive: Archive, rows: Iterable[Row]) -> dict[str, Exchange]:
    """Look up what each call was sent and said, by key; the first 20,000 of them."""
    exchanges: dict[str, Exchange] = {}
    for row in rows:
        for bill in (*row.replies, *row.evaluations):
            for key in bill.calls or (bill.key,):
                if len(exchanges) >= MOST:
                    return exchanges
                if key not in exchanges:
                    found = archive.exchange(key)
                    if found is not None:
                        messages, text = found
                        exchanges[key] = Exchange(
                            key=key, messages=tuple(messages), text=text
                        )
    return exchanges
