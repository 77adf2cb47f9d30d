"""Exposures: the units of an experiment, the variant that each met, and when first.

A unit is a number here, by its place in one dictionary, and what is known of it lies in
arrays: five million of them fit into memory. Ids are never written, nor quoted.
"""

from __future__ import annotations

import datetime
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pytest_ladder.core.aggregate import SEVERAL
from pytest_ladder.core.outcomes import Experiment
from pytest_ladder.errors import BadRow
from pytest_ladder.real.sources.reading import NO_UNIT, RawFile
from pytest_ladder.real.sources.times import (
    Order,
    day_of,
    many_seconds,
    note_times,
    zone_of,
)
from pytest_ladder.real.sources.variants import by_folded, folded, unknown_variant

NO_VARIANT = "without a variant"

NONE = itertools.repeat(-1)
"""Numbers of what is not known, without end."""


class Exposed:
    """Units of an experiment: the variant that each met, and when first."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.variants = [*experiment.variants]
        self._places = {name: place for place, name in enumerate(self.variants)}
        """By name, and by each other way that a file writes one."""
        self._folded = by_folded(self.variants)
        self.index: dict[str, int] = defaultdict(itertools.count().__next__)
        """Number of each unit; asking for a new one numbers it."""
        self.dropped: Counter[str] = Counter()
        self.unit_column = experiment.unit or ""
        self._zone = zone_of(experiment)
        self._rows: list[tuple[Any, Any, Any]] = []
        """Units, places of variants and times, as they came."""
        self.variant: Any = np.zeros(0, np.int8)
        """Of each unit: the place of its variant in `variants`; -1: it met several."""
        self.since: Any = np.zeros(0)
        """Of each unit: Unix time of its first exposure."""

    def read(self, files: Iterable[RawFile]) -> None:
        """Take all exposures in. Raises `ConfigError` for rows that cannot be."""
        for file in files:
            columns = self._columns(file)
            note_times(file, columns[2] or "", self.experiment)
            file.chunks(columns, self._take)
        n = len(self.index)
        first, last = np.full(n, 127, np.int8), np.full(n, -1, np.int8)
        self.since = np.full(n, np.inf)
        for units, places, times in self._rows:
            np.minimum.at(first, units, places)
            np.maximum.at(last, units, places)
            np.minimum.at(self.since, units, times)
        self._rows = []
        self.variant = np.where(first == last, first, -1)
        self.dropped[SEVERAL] = int((self.variant < 0).sum())

    @property
    def leaks(self) -> dict[str, int]:
        """Units of variants whose planned share is 0."""
        shares = self.experiment.shares or {}
        counts = {
            name: int((self.variant == place).sum())
            for place, name in enumerate(self.variants)
            if shares.get(name, 1) == 0
        }
        return {name: count for name, count in counts.items() if count}

    @property
    def days(self) -> tuple[datetime.date, datetime.date] | None:
        """First and last day of first exposures; None without a unit."""
        if not len(self.since):
            return None
        return day_of(float(self.since.min())), day_of(float(self.since.max()))

    def variant_of(self, unit: str) -> str | None:
        """Return what a unit met; None: several, and empty: it was not exposed."""
        number = self.index.get(unit)
        place = -2 if number is None else self.variant[number]
        return "" if place == -2 else None if place == -1 else self.variants[place]

    def units_of(self, variant: str) -> int:
        """Return how many units met a variant, and no other."""
        return int((self.variant == self._places[variant]).sum())

    def _take(self, chunk: list[Sequence[str]]) -> None:
        who, variant, written, of = chunk
        kept = np.ones(len(who), bool)
        if self.experiment.id is not None:
            kept = each(map(self.experiment.id.__eq__, of), who, bool)
            self.dropped["of another experiment"] += int((~kept).sum())
        places = each(map(self._places.get, variant, NONE), who, np.int8)
        for row in np.flatnonzero(kept & (places < 0)).tolist():
            if not variant[row].strip():
                # Another event, where a file has those and exposures.
                kept[row] = False
                self.dropped[NO_VARIANT] += 1
                continue
            name = self._folded.get(folded(variant[row]))
            if name is None:
                raise BadRow(row, unknown_variant(variant[row], self.experiment))
            places[row] = self._places[variant[row]] = self._places[name]
        if "" in who:
            is_named = each(map(bool, who), who, bool)
            self.dropped[NO_UNIT] += int((kept & ~is_named).sum())
            kept &= is_named
        rows = np.flatnonzero(kept)
        times = times_of(written, rows, self._zone, self.experiment.dates)
        first, last = _bounds(self.experiment)
        inside = (times >= first) & (times < last)
        self.dropped["outside days"] += int((~inside).sum())
        names = [who[row] for row in rows[inside].tolist()]
        units = each(map(self.index.__getitem__, names), names, np.intp)
        self._rows.append((units, places[rows[inside]], times[inside]))

    def _is_known(self, variant: str) -> bool:
        return folded(variant) in self._folded

    def _is_own(self, experiment: str) -> bool:
        return experiment == self.experiment.id

    def _columns(self, file: RawFile) -> list[str | None]:
        """Return the columns of unit, variant, time and, if asked for, experiment."""
        experiment = self.experiment
        fits = {"variant": self._is_known, "experiment": self._is_own}
        named: dict[str, str | None] = {"unit": experiment.unit}
        named |= {str(role): name for role, name in experiment.columns.items()}
        roles = ["unit", "variant", "time"]
        roles += ["experiment"] if experiment.id is not None else []
        columns = {
            role: file.find_column(
                role, named.get(role), self._fix([role]), fits.get(role, bool)
            )
            for role in roles
        }
        if missing := [role for role, column in columns.items() if column is None]:
            raise file.unknown(missing, self._fix(missing))
        self.unit_column = columns["unit"] or ""
        return [columns.get(role) for role in ("unit", "variant", "time", "experiment")]

    def _fix(self, roles: Sequence[str]) -> str:
        """Say where the configuration names the columns that hold these."""
        inner = ", ".join(f'{role} = "…"' for role in roles if role != "unit")
        said = ['unit = "…"'] if "unit" in roles else []
        said += [f"columns = {{ {inner} }}"] if inner else []
        return f"say {' and '.join(said)} in [[experiment]] {self.experiment.name}"


def times_of(
    written: Sequence[str],
    rows: Any,
    zone: datetime.tzinfo,
    order: Order | None,
    *,
    day_ends: bool = False,
) -> Any:
    """Return the times of these rows, as `many_seconds` does. Raises `BadRow`."""
    try:
        chosen = [written[row] for row in rows.tolist()]
        return many_seconds(chosen, zone, order, day_ends=day_ends)
    except BadRow as bad:
        raise BadRow(int(rows[bad.row]), bad.problem) from None


def each(values: Iterable[Any], rows: Sequence[str], kind: Any) -> Any:
    """Return one value for each row, as an array."""
    return np.fromiter(values, kind, len(rows))


def _bounds(experiment: Experiment) -> tuple[float, float]:
    """Return the first second of exposure, and the first that is too late."""
    if experiment.days is None:
        return -math.inf, math.inf
    begin, end = (
        datetime.datetime.combine(day, datetime.time(), datetime.UTC)
        for day in experiment.days
    )
    return begin.timestamp(), (end + datetime.timedelta(days=1)).timestamp()
