"""Escalation: more samples of what ships, where one does not tell whether it is worse.

The tests of a live run that is held against a baseline run once. If the gate then
finds that a drop is possible, and may be chance, the same tests run again for two more
samples of every case, within the budget, and the gate looks at all of them (methods
note, 2.5). They are made while collecting, the same in every worker of xdist, and are
no part of what was collected until they are asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_ladder.decide.gate.result import ESCALATED, GateResult
from pytest_ladder.disk.files import write_atomically
from pytest_ladder.results.rows import Payload
from pytest_ladder.session.ladder_test import SAMPLE, Record
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text import numbers

if TYPE_CHECKING:
    from pytest_ladder.results.results import Results

_FILE = "held-back.json"
# What compares a reply with one of before, or times it, has one sample only.
_OF_ONE_SAMPLE = frozenset({"benchmark", "snapshot"})


class HeldBack(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A sample that runs only if the gate asks for it."""

    nodeid: str
    config: str
    """The configuration file of its ladder."""


class Escalation:
    """The stages of a run: all tests, then more samples if the gate needs them."""

    def __init__(
        self, results: Results, tests: int, held_back: Sequence[HeldBack]
    ) -> None:
        self._results = results
        self._tests = tests
        self._held_back = held_back
        self._stages = [list(range(tests))]
        self._decided = False

    def next(self) -> list[int]:
        """Return the places of the tests that run next; empty: it is over."""
        return self._stages.pop() if self._stages else []

    def close(self, _: Callable[[int], Payload | None]) -> None:
        """Hold what came in against the baseline, once."""
        if self._decided or not self._held_back:
            return
        self._decided = True
        gates = self._results.gates_so_far()
        needed = {name for name, held in gates.items() if held.needs_escalation}
        places = [
            place
            for place, one in enumerate(self._held_back, start=self._tests)
            if one.config in needed
        ]
        if places:
            self._stages.append(places)
            self._announce([gates[name] for name in sorted(needed)], len(places))

    def likely(self) -> list[int]:
        """Return what will run after the open stage, if anything does."""
        return [] if self._decided else [self._tests][: len(self._held_back)]

    def left(self) -> Iterator[tuple[int, str]]:
        """Yield nothing: what is not asked for was never collected."""
        yield from ()

    def _announce(self, gates: Sequence[GateResult], tests: int) -> None:
        config = self._results.session.config
        session = config.pluginmanager.get_plugin("session")
        if session is not None:
            # The terminal counts the share of tests that are over.
            session.testscollected += tests
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            if reporter._tw.width_of_current_line:
                # Workers of xdist leave their dots in the middle of a line.
                reporter.write_line("")
            for held in gates:
                reporter.write_line(_told(held))


def hold_back(session: LadderSession, items: Sequence[pytest.Item]) -> None:
    """Make the samples that run only if the gate asks for them."""
    records = [session.record_of(item) for item in items]
    session.held_back = [
        _again(record, sample)
        for record in records
        if record is not None and _may_be_escalated(record)
        for sample in range(record.test.samples + 1, ESCALATED + 1)
    ]
    more = (session.record_of(item) for item in session.held_back)
    session.funnel.expect(record for record in more if record is not None)


def held_back_of(session: LadderSession) -> list[HeldBack]:
    """Name what is held back, for the process that decides."""
    records = [session.record_of(item) for item in session.held_back]
    return [
        HeldBack(nodeid=record.item.nodeid, config=str(record.test.opened.ladder.path))
        for record in records
        if record is not None
    ]


def write_held_back(session: LadderSession, folder: Path) -> None:
    """Leave it for the controller of xdist; all workers write the same."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / _FILE, msgspec.json.encode(held_back_of(session)))


def read_held_back(folder: Path) -> list[HeldBack]:
    """Read what a worker wrote: nothing if none was a ladder test."""
    path = folder / _FILE
    if not path.exists():
        return []
    return msgspec.json.decode(path.read_bytes(), type=list[HeldBack])


def _may_be_escalated(record: Record) -> bool:
    """Tell whether a further sample may tell more, and the budget bounds its cost."""
    test = record.test
    if not record.is_current or record.sample > 1 or test.external or not test.weight:
        return False
    return _OF_ONE_SAMPLE.isdisjoint(record.item.fixturenames)


def _again(record: Record, sample: int) -> pytest.Item:
    """Make the test of another sample of the same case.

    As pytest makes the tests of `ladder(samples=…)`, so that ids and fixtures agree.
    """
    item = record.item
    callspec = dataclasses.replace(
        item.callspec,
        params={**item.callspec.params, SAMPLE: sample},
        _idlist=[*item.callspec._idlist, f"s{sample}"],
    )
    more: pytest.Function = type(item).from_parent(
        item.parent,
        name=f"{item.originalname}[{callspec.id}]",
        callspec=callspec,
        fixtureinfo=item._fixtureinfo,
        originalname=item.originalname,
    )
    # Other plugins, and conftests, mark tests when all are collected.
    more.own_markers = list(item.own_markers)
    more.keywords.update({mark.name: mark for mark in item.own_markers})
    return more


def _told(held: GateResult) -> str:
    """Say what is done, and why."""
    # Workers need none of the gate's mathematics.
    from pytest_ladder.decide.gate.quality import BLOCK_AT, p_value

    suite = min(held.suites, key=lambda suite: suite.p)
    more = numbers.count(ESCALATED - suite.samples, "more sample")
    why = "to be sure" if suite.p <= BLOCK_AT else "that may be chance, so"
    return (
        f"ladder gate: quality ({suite.name}) {numbers.points(suite.change)} on "
        f"{numbers.count(suite.n, 'case')}, {p_value(suite.p)}: {why} "
        f"{more} of every case are taken."
    )
