"""Latency in pytest-benchmark's JSON format: one live reply is one round."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.cost import distinct, latencies
from pytest_ladder.decide.matrix import RungResult
from pytest_ladder.reporting.report import RunInfo
from pytest_ladder.stats.latency import percentile, percentile_interval

FORMAT_VERSION = "5.1.0"
"""The release of pytest-benchmark whose format this is."""
PERCENTILES = (0.5, 0.9, 0.95)
FENCE = 1.5
"""Interquartile ranges beyond the quartiles where outliers begin (Tukey)."""


def benchmark_json(
    rows: Sequence[Row], rungs: Sequence[RungResult], info: RunInfo
) -> dict[str, Any]:
    """Give one benchmark per rung and level, grouped by level, in order of `rungs`.

    Only live replies count. Where a rung has none at a level, its recorded latencies
    stand in and `extra_info` says `recorded: true`; without these there is none.
    """
    benchmarks = [
        benchmark
        for level in Level
        for rung in rungs
        if (benchmark := _benchmark(rows, rung, level)) is not None
    ]
    return {
        "machine_info": info.machine,
        "commit_info": {"id": info.git_sha},
        "benchmarks": benchmarks,
        "datetime": info.started,
        "version": FORMAT_VERSION,
    }


def round_stats(rounds: Sequence[float]) -> dict[str, Any]:
    """Compute pytest-benchmark's statistics of at least one round, in seconds."""
    data = sorted(rounds)
    n, total, mean = len(data), math.fsum(data), statistics.fmean(data)
    stddev = statistics.stdev(data) if n > 1 else 0.0
    q1, q3 = quartiles(data)
    low, high = q1 - FENCE * (q3 - q1), q3 + FENCE * (q3 - q1)
    inside = [value for value in data if low <= value <= high]
    far = sum(not mean - stddev <= value <= mean + stddev for value in data)
    return {
        "min": data[0],
        "max": data[-1],
        "mean": mean,
        "stddev": stddev,
        "rounds": n,
        "median": statistics.median(data),
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": n - len(inside),
        "stddev_outliers": far,
        "outliers": f"{far};{n - len(inside)}",
        "ld15iqr": inside[0],
        "hd15iqr": inside[-1],
        "ops": n / total if total else 0.0,
        "total": total,
        "data": data,
        "iterations": 1,
    }


def quartiles(data: Sequence[float]) -> tuple[float, float]:
    """Compute the first and third quartile of sorted data by pytest-benchmark's rule.

    Medians of the halves for an even number of values, else method 3 of Wikipedia's
    article on quartiles.
    """
    n, rest = divmod(len(data), 4)
    if len(data) == 1:
        return data[0], data[0]
    if rest % 2 == 0:
        half = len(data) // 2
        return statistics.median(data[:half]), statistics.median(data[half:])
    if rest == 1:
        return _between(data, n - 1, 0.75), _between(data, 3 * n, 0.25)
    return _between(data, n, 0.25), _between(data, 3 * n + 1, 0.75)


def _between(data: Sequence[float], index: int, share: float) -> float:
    """Interpolate so that equal neighbours give their value without rounding."""
    return data[index] + share * (data[index + 1] - data[index])


def _benchmark(
    rows: Sequence[Row], rung: RungResult, level: Level
) -> dict[str, Any] | None:
    replies = distinct(
        bill
        for row in rows
        if row.rung == rung.id and row.level is level
        for bill in row.replies
    )
    live = latencies(replies, live=True)
    rounds = live or latencies(replies, live=False)
    if not rounds:
        return None
    extra: dict[str, Any] = {"tier": rung.tier, **_percentiles(rounds)}
    if not live:
        extra["recorded"] = True
    return {
        "group": str(level),
        "name": rung.id,
        "fullname": f"{level}::{rung.id}",
        "params": {"rung": rung.id},
        "param": rung.id,
        "extra_info": extra,
        "options": {
            "disable_gc": False,
            "timer": "monotonic",
            "min_rounds": 1,
            "warmup": False,
        },
        "stats": round_stats(rounds),
    }


def _percentiles(rounds: Sequence[float]) -> dict[str, float | None]:
    """Give percentiles with their 95 % interval; None where n is too small for one."""
    percentiles: dict[str, float | None] = {}
    for q in PERCENTILES:
        low, high = percentile_interval(rounds, q)
        name = f"p{100 * q:.0f}"
        percentiles[f"{name}_s"] = percentile(rounds, q)
        percentiles[f"{name}_low_s"] = low
        percentiles[f"{name}_high_s"] = high if math.isfinite(high) else None
    return percentiles
