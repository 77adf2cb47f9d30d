"""Planning: how much data it takes to tell two rungs apart.

All are about a two-sided paired test, and the chance (`power`) that it finds a
difference which is there. See docs/methods.md §2.3.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from pytest_ladder.stats.checks import TINY, check_inside, check_range

EXACT_CASES = 20_000
"""Up to so many cases the power is that of the test itself, not of the normal law."""


def reach(confidence: float = 0.95, power: float = 0.8) -> float:
    """Standard errors that a difference must have to be found with `power`.

    2.80 at the defaults. Raises ValueError unless both are strictly between 0 and 1.
    """
    check_inside("Confidence", confidence)
    check_inside("Power", power)
    normal = NormalDist()
    return normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(power)


def cases_to_tell(
    variance: float, gap: float, confidence: float = 0.95, power: float = 0.8
) -> int:
    """Cases that tell a mean difference of `gap`, in (0, 1].

    `variance` is that of the differences of single cases, 0 or more (Miller 2024).
    Raises ValueError for what is out of range.
    """
    _check_gap(gap)
    if not 0 <= variance < math.inf:
        raise ValueError(f"A variance must be 0 or more, got {variance}.")
    needed = variance * (reach(confidence, power) / gap) ** 2
    return max(2, math.ceil(needed - TINY))


def binary_cases_to_tell(
    discordance: float, gap: float, confidence: float = 0.95, power: float = 0.8
) -> int:
    """Cases that tell shares apart which differ by `gap`, in (0, 1].

    `discordance` is the share of cases that one rung passes and the other misses; no
    less than `gap`. By the normal law (Connor 1987), and up to 20,000 cases by the
    exact power of the score test: where nearly all changes go one way, a third fewer
    do. Raises ValueError for what is out of range.
    """
    _check_gap(gap)
    check_range("Discordance", [discordance])
    reach(confidence, power)
    share = max(discordance, gap)
    normal = NormalDist()
    under_none = normal.inv_cdf((1 + confidence) / 2) * math.sqrt(share)
    under_gap = normal.inv_cdf(power) * math.sqrt(share - gap * gap)
    many = max(2, math.ceil(((under_none + under_gap) / gap) ** 2 - TINY))
    if many > EXACT_CASES:
        return many
    few = 1
    while many - few > 1:
        middle = (few + many) // 2
        if _score_test_power(middle, share, gap, confidence) < power:
            few = middle
        else:
            many = middle
    return many


def draws_to_tell(
    each: float, floor: float, gap: float, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """Samples, or labels, that tell a difference of `gap`, in (0, 1].

    `each` is the variance that a single draw leaves in the difference, shared out by
    more of them; `floor` what endless draws would leave. None: no number will do.
    Raises ValueError for what is out of range.
    """
    _check_gap(gap)
    room = (gap / reach(confidence, power)) ** 2 - floor
    if room <= 0:
        return None
    return max(1, math.ceil(each / room - TINY))


def _score_test_power(n: int, share: float, gap: float, confidence: float) -> float:
    """Chance that |better - worse| > z sqrt(better + worse), for the right sign.

    Of n cases a binomial number differs, and a binomial part of these for the better.
    """
    import numpy as np
    import scipy.special as special

    z = NormalDist().inv_cdf((1 + confidence) / 2)
    differ = np.arange(n + 1)
    same = n - differ
    ways = special.gammaln(n + 1) - special.gammaln(differ + 1)
    ways = ways - special.gammaln(same + 1)
    chances = special.xlogy(differ, share) + special.xlog1py(same, -share)
    beyond = np.floor((differ + z * np.sqrt(differ)) / 2)
    found = special.bdtrc(beyond, differ, (1 + gap / share) / 2)
    return float(np.exp(ways + chances) @ found)


def _check_gap(gap: float) -> None:
    if not 0 < gap <= 1:
        raise ValueError(f"A difference must be above 0 and at most 1, got {gap}.")
