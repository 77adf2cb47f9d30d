"""Cost and latency before and after: relative changes with their intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.decide.comparison import ONE_SIDED
from pytest_ladder.decide.cost import PER, distinct, latencies
from pytest_ladder.decide.evidence import comparison
from pytest_ladder.decide.gate.pairs import Pairs
from pytest_ladder.decide.gate.result import Figure, Rise
from pytest_ladder.decide.gate.within import LEAST_RUNS
from pytest_ladder.decide.matrix import Unit, cluster_labels, cluster_names
from pytest_ladder.stats.exact import beyond_runs
from pytest_ladder.stats.intervals import Interval
from pytest_ladder.stats.latency import percentile, percentile_interval
from pytest_ladder.stats.sums import mean, total
from pytest_ladder.text.numbers import count

LEAST_LIVE = 59
"""Live calls from which on a 95th percentile has a one-sided 95 % bound.

See docs/methods.md §7.3.
"""
_P95 = 0.95


def cost_rise(pairs: Pairs) -> Rise:
    """Compare what the replies of a test cost, case by case, in USD per 1,000.

    Of a test that makes one call that is the cost of a call. Building is left out: it
    is the objective that weighs it. `change` has the paired interval of the difference
    over the mean before, which is taken as it is.
    """
    old, new = _rows(pairs.before.values()), _rows(pairs.after.values())
    before, after = usd_by_unit(old), usd_by_unit(new)
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
    compared = comparison(rises, clusters, bounded=False)
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

    A provider has slow days, so the calls of two runs are no draws of one thing. How
    far a new run may lie from those of the baseline is told by how these differ, which
    takes 3 of them: t on the logarithmic scale (docs/methods.md §7.3). With fewer, the
    interval is that of the calls, and nothing is established. Nor is anything said
    with fewer than 59 live calls on a side. What the calls alone do not show is not
    established either.
    """
    old, new = _live(pairs.before.values()), _live(pairs.after.values())
    before, after = _p95(old), _p95(new)
    runs = _p95_by_run(pairs)
    problem = ""
    if min(before.n, after.n) < LEAST_LIVE or not after.value or not all(runs):
        fewest = min(before.n, after.n)
        live = f"only {count(fewest, 'live call')}" if fewest else "no live call"
        problem = f"{live} on one side, and {LEAST_LIVE} are needed"
    if len(runs) < LEAST_RUNS or problem:
        change = None
        if before.value and after.value is not None:
            change = after.value / before.value - 1
        shown = _ratio_interval(old, new, 0.95) or (None, None)
        return Rise(
            before=before,
            after=after,
            change=change,
            low=shown[0],
            high=shown[1],
            problem=problem,
            doubt=(
                f"it takes a baseline of {LEAST_RUNS} runs to tell that from a slow "
                "day of the provider"
            ),
        )
    beyond = _rise_beyond(runs, before.n, after)
    calls = _ratio_interval(old, new, 1 - 2 * ONE_SIDED)
    if not beyond.established or (calls is not None and calls.low > 0):
        return beyond
    doubt = f"{count(after.n, 'call')} may be so slow by chance"
    return msgspec.structs.replace(beyond, established=False, doubt=doubt)


def _rise_beyond(runs: Sequence[float], n: int, after: Figure) -> Rise:
    """Hold a percentile against those of the runs before, which have `n` live calls.

    t takes percentiles for normal. Those of some 60 calls lean to the slow side, which
    makes its false alarms up to .057: `latency_rise` asks the calls as well.
    """
    logs, log = [math.log(run) for run in runs], math.log(after.value or 1.0)
    beyond = beyond_runs(log, logs)
    typical = beyond_runs(0.0, logs)
    half = (typical.high - typical.low) / 2 / math.sqrt(len(runs) + 1)
    return Rise(
        before=Figure(
            value=math.exp(-typical.mean),
            low=math.exp(-typical.mean - half),
            high=math.exp(-typical.mean + half),
            n=n,
        ),
        after=after,
        change=math.expm1(beyond.mean),
        low=math.expm1(beyond.low),
        high=math.expm1(beyond.high),
        established=beyond_runs(log, logs, 1 - 2 * ONE_SIDED).low > 0,
    )


def _p95_by_run(pairs: Pairs) -> list[float]:
    """95th percentile of each run of the baseline that has live calls, in seconds."""
    runs: defaultdict[str, list[Row]] = defaultdict(list)
    for row in _rows(pairs.before.values()):
        runs[row.run].append(row)
    live = [_live([rows]) for _, rows in sorted(runs.items())]
    return [percentile(values, _P95) for values in live if values]


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


def usd_by_unit(rows: Iterable[Row]) -> dict[Unit, float | None]:
    """Mean cost of a row's replies by unit; None where one is unknown."""
    usd: defaultdict[Unit, list[float | None]] = defaultdict(list)
    for row in rows:
        bills = distinct(row.replies)
        if bills:
            costs = total(bill.cost_usd for bill in bills)
            usd[row.source, row.case].append(costs)
    return {unit: mean(values) for unit, values in usd.items()}


def _mean_figure(costs: Sequence[float | None]) -> Figure:
    usd = mean(costs)
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
