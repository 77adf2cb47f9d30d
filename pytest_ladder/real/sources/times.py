"""Times in raw files: ISO 8601, or seconds to nanoseconds since 1970."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import re
from collections.abc import Sequence
from typing import Any, Literal

from pytest_ladder.core.outcomes import Experiment
from pytest_ladder.errors import BadRow
from pytest_ladder.real.sources.reading import RawFile
from pytest_ladder.real.sources.values import told

_UTC = datetime.UTC
Order = Literal["dmy", "mdy"]

_LOCAL = re.compile(
    r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})"
    r"(?:,? +(\d{1,2}:\d\d(?::\d\d)?)(?: ?([ap])\.?m\.?)?)?",
    re.IGNORECASE,
)
"""A time as spreadsheets write it: `06/07/2026 9:30 PM`, `7.6.2026 21:30`."""

_LAST_OF_DAY = datetime.timedelta(days=1, seconds=-1)
_FIRST = 10**8
"""Of a time in seconds: 1973; below it is a count of something else."""


def seconds_of(
    text: str, zone: datetime.tzinfo = _UTC, *, day_ends: bool = False
) -> float:
    """Return a time as Unix seconds; one without a zone is of `zone`.

    A day is its first second, or its last where `day_ends`. Raises ValueError.
    """
    # BigQuery writes its zone so, pandas and others the next, spreadsheets the last.
    text = text.strip().removesuffix(" UTC").removesuffix(" GMT")
    text = re.sub(r"(?<=\d) (?=[+-]\d\d:?\d\d$)", "", text)
    text = re.sub(r"^(\d{4})/(\d\d)/(\d\d)", r"\1-\2-\3", text)
    if text[4:5] != "-":
        # First, for a number may look like a date without dashes: 1712011230123.
        try:
            return _epoch(text)
        except ValueError:
            pass
    read = datetime.datetime.fromisoformat(text)
    if is_day(text) and day_ends:
        read += _LAST_OF_DAY
    if read.tzinfo is None:
        read = read.replace(tzinfo=zone)
    return read.timestamp()


def in_iso(text: str, order: Order | None) -> str:
    """Return a time as spreadsheets write it as ISO 8601 has it; another as it is.

    Raises ValueError for a day or an hour that there is not.
    """
    found = _LOCAL.fullmatch(text.strip()) if order is not None else None
    if found is None:
        return text
    first, second, year, clock, half = found.groups()
    day, month = (first, second) if order == "dmy" else (second, first)
    date = datetime.date(int(year), int(month), int(day))
    if clock is None:
        return date.isoformat()
    hour, rest = clock.split(":", 1)
    if half is not None:
        hour = str(int(hour) % 12 + 12 * (half.lower() == "p"))
    return f"{date} {hour:>02}:{rest}"


def is_day(text: str) -> bool:
    """Whether a time is no more than a day: `2026-06-07`."""
    return len(text.strip()) <= len("2026-06-07") and "-" in text


def many_seconds(
    texts: Sequence[str],
    zone: datetime.tzinfo = _UTC,
    order: Order | None = None,
    *,
    day_ends: bool = False,
) -> Any:
    """Return the times of many rows as an array; raises `BadRow` for one that is none.

    The usual form goes a quick way: to the second, in UTC, `2026-06-07T10:00:00Z`.
    """
    import numpy as np

    if {*map(len, texts)} == {20}:
        with contextlib.suppress(ValueError):
            written = "".join(texts).encode("ascii")
            parts = np.frombuffer(written, [("time", "S19"), ("zone", "S1")])
            # Without, numpy takes what follows the hour for a zone, and warns.
            is_clock = {*written[13::20], *written[16::20]} == {ord(":")}
            if is_clock and (parts["zone"] == b"Z").all():
                times = parts["time"].astype("M8[s]")
                if not np.isnat(times).any():
                    return times.astype(float)
    seconds = []
    for row, text in enumerate(texts):
        try:
            iso = in_iso(text, order)
            seconds.append(seconds_of(iso, zone, day_ends=day_ends))
        except (ValueError, OverflowError):
            problem = f"{told(text)} is no time; write 2026-06-07T10:00:00Z"
            if order is None and _LOCAL.fullmatch(text.strip()):
                problem += ', or say dates = "dmy" (the day first) or "mdy" in the '
                problem += "[[experiment]]"
            problem += "."
            raise BadRow(row, problem) from None
    return np.array(seconds)


def zone_of(experiment: Experiment) -> datetime.tzinfo:
    """Return the zone of times that name none."""
    if experiment.zone is None:
        return _UTC
    # Few experiments have one.
    from zoneinfo import ZoneInfo

    return ZoneInfo(experiment.zone)


def note_times(file: RawFile, column: str, experiment: Experiment) -> bool:
    """Say once of a file that its times have no zone, or are days; return the latter.

    By its first row: a file is of one make.
    """
    for _, (text,) in itertools.islice(file.rows([column]), 1):
        with contextlib.suppress(ValueError):
            text = in_iso(text, experiment.dates)
        if is_day(text):
            file.notes.append(
                f"its times are days ({experiment.zone or 'UTC'}), so what users did "
                "on the day of their exposure counts as after it, and alike events of "
                "a day count each"
            )
            return True
        with contextlib.suppress(ValueError):
            read = datetime.datetime.fromisoformat(text.strip())
            named = text[4:5] != "-" or read.tzinfo is not None
            if not named and experiment.zone is None:
                file.notes.append(
                    "times without a zone are taken as UTC (say "
                    f'zone = "Europe/Berlin" in [[experiment]] {experiment.name} '
                    "where they are of another)"
                )
    return False


def day_of(seconds: float) -> datetime.date:
    """Return the day of a time (UTC)."""
    return datetime.datetime.fromtimestamp(seconds, _UTC).date()


def _epoch(text: str) -> float:
    """Read a number of seconds, or of parts of one down to nanoseconds, by its size."""
    value = float(text)
    if not _FIRST <= value < _FIRST * 10**12:
        raise ValueError(f"{text} is no time.")
    while value >= _FIRST * 10**3:
        value /= 10**3
    return value
