"""Seeds of a climb's case order, kept beside the store so that each one is counted."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pytest_ladder.calls.store.store import Store
from pytest_ladder.disk.files import write_atomically
from pytest_ladder.disk.sqlite import usable

FIRST = 0
"""The seed of a suite that was never climbed: the same on every machine."""
NEW = "new"


class Seeds:
    """Which seeds the climbs over a suite were tried with.

    A suite is named by a hash of its cases and configuration; when either changes, it
    is another suite and begins anew. One more seed is one more attempt: climbing until
    the verdict pleases would be peeking (methods, section 3.2).
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._path: Path = store.path.with_name("seeds.json")

    def use(self, suite: str, wanted: int | str | None) -> list[int]:
        """Return all seeds tried on a suite, with the one to use now at the end.

        `wanted` is a seed, `new`, or None for the last one. Raises `StoreError` when a
        new one cannot be kept.
        """
        known = self._read()
        tried = known.get(suite, [])
        if wanted is None:
            seed = tried[-1] if tried else FIRST
        elif wanted == NEW:
            seed = max(tried, default=FIRST) + 1
        else:
            seed = int(wanted)
        others = [one for one in tried if one != seed]
        if tried != [*others, seed]:
            with usable(self._path):
                self._store.make_folder()
                text = msgspec.json.encode({**known, suite: [*others, seed]})
                write_atomically(self._path, text)
        return [*others, seed]

    def _read(self) -> dict[str, list[int]]:
        try:
            return msgspec.json.decode(
                self._path.read_bytes(), type=dict[str, list[int]]
            )
        except (OSError, msgspec.DecodeError):
            # Nothing but the count of attempts is lost with it.
            return {}
