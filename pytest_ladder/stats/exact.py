"""Tests within cases, and by runs: whether samples after are worse than before.

Where nothing changed, the samples of a case on both sides are draws of the same thing,
and each could as well stand on the other side. Given how many of all of them passed,
the passes after are hypergeometric, and independent between cases (docs/methods.md
§2.2).
"""

from __future__ import annotations

import functools
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pytest_ladder.stats.checks import TINY, check_passes, check_size
from pytest_ladder.stats.paired import PairedT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_ZERO = 1e-300
"""Stands for 0 where a logarithm is taken."""


class Stratum(NamedTuple):
    """The 0/1 samples of one case on both sides; one or more on each."""

    passes_before: int
    before: int
    passes_after: int
    after: int


def worse_by_chance(stratum: Stratum) -> float:
    """One-sided exact p of "worse" of one case (Fisher 1935; docs/methods.md §2.9).

    5 of 5 passes before and 0 of 3 after: 1/56. Raises ValueError for more passes than
    samples.
    """
    passes = _passes(stratum)
    fewer = stratum.passes_after - max(0, passes - stratum.before)
    ways = _ways(stratum.before, stratum.after, passes)
    return sum(ways[: fewer + 1]) / sum(ways)


def least_p(stratum: Stratum) -> float:
    """Smallest p that `worse_by_chance` can have, given how many samples passed."""
    ways = _ways(stratum.before, stratum.after, _passes(stratum))
    return ways[0] / sum(ways)


def stratified_midp(strata: ArrayLike) -> Floats:
    """Mid-p of "worse" by the exact conditional Cochran-Mantel-Haenszel test.

    `strata` are `Stratum`s: of shape (cases, 4), or (suites, cases, 4) for several
    suites at once; one p comes for each suite (Cochran 1954, Mantel and Haenszel 1959;
    mid-p: Lancaster 1961). With one sample on each side that is mid-p McNemar. 1 where
    no sample could change places with another. Raises ValueError for more passes than
    samples.
    """
    import numpy as np

    table = np.atleast_3d(np.asarray(strata, dtype=np.int64))
    if np.ndim(strata) == 2:
        table = table.transpose(2, 0, 1)
    passes_before, before, passes_after, after = np.moveaxis(table, -1, 0)
    if ((table < 0).any(-1) | (passes_before > before) | (passes_after > after)).any():
        raise ValueError("A case has more passes than samples, or fewer than none.")
    passes = passes_before + passes_after
    least = np.maximum(0, passes - before)
    observed = (passes_after - least).sum(axis=1)
    width = (np.minimum(after, passes) - least).sum(axis=1)
    # The distribution of a sum is a product of polynomials, few of which differ; they
    # are multiplied as Fourier transforms.
    size = 1 << (int(width.max(initial=0)) + 1).bit_length()
    base = int(table.max(initial=0)) * 2 + 1
    kinds, kind_of = np.unique(
        (before * base + after) * base + passes, return_inverse=True
    )
    each = np.arange(len(table))
    cells = each[:, None] * len(kinds) + kind_of.reshape(before.shape)
    powers = np.bincount(cells.ravel(), minlength=len(table) * len(kinds)).astype(float)
    logs = []
    for kind in kinds.tolist():
        both, passed = divmod(kind, base)
        ways = _ways(both // base, both % base, passed)
        shares = np.asarray([way / sum(ways) for way in ways])
        logs.append(np.log(np.fft.rfft(shares, size) + _ZERO))
    # Not `@`: that starts threads, which wait for each other on a busy machine.
    sums = np.einsum("sk,kf->sf", powers.reshape(len(table), len(kinds)), logs)
    chances = np.fft.irfft(np.exp(sums), size)
    at_most = chances.cumsum(axis=1)[each, observed] - chances[each, observed] / 2
    return np.where(width == 0, 1.0, at_most.clip(0.0, 1.0))


def permuted_midp(cases: Sequence[tuple[Sequence[int], Sequence[int]]]) -> float:
    """Mid-p of "worse" where each sample of a case has a whole number of points.

    `cases` give the points of the samples before and after. As `stratified_midp`, whose
    samples have 0 or 1: given the samples of a case, any of them could as well be those
    after (an exact stratified permutation test). 1 where none could change places.
    """
    import numpy as np

    observed, chances = 0, np.ones(1)
    for before, after in cases:
        shares, least = _sums_of(tuple(sorted((*before, *after))), len(after))
        chances = np.convolve(chances, shares)
        observed += sum(after) - least
    if len(chances) == 1:
        return 1.0
    return float(chances[:observed].sum() + chances[observed] / 2)


@functools.lru_cache(maxsize=4096)
def _sums_of(points: tuple[int, ...], taken: int) -> tuple[list[float], int]:
    """Chance of each sum of so many of the points, from the least sum on, and that."""
    ways: list[Counter[int]] = [Counter({0: 1}), *(Counter() for _ in range(taken))]
    for point in points:
        for some in range(taken, 0, -1):
            for total, number in ways[some - 1].items():
                ways[some][total + point] += number
    last, every = ways[taken], math.comb(len(points), taken)
    least, most = min(last), max(last)
    return [last[total] / every for total in range(least, most + 1)], least


def runs_differ(sums: ArrayLike, within: float, samples: int = 1) -> float:
    """P-value of "these runs of the same cases differ": Cochran's Q (1950).

    `sums` is what each run scored over all cases, with so many `samples` of a case, and
    `within` the sum over cases of the variance (ddof 1) of a case's samples. If nothing
    but chance tells runs apart, the samples of a case are drawn into runs without
    replacement; chi-squared approximation. 1 where nothing varies within a case. Raises
    ValueError for fewer than two runs.
    """
    import numpy as np
    import scipy.special

    scores = np.asarray(sums, dtype=float)
    check_size("Runs", scores, 2)
    if within < TINY:
        return 1.0
    q = float(((scores - scores.mean()) ** 2).sum()) / (samples * within)
    return float(scipy.special.chdtrc(len(scores) - 1, q))


def beyond_runs(new: float, runs: Sequence[float], confidence: float = 0.95) -> PairedT:
    """Test whether a new run is lower than earlier ones, by how those differ.

    `runs` are one figure each, taken for normal: t, with a degree of freedom less than
    there are runs, over the variance of one run and of their mean. If they are all the
    same, p is 0 for a drop and else 1. Raises ValueError for fewer than two runs.
    """
    import scipy.special

    check_size("Runs", runs, 2)
    change = new - statistics.fmean(runs)
    se = statistics.stdev(runs) * math.sqrt(1 + 1 / len(runs))
    if se < TINY:
        return PairedT(0.0 if change < -TINY else 1.0, change, change, change)
    df = len(runs) - 1
    half = float(scipy.special.stdtrit(df, (1 + confidence) / 2)) * se
    p = float(scipy.special.stdtr(df, change / se))
    return PairedT(p, change, change - half, change + half)


def _passes(stratum: Stratum) -> int:
    check_passes(stratum.passes_before, stratum.before)
    check_passes(stratum.passes_after, stratum.after)
    return stratum.passes_before + stratum.passes_after


def _ways(before: int, after: int, passes: int) -> list[int]:
    """Ways to have so many passes after, from the least that is possible on."""
    least, most = max(0, passes - before), min(after, passes)
    return [
        math.comb(after, those) * math.comb(before, passes - those)
        for those in range(least, most + 1)
    ]
