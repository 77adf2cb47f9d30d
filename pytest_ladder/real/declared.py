"""Outcomes as a run finds them: the configuration, the committed files, and the day."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Container
from pathlib import Path

from pytest_ladder import clock
from pytest_ladder.core.aggregate import Aggregate
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.decide.real.users import Declared
from pytest_ladder.real.aggregates import FOLDER, read_aggregates
from pytest_ladder.real.fingerprints import fingerprints

_KEYS = ("events", "units", "table", "ratings", "before", "traces")
"""Keys of an outcome that name raw files."""


def declared_of(ladder: Ladder, names: Container[str] | None = None) -> Declared:
    """Read the outcomes of a ladder, or those of these names; no raw file is read.

    Raises `ConfigError` for a committed file that is broken.
    """
    ignored = {experiment.name: experiment.ignore for experiment in ladder.experiments}
    aggregates = read_aggregates(ladder.folder)
    met: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for aggregate in aggregates.values():
        parts = ignored.get(aggregate.experiment or "", ())
        met[parts] |= {v.rung for v in aggregate.variants if v.fingerprint}
    by_ignored = {
        parts: fingerprints(ladder, parts, rungs) for parts, rungs in met.items()
    }
    outcomes = tuple(
        outcome for outcome in ladder.outcomes if names is None or outcome.name in names
    )
    changed = (
        _changed_sentence(ladder, outcome, aggregates[outcome.name])
        for outcome in outcomes
        if outcome.name in aggregates
    )
    return Declared(
        outcomes=outcomes,
        primary=ladder.primary.name if ladder.primary else None,
        aggregates=aggregates,
        # Of past outcomes, too: their winners are the record.
        prints={
            name: by_ignored[ignored.get(aggregate.experiment or "", ())]
            for name, aggregate in aggregates.items()
        },
        today=datetime.datetime.fromtimestamp(clock.unix(), datetime.UTC).date(),
        most_days=ladder.gate.real_days,
        notes=tuple(filter(None, changed)),
    )


def _changed_sentence(
    ladder: Ladder, outcome: RealOutcome, aggregate: Aggregate
) -> str:
    """Say which raw files have changed since the import; empty: none, or none is here.

    Times of files decide: whoever has no raw files, such as CI, hears nothing.
    """
    exposures = {one.name: one.exposures for one in ladder.experiments}
    globs = {"exposures": exposures.get(outcome.experiment or "")}
    globs |= {key: getattr(outcome, key) for key in _KEYS}
    imported = ladder.folder / FOLDER / f"{outcome.name}.json"
    newer = [
        key
        for key, glob in globs.items()
        if glob is not None
        and max(map(_time, ladder.folder.glob(glob)), default=0.0) > _time(imported)
    ]
    if not newer:
        return ""
    return (
        f"{outcome.name} is of {aggregate.last}; {' and '.join(newer)} changed since: "
        f"run pytest-ladder outcomes import {outcome.name}."
    )


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
