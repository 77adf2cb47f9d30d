"""How far people agree: any number of raters, of whom none need rate everything."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate
from typing import Any, Literal

from pytest_ladder.stats.checks import check_finite, check_paired, check_size

Scale = Literal["nominal", "ordinal", "interval"]
"""What grades are: names, an order, or numbers."""

_Ratings = Sequence[Sequence[Hashable | None]]
"""One sequence for each rater, with one rating for each item; None is a gap."""


def krippendorff(ratings: _Ratings, scale: Scale = "nominal") -> float | None:
    """Krippendorff's alpha (Krippendorff 2011): 1 is agreement, 0 is chance.

    Items with one rating count for nothing. None where no item has two, or all ratings
    are the same one: there is no chance to correct for. Raises ValueError for raters
    with unequal numbers of items, for less than 2 raters, and, on an ordinal or
    interval scale, for ratings that are no finite numbers.
    """
    items = [item for item in _by_item(ratings) if len(item) > 1]
    totals: Counter[Any] = Counter(rating for item in items for rating in item)
    if len(totals) < 2:
        return None
    distance = _distance(totals, scale)
    n = sum(totals.values())
    seen = math.fsum(
        _spread(Counter(item), distance) / (len(item) - 1) for item in items
    )
    return 1 - (n - 1) * seen / _spread(totals, distance)


def gwet_ac1_raters(ratings: _Ratings) -> float | None:
    """Gwet's AC1 (Gwet 2008, 2014) for any number of raters; at most 1.

    Stays near the plain agreement where most replies pass and alpha collapses.
    Agreement is that of items with two ratings or more, chance that of all. None where
    no item has two, or all ratings are the same one. Raises ValueError as
    `krippendorff` does.
    """
    items = [Counter(item) for item in _by_item(ratings) if item]
    pairs = [item for item in items if item.total() > 1]
    categories = {rating for item in items for rating in item}
    if not pairs or len(categories) < 2:
        return None
    observed = math.fsum(
        sum(k * (k - 1) for k in item.values()) / (item.total() * (item.total() - 1))
        for item in pairs
    ) / len(pairs)
    shares = [
        math.fsum(item[category] / item.total() for item in items) / len(items)
        for category in categories
    ]
    chance = math.fsum(s * (1 - s) for s in shares) / (len(categories) - 1)
    return (observed - chance) / (1 - chance)


def _by_item(ratings: _Ratings) -> list[list[Hashable]]:
    check_size("Raters", ratings, 2)
    for rater in ratings[1:]:
        check_paired("Ratings of two raters", ratings[0], rater)
    columns = zip(*ratings, strict=True)
    return [[rating for rating in item if rating is not None] for item in columns]


def _spread(counts: Counter[Any], distance: Callable[[Any, Any], float]) -> float:
    """Add up the distances of all ordered pairs of ratings."""
    return math.fsum(
        counts[a] * counts[b] * distance(a, b) for a in counts for b in counts
    )


def _distance(totals: Counter[Any], scale: Scale) -> Callable[[Any, Any], float]:
    if scale == "nominal":
        return lambda a, b: float(a != b)
    check_finite("Ratings", list(totals))
    if scale == "interval":
        return lambda a, b: float(a - b) ** 2
    # Two grades are apart by the ratings between them, half of their own included.
    order = sorted(totals)
    upto = dict(zip(order, accumulate(totals[grade] for grade in order), strict=True))
    middle = {grade: upto[grade] - totals[grade] / 2 for grade in order}
    return lambda a, b: float(middle[a] - middle[b]) ** 2
