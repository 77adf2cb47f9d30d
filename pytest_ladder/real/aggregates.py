"""The folder `outcomes/`: one committed file of sums for each outcome.

A run reads nothing else of real use. Files are deterministic, so that a pull request
shows which numbers moved; `outcomes import` writes them, nobody by hand.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from pytest_ladder.core.aggregate import LEAST_UNITS, SCHEMA, Aggregate, VariantSums
from pytest_ladder.decide.real.measured import before_and_after, moments_of
from pytest_ladder.disk.files import read_text, write_atomically
from pytest_ladder.errors import ConfigError
from pytest_ladder.stats.experiments import adjusted
from pytest_ladder.text.phrases import shown
from pytest_ladder.text.untrusted import plain

FOLDER = "outcomes"
"""Beside `ladder.toml`; never pruned, for past experiments are the record."""


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
    read = (read_aggregate(path) for path in sorted((folder / FOLDER).glob("*.json")))
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
