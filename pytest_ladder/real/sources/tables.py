"""Tables with one row for each variant: six numbers typed by hand, or an export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_ladder.core.aggregate import Aggregate, VariantSums
from pytest_ladder.core.outcomes import RealOutcome, TableColumn
from pytest_ladder.real.aggregates import impossible
from pytest_ladder.real.sources.reading import RawFile
from pytest_ladder.real.sources.values import number_at, told
from pytest_ladder.real.sources.variants import Variants
from pytest_ladder.text.phrases import did_you_mean, listed

_COLUMNS: dict[TableColumn, tuple[str, ...]] = {
    # The names of platforms behind those that people type.
    "n": ("n", "units", "users", "count", "test_units", "exposures", "visitors"),
    "successes": ("successes", "conversions"),
    "mean": ("mean", "test_mean"),
    "sd": ("sd", "standard_deviation"),
    "se": ("se", "stderr", "std_err", "standard_error"),
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
_METRIC = (
    *("metric", "metric_name", "metric name", "metric_id"),
    *("goal", "goal_name", "goal name"),
)
_UNCLEAR = ("std", "test_std", "stdev")
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
    said = outcome.columns
    for column in file.columns:
        unclear = column.strip().lower() in _UNCLEAR
        if unclear and column not in (said.get("sd"), said.get("se")):
            raise file.error(
                1,
                f'"{column}" may be a standard deviation or error; rename it sd or se, '
                f'or say columns = {{ sd = "{column}" }} or {{ se = "{column}" }} in '
                f"[[outcome]] {outcome.name}.",
            )
    fix = f'say columns = {{ variant = "…" }} in [[outcome]] {outcome.name}'
    variant = file.column("variant", said.get("variant"), fix)
    metric, metrics = _metric_column(file, outcome), dict[str, None]()
    found = _found(file, outcome)
    _check_complete(file, outcome, found)
    read: dict[str, VariantSums] = {}
    for line, (written, of, *cells) in file.rows([variant, metric, *found.values()]):
        metrics[of.strip()] = None
        if outcome.score is not None and of.strip() != outcome.score:
            continue
        if len(metrics) > 1 and outcome.score is None:
            raise file.error(
                line,
                f"the table holds several metrics ({', '.join(map(told, metrics))}, "
                f'…); say score = "…" in [[outcome]] {outcome.name}.',
            )
        name = variants.named(file, line, written)
        if name in read:
            raise file.error(line, f"{name} has a row above; keep one.")
        values = {
            key: number_at(
                *(file.error, line, column, cell, outcome.decimal),
                counts=key in _COUNTS,
            )
            for (key, column), cell in zip(found.items(), cells, strict=True)
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
    column = next((one for one in file.columns if one.strip().lower() in _METRIC), None)
    if column is None and outcome.score is not None:
        raise file.error(
            1,
            "no column is known as the metric (the columns are "
            f"{', '.join(map(told, file.columns))}); say columns = {{ metric = "
            f'"…" }} in [[outcome]] {outcome.name}, or leave out score.',
        )
    return column


def _found(file: RawFile, outcome: RealOutcome) -> dict[str, str]:
    """Return the file's column for each number that it has."""
    plain = {column.strip().lower(): column for column in file.columns}
    found: dict[str, str] = {}
    for key, names in _COLUMNS.items():
        named = outcome.columns.get(key)
        if named is not None:
            found[key] = file.column(key, named, "")
            continue
        own = [plain[name] for name in names if name in plain]
        # GrowthBook has both: units of the variant, and those with a value.
        if len(own) > 1 and [name.lower() for name in own] != ["users", "count"]:
            raise file.error(
                1,
                f'"{own[0]}" and "{own[1]}" could both be {key}; keep one, or say '
                f'columns = {{ {key} = "…" }} in [[outcome]] {outcome.name}.',
            )
        if own:
            found[key] = own[0]
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
        values |= {"sum": mean * n, "sum_squares": variance * (n - 1) + n * mean**2}
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
        return values["sd"] ** 2
    return values.get("se", 0.0) ** 2 * n
