"""Drift: many small drops since an anchor, none of which a gate of one change blocks.

Baselines that were committed since then are held against it and each other, with
evidence that may be looked at after each of them (docs/methods.md §2.10).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence

import msgspec

from pytest_ladder.core.ladder import Gate
from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.gate.judged import Lens, lens_of
from pytest_ladder.decide.gate.pairs import draw_of, pair, scores_of
from pytest_ladder.decide.gate.result import Check, ComparedRun, Drift
from pytest_ladder.decide.judge_errors import ErrorsOf
from pytest_ladder.decide.matrix import score_of
from pytest_ladder.stats.checks import TINY
from pytest_ladder.text import numbers

ERROR = 0.05
"""Chance of a drift that is none, over all levels and however many baselines."""


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """A baseline of old, and those that were committed since."""

    name: str
    """As `[gate] anchor` has it."""
    run: ComparedRun | None
    """None: it cannot be seen from here, and `unseen` says why."""
    later: Sequence[ComparedRun] = ()
    """Oldest first."""
    unseen: Sequence[str] = ()
    """A sentence on each thing that could not be looked at."""


def drifts_of(
    anchor: Anchor, head: Sequence[Row], errors: ErrorsOf
) -> tuple[Drift, ...]:
    """Measure what became of each level since the anchor; `head` is of the change.

    `errors` are those of the judges, as labels tell them: they correct how far it went.
    On the rung that shipped each time, and on the cases and tests of the anchor that
    are as they were then.
    """
    if anchor.run is None:
        return ()
    first = _shipping(anchor.run)
    levels = {row.level for row in first}
    measured = (
        _drift(
            level,
            [row for row in first if row.level is level],
            [
                [row for row in _shipping(run) if row.level is level]
                for run in anchor.later
            ],
            [row for row in head if row.level is level],
            errors,
        )
        for level in Level
        if level in levels
    )
    drifts = [drift for drift in measured if drift is not None]
    # Each of several levels may err by its part of the error alone (Bonferroni).
    needed = max(1, len(drifts)) / ERROR
    return tuple(msgspec.structs.replace(drift, needed=needed) for drift in drifts)


def drift_checks(
    anchor: Anchor | None, drifts: Sequence[Drift], terms: Gate
) -> Iterator[Check]:
    """Judge drifts: established, large enough, and not made up for by the change."""
    if anchor is None:
        return
    for drift in drifts:
        verdict: Verdict = "pass"
        why = ""
        if drift.evidence >= drift.needed:
            lost = min(-drift.change, -drift.head_change)
            if lost < terms.quality_drop - TINY or lost <= TINY:
                why = (
                    f"; with this change it is {numbers.points(drift.head_change)}, "
                    f"and below {100 * terms.quality_drop:g} points nothing blocks"
                )
            else:
                verdict = "fail"
                why = "; mend it, or move `anchor` in [gate] to accept it"
            if verdict == "fail" and drift.mistrust:
                verdict, why = "undecided", f"; undecided with {drift.mistrust}"
        yield Check(
            kind="drift",
            name=f"drift, {drift.level}",
            verdict=verdict,
            reason=f"{_sentence(drift, anchor.name)}{why}.",
        )


def _sentence(drift: Drift, anchor: str) -> str:
    evidence = (
        f"{drift.evidence:.2g}" if drift.evidence < 10 else f"{drift.evidence:,.0f}"
    )
    return (
        f"Drift ({drift.level}): {numbers.points(drift.change)} since {anchor} over "
        f"{numbers.count(drift.baselines, 'baseline')}, e = {evidence} "
        f"({drift.needed:g} or more is drift)"
    )


def _drift(
    level: Level,
    first: Sequence[Row],
    later: Sequence[Sequence[Row]],
    head: Sequence[Row],
    errors: ErrorsOf,
) -> Drift | None:
    """Measure one level; None: no baseline says anything new of the anchor's cases."""
    from pytest_ladder.stats.drift import drift_evidence

    heaviest = max((row.weight for row in first), default=0.0) or 1.0
    own = set(map(_told, first))
    seen = set(own)
    runs, last = [], None
    for rows in later:
        # A pool holds runs of the baselines before it: each draw counts once.
        fresh = [row for row in rows if _told(row) not in seen]
        seen.update(map(_told, fresh))
        if run := _scores(first, fresh, heaviest):
            runs.append(run)
            last = [row for row in rows if _told(row) not in own]
    lens = None if last is None else _lens(first, last, errors)
    if lens is None:
        return None
    of_head = _lens(first, head, errors) or lens
    return Drift(
        level=level,
        baselines=len(runs),
        change=_change(lens),
        head_change=_change(of_head),
        mistrust=lens.mistrust or of_head.mistrust,
        evidence=max(drift_evidence(_scores(first, first, heaviest), runs)),
    )


def _told(row: Row) -> Hashable:
    """Return what tells a draw from others; what a test makes of it may change."""
    return row.test, row.source, row.case, draw_of(row), row.score


def _scores(
    first: Sequence[Row], rows: Sequence[Row], heaviest: float
) -> dict[Hashable, list[float]]:
    """Return the scores of what is as it was at first, each as heavy as its test."""
    return {
        key: [score_of(row) * row.weight / heaviest for row in group]
        for key, group in pair(first, rows).after.items()
    }


def _lens(first: Sequence[Row], rows: Sequence[Row], errors: ErrorsOf) -> Lens | None:
    """Look at what became of the cases; None: none of them is as it was."""
    pairs = pair(first, rows)
    if not pairs.after:
        return None
    judged = first[0].level is Level.JUDGED
    return lens_of(pairs, errors) if judged else Lens(pairs)


def _change(lens: Lens) -> float:
    """Return the mean change, as people would see it where labels tell."""
    changes = scores_of(lens.pairs).differences
    mean = lens.scale * math.fsum(changes) / len(changes)
    return max(-1.0, min(1.0, mean))


def _shipping(run: ComparedRun) -> list[Row]:
    """Return the rows of the rung that shipped, or of the only one there is."""
    rungs = {row.rung for row in run.rows}
    current = run.current or (rungs.pop() if len(rungs) == 1 else None)
    return [row for row in run.rows if row.rung == current]
