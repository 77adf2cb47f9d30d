"""Early stopping with bounded error: exact boundaries (0/1) and betting martingales.

See docs/methods.md §3. Two targets. *Suite*: would all n cases score the bar or more?
*Population*: is the quality over the universe of questions above the bar less a margin?
Cases must come in a random order that does not depend on their outcome (docs/methods.md
§3.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pytest_ladder.stats.checks import TINY, check_inside, check_range
from pytest_ladder.stats.intervals import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Verdict = Literal["pass", "fail"]

GRID = 20
"""Bets mixed in the evidence: fractions (j + 0.5) / 20 of what may be risked."""

STEP = 0.0005
"""Grid on which the ends of a confidence sequence are sought."""


class Boundaries(NamedTuple):
    """Where to stop, by look: pass at `upper` passes or more, fail at `lower` or fewer.

    A look without an entry cannot stop on that side.
    """

    upper: dict[int, int]
    lower: dict[int, int]


def required_passes(n: int, bar: float) -> int:
    """Fewest passes of n cases that score `bar` or more, at least 1.

    See docs/methods.md §3.1. Raises ValueError unless n >= 1 and 0 < bar <= 1.
    """
    if n < 1:
        raise ValueError(f"A climb needs 1 or more cases, got {n}.")
    if not 0 < bar <= 1:
        raise ValueError(f"The bar must be above 0 and at most 1, got {bar}.")
    return max(1, math.ceil(bar * n - TINY))


def curtailed(total: float, seen: int, n: int, bar: float) -> Verdict | None:
    """Say what the full suite is bound to say, or None while both are possible.

    See docs/methods.md §3.3. `total` is the sum of the scores in [0, 1] of the `seen`
    cases of n; holds in any order. Raises ValueError unless 0 <= total <= seen <= n, n
    >= 1 and 0 < bar <= 1.
    """
    required_passes(n, bar)
    if not 0 <= total <= seen + TINY or seen > n:
        raise ValueError(f"A total of {total} from {seen} of {n} cases is impossible.")
    if total >= bar * n - TINY:
        return "pass"
    return "fail" if total + n - seen < bar * n - TINY else None


def suite_boundaries(
    n: int, bar: float, alpha: float, beta: float, every: int
) -> Boundaries:
    """Exact error-spending boundaries of the suite target, 0/1 scores.

    See docs/methods.md §3.4. Looks come after each `every` cases and at n. Over random
    case orders a suite below the bar passes with chance `alpha` at most and one at or
    above it fails with chance `beta` at most; a skipped look only lowers both. The
    verdict at n is exact. Raises ValueError unless n and every >= 1, 0 < bar <= 1 and 0
    < alpha, beta < 1.
    """
    required = required_passes(n, bar)
    _check_errors(alpha, beta)
    return _boundaries(
        _crossings(
            n, every, lambda t, s: (required - 1 - s) / (n - t + 1), _line(n, alpha)
        ),
        _crossings(
            n, every, lambda t, s: (n - required - s) / (n - t + 1), _line(n, beta)
        ),
    )


def group_sequential(
    n: int, null: float, bar: float, alpha: float, beta: float, every: int
) -> Boundaries:
    """Exact binomial boundaries of the population target, 0/1 scores.

    See docs/methods.md §3.6. A quality of `null` (the bar less the margin) or below
    passes with chance `alpha` at most, spent as (t / n)^1.5; one of `bar` or above
    reaches `lower` with chance `beta` at most, spent as t / n (Lan and DeMets 1983). At
    n, pass if and only if `upper` is reached: a rung that can no longer reach it may
    stop. Raises ValueError unless n and every >= 1, 0 < null < bar <= 1 and 0 < alpha,
    beta < 1.
    """
    required_passes(n, bar)
    _check_errors(alpha, beta)
    if not 0 < null < bar <= 1:
        raise ValueError(f"0 < null < bar <= 1 is required, got {null} and {bar}.")
    return _boundaries(
        _crossings(n, every, lambda t, s: null, _line(n, alpha, power=1.5)),
        _crossings(n, every, lambda t, s: 1 - bar, _line(n, beta)),
    )


def _line(n: int, error: float, power: float = 1.0) -> Callable[[int], float]:
    """Error that may be spent by case t of n."""
    return lambda t: error * (t / n) ** power


def _boundaries(passes: dict[int, int], misses: dict[int, int]) -> Boundaries:
    lower = {look: look - count for look, count in misses.items()}
    # Where both sides could stop, as with many cases and few looks, a pass goes first.
    return Boundaries(
        passes,
        {
            look: min(most, passes.get(look, look + 1) - 1)
            for look, most in lower.items()
        },
    )


def _crossings(
    n: int,
    every: int,
    chance: Callable[[int, Any], Any],
    budget: Callable[[int], float],
) -> dict[int, int]:
    """Lowest counts at which the looks may stop and keep within the budget.

    Carries the probability of each count, over paths not yet stopped, from case to
    case; `chance(t, counts)` is the chance that case t counts.
    """
    import numpy as np

    if every < 1:
        raise ValueError(f"Looks must be 1 or more cases apart, got {every}.")
    counts = np.arange(n + 2)
    alive = np.zeros(n + 2)
    alive[0], spent, stops = 1.0, 0.0, {}
    for t in range(1, n + 1):
        counted = alive * np.clip(chance(t, counts), 0.0, 1.0)
        alive = alive - counted
        alive[1:] += counted[:-1]
        if t % every and t != n:
            continue
        tail = np.cumsum(alive[t::-1])
        states = int(np.searchsorted(tail, budget(t) - spent, side="right"))
        if states:
            stops[t] = t + 1 - states
            spent += float(tail[states - 1])
            alive[stops[t] :] = 0.0
    return stops


def betting_evidence(scores: Sequence[float], mean: float, above: bool = True) -> float:
    """Evidence that scores have a mean above `mean`, or else below it.

    See docs/methods.md §3.5. Scores are in [0, 1]; 1 without scores. An e-value
    (Waudby-Smith and Ramdas 2024): if it is not so, the chance that it ever reaches 1/a
    is a at most, however often one looks. Raises ValueError for scores or a mean
    outside [0, 1].
    """
    check_range("Scores", scores)
    check_range("The mean", [mean])
    if len(scores) == 0:
        return 1.0
    log = float(_log_evidence(scores, mean, above)[-1])
    return math.exp(log) if log < 709 else math.inf


def betting_suite(
    scores: Sequence[float], n: int, bar: float, alpha: float, beta: float
) -> Verdict | None:
    """Verdict of the suite target from the scores so far, None if undecided.

    See docs/methods.md §3.5. For graded scores in [0, 1]. Certain verdicts come first,
    so that at n the verdict is exact; else the first evidence to reach 1/alpha or
    1/beta decides, and a later call only changes that if it has become certain. Raises
    ValueError for scores outside [0, 1], more than n of them, or as `required_passes`
    does.
    """
    import numpy as np

    check_range("Scores", scores)
    _check_errors(alpha, beta)
    certain = curtailed(math.fsum(scores), len(scores), n, bar)
    if certain or len(scores) == 0:
        return certain
    before = np.cumsum(scores) - np.asarray(scores)
    needed = (bar * n - before) / (n - np.arange(len(scores)))
    return _first_to_reach(scores, needed, needed, alpha, beta)


def _first_to_reach(
    scores: Sequence[float],
    low: Floats | float,
    high: Floats | float,
    alpha: float,
    beta: float,
) -> Verdict | None:
    passed = _log_evidence(scores, low, above=True) >= -math.log(alpha)
    failed = _log_evidence(scores, high, above=False) >= -math.log(beta)
    if not (passed | failed).any():
        return None
    return "pass" if passed[(passed | failed).argmax()] else "fail"


def confidence_sequence(scores: Sequence[float], alpha: float = 0.05) -> Interval:
    """Interval for the mean of scores in [0, 1] that survives stopping early.

    See docs/methods.md §3.11. All means, on a grid of 0.0005, against which neither
    side's evidence has reached 2/alpha; (0, 1) without scores. The sample mean is
    always inside. Raises ValueError for scores outside [0, 1] or unless 0 < alpha < 1.
    """
    check_range("Scores", scores)
    check_inside("Alpha", alpha)
    if len(scores) == 0:
        return Interval(0.0, 1.0)
    low = _last_bearable(scores, alpha)
    high = 1 - _last_bearable([1 - score for score in scores], alpha)
    return Interval(low, high)


def _last_bearable(scores: Sequence[float], alpha: float) -> float:
    """Lowest mean that the scores do not refute; evidence falls as means rise."""
    refuted, bearable = -1, round(1 / STEP)
    while bearable - refuted > 1:
        middle = (refuted + bearable) // 2
        log = _log_evidence(scores, middle * STEP, above=True)[-1]
        if log < math.log(2 / alpha):
            bearable = middle
        else:
            refuted = middle
    return min(bearable * STEP, math.fsum(scores) / len(scores))


def _log_evidence(scores: Sequence[float], mean: Floats | float, above: bool) -> Floats:
    """Log of the evidence after each score, mixed over the grid of bets."""
    import numpy as np

    values, means = np.asarray(scores, dtype=float), np.clip(mean, TINY, 1 - TINY)
    gains = (values - means) / means if above else (means - values) / (1 - means)
    bets = (np.arange(GRID) + 0.5) / GRID
    wealth = np.cumsum(np.log1p(bets[:, None] * gains), axis=1)
    mixed: Floats = np.logaddexp.reduce(wealth, axis=0) - math.log(GRID)
    return mixed


def _check_errors(alpha: float, beta: float) -> None:
    check_inside("Alpha", alpha)
    check_inside("Beta", beta)
