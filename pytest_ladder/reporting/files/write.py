"""The report on disk: the only place that writes one, each file as a whole."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.core.rung import Model
from pytest_ladder.decide.estimates import PlannedRung
from pytest_ladder.decide.matrix import Matrix, RungResult
from pytest_ladder.disk.files import write_atomically
from pytest_ladder.errors import LadderError
from pytest_ladder.judging.causes import causes_of
from pytest_ladder.reporting.files.benchmark_json import benchmark_json
from pytest_ladder.reporting.files.matrix_csv import matrix_csv, stable
from pytest_ladder.reporting.html import page_html
from pytest_ladder.reporting.markdown import matrix_markdown
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.sentences.judges import (
    OTHER,
    calibration_json,
    cause_counts,
)

if TYPE_CHECKING:
    from pytest_ladder.decide.gate.result import GateResult, Side

SUMMARY = "GITHUB_STEP_SUMMARY"
"""Variable in which GitHub Actions names the file for the page of a job."""
SCHEMA = "pytest-ladder/1"
# Readers that split lines the Unicode way take these for line ends.
_LINE_ENDS = {
    character.encode(): f"\\u{ord(character):04x}".encode()
    for character in "\u0085\u2028\u2029"
}


def write_report(
    folder: Path, report: Report, *, option: str = "--ladder-report"
) -> None:
    """Write all files of the report into `folder`, which is made if need be.

    `matrix.json` comes last, so that one that is there is complete. Raises
    `LadderError` when the folder cannot be written; `option` names another.
    """
    # A test may give named scores in any order.
    rows = [
        msgspec.structs.replace(row, scores=dict(sorted(row.scores.items())))
        if len(row.scores) > 1
        else row
        for row in report.rows
    ]
    report = msgspec.structs.replace(report, rows=rows)
    written = {name: write(report) for name, write in WRITERS.items()}
    files = {name: text for name, text in written.items() if text is not None}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if _wants_gitignore(folder):
            files = {".gitignore": b"*\n", **files}
        for name, content in files.items():
            write_atomically(folder / name, content)
        # Of an earlier run, which had something for it.
        for name in written.keys() - files.keys():
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise LadderError(
            f"The report could not be written to {folder}: {error.strerror or error}. "
            f"Free the place or name another folder with {option}=DIR."
        ) from error


def matrix_json(report: Report) -> dict[str, Any]:
    """Build the content of `matrix.json`, version 1."""
    run = as_written(report.info)
    del run["machine"]
    if not report.tried:
        del run["tried"]
    run["aim"] = _exact(report.info.aim)
    for name in ("ladder", "aim", "shard", "store"):
        if not run[name]:
            del run[name]
    matrix, decision = report.matrix, report.decision
    return {
        "schema": SCHEMA,
        "run": {**run, "attempts": list(report.attempts)},
        "rungs": [_rung(report, rung) for rung in matrix.rungs],
        "order_note": matrix.order_note,
        "run_order": list(matrix.run_order),
        "volume": matrix.volume,
        "settled": as_written(matrix.settled),
        "kept_out": as_written(matrix.kept_out),
        "expected": as_written(matrix.expected),
        "planned": [_planned(report, rung) for rung in matrix.planned],
        "objective": _exact(report.objective),
        "recommendation": as_written(decision.recommendation),
        "tags": as_written(report.tags),
        "front": as_written(decision.standings),
        "steps": as_written(decision.steps),
        "outgrown": as_written(list(report.outgrown)),
        "climb": [look.sentence for look in report.looks],
        "climb_decisions": [look.decision for look in report.looks],
        "gates": as_written(report.gate.checks) if report.gate else [],
        "gate": _gate_json(report.gate) if report.gate else None,
        **(_moved(report) if report.against is not None else {}),
        "spend": as_written(matrix.spend),
        "reasons": as_written(report.reasons),
        "rows": len(report.rows),
        "why": as_written(Counter(row.why for row in report.rows if row.why)),
        "ladder": {
            "models": [_declared(model) for model in report.models],
            **({"rungs": _exact(report.makings)} if report.makings else {}),
        },
        "calibration": _exact(calibration_json(report)),
        "causes": cause_counts(report),
        **(_of_users(report) if report.users is not None else {}),
        **({"tried": as_written(list(report.tried))} if report.tried else {}),
        **(_of_people(report) if report.people is not None else {}),
    }


def _rung(report: Report, rung: RungResult) -> dict[str, Any]:
    """Write a line of the matrix, with all outcomes of real use where some are known.

    What only cells of users say is in no other.
    """
    line: dict[str, Any] = as_written(rung)
    for cell in line["levels"].values():
        if cell["unit"] == "user":
            del cell["unit"]
        if not cell["outcome"]:
            del cell["outcome"], cell["doubt"]
    if report.users is not None:
        from pytest_ladder.reporting.users import outcomes_json

        line["outcomes"] = as_written(outcomes_json(report.users, rung.id))
    return line


def _moved(report: Report) -> dict[str, Any]:
    """Say what moved since another run, where the report was held against one."""
    from pytest_ladder.reporting.sentences.against import against_json

    assert report.against is not None
    return {"against": as_written(against_json(report.against))}


def _of_users(report: Report) -> dict[str, Any]:
    """Say what users did, and, in `declared`, all that it follows from."""
    from pytest_ladder.reporting.users import users_json

    assert report.users is not None
    return {
        **as_written(users_json(report.users)),
        "declared": _exact(report.declared),
    }


def _of_people(report: Report) -> dict[str, Any]:
    """Say what people said of the replies, with all digits of what it follows from."""
    from pytest_ladder.reporting.people import people_json

    assert report.people is not None
    told = people_json(report.people, report.info.current)
    sums = told.pop("sums")
    return {"reviews": {**as_written(told), "sums": _exact(sums)}}


def _gate_json(gate: GateResult) -> dict[str, Any]:
    """Build what a gate found, without the replies: those are in `rows.jsonl`."""
    return {
        "verdict": gate.verdict,
        "reason": gate.reason,
        "suites": as_written(gate.suites),
        "cases": [
            {
                "test": flip.test,
                "source": flip.source,
                "case": flip.case,
                "before": _side_json(flip.before),
                "after": _side_json(flip.after),
                "p": flip.p,
                "broken": flip.broken,
            }
            for flip in gate.flips
        ],
        "flakiness": as_written(gate.flakiness),
        "odd_runs": as_written(gate.odd_runs),
    }


def _side_json(side: Side) -> dict[str, float]:
    return {"score": side.score, "samples": side.samples}


def exchanges_jsonl(report: Report) -> Iterator[bytes]:
    """Write what was said in each call, one per line, sorted by key."""
    for key in sorted(report.exchanges):
        yield _line(report.exchanges[key])


def rows_jsonl(matrix: Matrix, rows: Sequence[Row]) -> Iterator[bytes]:
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
    for row in ordered:
        cause = causes.get((row.rung, row.source, row.case))
        yield _line(row if cause is None else _builtins(row) | cause)


def inputs_jsonl(report: Report) -> Iterator[bytes]:
    """Write what each case asks and expects, one per line, sorted by source and id."""
    for unit in sorted(report.cases):
        yield _line(report.cases[unit])


def as_written(value: Any) -> Any:
    """Turn Structs into what JSON knows: their fields in order, mappings sorted."""
    return _mapped(_builtins(value), stable)


def append_step_summary(folder: Path) -> str:
    """Show the report in `folder` on the page of a GitHub Actions job, if in one.

    Returns a warning where that page cannot be written, else `""`: it is only a copy.
    """
    summary = os.environ.get(SUMMARY)
    if not summary:
        return ""
    text = (folder / "matrix.md").read_text(encoding="utf-8")
    try:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        return (
            f"{SUMMARY}={summary}: the matrix could not be added to that file "
            f"({problem}); correct the variable, or unset it."
        )
    return ""


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


def _planned(report: Report, rung: PlannedRung) -> dict[str, Any]:
    """Say what a planned rung would cost, and what it would have to be."""
    worths = (worth for worth in report.decision.planned if worth.rung == rung.id)
    worth = as_written(next(worths, None))
    return {"id": rung.id, **_exact(rung), "worth": worth}


def _wants_gitignore(folder: Path) -> bool:
    """Whether `*` may be ignored: in a folder of other things it would hide them."""
    entries = list(folder.iterdir())
    if any(entry.name == ".gitignore" for entry in entries):
        return False
    # A report's own: one of its files, or the report of a subfolder.
    return all(
        entry.name in WRITERS or (entry / "matrix.json").is_file() for entry in entries
    )


def _encoded(text: str) -> bytes:
    # A model may return half of a surrogate pair, which UTF-8 does not know.
    return text.encode(errors="replace")


def _benchmark(report: Report) -> bytes:
    content = benchmark_json(report.rows, report.matrix.rungs, report.info)
    return _document(as_written(content))


def _document(value: Any) -> bytes:
    # Indented by the second: the first does it in Python, a piece at a time.
    text = _encoded(json.dumps(value, ensure_ascii=False, allow_nan=False))
    return _on_lines(msgspec.json.format(text, indent=2) + b"\n")


def _line(value: Any) -> bytes:
    """Write a line with all digits of a float; NaN, which JSON lacks, is null."""
    try:
        written = msgspec.json.encode(value, order="deterministic")
    except UnicodeEncodeError:
        written = _encoded(json.dumps(_exact(value), ensure_ascii=False))
    return _on_lines(msgspec.json.format(written, indent=0)) + b"\n"


def _on_lines(written: bytes) -> bytes:
    if written.isascii():  # Most are, and need not be searched.
        return written
    for end, escaped in _LINE_ENDS.items():
        written = written.replace(end, escaped)
    return written


def _exact(value: Any) -> Any:
    """Do what `as_written` does, and keep all digits of a float."""
    return _mapped(_builtins(value), lambda v: v if math.isfinite(v) else None)


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


def _outcomes(report: Report) -> bytes | None:
    """Write what users did, where anything is known of it."""
    if report.users is None or not report.users.outcomes:
        return None
    from pytest_ladder.reporting.users import outcomes_csv

    return _encoded(outcomes_csv(report.users))


def _markdown(report: Report) -> str:
    """Render the matrix, below its gate where there is one."""
    if report.gate is None:
        return matrix_markdown(report)
    from pytest_ladder.reporting.gate_comment import report_markdown

    return report_markdown(report)


Writer = Callable[[Report], bytes | Iterator[bytes] | None]
"""Gives a file as a whole, or in parts if it is as long as the rows are many.

None: this report has nothing for it.
"""
WRITERS: dict[str, Writer] = {
    "rows.jsonl": lambda report: rows_jsonl(report.matrix, report.rows),
    "inputs.jsonl": lambda report: inputs_jsonl(report) if report.cases else None,
    "exchanges.jsonl": exchanges_jsonl,
    "matrix.csv": lambda report: _encoded(matrix_csv(report.matrix)),
    "outcomes.csv": _outcomes,
    "matrix.md": lambda report: _encoded(_markdown(report)),
    "index.html": lambda report: _encoded(page_html(report)),
    "benchmark.json": _benchmark,
    "matrix.json": lambda report: _document(matrix_json(report)),
}
"""The files of a report, each with what writes it; a new one is one more line.

They are written in this order, `matrix.json` last: where it stands, the rest does, too.
"""
