"""Events joined with exposures by unit: what users did after they met a variant.

Rows come many at a time, and what is done with them is done for all at once, for a loop
over rows takes several times as long as reading them. They are kept in arrays.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from pytest_ladder.core.aggregate import VariantSums
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.errors import ConfigError
from pytest_ladder.real.sources.exposures import NONE, Exposed, each, times_of
from pytest_ladder.real.sources.naming import say_columns
from pytest_ladder.real.sources.reading import CLIPPED, RawFile
from pytest_ladder.real.sources.times import note_times, zone_of
from pytest_ladder.real.sources.values import Decimal, number_in, told
from pytest_ladder.text import numbers
from pytest_ladder.text.phrases import did_you_mean

_HOUR = 3600.0
_MOST_EARLY = 0.5
"""Share of events before exposure, above which times look as of two zones."""
_MOST_NAMED = 8
"""Other events that a note names."""
_MOST_UNKNOWN = 0.5
"""Share of events of units that were never exposed, above which ids do not match."""


class Events:
    """Events of units, as they come: unit, time and value of each."""

    def __init__(self) -> None:
        self._parts: list[tuple[Any, Any, Any]] = []
        self.are_days = False
        """Whether times are days: two alike of a day are no copies of each other."""

    @property
    def is_empty(self) -> bool:
        """Whether nobody did it."""
        return not self._parts

    def add(self, units: Any, times: Any, values: Any) -> None:
        """Add events of known units, as arrays."""
        self._parts.append((units, times, values))

    def distinct(self) -> tuple[Any, Any, Any, int]:
        """Return units, times and values, and how many came twice.

        The same of the same unit at the same time is one event that was logged twice,
        wherever in the files that was.
        """
        empty = (np.zeros(0, np.intp), np.zeros(0), np.zeros(0))
        units, times, values = map(
            np.concatenate, zip(empty, *self._parts, strict=True)
        )
        if self.are_days:
            return units, times, values, 0
        order = np.lexsort((values, times, units))
        units, times, values = units[order], times[order], values[order]
        is_new = np.ones(len(units), bool)
        is_new[1:] = (
            (units[1:] != units[:-1])
            | (times[1:] != times[:-1])
            | (values[1:] != values[:-1])
        )
        return units[is_new], times[is_new], values[is_new], int((~is_new).sum())


class Counted:
    """What the units of an experiment did, for one outcome."""

    def __init__(self, outcome: RealOutcome, exposed: Exposed) -> None:
        self.outcome = outcome
        self._exposed = exposed
        self.events = Events()
        self.per = Events()
        """Events of the denominator."""
        self.before = Events()
        """The same measure before exposure."""
        self.others: set[str] = set()
        """Events of other names, some of them."""
        self.unknown = 0
        """Events of units that were never exposed."""
        self.latest = -math.inf
        """Unix time of the last event that it counts."""
        self.dropped: Counter[str] = Counter()
        self.notes: list[str] = []

    def sums(self) -> list[tuple[str, VariantSums]]:
        """Return (variant, its sums) of units that met one variant only."""
        outcome, exposed = self.outcome, self._exposed
        self.dropped["unknown unit"] = self.unknown
        value, seen = self._after(self.events)
        self._note_missing()
        if outcome.kind == "rate":
            value = (value > 0).astype(float)
        if outcome.range is not None:
            low, high = sorted(outcome.range)
            clipped = value.clip(low, high)
            self.dropped[CLIPPED] = int((clipped != value).sum())
            value = clipped
        kept = np.ones(len(value), dtype=bool)
        if outcome.within_hours is not None:
            # They had no time to do it: they would count as if they never did.
            latest = max(exposed.since.max(initial=-math.inf), self.latest)
            kept = exposed.since <= latest - outcome.within_hours * _HOUR
            self.dropped["exposed too late"] = int((~kept).sum())
        asked = kept
        if outcome.missing == "skip":
            kept = kept & seen
            self.dropped["without the event"] += int((asked & ~kept).sum())
        others = {}
        if outcome.per is not None:
            others["per"], _ = self._after(self.per)
        if outcome.before is not None:
            others["before"] = self._before()
        sums = []
        for place, name in enumerate(exposed.variants):
            own = exposed.variant == place
            found = _sums(value, others, kept & own)
            if asked is not kept:
                found = replace(found, asked=int((asked & own).sum()))
            sums.append((name, found))
        return sums

    def _after(self, events: Events) -> tuple[Any, Any]:
        """Return, of each unit, what it did after exposure, and whether it did."""
        units, times, values, twice = events.distinct()
        since, hours = self._exposed.since[units], self.outcome.within_hours
        early = times < since
        late = times > since + hours * _HOUR if hours is not None else early & False
        self.dropped["duplicate row"] += twice
        self.dropped["event before exposure"] += int(early.sum())
        self.dropped["event too late"] += int(late.sum())
        if early.sum() > _MOST_EARLY * len(early):
            share = numbers.percent(float(early.mean()))
            self.notes.append(
                f"{share} of its events come before the exposure of their unit; see "
                "that the times of both files are of one zone, and the files of the "
                "same days"
            )
        return self._by_unit(units, values, ~early & ~late)

    def _note_missing(self) -> None:
        """Say that an event never came, often as it is written otherwise."""
        for name, events in (
            (self.outcome.event, self.events),
            (self.outcome.per, self.per),
        ):
            if name is not None and events.is_empty and self.others:
                some = sorted(self.others)[:_MOST_NAMED]
                among = f"there are {', '.join(map(told, some))}"
                near = did_you_mean(name, self.others, f"{among}.").removesuffix(".")
                self.notes.append(
                    f"no row is the event `{name}`, so all units count as without it; "
                    f"{near}"
                )

    def _before(self) -> Any:
        units, times, values, twice = self.before.distinct()
        early = times < self._exposed.since[units]
        self.dropped["duplicate row"] += twice
        self.dropped["before, after exposure"] += int((~early).sum())
        return self._by_unit(units, values, early)[0]

    def _by_unit(self, units: Any, values: Any, kept: Any) -> tuple[Any, Any]:
        n = len(self._exposed.since)
        units, values = units[kept], values[kept]
        seen = np.bincount(units, minlength=n) > 0
        return np.bincount(units, values, minlength=n), seen


def read_events(
    file: RawFile, counted: Sequence[Counted], exposed: Exposed, *, before: bool = False
) -> None:
    """Count the events of one file for all outcomes that read it, in one pass.

    `before` says that it holds what units did before exposure. Raises `ConfigError`
    for what cannot be read, and where most events are of units that were never
    exposed.
    """
    reading = _Reading(file, counted, exposed, before)
    reading.are_days = note_times(file, reading.columns[2] or "", exposed.experiment)
    file.chunks(reading.columns, reading.take)
    unknown = reading.asked - reading.known
    for one in counted:
        one.others |= counted[0].others
        one.unknown += unknown
    # Before exposure many are there who never came back.
    if not before and unknown > _MOST_UNKNOWN * reading.asked:
        share = numbers.percent(unknown / reading.asked)
        named = ", ".join(one.outcome.name for one in counted)
        raise ConfigError(
            f"{file.label}: {share} of events are of units that were never exposed: "
            f'is "{reading.columns[0]}" the same in both files? Correct it, or say '
            f'columns = {{ unit = "…" }} in [[outcome]] {named}.'
        )


class _Taker(NamedTuple):
    """What counts an event of one name."""

    counted: Counted
    events: Events
    value: int | None
    """Place of its value among the columns; None: it is counted."""


class _Reading:
    """One pass over a file of events, for all outcomes that read it."""

    def __init__(
        self, file: RawFile, counted: Sequence[Counted], exposed: Exposed, before: bool
    ) -> None:
        self.columns = _event_columns(file, counted, exposed, before)
        """Of unit, event and time, and of the value of each outcome."""
        self.asked = self.known = 0
        """Events that an outcome counts; those of units that were exposed."""
        self.are_days = False
        self._others = counted[0].others
        self._index = exposed.index
        self._zone = zone_of(exposed.experiment)
        self._order = exposed.experiment.dates
        self._takers: dict[str, list[_Taker]] = {}
        """By the event's name."""
        for place, one in enumerate(counted, start=3):
            outcome = one.outcome
            value = None if outcome.value is None else place
            events = one.before if before else one.events
            # A file of one measure before exposure need not name it in each row.
            for name in {outcome.event or "", *([""] if before else [])}:
                taker = _Taker(one, events, value)
                self._takers.setdefault(name, []).append(taker)
            if outcome.per is not None and not before:
                taker = _Taker(one, one.per, None)
                self._takers.setdefault(outcome.per, []).append(taker)
        self._numbers = {name: number for number, name in enumerate(self._takers)}

    def take(self, chunk: list[Sequence[str]]) -> None:
        """Take in some rows. Raises `BadRow`."""
        who, event, written, *cells = chunk
        number = each(map(self._numbers.get, event, NONE), event, np.int8)
        rows = np.flatnonzero(number >= 0)
        number, who = number[rows], [who[row] for row in rows.tolist()]
        if len(self._others) < _MOST_NAMED:
            self._others |= {*event} - self._takers.keys()
        # Not by [], which would number those that were never exposed.
        units = each(map(self._index.get, who, NONE), who, np.intp)
        self.asked += len(units)
        is_known = units >= 0
        rows, units, number = rows[is_known], units[is_known], number[is_known]
        self.known += len(units)
        times = times_of(written, rows, self._zone, self._order, day_ends=True)
        for place, takers in enumerate(self._takers.values()):
            own = np.flatnonzero(number == place)
            for taker in takers if len(own) else ():
                values, decimal = np.ones(len(own)), taker.counted.outcome.decimal
                if taker.value is not None:
                    column = self.columns[taker.value] or ""
                    own, values = _values(
                        cells[taker.value - 3], rows, own, column, decimal
                    )
                taker.events.are_days |= self.are_days
                taker.events.add(units[own], times[own], values)
                latest = times[own].max(initial=-math.inf)
                taker.counted.latest = max(taker.counted.latest, latest)


def _values(
    texts: Sequence[str], rows: Any, own: Any, column: str, decimal: Decimal | None
) -> tuple[Any, Any]:
    """Return those of `own` whose cell says something, and what it says."""
    said = [each for each in own.tolist() if texts[rows[each]].strip()]
    values = [
        number_in(texts[rows[each]], rows[each], column, decimal) for each in said
    ]
    return np.array(said, np.intp), np.array(values, float)


def _event_columns(
    file: RawFile, counted: Sequence[Counted], exposed: Exposed, before: bool
) -> list[str | None]:
    """Return the columns of unit, event, time, and of each outcome's value."""
    outcome = counted[0].outcome
    head = f"in [[outcome]] {outcome.name}"
    columns: dict[str, str | None] = {}
    asked = {name for one in counted for name in (one.outcome.event, one.outcome.per)}
    for role in ("unit", "event", "time"):
        named = outcome.columns.get(role)
        if role == "unit":
            named = named or exposed.experiment.unit
        elif role == "time" and named is None:
            # Exposures and events are often of one tool, or in one file.
            same = exposed.experiment.columns.get("time")
            named = same if same is not None and file.may_hold(same) else None
        fits = asked.__contains__ if role == "event" else bool
        columns[role] = file.find_column(role, named, say_columns([role], head), fits)
    missing = [role for role, column in columns.items() if column is None]
    if missing and not (before and missing == ["event"]):
        raise file.unknown(missing, say_columns(missing, head))
    values = (one.outcome.value for one in counted)
    return [
        *columns.values(),
        *(
            None if value is None else file.column("value", value, "")
            for value in values
        ),
    ]


def _sums(value: Any, others: Mapping[str, Any], own: Any) -> VariantSums:
    """Sum over the units of one variant, `own`; exact, so their order is no matter."""
    y = value[own]
    more: dict[str, Any] = {}
    for name, other in others.items():
        x = other[own]
        more |= {
            f"{name}_sum": math.fsum(x),
            f"{name}_sum_squares": math.fsum(x * x),
            "cross" if name == "per" else "before_cross": math.fsum(x * y),
        }
    return VariantSums(
        variant="",
        rung="",
        units=int(own.sum()),
        sum=math.fsum(y),
        sum_squares=math.fsum(y * y),
        **more,
    )
