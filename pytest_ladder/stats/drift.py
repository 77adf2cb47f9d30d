"""Drift: evidence that later runs of the same cases score lower than earlier ones.

Ten changes of one point each are ten drops that no test of a single change finds.
Together they can be found, however often one looks (docs/methods.md §2.10).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

from pytest_ladder.stats.checks import TINY, check_range
from pytest_ladder.stats.sequential import betting_evidence

if TYPE_CHECKING:
    import numpy as np

DRAWS = 199
"""Permutations behind a p-value. Bets rest on its mean alone, so these may be few."""
_SEED = 18
_STANDARD = NormalDist()

Run = Mapping[Hashable, Sequence[float]]
"""Scores in [0, 1] of each case of a run, one for every sample of it."""


def drift_evidence(first: Run, later: Sequence[Run]) -> list[float]:
    """Evidence, after each of the `later` runs, that they score lower than before.

    See docs/methods.md §2.10. A conformal test martingale (Vovk, Gammerman and Shafer
    2005): where nothing changed, the samples of a case are exchangeable, and the
    p-value of a run, by permuting them within cases, has a mean of 1/2 whatever came
    before. `betting_evidence` bets against that mean; the chance that it ever reaches
    1/a is then a at most (Ville). Each run less than doubles it, so that none by itself
    is a drift, however bad. Cases that `first` lacks are left out. Raises ValueError
    for scores outside [0, 1].
    """
    import numpy as np

    random = np.random.default_rng(_SEED)
    seen = {case: list(scores) for case, scores in first.items() if scores}
    p_values: list[float] = []
    evidence = []
    for run in (first, *later):
        for scores in run.values():
            check_range("Scores", scores)
    for run in later:
        shared = {case: scores for case, scores in run.items() if seen.get(case)}
        if any(shared.values()):
            p_values.append(_p_value(seen, shared, random))
        evidence.append(betting_evidence(p_values, 0.5, above=False))
    return evidence


def _p_value(
    seen: dict[Hashable, list[float]], run: Run, random: np.random.Generator
) -> float:
    """Return the p-value of a run whose samples are then added to `seen`.

    Those of its samples, which are independent, are joined as Stouffer does (1949).
    """
    normals = []
    for sample in range(max(map(len, run.values()))):
        bags = []
        for case, scores in run.items():
            if sample < len(scores):
                seen[case].append(scores[sample])
                bags.append(seen[case])
        normals.append(_STANDARD.inv_cdf(_share_as_low(bags, random)))
    return _STANDARD.cdf(math.fsum(normals) / math.sqrt(len(normals)))


def _share_as_low(
    bags: Sequence[Sequence[float]], random: np.random.Generator
) -> float:
    """Share of draws, one of each bag, with as low a sum as the last ones; mid-p."""
    import numpy as np

    of_length: defaultdict[int, list[Sequence[float]]] = defaultdict(list)
    for bag in bags:
        if min(bag) != max(bag):
            of_length[len(bag)].append(bag)
    total, sums = 0.0, np.zeros(DRAWS)
    for length, varying in sorted(of_length.items()):
        scores, every = np.asarray(varying), np.arange(len(varying))
        total += float(scores[:, -1].sum())
        drawn = random.integers(length, size=(DRAWS, len(varying)))
        sums += scores[every, drawn].sum(axis=1)
    lower = int((sums < total - TINY).sum())
    # What was seen is one of the draws.
    equal = 1 + int((abs(sums - total) <= TINY).sum())
    return (lower + equal / 2) / (DRAWS + 1)
