"""`matrix.csv`: a line for each rung and level, for spreadsheets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from typing import Any

from pytest_ladder.decide.matrix import Cell, Matrix, RungResult
from pytest_ladder.text.untrusted import csv_cell

DIGITS = 6
"""Significant digits of derived numbers: stable, and finer than any interval.

What was measured or configured is written in full: the report is made from it again.
"""
CELL_COLUMNS = (
    *("quality", "low", "high", "n", "missed", "errors", "coverage", "verdict"),
    "over_budget",
)
CSV_COLUMNS = (
    *("rung", "model", "strategy", "tier", "state", "level"),
    *CELL_COLUMNS,
    *("usd_per_1k", "serve_usd_per_1k", "build_usd", "build_hours"),
    *("p50_s", "p95_s", "n_live", "latency_recorded"),
    *("input_tokens", "output_tokens", "live_calls", "replayed_calls"),
    *("reasoning_tokens", "tokens_per_second", "rung_verdict"),
)


def matrix_csv(matrix: Matrix) -> str:
    """Write one line per rung and level; one without a level for a rung not run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for line in matrix_lines(matrix):
        writer.writerow([_csv_value(value) for value in line])
    return text.getvalue()


def matrix_lines(matrix: Matrix) -> Iterator[tuple[Any, ...]]:
    """Yield the values of `CSV_COLUMNS`, as they are; None: there is none."""
    for rung in matrix.rungs:
        for level in rung.levels or [None]:
            cell = rung.levels[level] if level else None
            yield tuple(_csv_line(rung, level, cell))


def _csv_line(rung: RungResult, level: str | None, cell: Cell | None) -> Iterator[Any]:
    yield from (rung.id, rung.model, rung.strategy, rung.tier, rung.state, level)
    yield from (getattr(cell, name) if cell else None for name in CELL_COLUMNS)
    cost, latency, tokens = rung.cost, rung.latency, rung.tokens
    yield from (cost.usd_per_1k, cost.serve_usd_per_1k)
    yield from (cost.build_usd, cost.build_hours)
    yield from (latency.p50_s, latency.p95_s, latency.n_live, latency.recorded)
    yield from (tokens.input, tokens.output) if tokens else (None, None)
    yield from (rung.calls.live, rung.calls.replayed)
    yield from (tokens.reasoning if tokens else None, latency.tokens_per_second)
    yield rung.verdict


def _csv_value(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return stable(value)
    return csv_cell(value) if isinstance(value, str) else value


def stable(value: float) -> float | None:
    """Return a derived number as it is written; None: it is not finite."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
