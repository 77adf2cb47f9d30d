"""The report on disk: the only place that writes one, each file as a whole."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.core.rung import Model
from pytest_ladder.decide.matrix import Cell, Matrix, RungResult
from pytest_ladder.disk.files import write_atomically
from pytest_ladder.errors import LadderError
from pytest_ladder.judging.causes import causes_of
from pytest_ladder.reporting.files.benchmark_json import benchmark_json
from pytest_ladder.reporting.gate_comment import report_markdown
from pytest_ladder.reporting.html import page_html
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.judges import (
    OTHER,
    calibration_json,
    cause_counts,
)
from pytest_ladder.text.untrusted import csv_cell

SCHEMA = "pytest-ladder/1"
DIGITS = 6
"""Significant digits of derived numbers: stable, and finer than any interval.

What was measured or configured is written in full: the report is made from it again.
"""
CSV_COLUMNS = (
    *("rung", "model", "strategy", "tier", "state", "level"),
    *("quality", "low", "high", "n", "missed", "errors", "coverage", "verdict"),
    "over_budget",
    *("usd_per_1k", "serve_usd_per_1k", "build_usd", "build_hours"),
    *("p50_s", "p95_s", "n_live", "latency_recorded"),
    *("input_tokens", "output_tokens", "live_calls", "replayed_calls"),
)

# Readers that split lines the Unicode way take these for line ends.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def write_report(folder: Path, report: Report) -> None:
    """Write all files of the report into `folder`, which is made if need be.

    `matrix.json` comes last, so that one that is there is complete. Raises
    `LadderError` when the folder cannot be written.
    """
    rows = [_orderly(row) for row in report.rows]
    report = msgspec.structs.replace(report, rows=rows)
    files = {name: write(report) for name, write in WRITERS.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if _wants_gitignore(folder):
            files = {".gitignore": b"*\n", **files}
        for name, content in files.items():
            write_atomically(folder / name, content)
    except OSError as error:
        raise LadderError(
            f"The report could not be written to {folder}: {error.strerror or error}. "
            "Free the place or name another folder with --ladder-report=DIR."
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step: a reader finds the old one or all of the new.

    Raises OSError; the old file is then as it was.
    """
    write_atomically(path, _encoded(text))


def matrix_json(report: Report) -> dict[str, Any]:
    """Build the content of `matrix.json`, version 1."""
    run = as_written(report.info)
    del run["machine"]
    matrix, decision = report.matrix, report.decision
    return {
        "schema": SCHEMA,
        "run": {**run, "attempts": list(report.attempts)},
        "rungs": as_written(matrix.rungs),
        "order_note": matrix.order_note,
        "run_order": list(matrix.run_order),
        "volume": matrix.volume,
        "settled": as_written(matrix.settled),
        "objective": _exact(report.objective),
        "recommendation": as_written(decision.recommendation),
        "front": as_written(decision.standings),
        "steps": as_written(decision.steps),
        "climb": list(report.looks),
        "gates": as_written(report.gate.checks) if report.gate else [],
        "spend": as_written(matrix.spend),
        "reasons": as_written(report.reasons),
        "rows": len(report.rows),
        "ladder": {"models": [_declared(model) for model in report.models]},
        "calibration": _exact(calibration_json(report)),
        "causes": cause_counts(report),
    }


def exchanges_jsonl(report: Report) -> str:
    """Write what was said in each call, one per line, sorted by key."""
    return "".join(
        f"{_json(as_written(report.exchanges[key]))}\n"
        for key in sorted(report.exchanges)
    )


def rows_jsonl(matrix: Matrix, rows: Sequence[Row]) -> str:
    """Write one row per line, sorted by rung (as in the matrix), test and case.

    Rows of a case that failed say why, where checks stand for causes: `cause`, and the
    `check` that showed it.
    """
    causes = {
        (failure.rung, failure.source, failure.case): {
            "cause": str(failure.cause or OTHER),
            "check": failure.check,
        }
        for failure in causes_of(rows)
    }
    position = {rung.id: index for index, rung in enumerate(matrix.rungs)}
    ordered = sorted(
        rows,
        key=lambda row: (
            position[row.rung],
            row.test,
            row.source,
            row.case,
            row.sample,
            row.level,
        ),
    )
    return "".join(
        _line(_builtins(row) | causes.get((row.rung, row.source, row.case), {}))
        for row in ordered
    )


def matrix_csv(matrix: Matrix) -> str:
    """Write one line per rung and level; one without a level for a rung not run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for rung in matrix.rungs:
        for level in rung.levels or [None]:
            cell = rung.levels[level] if level else None
            line = _csv_line(rung, level, cell)
            writer.writerow([_csv_value(value) for value in line])
    return text.getvalue()


def as_written(value: Any) -> Any:
    """Turn Structs into what JSON knows: their fields in order, mappings sorted."""
    return _mapped(_builtins(value), _stable)


def append_step_summary(folder: Path) -> None:
    """Show the report in `folder` on the page of a GitHub Actions job, if in one."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write((folder / "matrix.md").read_text(encoding="utf-8"))


def _orderly(row: Row) -> Row:
    """Sort named scores, which a test may give in any order."""
    if len(row.scores) < 2:
        return row
    return msgspec.structs.replace(row, scores=dict(sorted(row.scores.items())))


def _declared(model: Model) -> dict[str, Any]:
    """Say what a model is and costs; its address and key are left out."""
    return {
        "name": model.name,
        "tier": model.tier,
        "id": model.id,
        "revision": model.revision,
        "adapter": model.adapter,
        "build": _exact(model.build),
        "price": _exact(model.price),
        "serve": _exact(model.serve),
    }


def _csv_line(rung: RungResult, level: str | None, cell: Cell | None) -> Iterator[Any]:
    yield from (rung.id, rung.model, rung.strategy, rung.tier, rung.state, level)
    yield from (
        msgspec.structs.astuple(cell) if cell else [None] * len(Cell.__struct_fields__)
    )
    cost, latency, tokens = rung.cost, rung.latency, rung.tokens
    yield from (cost.usd_per_1k, cost.serve_usd_per_1k)
    yield from (cost.build_usd, cost.build_hours)
    yield from (latency.p50_s, latency.p95_s, latency.n_live, latency.recorded)
    yield from (tokens.input, tokens.output) if tokens else (None, None)
    yield from (rung.calls.live, rung.calls.replayed)


def _csv_value(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _stable(value)
    return csv_cell(value) if isinstance(value, str) else value


def _wants_gitignore(folder: Path) -> bool:
    """Whether `*` may be ignored: in a folder of other things it would hide them."""
    entries = list(folder.iterdir())
    if any(entry.name == ".gitignore" for entry in entries):
        return False
    return all(_is_ours(entry) for entry in entries)


def _is_ours(entry: Path) -> bool:
    """Whether a report wrote this: one of its files, or the report of a subfolder."""
    ours = entry.name in WRITERS or entry.name == ".gitignore"
    return ours or (entry / "matrix.json").is_file()


def _encoded(text: str) -> bytes:
    # A model may return half of a surrogate pair, which UTF-8 does not know.
    return text.encode(errors="replace")


def _benchmark(report: Report) -> str:
    content = benchmark_json(report.rows, report.matrix.rungs, report.info)
    return _document(as_written(content))


def _document(value: Any) -> str:
    return _json(value, indent=2) + "\n"


def _json(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return text.translate(_LINE_ENDS)


def _line(value: dict[str, Any]) -> str:
    """Write a line with all digits of a float."""
    try:
        return _json(value) + "\n"
    except ValueError:
        # Only then: looking for NaN takes longer than all the writing.
        return _json(_mapped(value, _finite)) + "\n"


def _exact(value: Any) -> Any:
    """Do what `as_written` does, and keep all digits of a float."""
    return _mapped(_builtins(value), _finite)


def _builtins(value: Any) -> Any:
    return msgspec.to_builtins(value, str_keys=True, order="deterministic")


def _mapped(value: Any, number: Callable[[float], float | None]) -> Any:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        return {key: _mapped(item, number) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, number) for item in value]
    return value


def _stable(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


Writer = Callable[[Report], bytes]
WRITERS: dict[str, Writer] = {
    "rows.jsonl": lambda report: _encoded(rows_jsonl(report.matrix, report.rows)),
    "exchanges.jsonl": lambda report: _encoded(exchanges_jsonl(report)),
    "matrix.csv": lambda report: _encoded(matrix_csv(report.matrix)),
    "matrix.md": lambda report: _encoded(report_markdown(report)),
    "index.html": lambda report: _encoded(page_html(report)),
    "benchmark.json": lambda report: _encoded(_benchmark(report)),
    "matrix.json": lambda report: _encoded(_document(matrix_json(report))),
}
"""The files of a report, each with what writes it; a new one is one more line.

They are written in this order, `matrix.json` last: where it stands, the rest does, too.
"""
