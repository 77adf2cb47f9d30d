"""A written report as values, for notebooks and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_ladder.core.case import WrittenCase
from pytest_ladder.core.row import Row
from pytest_ladder.decide.decision import Decision
from pytest_ladder.decide.matrix import RungResult
from pytest_ladder.errors import LadderError
from pytest_ladder.reporting.files import read
from pytest_ladder.reporting.report import RunInfo
from pytest_ladder.stats.sums import total

if TYPE_CHECKING:
    import pandas


ROW_COLUMNS = (
    *("rung", "model", "strategy", "tier", "level", "test", "source", "case"),
    *("sample", "outcome", "score", "why", "reason", "tags"),
    *("cost_usd", "latency_s", "ttft_s", "input_tokens", "output_tokens"),
    *("judging_usd", "live", "input", "expected", "text"),
)
"""Of the data frame, and of `row_line`; only ever added to."""
TEXT_COLUMNS = ("reason", "input", "expected", "text")
"""Those of them that hold what somebody said."""


class WrittenReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of pytest-ladder wrote, read back and decided again from its rows."""

    folder: Path
    run: RunInfo
    """When it was made, of which commit, with which versions."""
    rungs: tuple[RungResult, ...]
    """Cheapest first, each with quality by level, cost and latency."""
    rows: tuple[Row, ...]
    """One for each test, rung, case and sample."""
    decision: Decision
    """Verdicts by rung, and `recommendation`; None there: no objective was set."""
    cases: tuple[WrittenCase, ...]
    """What they ask and expect; empty where the report does not hold it."""

    def to_pandas(self) -> pandas.DataFrame:
        """Return the rows as a `pandas.DataFrame`, with the input of each case.

        Costs are in USD, latencies in seconds; NaN: unknown. Raises `LadderError`
        where pandas is not installed.
        """
        try:
            import pandas as library
        except ImportError as error:
            raise LadderError(
                "to_pandas() needs pandas, which is not installed; `pip install pandas`"
                ", or take `rows`, which hold the same."
            ) from error
        texts = {(case.source, case.case): case for case in self.cases}
        rungs = {rung.id: rung for rung in self.rungs}
        lines = [
            row_line(row, rungs[row.rung], texts.get(row.unit)) for row in self.rows
        ]
        return library.DataFrame(lines, columns=list(ROW_COLUMNS))


def read_report(folder: str | Path) -> WrittenReport:
    """Read the report in a folder, the one with its `matrix.json`.

    Raises `ConfigError` for a folder without a report, one of another version, and
    every line that does not fit.
    """
    path = Path(folder)
    report = read.read_report(path)
    return WrittenReport(
        folder=path,
        run=report.info,
        rungs=tuple(report.matrix.rungs),
        rows=tuple(report.rows),
        decision=report.decision,
        cases=tuple(report.cases[unit] for unit in sorted(report.cases)),
    )


def row_line(row: Row, rung: RungResult, case: WrittenCase | None) -> tuple[Any, ...]:
    """Return the values of `ROW_COLUMNS`; None: unknown."""
    usages = [bill.usage for bill in row.replies if bill.usage is not None]
    return (
        *(rung.id, rung.model, rung.strategy, str(rung.tier), str(row.level)),
        *(row.test, row.source, row.case, row.sample, str(row.outcome), row.score),
        *(str(row.why or ""), row.reason, list(row.tags)),
        total(bill.cost_usd for bill in row.replies),
        total(bill.latency_s for bill in row.replies),
        total(bill.ttft_s for bill in row.replies),
        sum(usage.input for usage in usages) if usages else None,
        sum(usage.output for usage in usages) if usages else None,
        total(bill.cost_usd for bill in row.evaluations),
        any(bill.live for bill in row.replies),
        case.asked if case else row.input,
        case.wanted if case else row.expected,
        row.text,
    )
