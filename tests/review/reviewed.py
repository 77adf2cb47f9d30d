"""Replies to review, and reports that hold them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from pytest_ladder.reporting.files.write import write_report
from pytest_ladder.review.queue import ReviewCandidate
from tests.cli.written_report import PASSING, a_report, a_row

RUNGS = tuple(PASSING)


def reply_to(case: int, rung: str) -> str:
    """Half of the cases get a reply of each rung's own, the others the same one."""
    return f"reply {case} of number {RUNGS.index(rung) if case % 2 else 0}."


def candidates(cases: int = 40) -> list[ReviewCandidate]:
    return [
        ReviewCandidate(
            test="t",
            source="cases.jsonl",
            case=f"c{case:02}",
            rung=rung,
            text=reply_to(case, rung),
            passed=case < PASSING[rung],
        )
        for case in range(cases)
        for rung in RUNGS
    ]


def write_ladder(
    folder: Path,
    text: Callable[[int, str], str] = reply_to,
    cases: int = 12,
    review: str = "",
) -> Path:
    """Write a ladder with a report on its replies; returns the report's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    models = "".join(
        f'[[model]]\nname = "{name}"\nid = "openai/{name}"\ntier = "off-the-shelf"\n'
        for name in ("small", "tuned")
    )
    strategies = '[[strategy]]\nname = "plain"\n[[strategy]]\nname = "rag"\n'
    (folder / "ladder.toml").write_text(
        f'current = "small/plain"\n{models}{strategies}[review]\n{review}'
    )
    (folder / "cases.jsonl").write_text(
        "".join(
            msgspec.json.encode(
                {"id": f"c{n:02}", "input": f"question {n}?", "expected": f"truth {n}"}
            ).decode()
            + "\n"
            for n in range(cases)
        )
    )
    rows = [
        a_row(rung, case, text=text(case, rung))
        for rung in RUNGS
        for case in range(cases)
    ]
    write_report(folder / "ladder-report", a_report(rows))
    return folder / "ladder-report"
