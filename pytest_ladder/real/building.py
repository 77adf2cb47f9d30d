"""What files say becomes an aggregate: rungs, fingerprints, days and looks added."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from pytest_ladder.core.aggregate import (
    UNKNOWN,
    Aggregate,
    Look,
    SourceFile,
    VariantSums,
)
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.outcomes import Experiment, RealOutcome
from pytest_ladder.decide.real.measured import compare
from pytest_ladder.errors import ConfigError
from pytest_ladder.real.aggregates import impossible, withheld
from pytest_ladder.real.fingerprints import deployed_fingerprints
from pytest_ladder.real.sources.reading import RawFile
from pytest_ladder.real.sources.times import day_of


class Read(NamedTuple):
    """What the files of one outcome say."""

    variants: Sequence[tuple[str, VariantSums]]
    """By variant, or by rung where there is no experiment."""
    dropped: Mapping[str, int]
    files: Sequence[RawFile]
    days: tuple[datetime.date, datetime.date] | None = None
    leaks: Mapping[str, int] = {}
    unit: str | None = None
    notes: Sequence[str] = ()
    """What is worth knowing, and no mistake."""
    is_split: bool = True
    """Whether its units are those that were assigned, and not who answered."""


class Builder:
    """Makes aggregates of a ladder's outcomes."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder
        self._experiments = {one.name: one for one in ladder.experiments}
        self._prints: dict[tuple[str | None, tuple[str, ...]], dict[str, str]] = {}
        """Fingerprints of rungs, by where and of what parts."""

    def aggregate(
        self, outcome: RealOutcome, read: Read, old: Aggregate | None
    ) -> Aggregate:
        """Build the aggregate of an outcome; `old` is what is committed of it.

        Raises `ConfigError` for sums that no units have.
        """
        experiment = self._experiments.get(outcome.experiment or "")
        first, last = read.days or (experiment and experiment.days) or (None, None)
        sources = tuple(
            SourceFile(
                name=file.path.relative_to(self._ladder.folder).as_posix(),
                rows=file.rows_read,
                sha256=file.sha256,
            )
            for file in read.files
        )
        # What users met first stays, until another experiment or other days begin.
        is_same = old and (old.experiment, old.first) == (outcome.experiment, first)
        met = old.variants if old and is_same else ()
        aggregate = Aggregate(
            name=outcome.name,
            kind=outcome.kind,
            goal=outcome.goal,
            experiment=outcome.experiment,
            unit=read.unit,
            assigned="random" if experiment else "observed",
            analysis=experiment.analysis if experiment else "sequential",
            planned_units=experiment.units if experiment else None,
            control=self._control(experiment),
            scale=(-1, 1) if outcome.nps else outcome.scale or (),
            range=outcome.range,
            first=first,
            last=last or _last_day(read.files, sources, old),
            deployed=experiment.deployed if experiment else None,
            variants=self._variants(read, experiment, met),
            leaks=dict(read.leaks),
            dropped={key: n for key, n in sorted(read.dropped.items()) if n},
            sources=sources,
        )
        _refuse_impossible(aggregate, outcome, read.files[0].label)
        return msgspec.structs.replace(aggregate, looks=_looks(aggregate, old))

    def _variants(
        self, read: Read, experiment: Experiment | None, met: Sequence[VariantSums]
    ) -> tuple[VariantSums, ...]:
        """Name the rung, the share and the fingerprint of each variant.

        `met` is what their users met at an earlier import. A rung that is gone since
        was renamed, and its variant still is what it was.
        """
        known = {rung.id for rung in self._ladder.rungs}
        prints_met = [v for v in met if v.fingerprint != UNKNOWN]
        of_rung = {v.rung: v.fingerprint for v in prints_met}
        of_gone = {v.variant: v.fingerprint for v in prints_met if v.rung not in known}
        prints = self.prints_of(experiment, experiment.deployed if experiment else None)
        sums = dict(read.variants)
        rungs = (
            {name: rung for name, rung in experiment.variants.items() if rung}
            if experiment
            else {rung: rung for rung in prints if rung in sums}
        )
        shares = _shares(experiment) if experiment and read.is_split else {}
        is_told = experiment is not None and experiment.deployed is not None
        return tuple(
            msgspec.structs.replace(
                sums.get(name) or VariantSums(variant=name, rung=rung, units=0),
                variant=name,
                rung=rung,
                share=shares.get(name),
                fingerprint=prints[rung]
                if is_told
                else of_rung.get(rung) or of_gone.get(name) or prints[rung],
            )
            for name, rung in rungs.items()
        )

    def prints_of(
        self, experiment: Experiment | None, deployed: str | None
    ) -> dict[str, str]:
        """Return the fingerprint of each rung as `deployed`; None: as it is now.

        Without the parts that the experiment ignores; made once for all its outcomes.
        """
        key = (deployed, experiment.ignore if experiment else ())
        if key not in self._prints:
            self._prints[key] = deployed_fingerprints(self._ladder, *key)
        return self._prints[key]

    def _control(self, experiment: Experiment | None) -> str | None:
        if experiment is None:
            return None
        current = self._ladder.current.id if self._ladder.current else None
        by_rung = {rung: name for name, rung in experiment.variants.items()}
        return experiment.control or by_rung.get(current or "")


def _refuse_impossible(aggregate: Aggregate, outcome: RealOutcome, label: str) -> None:
    """Raise `ConfigError` for sums that no units have."""
    for variant in aggregate.variants:
        if outcome.per is not None and variant.units and not variant.per_sum:
            raise ConfigError(
                f"{outcome.name}: no unit of {variant.variant} has a "
                f"{outcome.per}; the ratio is undefined."
            )
        problem = impossible(aggregate, variant)
        if problem:
            raise ConfigError(
                f"{label}: {variant.variant}: {problem}; correct the file."
            )


def _shares(experiment: Experiment) -> dict[str, float]:
    if experiment.shares is not None:
        return dict(experiment.shares)
    met = [name for name, rung in experiment.variants.items() if rung]
    return dict.fromkeys(met, 1 / len(met))


def _looks(new: Aggregate, old: Aggregate | None) -> tuple[Look, ...]:
    """Add a look where there is new data of the same experiment."""
    before = old.looks if old is not None and old.experiment == new.experiment else ()
    if new.last is None or (before and old and _data(old) == _data(new)):
        return before
    look = Look(to=new.last, units=new.units, differences=_differences(new))
    return (*before, look)


def _differences(aggregate: Aggregate) -> dict[str, tuple[float, float, float]]:
    """Return how each variant differs from the control, as far as sums are written."""
    kept = msgspec.structs.replace(
        aggregate, variants=tuple(map(withheld, aggregate.variants))
    )
    control = next((v for v in kept.variants if v.variant == kept.control), None)
    told = {}
    for variant in kept.variants if control else ():
        found = compare(kept, variant.rung, control.rung) if control else None
        if found is not None and variant is not control:
            ends = (found.difference, found.low, found.high)
            apart, low, high = (float(f"{end:.6g}") for end in ends)
            told[variant.variant] = apart, low, high
    return told


def _data(aggregate: Aggregate) -> list[VariantSums]:
    """Return what was measured, whatever the names and versions of rungs."""
    variants = sorted(aggregate.variants, key=lambda variant: variant.variant)
    return [
        msgspec.structs.replace(withheld(variant), rung="", fingerprint="", share=None)
        for variant in variants
    ]


def _last_day(
    files: Iterable[RawFile], sources: tuple[SourceFile, ...], old: Aggregate | None
) -> datetime.date:
    """Return the day of the newest file, where rows have no time.

    The same files keep their day: a copy of them is no newer.
    """
    if old is not None and old.last is not None and old.sources == sources:
        return old.last
    return day_of(max(file.path.stat().st_mtime for file in files))
