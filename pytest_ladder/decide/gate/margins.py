"""Cost and latency before and after: relative changes with their intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from pytest_ladder.core.row import Row
from pytest_ladder.decide.cost import PER, distinct, latencies
from pytest_ladder.decide.evidence import comparison
from pytest_ladder.decide.gate.pairs import Pairs
from pytest_ladder.decide.gate.result import Figure, Rise
from pytest_ladder.decide.matrix import Unit, cluster_labels, cluster_names
from pytest_ladder.stats.intervals import Interval
from pytest_ladder.stats.latency import percentile, percentile_interval

LEAST_LIVE = 59
"""Live calls from which on a 95th percentile has a one-sided 95 % bound.

See docs/methods.md §7.3.
"""
_P95 = 0.95
_ONE_SIDED = 0.05


def cost_rise(pairs: Pairs) -> Rise:
    """Compare what the replies of a test cost, case by case, in USD per 1,000.

    Of a test that makes one call that is the cost of a call. Building is left out: it
    is the objective that weighs it. `change` has the paired interval of the difference
    over the mean before, which is taken as it is.
    """
    old, new = _rows(pairs.before.values()), _rows(pairs.after.values())
    before, after = _usd_by_unit(old), _usd_by_unit(new)
    units = sorted(before.keys() & after.keys())
    usd_before, usd_after = (
        [before[unit] for unit in units],
        [after[unit] for unit in units],
    )
    first, second = _mean_figure(usd_before), _mean_figure(usd_after)
    if first.value is None or second.value is None:
        why = "a cost is unknown" if units else "no case has replies on both sides"
        return Rise(before=first, after=second, change=None, problem=why)
    if first.value == 0:
        change = math.inf if second.value > 0 else 0.0
        return Rise(before=first, after=second, change=change, established=change > 0)
    scale = first.value / PER
    rises = [
        (b or 0.0) / scale - (a or 0.0) / scale
        for a, b in zip(usd_before, usd_after, strict=True)
    ]
    clusters = cluster_labels(units, cluster_names([*old, *new]))
    compared = comparison(rises, clusters)
    return Rise(
        before=first,
        after=second,
        change=compared.mean,
        low=compared.low,
        high=compared.high,
        established=compared.established and compared.mean > 0,
    )


def latency_rise(pairs: Pairs) -> Rise:
    """Compare the 95th percentiles of live calls, in seconds.

    The interval of their ratio combines those of the two, which rest on order
    statistics, on the logarithmic scale (MOVER: Zou and Donner 2008). A side with fewer
    than 59 live calls has no upper bound (docs/methods.md §7.3), and then nothing is
    said.
    """
    old, new = _live(pairs.before.values()), _live(pairs.after.values())
    before, after = _p95(old), _p95(new)
    change = None
    if before.value and after.value is not None:
        change = after.value / before.value - 1
    one_sided = _ratio_interval(old, new, 1 - 2 * _ONE_SIDED)
    problem = ""
    if change is None or one_sided is None:
        problem = (
            f"{min(before.n, after.n):,} live calls on one side, of {LEAST_LIVE} that "
            "are needed"
        )
    shown = _ratio_interval(old, new, 0.95) or (None, None)
    return Rise(
        before=before,
        after=after,
        change=change,
        low=shown[0],
        high=shown[1],
        established=one_sided is not None and one_sided.low > 0,
        problem=problem,
    )


def _ratio_interval(
    old: Sequence[float], new: Sequence[float], confidence: float
) -> Interval | None:
    """Interval of the relative change of p95; None with too few live calls for one."""
    sides = []
    for values in (old, new):
        if not values:
            return None
        low, high = percentile_interval(values, _P95, confidence)
        if not low or not math.isfinite(high):
            return None
        sides.append([math.log(at) for at in (low, percentile(values, _P95), high)])
    (low_b, mid_b, high_b), (low_a, mid_a, high_a) = sides
    down = math.hypot(mid_a - low_a, high_b - mid_b)
    up = math.hypot(high_a - mid_a, mid_b - low_b)
    ratio = mid_a - mid_b
    return Interval(math.expm1(ratio - down), math.expm1(ratio + up))


def _rows(groups: Iterable[Sequence[Row]]) -> list[Row]:
    return [row for rows in groups for row in rows]


def _usd_by_unit(rows: Iterable[Row]) -> dict[Unit, float | None]:
    """Mean cost of a row's replies by unit; None where one is unknown."""
    usd: defaultdict[Unit, list[float | None]] = defaultdict(list)
    for row in rows:
        bills = distinct(row.replies)
        if bills:
            costs = [bill.cost_usd for bill in bills if bill.cost_usd is not None]
            known = len(costs) == len(bills)
            usd[row.source, row.case].append(math.fsum(costs) if known else None)
    return {unit: _mean(values) for unit, values in usd.items()}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    whole = known and len(known) == len(values)
    return math.fsum(known) / len(known) if whole else None


def _mean_figure(costs: Sequence[float | None]) -> Figure:
    usd = _mean(costs)
    return Figure(value=None if usd is None else PER * usd, n=len(costs))


def _live(groups: Iterable[Sequence[Row]]) -> list[float]:
    """Latencies of the distinct live calls, in seconds."""
    bills = distinct(bill for row in _rows(groups) for bill in row.replies)
    return latencies(bills, live=True)


def _p95(live: Sequence[float]) -> Figure:
    if not live:
        return Figure(value=None, n=0)
    low, high = percentile_interval(live, _P95)
    return Figure(
        value=percentile(live, _P95),
        low=low,
        high=high if math.isfinite(high) else None,
        n=len(live),
    )
