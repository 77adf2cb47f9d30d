"""Columns by what they hold, such as a unit, a variant or a time."""

from __future__ import annotations

from collections.abc import Iterable

SYNONYMS: dict[str, tuple[str, ...]] = {
    "unit": (
        *("unit", "user", "user_id", "subject", "visitor_id", "distinct_id"),
        *("context_key", "stable_id", "user_pseudo_id", "unit_id"),
    ),
    "variant": (
        *("variant", "variant_id", "variant_name", "variation", "variation_id"),
        *("variation_name", "variation_value", "group", "group_id", "group_name"),
        *("treatment", "$feature_flag_response", "experiment_group"),
    ),
    "time": (
        *("time", "timestamp", "ts", "created_at", "exposed_at", "start_date"),
        *("start_time", "time_unix_nano", "modified_at", "event_time"),
        *("event_timestamp", "creation_date", "first_exposure_utc"),
    ),
    "metric": ("metric", "metric_name", "metric_id", "goal", "goal_name"),
    "event": ("event", "event_name", "event_type", "event_key", "name"),
    "value": ("value", "revenue", "amount"),
    "experiment": ("experiment", "experiment_id", "flag_key", "$feature_flag"),
    "per": ("per", "denominator"),
    "before": ("before", "covariate", "pre_value"),
    "rating": ("rating", "grade", "score", "answer", "thumb", "value"),
    "rung": ("rung",),
    "trace": ("trace", "trace_id", "run_id", "span_id"),
}
"""Names of columns by what they hold, however they are written: `userId`, `User ID`."""

NUMBERS = frozenset({"value", "per", "before", "rating"})
"""What is no further looked for inside of columns: whoever wants it names it."""


def say_columns(roles: Iterable[str], where: str) -> str:
    """Ask for the names of columns that hold these, `where` the configuration can.

    That is a table and its name: `in [[outcome]] resolved`.
    """
    inner = ", ".join(f'{role} = "…"' for role in roles)
    return f"say columns = {{ {inner} }} {where}"


def called(role: str, columns: Iterable[str], *, inside: bool = False) -> list[str]:
    """Return the columns that are called as what holds something, such as the unit.

    `inside`: by the last step of a path, such as `properties.distinct_id`.
    """
    known = {alike(name) for name in SYNONYMS[role]}
    return [
        column
        for column in columns
        if alike(column.split(".")[-1] if inside else column) in known
    ]


def alike(name: str) -> str:
    """Leave out of a name what makes no difference: `User ID`, `userId`, `user_id`."""
    return "".join(sign for sign in name.casefold() if sign.isalnum())
