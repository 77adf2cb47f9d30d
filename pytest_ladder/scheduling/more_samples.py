"""More samples for the gate, where one does not tell whether the current rung is worse.

The tests of a live run that is compared with a baseline run once. If the gate then
finds that a drop is possible, and may be chance, the same tests run again for two more
samples of every case, within the budget, and the gate looks at all of them (methods,
section 2.5). The tests of these extra samples are made while collecting, the same in
every worker of xdist, and are no part of what was collected until the gate asks for
them: their indices come behind those of all collected tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_ladder.decide.gate.result import ESCALATED, GateResult
from pytest_ladder.disk.files import write_atomically
from pytest_ladder.results.rows import Payload
from pytest_ladder.session import pytest_internals
from pytest_ladder.session.ladder_test import SAMPLE, Record
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text import numbers

if TYPE_CHECKING:
    from pytest_ladder.results.results import Results

_FILE = "extra-samples.json"
# What compares a reply with an earlier one, or times it, has one sample only.
_OF_ONE_SAMPLE = frozenset({"benchmark", "snapshot"})


class ExtraSample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A sample that runs only if the gate asks for it."""

    nodeid: str
    config: str
    """The configuration file of its ladder."""


class SampleScheduler:
    """Decides what runs next in a run that is compared with a baseline; a `Scheduler`.

    First all tests, then the extra samples of ladders whose gate needs them.
    """

    def __init__(
        self, results: Results, tests: int, extra_samples: Sequence[ExtraSample]
    ) -> None:
        self._results = results
        self._tests = tests
        """Number of collected tests; behind them come the extra samples."""
        self._extra_samples = extra_samples
        self._stages = [list(range(tests))]
        """What is still to run, by indices."""
        self._decided = False

    def next(self) -> list[int]:
        """Return the indices of the tests that run next; empty: it is over."""
        return self._stages.pop() if self._stages else []

    def close(self, _: Callable[[int], Payload | None]) -> None:
        """Compare what came in with the baseline, once, and ask for more if needed."""
        if self._decided or not self._extra_samples:
            return
        self._decided = True
        gates = self._results.gates_so_far()
        needed = {name for name, gate in gates.items() if gate.needs_escalation}
        indices = [
            index
            for index, sample in enumerate(self._extra_samples, start=self._tests)
            if sample.config in needed
        ]
        if indices:
            self._stages.append(indices)
            self._announce([gates[name] for name in sorted(needed)], len(indices))

    def likely(self) -> list[int]:
        """Return what will run after the open stage, if anything does."""
        return [] if self._decided else [self._tests][: len(self._extra_samples)]

    def left(self) -> Iterator[tuple[int, str]]:
        """Yield nothing: what is not asked for was never collected."""
        yield from ()

    def _announce(self, gates: Sequence[GateResult], tests: int) -> None:
        """Say on the terminal which gate asks for how many more samples."""
        config = self._results.session.config
        pytest_internals.count_more_tests(config, tests)
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            if config.get_terminal_writer().width_of_current_line:
                # Workers of xdist leave their dots in the middle of a line.
                reporter.write_line("")
            for gate in gates:
                reporter.write_line(_sentence(gate))


def make_extra_samples(session: LadderSession, items: Sequence[pytest.Item]) -> None:
    """Make the tests of samples that run only if the gate asks for them."""
    records = [session.record_of(item) for item in items]
    session.extra_samples = [
        pytest_internals.with_parameter(record.item, SAMPLE, sample, f"s{sample}")
        for record in records
        if record is not None and _may_have_extra_samples(record)
        for sample in range(record.test.samples + 1, ESCALATED + 1)
    ]
    made = (session.record_of(item) for item in session.extra_samples)
    session.cheap_checks.expect(record for record in made if record is not None)


def extra_samples_of(session: LadderSession) -> list[ExtraSample]:
    """Name the extra samples, for the process that decides."""
    records = [session.record_of(item) for item in session.extra_samples]
    return [
        ExtraSample(
            nodeid=record.item.nodeid, config=str(record.test.opened.ladder.path)
        )
        for record in records
        if record is not None
    ]


def write_extra_samples(session: LadderSession, folder: Path) -> None:
    """Write their names for the controller of xdist; all workers write the same."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / _FILE, msgspec.json.encode(extra_samples_of(session)))


def read_extra_samples(folder: Path) -> list[ExtraSample]:
    """Read what a worker wrote: nothing if none was a ladder test."""
    path = folder / _FILE
    if not path.exists():
        return []
    return msgspec.json.decode(path.read_bytes(), type=list[ExtraSample])


def _may_have_extra_samples(record: Record) -> bool:
    """Tell whether another sample is of use, and paid within the budget."""
    test = record.test
    if not record.is_current or record.sample > 1 or test.external or not test.weight:
        return False
    return _OF_ONE_SAMPLE.isdisjoint(record.item.fixturenames)


def _sentence(gate: GateResult) -> str:
    """Say that more samples are taken, and why."""
    # Workers need none of the gate's mathematics.
    from pytest_ladder.decide.gate.quality import BLOCK_AT, p_value

    suite = min(gate.suites, key=lambda suite: suite.p)
    more = numbers.count(ESCALATED - suite.samples, "more sample")
    why = "to be sure" if suite.p <= BLOCK_AT else "that may be chance, so"
    return (
        f"ladder gate: quality ({suite.name}) {numbers.points(suite.change)} on "
        f"{numbers.count(suite.n, 'case')}, {p_value(suite.p)}: {why} "
        f"{more} of every case are taken."
    )
