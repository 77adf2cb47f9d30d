"""How reports word what moved since another run: one table for all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from pytest_ladder.core.score import Level
from pytest_ladder.decide.against import Against, LevelChange, RungAgainst
from pytest_ladder.decide.gate.result import Rise
from pytest_ladder.text.numbers import (
    NOT_AVAILABLE,
    count,
    dollars,
    percent,
    points,
    points_between,
    seconds,
)

FIXED_HEADS = ("rung", "broken", "fixed", "unchanged")
TAIL_HEADS = ("$ per 1,000", "p95, live")


def against_lead(against: Against) -> str:
    """Say what the run is held against, and how much moved."""
    commit = f", commit {against.git_sha[:12]}" if against.git_sha else ""
    broken = sum(bool(case.broken) for case in against.cases)
    fixed = sum(bool(case.fixed) for case in against.cases)
    return (
        f"Against {against.label} (run {against.run}, {against.started[:10]}{commit}): "
        f"{count(broken, 'case')} broken and {fixed:,} fixed on some rung of "
        f"{len(against.rungs):,}."
    )


def against_table(
    against: Against, *, short: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Give heads and lines, most broken cases first; without a common rung no line.

    `short` leaves out what quality was before and after.
    """
    levels = list(
        dict.fromkeys(change.level for rung in against.rungs for change in rung.levels)
    )
    heads = [*FIXED_HEADS, *map(str, levels), *TAIL_HEADS]
    return heads, [list(_line(rung, levels, short=short)) for rung in against.rungs]


def against_json(against: Against) -> dict[str, Any]:
    """Build what `matrix.json` has of it: figures and names, and no reply."""
    told = msgspec.to_builtins(against, str_keys=True, order="deterministic")
    for rung in told["rungs"]:
        del rung["flips"], rung["unpaired"]
    return dict(told)


def _line(rung: RungAgainst, levels: Sequence[Level], *, short: bool) -> Iterator[str]:
    yield rung.rung
    yield from (f"{n:,}" for n in (rung.broken, rung.fixed, rung.unchanged))
    changes = {change.level: change for change in rung.levels}
    yield from (_quality(changes.get(level), short=short) for level in levels)
    yield _rise(rung.cost, dollars)
    yield _rise(rung.latency, seconds)


def _quality(change: LevelChange | None, *, short: bool) -> str:
    if change is None:
        return NOT_AVAILABLE
    if short:
        return f"{points(change.change)} ({points_between(change.low, change.high)})"
    return (
        f"{percent(change.before.value)} → {percent(change.after.value)}, "
        f"{points(change.change)} ({points_between(change.low, change.high)})"
    )


def _rise(rise: Rise, text: Callable[[float | None], str]) -> str:
    if rise.before.value is None or rise.after.value is None:
        return NOT_AVAILABLE
    moved = f"{text(rise.before.value)} → {text(rise.after.value)}"
    if rise.change is None or not math.isfinite(rise.change):
        return moved
    return f"{moved}, {100 * rise.change:+.1f} %"
