"""Cheap checks that are over: a case that missed one is not judged (the funnel).

Each process has one `CheapChecks`. It is written to by the main thread, when a test is
over, and read by the main thread, before a verdict, and by the threads of rehearsals,
which wait for the checks of their case. The condition `_news` guards what is known and
how far the file was read; a thread that waits for news has given its turn up (see
`turns`).

Workers of xdist run different checks of one case, so they share what they know by a
file in the folder of the run: each appends lines by one small write each, and reads
the whole lines that came since. A line that is lost means one verdict too many, or one
that the controller leaves out of the report after all (`decide/funnel`), never a wrong
result. Ctrl-C needs no care here: no thread waits longer than a tenth of a second.
"""

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

_CaseKey = tuple[str, str, str, str, int]
"""Configuration file, rung, file of the case, case and sample."""


class CheapChecks:
    """What is known of the cheap checks of each case, rung and sample.

    Workers of xdist share it by a file, each line a check that is over.
    """

    def __init__(self, shared: Path | None) -> None:
        self._path = shared
        self._expected: dict[_CaseKey, int] = defaultdict(int)
        self._known: dict[_CaseKey, dict[str, bool]] = defaultdict(dict)
        """Whether each check missed, by node id: one that runs again counts once."""
        self._news = threading.Condition()
        self._read_to = 0
        """Bytes of the file that were read."""

    def expect(self, records: Iterable[Record]) -> None:
        """Count the cheap checks that were selected, if anything is judged at all.

        Called on the main thread, when tests are collected.
        """
        selected = list(records)
        if any(record.test.judged is not None for record in selected):
            for record in selected:
                if record.test.level is Level.CHEAP:
                    for case, sample in record.cases_and_samples:
                        self._expected[_key(record, case, sample)] += 1

    def note(self, record: Record, *, missed: bool) -> None:
        """Note that a cheap check is over, of all its cases if it is packed.

        Called on the main thread, when the test is over.
        """
        keys = [_key(record, *each) for each in record.cases_and_samples]
        nodeid = record.item.nodeid
        news = [(key, nodeid, missed) for key in keys if key in self._expected]
        if not news:
            return
        with self._news:
            for key, *_ in news:
                self._known[key][nodeid] = missed
            self._news.notify_all()
        if self._path is not None:
            lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in news)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(lines)

    def any_missed(self, record: Record) -> bool | None:
        """Tell whether a cheap check of the case missed, so that it is not judged.

        None: not all of its checks are over. Called on any thread.
        """
        ((case, sample),) = record.cases_and_samples
        key = _key(record, case, sample)
        if key not in self._expected:
            return False
        with self._news:
            self._read()
            known = self._known[key]
            if any(known.values()):
                return True
            return None if len(known) < self._expected[key] else False

    def wait(self, seconds: float) -> None:
        """Wait for news of this process, so long at most; called on any thread."""
        with self._news:
            self._news.wait(seconds)

    def _read(self) -> None:
        """Read what other workers noted; called with the lock held."""
        if self._path is None:
            return
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._read_to)
            text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read_to += len(whole)
            for line in whole.splitlines():
                key, nodeid, missed = msgspec.json.decode(
                    line, type=tuple[_CaseKey, str, bool]
                )
                self._known[key][nodeid] = missed


def _key(record: Record, case: Case, sample: int) -> _CaseKey:
    path = str(record.test.opened.ladder.path)
    return path, record.rung.id, case.source, case.id, sample
