"""Vector RW13: Krippendorff's own table, and a binary one."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from pytest_ladder.stats.agreement import gwet_ac1
from pytest_ladder.stats.raters import Scale, gwet_ac1_raters, krippendorff

_: None = None
TABLE = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
BINARY = [
    [1, 1, 0, 1, 1, _, 1, 0, 1, 1],
    [1, 1, 0, 1, 0, 1, 1, 0, 1, _],
    [1, _, 0, 1, 1, 1, 1, 1, 1, 1],
]


@pytest.mark.parametrize(
    ("scale", "alpha"),
    [("nominal", 0.743421), ("ordinal", 0.815388), ("interval", 0.849107)],
)
def test_alpha_is_that_of_krippendorffs_table(scale: Scale, alpha: float) -> None:
    assert krippendorff(TABLE, scale) == pytest.approx(alpha, abs=1e-6)


def test_ac1_is_that_of_the_vector() -> None:
    assert gwet_ac1_raters(TABLE) == pytest.approx(0.775444, abs=1e-6)
    assert gwet_ac1_raters(BINARY) == pytest.approx(0.803922, abs=1e-6)


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
def test_of_two_answers_every_scale_says_the_same(scale: Scale) -> None:
    assert krippendorff(BINARY, scale) == pytest.approx(0.587302, abs=1e-6)


def test_two_raters_without_gaps_are_gwets_own_ac1() -> None:
    pairs = [(1, 1)] * 40 + [(1, 0)] * 5 + [(0, 1)] * 3 + [(0, 0)] * 2
    ratings = [list(side) for side in zip(*pairs, strict=True)]
    assert gwet_ac1_raters(ratings) == pytest.approx(gwet_ac1([[2, 3], [5, 40]]))


def test_names_will_do_where_they_have_no_order() -> None:
    words = [
        [None if r is None else "pass" if r else "fail" for r in rater]
        for rater in BINARY
    ]
    assert krippendorff(words) == pytest.approx(0.587302, abs=1e-6)
    with pytest.raises(TypeError):
        krippendorff(words, "ordinal")


@pytest.mark.parametrize(
    "ratings",
    [
        [[1, 1, 1], [1, 1, 1]],
        [[1, _, 0], [_, 1, _]],
        [[_, _], [_, _]],
        [[], []],
    ],
    ids=["one category", "no pair", "nothing", "no items"],
)
def test_without_a_chance_there_is_no_figure(ratings: list[list[int | None]]) -> None:
    assert krippendorff(ratings) is None
    assert gwet_ac1_raters(ratings) is None


def test_who_rates_first_does_not_matter() -> None:
    turned = TABLE[::-1]
    assert krippendorff(turned, "ordinal") == pytest.approx(0.815388, abs=1e-6)
    assert gwet_ac1_raters(turned) == pytest.approx(0.775444, abs=1e-6)


def test_agreement_is_one_and_each_quarrel_takes_from_it() -> None:
    grades: list[int | None] = [1, 2, 3, 4, 5, 1, 2, 3]
    alphas, ac1s = [], []
    for wrong in range(4):
        other = [grades[-1 - n] if n < wrong else g for n, g in enumerate(grades)]
        alphas.append(krippendorff([grades, other], "ordinal") or 0)
        ac1s.append(gwet_ac1_raters([grades, other]) or 0)
    assert (alphas[0], ac1s[0]) == (1, 1)
    assert all(a > b for a, b in pairwise(alphas[:2]))
    assert all(a >= b for a, b in pairwise(ac1s))


def test_bad_ratings_are_refused() -> None:
    with pytest.raises(ValueError, match="Raters must be 2 or more"):
        krippendorff([[1, 2]])
    with pytest.raises(ValueError, match="equal lengths"):
        gwet_ac1_raters([[1, 2], [1]])
    with pytest.raises(ValueError, match="finite"):
        krippendorff([[1, math.nan], [1, 2]], "interval")
