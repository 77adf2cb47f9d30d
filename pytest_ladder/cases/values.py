"""Values of other libraries in rows given as Python: numpy's, pandas', Arrow's."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterable
from typing import Any

_PLAIN = frozenset({str, int, bool, type(None)})
_MISSING = frozenset({"NAType", "NaTType"})
"""What pandas puts where there is nothing, besides NaN."""


def rows_in(source: Iterable[Any]) -> Iterable[Any]:
    """Return the rows of a data frame of pandas or polars; else `source` itself."""
    rows: Iterable[Any] = source
    if hasattr(source, "to_dicts"):
        rows = source.to_dicts()
    elif hasattr(source, "to_dict") and hasattr(source, "columns"):
        rows = source.to_dict("records")
    return rows


def plain_row(row: Any) -> Any:
    """Return a row as a dict of plain values; the row itself where it is that already.

    A row of pandas comes as a `Series` or a named tuple. NaN is no value.
    """
    if not isinstance(row, dict):
        if hasattr(row, "_asdict"):
            row = row._asdict()
        elif hasattr(row, "to_dict") and hasattr(row, "index"):
            row = row.to_dict()
        else:
            return row
    changed = {}
    for name, value in row.items():
        if type(value) not in _PLAIN:
            plain = _plain(value)
            if plain is not value:
                changed[name] = plain
    return {**row, **changed} if changed else row


def _plain(value: Any) -> Any:
    """Return a value without types of other libraries; itself if it has none."""
    if isinstance(value, float) and value != value:  # NaN
        return None
    if isinstance(value, list | tuple):
        inner = [_plain(each) for each in value]
        same = all(a is b for a, b in zip(inner, value, strict=True))
        return value if same else inner
    if isinstance(value, dict):
        return plain_row(value)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        listed = value.tolist()
        return _plain(listed) if listed is not value else value
    if type(value).__name__ in _MISSING:
        return None
    if hasattr(value, "to_pydatetime"):
        return value.isoformat()
    return value


def of_arrow(value: Any) -> Any:
    """Return a value of Arrow as JSON has it: times and decimals as texts."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | datetime.timedelta):
        return str(value)
    if isinstance(value, list):
        # A column of maps comes as pairs.
        if value and all(isinstance(each, tuple) for each in value):
            return {str(name): of_arrow(inner) for name, inner in value}
        return [of_arrow(each) for each in value]
    if isinstance(value, dict):
        return {name: of_arrow(inner) for name, inner in value.items()}
    return value
