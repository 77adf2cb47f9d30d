"""What the rows of a run amount to for one ladder, before it is written or printed.

`results` gathers what tests left, as `Arrived`, and makes a `LadderResult` of it for
each ladder, by the questions that are answered here; `output` writes and prints it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.decide.gate.result import MoreSamples
from pytest_ladder.reporting.report import Exchange, Report
from pytest_ladder.results.rows import Payload
from pytest_ladder.session.open_ladder import OpenLadder

MOST_EXCHANGES = 20_000
"""Calls that are kept for reading; a suite beyond that is not read call by call."""


@dataclass(kw_only=True)
class Arrived:
    """What came in for one test item; a rerun replaces it."""

    payload: Payload
    location: tuple[str, int | None, str]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Its row, or those of a packed test; none if it was skipped."""
        return self.payload.rows

    @property
    def is_finished(self) -> bool:
        """Whether it ran and nothing broke."""
        broke = any(row.outcome is Outcome.ERROR for row in self.rows)
        return bool(self.rows) and not broke


Items = Mapping[str, Arrived]
"""What came in, by node id."""


@dataclass(frozen=True, kw_only=True)
class LadderResult:
    """The finished result of one ladder."""

    opened: OpenLadder
    report: Report
    folder: Path
    """Where the report is written."""
    whole: bool
    """Whether every test came in that an objective needs for its verdict."""
    feasible: str = ""
    """The answer of a litmus run, a sentence."""
    spared: str = ""
    """What a climb did not have to spend, a sentence."""


def state_of_extra_samples(items: list[Arrived]) -> MoreSamples:
    """Say what became of the samples that the gate asked for."""
    extra = [item.payload for item in items if item.payload.extra]
    if any(payload.over_budget for payload in extra):
        return "budget"
    return "run" if extra else ""


def left_out(items: list[Arrived]) -> dict[str, Any]:
    """Say which tests of the current rung were skipped, and of which a part ran.

    As `skipped` and `partial` of a report's `RunInfo`.
    """
    ran: dict[str, int] = defaultdict(int)
    expected: dict[str, int] = {}
    for item in items:
        if item.payload.current and not item.payload.extra:
            ran[item.payload.test] += bool(item.rows)
            expected[item.payload.test] = item.payload.expected
    return {
        "skipped": tuple(sorted(test for test, count in ran.items() if not count)),
        "partial": {
            test: expected[test]
            for test, count in sorted(ran.items())
            if 0 < count < expected[test]
        },
    }


def is_whole(items: list[Arrived], rungs: int) -> bool:
    """Tell whether every item of every test came in, on every rung of the ladder."""
    counts: dict[str, int] = defaultdict(int)
    collected = [item for item in items if not item.payload.extra]
    for item in collected:
        counts[item.payload.test] += 1
    expected = {item.payload.test: item.payload.expected for item in collected}
    return all(counts[test] == rungs * count for test, count in expected.items())


def failures_of(result: LadderResult) -> Iterator[tuple[str, str]]:
    """Name what fails the run although no test does, an objective or a gate.

    Yields a name and the reason.
    """
    file, gate = result.opened.ladder.path.name, result.opened.ladder.gate
    failing = {"fail", "broken"}
    if gate.undecided == "fail":
        failing.add("undecided")
    advice = result.report.decision.recommendation
    if advice is not None and result.whole and advice.verdict in failing:
        yield f"{file}::ladder objective", advice.reason
    held = result.report.gate
    if held is not None and held.verdict in failing:
        yield f"{file}::ladder gate", held.reason


def exchanges_of(archive: Archive, rows: Iterable[Row]) -> dict[str, Exchange]:
    """Look up what each call was sent and said, by key; the first 20,000 of them."""
    exchanges: dict[str, Exchange] = {}
    for row in rows:
        for bill in (*row.replies, *row.evaluations):
            for key in bill.calls or (bill.key,):
                if len(exchanges) >= MOST_EXCHANGES:
                    return exchanges
                if key in exchanges:
                    continue
                exchange = archive.exchange(key)
                if exchange is not None:
                    messages, text = exchange
                    exchanges[key] = Exchange(
                        key=key, messages=tuple(messages), text=text
                    )
    return exchanges
