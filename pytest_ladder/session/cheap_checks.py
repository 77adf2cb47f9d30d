"""The funnel: a case whose cheap checks missed on a rung is not judged there."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import msgspec

from pytest_ladder.core.case import Case
from pytest_ladder.core.score import Level
from pytest_ladder.session.ladder_test import Record

_Place = tuple[str, str, str, str, int]


class Funnel:
    """What is known of the cheap checks of each case, rung and sample.

    Workers of xdist share it by a file, each line a check that is over.
    """

    def __init__(self, shared: Path | None) -> None:
        self._path = shared
        self._expected: dict[_Place, int] = defaultdict(int)
        self._known: dict[_Place, dict[str, bool]] = defaultdict(dict)
        """Whether each check missed, by node id: one that runs again counts once."""
        self._news = threading.Condition()
        self._read_to = 0

    def expect(self, records: Iterable[Record]) -> None:
        """Count the cheap checks that were selected, if anything is judged at all."""
        chosen = list(records)
        if any(record.test.judged is not None for record in chosen):
            for record in chosen:
                if record.test.level is Level.CHEAP:
                    for cell in record.cells:
                        self._expected[_place(record, *cell)] += 1

    def note(self, record: Record, *, missed: bool) -> None:
        """Note that a cheap check is over, of all its cases if it is packed."""
        places = [_place(record, *cell) for cell in record.cells]
        news = [(p, record.item.nodeid, missed) for p in places if p in self._expected]
        if not news:
            return
        with self._news:
            for place, nodeid, _ in news:
                self._known[place][nodeid] = missed
            self._news.notify_all()
        if self._path is not None:
            lines = b"".join(msgspec.json.encode(one) + b"\n" for one in news)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(lines)

    def holds_back(self, record: Record) -> bool | None:
        """Tell whether a case is not to be judged; None: its checks are not over."""
        (cell,) = record.cells
        place = _place(record, *cell)
        if place not in self._expected:
            return False
        with self._news:
            self._read()
            known = self._known[place]
            if any(known.values()):
                return True
            return None if len(known) < self._expected[place] else False

    def wait(self, seconds: float) -> None:
        """Wait for news, so long at most."""
        with self._news:
            self._news.wait(seconds)

    def _read(self) -> None:
        """Read what other workers noted."""
        if self._path is None:
            return
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._read_to)
            text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read_to += len(whole)
            for line in whole.splitlines():
                place, nodeid, missed = msgspec.json.decode(
                    line, type=tuple[_Place, str, bool]
                )
                self._known[place][nodeid] = missed


def _place(record: Record, case: Case, sample: int) -> _Place:
    path = str(record.test.opened.ladder.path)
    return path, record.rung.id, case.source, case.id, sample
