"""What did not pass on a rung, as people read it: each case once, by its reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.funnel import is_held_back
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.reporting.report import Report, content_text

_ORDER = {level: place for place, level in enumerate(Level)}


class MissedCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case that some test did not pass."""

    row: Row
    """A miss before an error, of the cheapest level: what to mend first.

    One that the funnel held back only where nothing else failed: it says nothing new.
    """
    missed: int
    """Samples with this outcome in the test of `row`."""
    samples: int
    """All its samples there."""


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """What did not pass on one rung."""

    cases: int
    """All that ran, passed ones included; a test without cases is one."""
    missed: tuple[MissedCase, ...]
    errors: tuple[MissedCase, ...]
    """Without a miss: nothing is known of them."""

    @property
    def over_budget(self) -> int:
        """Those of the `errors` for which no budget was left."""
        return sum(case.row.over_budget for case in self.errors)


def missed_on(rows: Iterable[Row]) -> dict[str, Missed]:
    """Sum up each rung on which something did not pass."""
    by_rung: defaultdict[str, defaultdict[Unit, list[Row]]]
    by_rung = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_rung[row.rung][row.source, row.case].append(row)
    missed: dict[str, Missed] = {}
    for rung, units in by_rung.items():
        failed = [case for unit in sorted(units) if (case := _case(units[unit]))]
        errors = [case for case in failed if case.row.outcome is Outcome.ERROR]
        others = [case for case in failed if case.row.outcome is Outcome.MISSED]
        if failed:
            missed[rung] = Missed(
                cases=len(units), missed=tuple(others), errors=tuple(errors)
            )
    return missed


def by_reason(cases: Iterable[MissedCase]) -> list[list[MissedCase]]:
    """Group the cases that one test failed for one reason, the largest group first."""
    groups: defaultdict[tuple[str | None, ...], list[MissedCase]] = defaultdict(list)
    for case in cases:
        row = case.row
        groups[row.test, row.outcome, row.why, row.reason].append(case)
    return sorted(groups.values(), key=len, reverse=True)


def varied(groups: Sequence[Sequence[MissedCase]], most: int) -> list[MissedCase]:
    """Choose cases to look at: of each group in turn, for each has its own reason."""
    chosen: list[MissedCase] = []
    for place in range(most):
        chosen += [group[place] for group in groups if place < len(group)]
        if len(chosen) >= most:
            break
    return chosen[:most]


def asked(row: Row, report: Report) -> str:
    """Return what the case asks; without a case what the model was asked last."""
    case = report.cases.get(row.unit)
    if text := row.input or (case.asked if case else ""):
        return text
    exchanges = report.exchanges
    keys = [key for bill in row.replies for key in bill.calls or (bill.key,)]
    for key in reversed(keys):
        messages = exchanges[key].messages if key in exchanges else ()
        for message in reversed(messages):
            if message.get("role") == "user":
                return content_text(message)
    return ""


def wanted(row: Row, report: Report) -> str:
    """Return what the case expects; a baseline has it beside its rows alone."""
    case = report.cases.get(row.unit)
    return row.expected or (case.wanted if case else "")


def _case(rows: Sequence[Row]) -> MissedCase | None:
    failed = [row for row in rows if row.outcome is not Outcome.PASSED]
    if not failed:
        return None
    first = min(
        failed,
        key=lambda row: (
            is_held_back(row),
            row.outcome is Outcome.ERROR,
            _ORDER[row.level],
            row.test,
            row.sample,
        ),
    )
    samples = [
        row for row in rows if (row.test, row.level) == (first.test, first.level)
    ]
    return MissedCase(
        row=first,
        missed=sum(row.outcome is first.outcome for row in samples),
        samples=len(samples),
    )
