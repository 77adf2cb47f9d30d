"""Tables with sums of each variant: six numbers typed by hand, or an export.

A variant has a row of its own, or all have one, with columns that begin with their
names: `control_units`, `test_units`, as in the pulse of Statsig.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

from pytest_ladder.core.aggregate import Aggregate, VariantSums
from pytest_ladder.core.outcomes import RealOutcome, TableColumn
from pytest_ladder.real.aggregates import impossible
from pytest_ladder.real.sources.naming import alike, called, say_columns
from pytest_ladder.real.sources.reading import RawFile
from pytest_ladder.real.sources.values import number_at, told
from pytest_ladder.real.sources.variants import Variants
from pytest_ladder.text.phrases import did_you_mean, listed

_COLUMNS: dict[TableColumn, tuple[str, ...]] = {
    # The names of platforms behind those that people type.
    "n": (
        *("n", "units", "users", "count", "exposures", "visitors", "subjects"),
        *("unique_visitors", "test_units"),
    ),
    "successes": ("successes", "conversions", "unique_conversions"),
    "mean": ("mean", "test_mean"),
    "sd": ("sd", "std_dev", "standard_deviation"),
    "se": ("se", "std_err", "std_error", "standard_error"),
    "variance": ("variance", "var"),
    "sum": ("sum", "main_sum"),
    "sum_squares": ("sum_squares", "main_sum_squares"),
    "per_sum": ("per_sum", "denominator_sum"),
    "per_sum_squares": ("per_sum_squares", "denominator_sum_squares"),
    "cross": ("cross", "main_denominator_sum_product"),
    "before_sum": ("before_sum", "covariate_sum"),
    "before_sum_squares": ("before_sum_squares", "covariate_sum_squares"),
    "before_cross": ("before_cross", "main_covariate_sum_product"),
}
_UNCLEAR = ("std", "teststd", "stdev")
_COUNTS = ("n", "successes")
_SUMS = (
    *("sum", "sum_squares", "per_sum", "per_sum_squares", "cross"),
    *("before_sum", "before_sum_squares", "before_cross"),
)


def read_table(
    file: RawFile, outcome: RealOutcome, variants: Variants
) -> dict[str, VariantSums]:
    """Return the sums of each variant; they name no rung yet.

    Of a table with several metrics those of `score`, by their column. Raises
    `ConfigError` for numbers that cannot be, and columns that say too little.
    """
    arms = _arms(file, outcome, variants)
    metric, metrics = _metric_column(file, outcome), dict[str, None]()
    read: dict[str, VariantSums] = {}
    of_arms = [(one.told_by, *one.found.values()) for one in arms]
    for line, (of, *cells) in file.rows([metric, *itertools.chain(*of_arms)]):
        metrics[of.strip()] = None
        if outcome.score is not None and of.strip() != outcome.score:
            continue
        if len(metrics) > 1 and outcome.score is None:
            raise file.error(
                line,
                f"the table holds several metrics ({', '.join(map(told, metrics))}, "
                f'…); say score = "…" in [[outcome]] {outcome.name}.',
            )
        left = iter(cells)
        for arm in arms:
            told_by = next(left)
            name = arm.variant or variants.named(file, line, told_by)
            if name in read:
                raise file.error(line, f"{name} has a row above; keep one.")
            values = {
                key: number_at(
                    *(file.error, line, column, cell, outcome.decimal),
                    counts=key in _COUNTS,
                )
                for (key, column), cell in zip(arm.found.items(), left, strict=False)
                if cell.strip()
            }
            read[name] = _sums(file, line, values)
            problem = impossible(Aggregate(name="", kind=outcome.kind), read[name])
            if problem:
                raise file.error(line, f"{problem}; correct this row.")
    if outcome.score is not None and not read:
        among = f"the metrics are {', '.join(map(told, metrics))}."
        near = did_you_mean(outcome.score, metrics, among)
        raise file.error(1, f"no row is of the metric {told(outcome.score)}; {near}")
    return read


def _metric_column(file: RawFile, outcome: RealOutcome) -> str | None:
    """Return the column that names a row's metric; None: there is but one."""
    named = outcome.columns.get("metric")
    if named is not None:
        return file.column("metric", named, "")
    column = next(iter(called("metric", file.columns)), None)
    if column is None and outcome.score is not None:
        raise file.error(
            1,
            "no column is known as the metric (the columns are "
            f"{', '.join(map(told, file.columns))}); "
            f"{say_columns(['metric'], f'in [[outcome]] {outcome.name}')}, or leave "
            "out score.",
        )
    return column


class _Arm(NamedTuple):
    """Where a row has the numbers of a variant."""

    variant: str | None
    """None: the row names it."""
    told_by: str | None
    """The column that does."""
    found: dict[str, str]
    """The column of each number that there is."""


def _arms(file: RawFile, outcome: RealOutcome, variants: Variants) -> list[_Arm]:
    """Return the arms of a row: one that it names, or each with columns of its own."""
    head = f"in [[outcome]] {outcome.name}"
    fix = say_columns(["variant"], head)
    named = outcome.columns.get("variant")
    column = file.find_column("variant", named, fix, variants.known)
    wide = {} if column else _wide(file, variants)
    if wide:
        return [
            _Arm(variant, None, _found(file, outcome, parts))
            for variant, parts in wide.items()
        ]
    fix += (
        ", begin names with that of a variant where a row has all (control_n, "
        "control_successes)"
    )
    column = column or file.column("variant", named, fix)
    parts = {alike(name): name for name in file.columns}
    return [_Arm(None, column, _found(file, outcome, parts))]


def _wide(file: RawFile, variants: Variants) -> dict[str, dict[str, str]]:
    """Return, by variant, the columns that begin with its name, by what follows it."""
    known = {alike(name) for name in (*itertools.chain(*_COLUMNS.values()), *_UNCLEAR)}
    wide: dict[str, dict[str, str]] = {}
    for variant, column in itertools.product(variants.declared, file.columns):
        part = alike(column).removeprefix(alike(variant))
        if part in known and part != alike(column):
            wide.setdefault(variant, {})[part] = column
    return wide if len(wide) > 1 else {}


def _found(
    file: RawFile, outcome: RealOutcome, parts: Mapping[str, str]
) -> dict[str, str]:
    """Return the column of each number that there is, of those in `parts` by name."""
    head = f"in [[outcome]] {outcome.name}"
    said = {parts.get(alike(name)) for name in outcome.columns.values()}
    for name in _UNCLEAR:
        column = parts.get(name)
        if column is not None and column not in said:
            # Of several variants it is what follows their names.
            say = column if alike(column) == name else name
            raise file.error(
                1,
                f'"{column}" may be a standard deviation or error; rename it sd or se, '
                f'or say columns = {{ sd = "{say}" }} or {{ se = "{say}" }} {head}.',
            )
    found: dict[str, str] = {}
    for key, names in _COLUMNS.items():
        named = outcome.columns.get(key)
        if named is not None:
            column = parts.get(alike(named)) or file.column(key, named, "")
            if column not in parts.values():
                problem = f"`{named}` is of one variant; leave its name out {head}."
                raise file.error(1, problem)
            found[key] = column
            continue
        own = [parts[alike(name)] for name in names if alike(name) in parts]
        # GrowthBook has both: units of the variant, and those with a value.
        if len(own) > 1 and [name.lower() for name in own] != ["users", "count"]:
            raise file.error(
                1,
                f'"{own[0]}" and "{own[1]}" could both be {key}; keep one, or say '
                f'columns = {{ {key} = "…" }} {head}.',
            )
        if own:
            found[key] = own[0]
    _check_complete(file, outcome, found)
    return found


def _check_complete(
    file: RawFile, outcome: RealOutcome, found: Mapping[str, str]
) -> None:
    ratio = {"sum", "sum_squares", "per_sum", "per_sum_squares", "cross"}
    needed = {
        "rate": [{"successes"}, {"sum"}],
        "mean": [
            {"mean", "sd"},
            {"mean", "se"},
            {"mean", "variance"},
            {"sum", "sum_squares"},
        ],
        "ratio": [ratio],
        "thumbs": [ratio],
        "rating": [{"mean", "sd"}, {"mean", "se"}, {"sum", "sum_squares"}],
    }.get(outcome.kind, [set()])
    if "n" in found and any(set(found) >= {*columns} for columns in needed):
        return
    fix = (
        "add what is missing, or say which columns hold it, as in columns = { n = "
        f'"…" }} in [[outcome]] {outcome.name}'
    )
    if outcome.kind == "rate" and "mean" in found:
        fix += ', or say kind = "mean", which a share is as well'
    ways = " or ".join(listed(["n", *sorted(columns)]) for columns in needed)
    raise file.error(
        1,
        f'a "{outcome.kind}" needs the columns {ways} beside the variant, and there '
        f"are {listed(file.columns)}; {fix}.",
    )


def _sums(file: RawFile, line: int, values: dict[str, float]) -> VariantSums:
    """Turn whatever a row says into sums. Raises `ConfigError`."""
    n = values.get("n")
    if n is None or n < 0 or not n.is_integer():
        raise file.error(line, "n is no number of units; write a whole number.")
    successes = values.get("successes")
    if successes is not None:
        if not 0 <= successes <= n or not successes.is_integer():
            raise file.error(
                line,
                f"{successes:.12g} successes of {n:.12g} units; write a whole number "
                "between 0 and n.",
            )
        values |= {"sum": successes, "sum_squares": successes}
    for key in ("sd", "se", "variance", "per_sum"):
        if values.get(key, 0) < 0:
            raise file.error(line, f"{key} is below 0; correct it.")
    mean = values.get("mean")
    if mean is not None and "sum" not in values:
        variance = _variance(values, n)
        values |= {"sum": mean * n, "sum_squares": variance * (n - 1) + n * mean * mean}
    kept: dict[str, Any] = {key: values[key] for key in _SUMS if key in values}
    if "sum" in kept:
        # Of a rate each success is 1, and so is its square.
        kept.setdefault("sum_squares", kept["sum"])
    return VariantSums(variant="", rung="", units=int(n), **kept)


def _variance(values: Mapping[str, float], n: float) -> float:
    """Return the variance of a unit from whichever spread is given."""
    if "variance" in values:
        return values["variance"]
    if "sd" in values:
        return values["sd"] * values["sd"]
    return values.get("se", 0.0) * values.get("se", 0.0) * n
