"""More samples for the gate, where one does not tell whether the current rung is worse.

The tests of a live run that is compared with a baseline run once. If the gate then
finds that a drop is possible, and may be chance, the same tests run again for two more
samples of every case, within the budget, and the gate looks at all of them (methods,
section 2.5). The tests of these extra samples are made while collecting, the same in
every worker of xdist, and are no part of what was collected until the gate asks for
them: their indices come behind those of all collected tests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_ladder.decide.decision import ESCALATED
from pytest_ladder.decide.gate.result import GateResult
from pytest_ladder.disk.files import write_atomically
from pytest_ladder.results.rows import Payload
from pytest_ladder.session import pytest_internals
from pytest_ladder.session.ladder_test import SAMPLE, LadderItem
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text import numbers

if TYPE_CHECKING:
    from pytest_ladder.results.results import Results

_Unit = tuple[str, str, str]
"""The test with the user's parameters, the file of the case, and the case."""
_Came = tuple[str, float | None]
"""The text of a reply, and its score."""
_FILE = "extra-samples.json"
# What compares a reply with an earlier one, or times it, has one sample only.
_OF_ONE_SAMPLE = frozenset({"benchmark", "snapshot"})


class ExtraSample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A sample that runs only if the gate asks for it."""

    nodeid: str
    config: str
    """The configuration file of its ladder."""
    test: str
    """Node id of the test function."""
    sample: int
    is_greedy: bool
    """Whether all that is asked for it is asked for at temperature 0."""


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
        self._stage = list(range(tests))
        """What runs next, by indices."""
        self._wanted: dict[int, ExtraSample] = {}
        """Extra samples that the gate asked for and that did not run yet."""
        self._decided = False

    def next(self) -> list[int]:
        """Return the indices of the tests that run next; empty: it is over."""
        stage, self._stage = self._stage, []
        return stage

    def close(self, _: Callable[[int], Payload | None]) -> None:
        """Compare what came in with the baseline, once, and ask for more if needed.

        One sample at a time: an answer that cannot vary is no more evidence the third
        time. The gate does not look again in between, which would be peeking.
        """
        if self._wanted:
            self._take_next()
        if self._decided or not self._extra_samples:
            return
        self._decided = True
        gates = self._results.gates_so_far()
        needed = {name for name, gate in gates.items() if gate.needs_escalation}
        self._wanted = {
            index: sample
            for index, sample in enumerate(self._extra_samples, start=self._tests)
            if sample.config in needed
        }
        self._take_next()
        if self._stage:
            asking = {self._extra_samples[i - self._tests].config for i in self._stage}
            self._announce([gates[name] for name in sorted(asking)])

    def likely(self) -> list[int]:
        """Return what will run after the open stage, if anything does."""
        if self._decided:
            return list(self._wanted)
        return [self._tests][: len(self._extra_samples)]

    def left(self) -> Iterator[tuple[int, str]]:
        """Yield nothing: what is not asked for was never collected."""
        yield from ()

    def _take_next(self) -> None:
        """Let the next sample run of every test whose replies may vary."""
        settled = self._settled()
        self._wanted = {
            index: sample
            for index, sample in self._wanted.items()
            if (sample.config, sample.test) not in settled
        }
        first = min((sample.sample for sample in self._wanted.values()), default=0)
        self._stage = [i for i, s in self._wanted.items() if s.sample == first]
        for index in self._stage:
            del self._wanted[index]
        config = self._results.session.config
        pytest_internals.count_more_tests(config, len(self._stage))

    def _settled(self) -> set[tuple[str, str]]:
        """Return the tests whose replies cannot vary, each with its configuration.

        Those at temperature 0 that had the same reply and score each time, in all of
        their cases: where one case varies the others may as well, and to draw again
        only for those that did would favour what came twice.
        """
        greedy = {(s.config, s.test) for s in self._extra_samples if s.is_greedy}
        came: defaultdict[tuple[str, str], defaultdict[_Unit, list[_Came]]]
        came = defaultdict(lambda: defaultdict(list))
        for arrived in self._results.items.values():
            payload = arrived.payload
            test = (payload.config, payload.test)
            if payload.current and test in greedy:
                for row in payload.rows:
                    unit = (row.test, row.source, row.case)
                    came[test][unit].append((row.whole_text, row.score))
        return {
            test
            for test, units in came.items()
            if all(len(each) > 1 and len(set(each)) == 1 for each in units.values())
        }

    def _announce(self, gates: Sequence[GateResult]) -> None:
        """Say on the terminal which gate asks for how many more samples."""
        config = self._results.session.config
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            if config.get_terminal_writer().width_of_current_line:
                # Workers of xdist leave their dots in the middle of a line.
                reporter.write_line("")
            for gate in gates:
                reporter.write_line(_sentence(gate))


def make_extra_samples(session: LadderSession, items: Sequence[pytest.Item]) -> None:
    """Make the tests of samples that run only if the gate asks for them.

    The second samples of all cases come before the third ones, as they run.
    """
    session.extra_samples = [
        pytest_internals.with_parameter(item.function, SAMPLE, sample, f"s{sample}")
        for sample in range(2, ESCALATED + 1)
        for item in session.items_of(items)
        if _may_have_extra_samples(item) and sample > item.test.samples
    ]
    session.cheap_checks.expect(session.items_of(session.extra_samples))


def extra_samples_of(session: LadderSession) -> list[ExtraSample]:
    """Name the extra samples, for the process that decides."""
    return [
        ExtraSample(
            nodeid=item.nodeid,
            config=str(item.test.opened.ladder.path),
            test=item.test.nodeid,
            sample=item.sample,
            is_greedy=_is_greedy(item),
        )
        for item in session.items_of(session.extra_samples)
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


def _may_have_extra_samples(item: LadderItem) -> bool:
    """Tell whether another sample is of use, and paid within the budget."""
    test = item.test
    if not item.is_current or item.sample > 1 or test.external or not test.weight:
        return False
    return _OF_ONE_SAMPLE.isdisjoint(item.function.fixturenames)


def _is_greedy(item: LadderItem) -> bool:
    """Tell whether all calls of a test are known, and are made at temperature 0."""
    test = item.test
    judges = test.opened.judges if test.uses_judge else ()
    asked = [item.rung.params, *(judge.params for judge in judges)]
    greedy = all(params.get("temperature") == 0 for params in asked)
    return greedy and test.uses_reply and not item.makes_unknown_requests


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
