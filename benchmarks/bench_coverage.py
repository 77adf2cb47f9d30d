"""How often the intervals that are printed hold: the table of methods 1.8.

`python -m benchmarks.bench_coverage --reps=2000 --write` writes it; small by default.
Each row is a number of the reports, each column a size, each cell the mean coverage
over the settings of the row and the lowest of them. Settings are those of an audit:
qualities .5 to .99, rubrics, grades and mostly perfect scores, flaky cases, clusters of
5 and of very unequal sizes, costs with long tails, judges from good to poor. Rates and
pairs are enumerated exactly; the rest is drawn.

Fails where a mean leaves .93 to .975 (rows that may be wider: above), or where from
n = 200 on a setting is below .93 by more than chance explains.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.coverage_worlds import (
    Setting,
    agreed,
    best_floor,
    clustered,
    cost,
    flaky,
    graded_pairs,
    grades,
    grades_of_clusters,
    holds,
    judge,
    judge_of_clusters,
    likert,
    p95,
    pairs,
    rate,
    scores_of,
    stopped,
    transferred,
)
from benchmarks.measuring import say
from pytest_ladder.stats.intervals import (
    clopper_pearson,
    exact_lower,
    wilson,
)

METHODS = Path(__file__).parents[1] / "docs/methods.md"
BEGIN, END = "<!-- coverage: written by bench_coverage -->", "<!-- /coverage -->"
LEAST, MOST = 0.93, 0.975
LARGE = 200
"""From so many cases on no setting may cover less than LEAST."""


class Row(NamedTuple):
    """A number that is printed."""

    number: str
    sizes: tuple[int, ...]
    settings: Sequence[Setting]
    exact: bool = False
    """Whether its settings go through all outcomes instead of drawing some."""
    wider: str = ""
    """Why it may cover more than MOST; empty: it may not."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="rows with this in their name")
    parser.add_argument("--write", action="store_true", help="into docs/methods.md")
    given = parser.parse_args(arguments)
    begun = time.perf_counter()
    lines: list[str] = []
    faults: list[str] = []
    for row in ROWS:
        if given.only in row.number:
            cells = [_cell(row, n, given.reps, given.seed) for n in row.sizes]
            shown = ", ".join(
                f"{n}: {statistics.fmean(cell):.3f} / {min(cell):.3f}"
                for n, cell in zip(row.sizes, cells, strict=True)
            )
            lines.append(f"| {row.number} | {shown} | {row.wider} |")
            say(lines[-1])
            faults += _faults(row, cells, given.reps)
    say(f"\n{given.reps} draws a setting, {time.perf_counter() - begun:.0f} s")
    for fault in faults:
        say(fault)
    if given.write:
        text = METHODS.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        head = "| number | n: mean / lowest coverage | may be wider |\n|---|---|---|"
        table = "\n".join([BEGIN, "", head, *lines, ""])
        METHODS.write_text(
            f"{before}{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8"
        )
    return int(bool(faults))


def _cell(row: Row, n: int, reps: int, seed: int) -> list[float]:
    """Coverage in each setting of a row."""
    import numpy as np

    found = []
    for place, setting in enumerate(row.settings):
        draws = setting(np.random.default_rng([seed, n, place]), n)
        if row.exact:
            found.append(math.fsum(chance for (_, chance) in draws))
            continue
        hits = 0
        for _, (interval, truth) in zip(range(reps), draws, strict=False):
            hits += holds(interval, truth)
        found.append(hits / reps)
    return found


def _faults(row: Row, cells: Sequence[Sequence[float]], reps: int) -> Iterator[str]:
    chance = 0.0 if row.exact else (LEAST * (1 - LEAST) / reps) ** 0.5
    for n, cell in zip(row.sizes, cells, strict=True):
        mean, slack = statistics.fmean(cell), 3 * chance / len(cell) ** 0.5
        if mean < LEAST - slack or (mean > MOST + slack and not row.wider):
            yield f"{row.number}, n={n}: {mean:.3f} on average"
        if n >= LARGE and min(cell) < LEAST - 3 * chance:
            yield f"{row.number}, n={n}: {min(cell):.3f} at the lowest"


JUDGES = ((0.9, 0.95, 0.85), (0.8, 0.9, 0.7), (0.9, 0.8, 0.6), (0.97, 0.95, 0.6))
RATERS = ((0.9, 0.8, 0.5), (0.95, 0.6, 0.9), (0.9, 0.7, 0.8))
RATES = tuple(0.5 + step * 0.01 for step in range(50))
SIZES = (10, 20, 50, 100, 200)
ROWS = (
    Row(
        "pass rate, accuracy, sensitivity (Wilson)",
        (5, *SIZES),
        [rate(p, wilson) for p in RATES],
        exact=True,
    ),
    Row(
        "bounds of few cases (Clopper-Pearson)",
        (5, *SIZES),
        [rate(p, clopper_pearson) for p in RATES],
        exact=True,
        wider="exact, never below .95",
    ),
    Row(
        "quality of grades",
        (5, *SIZES),
        [
            scores_of(lambda random, n: random.binomial(4, 0.8, n) / 4, 0.8),
            scores_of(lambda random, n: random.binomial(4, 0.95, n) / 4, 0.95),
            scores_of(lambda random, n: random.beta(8, 2, n), 0.8),
            scores_of(lambda random, n: random.beta(0.8, 0.2, n), 0.8),
            likert((0.03, 0.07, 0.15, 0.35, 0.4)),
            likert((0.0, 0.02, 0.03, 0.05, 0.9)),
        ],
    ),
    Row(
        "quality of 3 samples",
        SIZES,
        [flaky(share) for share in (0.2, 0.5, 1.0)],
        wider="all but 0/1 where few cases are flaky",
    ),
    Row(
        "quality, n clusters",
        (6, 8, 12, 20, 50, 200),
        [
            clustered(p, icc, skewed)
            for p in (0.8, 0.95)
            for icc in (0.3, 0.7)
            for skewed in (False, True)
        ],
        wider="few clusters, or few that carry the mean",
    ),
    Row(
        "difference of rungs, 0/1",
        (20, 50, 100, 200),
        [pairs(0.06, 0.04), pairs(0.1, 0.08), pairs(0.2, 0.1), pairs(0.15, 0.15)],
        exact=True,
    ),
    Row(
        "difference of rungs, 0/1, rare",
        (8, 20, 50, 100, 200),
        [pairs(0.02, 0.0), pairs(0.01, 0.01)],
        exact=True,
        wider="2 % of pairs differ",
    ),
    Row(
        "difference of rungs, grades",
        SIZES,
        [graded_pairs(0.0, 0.2), graded_pairs(0.05, 0.1)],
    ),
    Row(
        "certified floor (one-sided)",
        SIZES,
        [
            rate(p, lambda k, n: (exact_lower(k, n, 0.95), 1.0))
            for p in (0.5, 0.8, 0.9, 0.95)
        ],
        exact=True,
        wider="exact, never below .95",
    ),
    Row(
        "certified floor, best of 16 (one-sided)",
        SIZES,
        [best_floor(16, p) for p in (0.5, 0.8, 0.95)],
        wider="exact, never below .95",
    ),
    Row(
        "stopped early (confidence sequence)",
        (20, 100),
        [stopped(q) for q in (0.5, 0.8, 0.9)],
        wider="holds at every n at once",
    ),
    Row("cost of 1,000 calls", (*SIZES, 500), [cost(sd) for sd in (0.5, 1.0, 1.5)]),
    Row(
        "p95 latency",
        (59, 100, 200, 500),
        [p95(sd) for sd in (0.3, 1.0)],
        wider="order statistics; no upper end below 72",
    ),
    Row(
        "calibrated pass rate, n labels",
        (20, 50, 100, 200),
        [judge(*rates) for rates in JUDGES],
        wider="a prior, with few labels",
    ),
    *(
        Row(
            f"calibrated pass rate, {groups} clusters of {200 // groups}, n labels",
            (20, 50, 100),
            [judge_of_clusters(*rates, groups) for rates in JUDGES],
            wider="few labels, and clusters of a few",
        )
        for groups in (40, 20)
    ),
    Row(
        "calibrated pass rate, transferred",
        (20, 50, 100),
        [transferred(*rates) for rates in JUDGES[:2]],
        wider="errors of the judge on other rungs",
    ),
    Row(
        "calibrated grades, n labels",
        (20, 50, 100, 200),
        [grades(q, noise) for q in (0.8, 0.9, 0.95) for noise in (0.4, 0.8)],
    ),
    *(
        Row(
            f"calibrated grades, {groups} clusters of {200 // groups}, n labels",
            (20, 50, 100),
            [
                grades_of_clusters(q, noise, groups)
                for q in (0.8, 0.9)
                for noise in (0.4, 0.8)
            ],
        )
        for groups in (40, 20)
    ),
    Row(
        "kappa, n labels",
        (20, 50, 100, 200),
        [agreed(*raters, ac1=False) for raters in RATERS],
    ),
    Row(
        "AC1, n labels",
        (20, 50, 100, 200),
        [agreed(*raters, ac1=True) for raters in RATERS],
    ),
)

if __name__ == "__main__":
    sys.exit(main())
