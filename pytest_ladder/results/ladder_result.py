"""What the rows of a run amount to for one ladder, before it is written or printed.

`results` gathers what tests left, as `Arrived`, and makes a `LadderResult` of it for
each ladder, by the questions that are answered here; `output` writes and prints it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pytest_ladder.calls.lanes.no_litellm import INSTALL
from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.core.row import Exchange, Outcome, Row
from pytest_ladder.core.why import Why
from pytest_ladder.decide.estimates import planned_rungs
from pytest_ladder.decide.funnel import funnelled
from pytest_ladder.decide.matrix import Matrix
from pytest_ladder.errors import LadderError
from pytest_ladder.reporting.report import Report
from pytest_ladder.results.rows import Payload
from pytest_ladder.session.open_ladder import OpenLadder

if TYPE_CHECKING:
    from pytest_ladder.decide.climb.course import ClimbResult
    from pytest_ladder.decide.gate.drift import Anchor
    from pytest_ladder.decide.people.sums import People
    from pytest_ladder.decide.real.users import Declared
    from pytest_ladder.judging.calibration.calibrate import Calibration

MOST_EXCHANGES = 20_000
"""Calls that are kept for reading; a suite beyond that is not read call by call."""


class Arrived(msgspec.Struct, kw_only=True, eq=False):
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


class LadderResult(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The finished result of one ladder."""

    opened: OpenLadder
    report: Report
    folder: Path
    """Where the report is written."""
    replaces: Path
    """Where it would go as that of the whole suite."""
    feasible: str = ""
    """The answer of a litmus run, a sentence."""
    spared: str = ""
    """What a climb did not have to spend, a sentence."""

    def of_failed_run(self) -> LadderResult:
        """Return the same of a run that failed: a shard tells the merge of all."""
        info = self.report.info
        if info.shard is None:
            return self
        failed = msgspec.structs.replace(info.shard, failed=True)
        info = msgspec.structs.replace(info, shard=failed)
        report = msgspec.structs.replace(self.report, info=info)
        return msgspec.structs.replace(self, report=report)


def judges_of(
    opened: OpenLadder, rows: Sequence[Row], others: Sequence[Row], problems: list[str]
) -> tuple[Calibration, ...]:
    """Measure the judges of a run by what people labelled, if anybody did.

    Labels of `others`, the rows of a baseline, measure them too. A sentence on labels
    that cannot be read goes into `problems`, once.
    """
    path = opened.ladder.labels
    if not path.exists() and not any(row.verdict for row in rows):
        return ()
    from pytest_ladder.judging.calibration.calibrate import calibrations_of
    from pytest_ladder.judging.calibration.labels import read_labels

    try:
        labels = read_labels(path) if path.exists() else ()
    except LadderError as error:
        if str(error) not in problems:
            problems.append(str(error))
        return ()
    return calibrations_of(rows, labels, [rung.id for rung in opened.rungs], others)


def real_use(
    opened: OpenLadder, rows: Sequence[Row], problems: list[str]
) -> tuple[Declared | None, People | None]:
    """Read what users did, and what people said of the replies; None: nothing is known.

    A sentence on reviews that cannot be read goes into `problems`, once.
    """
    declared = opened.declared if opened.ladder.outcomes else None
    path = opened.ladder.folder / opened.ladder.review.file
    if not path.is_file():
        return declared, None
    from pytest_ladder.decide.people.sums import people_of
    from pytest_ladder.real.reviews import read_reviews

    try:
        return declared, people_of(read_reviews(path), rows, opened.ladder.review)
    except LadderError as error:
        if str(error) not in problems:
            problems.append(str(error))
        return declared, None


def apply_funnel(items: Sequence[Arrived]) -> None:
    """Turn judged rows into misses whose case missed a cheap check.

    Only now all cheap checks are known, of all workers.
    """
    rows = iter(funnelled([row for item in items for row in item.rows]))
    for item in items:
        final = tuple(itertools.islice(rows, len(item.rows)))
        item.payload = msgspec.structs.replace(item.payload, rows=final)


def states_of(
    items: Sequence[Arrived], rows: Sequence[Row], climb: ClimbResult | None
) -> dict[str, str]:
    """Return what became of each rung; one that was interrupted is stopped."""
    with_rows = {row.rung for row in rows}
    if climb is not None:
        return {
            rung: "stopped" if state == "not run" and rung in with_rows else state
            for rung, state in climb.states.items()
        }
    payloads = [item.payload for item in items]
    not_run = [each for each in payloads if each.why is Why.NOT_RUN]
    states = {each.rung: "not run" for each in not_run}
    return states | dict.fromkeys(with_rows, "run")


def failures_of(result: LadderResult) -> Iterator[tuple[str, str]]:
    """Name what fails the run although no test does, an objective or a gate.

    Yields a name and the reason.
    """
    file, gate = result.opened.ladder.path.name, result.opened.ladder.gate
    failing = {"fail", "broken"}
    if gate.undecided == "fail":
        failing.add("undecided")
    advice = result.report.decision.recommendation
    is_whole = result.report.info.part is None
    if advice is not None and is_whole and advice.verdict in failing:
        yield f"{file}::ladder objective", advice.reason
    held = result.report.gate
    if held is not None and held.verdict in failing:
        yield f"{file}::ladder gate", held.reason


def anchor_of(
    opened: OpenLadder, baseline: str | None, problems: list[str]
) -> Anchor | None:
    """Read the anchor of the gate, if there is one; `problems` take why it cannot be.

    `baseline` names what the run is compared with; None: no anchor is asked for.
    """
    name = opened.ladder.gate.anchor
    if name is None or baseline is None:
        return None
    from pytest_ladder.reporting.files.anchor import read_anchor

    try:
        return read_anchor(name, opened.ladder.folder, baseline)
    except LadderError as error:
        problems.append(str(error))
        return None


def exchanges_of(archive: Archive, rows: Iterable[Row]) -> dict[str, Exchange]:
    """Look up what each call was sent and said, by key; the first 20,000 of them."""
    keys = dict.fromkeys(
        key
        for row in rows
        for bill in (*row.replies, *row.evaluations)
        for key in bill.calls or (bill.key,)
    )
    found = itertools.islice(archive.exchanges(keys), MOST_EXCHANGES)
    return {exchange.key: exchange for exchange in found}


def with_planned(opened: OpenLadder, matrix: Matrix) -> Matrix:
    """Add the rungs that are not built yet, by the lengths that were measured."""
    lengths = ((rung.strategy, rung.tokens) for rung in matrix.rungs)
    planned = planned_rungs(opened.ladder.planned, lengths, opened.expected_usd)
    return msgspec.structs.replace(matrix, planned=planned)


def unpriced(result: LadderResult) -> Iterator[str]:
    """Say of each model whose price nobody knows, once, what to add."""
    lines, prices = result.report.matrix.rungs, PriceTable()
    unknown = {line.model for line in lines if line.cost.usd_per_1k is None}
    tried = {rung.model.name for rung in result.opened.ladder.tried}
    for model in result.opened.ladder.models:
        if model.name in unknown and not result.opened.has_price(model):
            why, or_else = f"{model.id} is in no list", ""
            if prices.is_missing_for(model):
                why = "litellm, which brings the list, is not installed"
                or_else = f", or run {INSTALL}"
            its = (
                "the [[model]] that keeps it"
                if model.name in tried
                else "its [[model]]"
            )
            yield (
                f"{model.name} has no price, so its cost is unknown: {why}. Add "
                f"`price = {{ input = …, output = … }}` to {its}, in USD per million "
                f"tokens{or_else}."
            )
