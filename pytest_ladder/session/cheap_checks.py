"""Cheap checks that are over: a case that missed one is not judged (the funnel).

It holds sample by sample. A check that a sample lacks, for it takes fewer of them,
counts by what it said of the same reply.

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

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec

from pytest_ladder.core.reply import Reply
from pytest_ladder.core.score import Level
from pytest_ladder.disk.shared_lines import SharedLines
from pytest_ladder.session.ladder_test import LadderItem

_CaseKey = tuple[str, str, str, str]
"""Configuration file, rung, file of the case, and case."""


class _Check(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A cheap check of a case and sample that is over: a line of the shared file."""

    of: _CaseKey
    sample: int
    test: str
    """The test with the user's parameters: one that runs again counts once."""
    missed: bool
    said: str | None
    """Hash of the reply; None: the check did not come to an end."""


class _Case(msgspec.Struct):
    """What is known of one case on one rung."""

    expected: dict[int, int] = {}
    """Checks that were selected, by sample."""
    missed: dict[int, dict[str, bool]] = {}
    """Whether each check that is over missed, by sample and test."""
    missed_by: dict[str, set[str]] = {}
    """The tests whose check a reply missed, by its hash."""

    def is_awaited(self, sample: int) -> bool:
        """Tell whether a check that counts for a sample is not over."""
        most = max(self.expected.values(), default=0)
        # One that takes fewer samples counts by what it says of another one.
        own = self.expected.get(sample, 0) == most
        needed = {sample: most} if own else self.expected
        return any(len(self.missed.get(s, ())) < n for s, n in needed.items())


class CheapChecks:
    """What is known of the cheap checks of each case, rung and sample.

    Workers of xdist share it by a file, each line a check that is over.
    """

    def __init__(self, shared: Path | None) -> None:
        self._shared = None if shared is None else SharedLines(shared)
        self._cases: dict[_CaseKey, _Case] = {}
        """Those of which checks were selected."""
        self._news = threading.Condition()

    def expect(self, items: Iterable[LadderItem]) -> None:
        """Count the cheap checks that were selected, if anything is judged at all.

        Called on the main thread, when tests are collected. Samples that the gate asks
        for are not expected: their checks run before anything of them is judged.
        """
        selected = list(items)
        if any(item.test.judged is not None for item in selected):
            for item in selected:
                if item.test.level is Level.CHEAP:
                    for key, sample in _parts(item):
                        expected = self._cases.setdefault(key, _Case()).expected
                        expected[sample] = expected.get(sample, 0) + 1

    def note(
        self, item: LadderItem, test: str, *, missed: bool, text: str | None
    ) -> None:
        """Note that a cheap check is over, of all its cases if it is packed.

        `test` is its name with the user's parameters, `text` the reply that it looked
        at; None: it did not come to an end. Called on the main thread, when the test is
        over.
        """
        if not self._cases:  # Nothing is judged.
            return
        news = [
            _Check(key, sample, test, missed, None if text is None else _hash(text))
            for key, sample in _parts(item)
            if key in self._cases
        ]
        if not news:
            return
        with self._news:
            for check in news:
                self._take(check)
            self._news.notify_all()
        if self._shared is not None:
            self._shared.append(map(msgspec.json.encode, news))

    def any_missed(self, item: LadderItem, reply: Reply) -> bool | None:
        """Tell whether a cheap check of the case missed, so that it is not judged.

        `reply` is to be judged. None: not all of the checks are over. Called on any
        thread.
        """
        ((key, sample),) = _parts(item)
        case = self._cases.get(key)
        if case is None:
            return False
        with self._news:
            # What other workers noted.
            for line in self._shared.new() if self._shared is not None else ():
                self._take(msgspec.json.decode(line, type=_Check))
            own = case.missed.get(sample, {})
            if any(own.values()):
                return True
            if not item.is_extra and case.is_awaited(sample):
                return None
            return not case.missed_by.get(_hash(reply.whole_text), set()) <= own.keys()

    def wait(self, seconds: float) -> None:
        """Wait for news of this process, so long at most; called on any thread."""
        with self._news:
            self._news.wait(seconds)

    def _take(self, check: _Check) -> None:
        """Take in a check that is over; called with the lock held."""
        case = self._cases[check.of]
        case.missed.setdefault(check.sample, {})[check.test] = check.missed
        if check.missed and check.said is not None:
            case.missed_by.setdefault(check.said, set()).add(check.test)


def _parts(item: LadderItem) -> list[tuple[_CaseKey, int]]:
    path, rung = str(item.test.opened.ladder.path), item.rung.id
    each = item.cases_and_samples
    return [((path, rung, case.source, case.id), sample) for case, sample in each]


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()
