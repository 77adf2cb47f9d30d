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

import threading
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import msgspec

from pytest_ladder.core.score import Level
from pytest_ladder.disk.shared_lines import SharedLines
from pytest_ladder.session.ladder_test import LadderItem

_CaseKey = tuple[str, str, str, str, int]
"""Configuration file, rung, file of the case, case and sample."""


class CheapChecks:
    """What is known of the cheap checks of each case, rung and sample.

    Workers of xdist share it by a file, each line a check that is over.
    """

    def __init__(self, shared: Path | None) -> None:
        self._shared = None if shared is None else SharedLines(shared)
        self._expected: dict[_CaseKey, int] = defaultdict(int)
        self._known: dict[_CaseKey, dict[str, bool]] = defaultdict(dict)
        """Whether each check missed, by node id: one that runs again counts once."""
        self._news = threading.Condition()

    def expect(self, items: Iterable[LadderItem]) -> None:
        """Count the cheap checks that were selected, if anything is judged at all.

        Called on the main thread, when tests are collected.
        """
        selected = list(items)
        if any(item.test.judged is not None for item in selected):
            for item in selected:
                if item.test.level is Level.CHEAP:
                    for key in _keys(item):
                        self._expected[key] += 1

    def note(self, item: LadderItem, *, missed: bool) -> None:
        """Note that a cheap check is over, of all its cases if it is packed.

        Called on the main thread, when the test is over.
        """
        if not self._expected:
            return
        nodeid = item.nodeid
        news = [(key, nodeid, missed) for key in _keys(item) if key in self._expected]
        if not news:
            return
        with self._news:
            for key, *_ in news:
                self._known[key][nodeid] = missed
            self._news.notify_all()
        if self._shared is not None:
            self._shared.append(msgspec.json.encode(entry) for entry in news)

    def any_missed(self, item: LadderItem) -> bool | None:
        """Tell whether a cheap check of the case missed, so that it is not judged.

        None: not all of its checks are over. Called on any thread.
        """
        (key,) = _keys(item)
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
        for line in self._shared.new() if self._shared is not None else ():
            key, nodeid, missed = msgspec.json.decode(
                line, type=tuple[_CaseKey, str, bool]
            )
            self._known[key][nodeid] = missed


def _keys(item: LadderItem) -> list[_CaseKey]:
    path, rung = str(item.test.opened.ladder.path), item.rung.id
    each = item.cases_and_samples
    return [(path, rung, case.source, case.id, sample) for case, sample in each]
