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

from pytest_ladder.core.score import Level
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

_Test = tuple[str, str]
"""The configuration, and the node id of a test function."""
_Unit = tuple[str, str, str]
"""The configuration, the file of the case, and the case."""
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
    level: Level
    sample: int
    is_greedy: bool
    """Whether its replies are known requests, made at temperature 0."""

    @property
    def turn(self) -> tuple[int, bool]:
        """When it runs: sample by sample, and the cheap checks of each come first."""
        return self.sample, self.level is not Level.CHEAP


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
        first = min((sample.turn for sample in self._wanted.values()), default=None)
        self._stage = [i for i, s in self._wanted.items() if s.turn == first]
        for index in self._stage:
            del self._wanted[index]
        config = self._results.session.config
        pytest_internals.count_more_tests(config, len(self._stage))

    def _settled(self) -> set[_Test]:
        """Return the tests whose replies cannot vary, each with its configuration.

        Those at temperature 0 of which all cases had the same reply each time, and
        from plain code the same score: where one case varies the others may as well,
        and to draw again only for those that did would favour what came twice. Tests of
        a case share its reply, so what the cheap checks drew says it for the judged.
        """
        greedy = {(s.config, s.test) for s in self._extra_samples if s.is_greedy}
        units = defaultdict[_Test, set[_Unit]](set)
        said = defaultdict[_Unit, dict[int, str]](dict)
        vary = set[_Unit | _Test]()
        scores = dict[tuple[_Unit, str], float | None]()
        for arrived in self._results.items.values():
            payload = arrived.payload
            test = (payload.config, payload.test)
            for row in payload.rows if payload.current and test in greedy else ():
                unit = (payload.config, row.source, row.case)
                units[test].add(unit)
                if row.score is not None or row.replies:
                    said[unit][row.sample] = row.whole_text
                    if row.whole_text != next(iter(said[unit].values())):
                        vary.add(unit)
                score = scores.setdefault((unit, row.test), row.score)
                if row.level is not Level.JUDGED and row.score != score:
                    vary.add(test)
        return {
            test
            for test, cases in units.items()
            if vary.isdisjoint({test, *cases})
            and all(len(said[unit]) > 1 for unit in cases)
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

    The second samples of all cases come before the third ones, and cheap checks before
    what is judged, as they run.
    """
    tests = [i for i in session.items_of(items) if _may_have_extra_samples(i)]
    tests.sort(key=lambda item: item.test.level is not Level.CHEAP)
    session.extra_samples = [
        pytest_internals.with_parameter(item.function, SAMPLE, sample, f"s{sample}")
        for sample in range(2, ESCALATED + 1)
        for item in tests
        if sample > item.test.samples
    ]


def extra_samples_of(session: LadderSession) -> list[ExtraSample]:
    """Name the extra samples, for the process that decides."""
    return [
        ExtraSample(
            nodeid=item.nodeid,
            config=str(item.test.opened.ladder.path),
            test=item.test.nodeid,
            level=item.test.level,
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
    """Tell whether the replies of a test are known requests at temperature 0.

    The judge may be of two minds of such a reply, which says nothing of the reply.
    """
    greedy = item.rung.params.get("temperature") == 0 and item.test.uses_reply
    return greedy and not item.makes_unknown_requests


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
