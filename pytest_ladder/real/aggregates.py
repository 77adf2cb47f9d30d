"""The folder `outcomes/`, and what a run finds in it: committed sums of each outcome.

A run reads nothing else of real use. Files are deterministic, so that a pull request
shows which numbers moved; `outcomes import` writes them, nobody by hand.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections import defaultdict
from collections.abc import Callable, Container
from glob import has_magic
from pathlib import Path

import msgspec

from pytest_ladder import clock
from pytest_ladder.core.aggregate import LEAST_UNITS, SCHEMA, Aggregate, VariantSums
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.decide.real.measured import before_and_after, moments_of
from pytest_ladder.decide.real.users import Declared
from pytest_ladder.disk.files import read_text, write_atomically
from pytest_ladder.errors import ConfigError
from pytest_ladder.real.fingerprints import fingerprints
from pytest_ladder.stats.experiments import adjusted
from pytest_ladder.text.phrases import shown
from pytest_ladder.text.untrusted import plain

FOLDER = "outcomes"
"""Beside `ladder.toml`; never pruned, for past experiments are the record."""

_KEYS = ("events", "units", "table", "ratings", "before", "traces")
"""Keys of an outcome that name raw files."""


def read_aggregate(path: Path) -> Aggregate:
    """Read one aggregate. Raises `ConfigError` with the fix for one that is broken."""
    text = read_text(path)
    again = f"run pytest-ladder outcomes import {path.stem} again."
    try:
        aggregate = msgspec.json.decode(text, type=Aggregate)
    except msgspec.MsgspecError as error:
        raise ConfigError(
            f"{shown(path)}: this is no outcome ({error}); {again}"
        ) from error
    if aggregate.schema != SCHEMA:
        raise ConfigError(
            f'{shown(path)}: its schema is "{aggregate.schema}" and this version reads '
            f'"{SCHEMA}"; {again}'
        )
    for variant in aggregate.variants:
        problem = impossible(aggregate, variant)
        if problem:
            raise ConfigError(
                f"{shown(path)}: {plain(variant.variant)} has {problem}; {again}"
            )
    if aggregate.name != path.stem:
        raise ConfigError(
            f"{shown(path)}: it is named {plain(aggregate.name)}, which is another "
            f"outcome; {again}"
        )
    return aggregate


def read_aggregates(folder: Path) -> dict[str, Aggregate]:
    """Read all aggregates of a ladder's folder, by name; past ones too.

    Raises `ConfigError` for the first that is broken.
    """
    kept = folder / FOLDER
    files = sorted(kept.iterdir()) if kept.is_dir() else ()
    read = (read_aggregate(file) for file in files if file.suffix == ".json")
    return {aggregate.name: aggregate for aggregate in read}


def write_aggregate(folder: Path, aggregate: Aggregate) -> Path:
    """Write `outcomes/NAME.json` in one step; returns its path.

    The same aggregate gives the same bytes. Sums of few units are withheld.
    """
    path = folder / FOLDER / f"{aggregate.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = msgspec.structs.replace(
        aggregate, variants=tuple(map(withheld, aggregate.variants))
    )
    plain = msgspec.to_builtins(kept)
    plain = {"schema": SCHEMA, **plain}
    text = json.dumps(_whole(plain), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode())
    return path


def impossible(aggregate: Aggregate, variant: VariantSums) -> str:
    """Say which sums no units can have; empty: they are possible."""
    try:
        moments_of(aggregate, variant)
        sums = before_and_after(variant)
        if sums is not None:
            adjusted(sums, sums)
    except ValueError as error:
        said = str(error).rstrip(".")
        return said[:1].lower() + said[1:]
    return ""


def withheld(variant: VariantSums) -> VariantSums:
    """Keep of a few units only how many there are."""
    if variant.units >= LEAST_UNITS:
        return variant
    return VariantSums(
        variant=variant.variant,
        rung=variant.rung,
        fingerprint=variant.fingerprint,
        share=variant.share,
        units=variant.units,
    )


def _whole(value: object) -> object:
    """Write whole numbers without a point, so that counts look like counts."""
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


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
    # Outcomes share files, such as the exposures of their experiment.
    newest = functools.cache(functools.partial(_newest, ladder.folder))
    changed = (
        _changed_sentence(ladder, outcome, aggregates[outcome.name], newest)
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
    ladder: Ladder,
    outcome: RealOutcome,
    aggregate: Aggregate,
    newest: Callable[[str], float],
) -> str:
    """Say which raw files have changed since the import; empty: none, or none is here.

    Times of files decide: whoever has no raw files, such as CI, hears nothing.
    """
    exposures = {one.name: one.exposures for one in ladder.experiments}
    globs = {"exposures": exposures.get(outcome.experiment or "")}
    globs |= {key: getattr(outcome, key) for key in _KEYS}
    imported = _time(ladder.folder / FOLDER / f"{outcome.name}.json")
    newer = [
        key
        for key, glob in globs.items()
        if glob is not None and newest(glob) > imported
    ]
    if not newer:
        return ""
    return (
        f"{outcome.name} is of {aggregate.last}; {' and '.join(newer)} changed since: "
        f"run pytest-ladder outcomes import {outcome.name}."
    )


def _newest(folder: Path, glob: str) -> float:
    """Return when the newest of some files was written; 0: none is here."""
    if not has_magic(glob):
        return _time(folder / glob)
    return max(map(_time, folder.glob(glob)), default=0.0)


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
