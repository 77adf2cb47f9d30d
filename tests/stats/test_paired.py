from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ladder.stats.paired import (
    benjamini_hochberg,
    gain_interval,
    holm,
    mcnemar_midp,
    minimum_detectable,
    paired_t,
    score_interval,
    sign_flip,
)

V4 = [-1] * 11 + [1] * 3 + [0] * 86
V6 = [0.001, 0.008, 0.012, 0.03, 0.04, 0.2]

p_values = st.lists(st.floats(0, 1), max_size=12)
flips = st.integers(0, 60)
changes = st.lists(st.sampled_from([-1, -0.5, -1 / 3, 0, 1 / 3, 1]), max_size=7)
Adjust = Callable[[list[float]], list[float]]


def test_mcnemar_matches_the_published_figure() -> None:
    assert mcnemar_midp(11, 3) == pytest.approx(0.017578, abs=1e-6)


@pytest.mark.parametrize(
    ("broke", "fixed", "p"),
    [(0, 0, 1), (1, 0, 0.25), (0, 1, 0.75), (1, 1, 0.5), (0, 5, 1 - 1 / 64)],
)
def test_mcnemar_of_a_few_changes_can_be_checked_by_hand(
    broke: int, fixed: int, p: float
) -> None:
    assert mcnemar_midp(broke, fixed) == pytest.approx(p)


@given(broke=flips, fixed=flips)
def test_mcnemar_is_the_exact_p_less_half_of_the_observed_outcome(
    broke: int, fixed: int
) -> None:
    changed = broke + fixed
    if changed == 0:
        return
    ways = [math.comb(changed, k) / 2**changed for k in range(changed + 1)]
    exact = math.fsum(ways[broke:])
    assert mcnemar_midp(broke, fixed) == pytest.approx(exact - ways[broke] / 2)


@given(broke=flips, fixed=flips)
def test_mcnemar_for_worse_and_for_better_add_up_to_one(broke: int, fixed: int) -> None:
    if broke + fixed:
        both = mcnemar_midp(broke, fixed) + mcnemar_midp(fixed, broke)
        assert both == pytest.approx(1)


def test_mcnemar_stays_finite_for_thousands_of_changes() -> None:
    assert mcnemar_midp(3000, 3000) == pytest.approx(0.5)
    assert mcnemar_midp(6000, 0) == 0


@pytest.mark.parametrize("counts", [(-1, 3), (3, -1)])
def test_mcnemar_refuses_negative_counts(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="Changed cases must be counts of 0 or more"):
        mcnemar_midp(*counts)


def test_paired_t_matches_the_published_figures() -> None:
    assert paired_t(V4) == pytest.approx(
        (0.015901, -0.08, -0.152891, -0.007109), abs=1e-6
    )


@given(
    differences=st.lists(st.floats(-1, 1), min_size=3, max_size=30).filter(
        lambda values: max(values) - min(values) > 0.01
    )
)
@settings(deadline=None)
def test_paired_t_is_scipys(differences: list[float]) -> None:
    from scipy import stats

    oracle = stats.ttest_1samp(differences, 0, alternative="less")
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    p, mean, *bounds = paired_t(differences)
    assert p == pytest.approx(oracle.pvalue, abs=1e-9)
    assert bounds == pytest.approx([low, high], abs=1e-9)
    assert bounds[0] <= mean <= bounds[1]


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([0.0] * 20, 1),
        ([0.1 + 0.2 - 0.3] * 20, 1),
        ([0.3 - 0.1 - 0.2] * 20, 1),
        ([0.25] * 20, 1),
        ([-0.1] * 20, 0),
    ],
    ids=["no change", "rounding up", "rounding down", "all better", "all worse"],
)
def test_differences_that_do_not_vary_are_decided_by_their_mean(
    differences: list[float], p: float
) -> None:
    found = paired_t(differences)
    assert found.p == p
    assert found.low == found.mean == found.high


def test_paired_t_by_cluster_sees_one_bad_document_as_one() -> None:
    differences = [-1] * 10 + [0] * 90
    documents = [case // 10 for case in range(100)]
    assert paired_t(differences).p < 0.001
    by_document = paired_t(differences, documents)
    assert by_document.p == pytest.approx(0.171718, abs=1e-6)  # t(9) at t = -1
    assert by_document.low < 0 < by_document.high


@given(differences=st.lists(st.floats(-1, 1), min_size=2, max_size=20))
@settings(deadline=None)
def test_a_cluster_each_changes_no_paired_test(differences: list[float]) -> None:
    names = [f"case-{i}" for i in range(len(differences))]
    assert paired_t(differences, names) == paired_t(differences)
    assert sign_flip(differences, names) == sign_flip(differences)


@pytest.mark.parametrize(
    ("differences", "clusters", "message"),
    [
        ([], None, "Differences must be 2 or more, got 0"),
        ([0.5], None, "Differences must be 2 or more, got 1"),
        ([0.5, math.nan], None, "Differences must be finite numbers, got nan"),
        ([0.5, 0.1], ["a"], "Values and clusters must have equal lengths"),
        ([0.5, 0.1], ["a", "a"], "Clusters for a standard error must be 2 or more"),
    ],
)
def test_paired_t_refuses_what_has_no_standard_error(
    differences: list[float], clusters: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        paired_t(differences, clusters)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([], 1),
        ([0, 0, 0], 1),
        ([0.1 + 0.2 - 0.3, 0], 1),
        ([-1], 1 / 2),
        ([1], 1),
        ([-1, -1, -1, 0, 0], 1 / 8),
        ([-1, -0.5, 0.25], 2 / 8),
        ([-0.1, -0.2, 0.3], 5 / 8),
        ([-1] * 16, 2**-16),
    ],
)
def test_sign_flips_of_a_few_differences_can_be_counted(
    differences: list[float], p: float
) -> None:
    assert sign_flip(differences) == pytest.approx(p)


def test_sign_flips_of_passes_and_misses_are_the_exact_mcnemar_test() -> None:
    assert sign_flip(V4) == pytest.approx(0.028687, abs=1e-6)


@given(differences=changes)
def test_the_sign_flip_test_keeps_its_level_over_all_flips(
    differences: list[float],
) -> None:
    """Under no change every flip is equally likely: P(p <= a) must not exceed a."""
    found = [
        sign_flip([abs(d) * sign for d, sign in zip(differences, signs, strict=True)])
        for signs in itertools.product([1, -1], repeat=len(differences))
    ]
    for p in set(found):
        assert sum(other <= p for other in found) / len(found) <= p + 1e-9


@given(differences=changes)
def test_a_larger_drop_never_has_a_larger_p(differences: list[float]) -> None:
    if differences:
        worse = [*differences[:-1], -abs(differences[-1])]
        assert sign_flip(worse) <= sign_flip(differences)


def test_drawn_sign_flips_come_near_the_exact_p_and_repeat_with_the_seed() -> None:
    differences = [-1] * 12 + [1] * 6
    exact = sum(math.comb(18, k) for k in range(12, 19)) / 2**18
    drawn = sign_flip(differences, seed=1)
    assert drawn == pytest.approx(exact, abs=0.01)
    assert drawn == sign_flip(differences, seed=1)
    assert drawn != sign_flip(differences, seed=2)


def test_drawn_sign_flips_are_never_quite_zero() -> None:
    assert sign_flip([-1] * 40) == pytest.approx(1 / 10_001)


def test_sign_flips_by_cluster_flip_whole_clusters() -> None:
    assert sign_flip([-1] * 12, [case // 4 for case in range(12)]) == 1 / 8
    assert sign_flip([-1, 1, -1, 1], ["a", "a", "b", "b"]) == 1


def test_sign_flips_refuse_unequal_lengths_and_infinities() -> None:
    with pytest.raises(ValueError, match="must have equal lengths"):
        sign_flip([1.0], [])
    with pytest.raises(ValueError, match="must be finite numbers, got inf"):
        sign_flip([math.inf])


@pytest.mark.parametrize(
    ("adjust", "expected", "rejected"),
    [
        (holm, [0.006, 0.040, 0.048, 0.090, 0.090, 0.200], 3),
        (benjamini_hochberg, [0.006, 0.024, 0.024, 0.045, 0.048, 0.200], 5),
    ],
)
def test_adjusted_p_values_match_the_published_figures_in_any_order(
    adjust: Adjust, expected: list[float], rejected: int
) -> None:
    assert adjust(V6) == pytest.approx(expected)
    assert adjust(V6[::-1]) == pytest.approx(expected[::-1])
    assert sum(p <= 0.05 for p in adjust(V6)) == rejected


@given(raw=p_values)
def test_adjusting_never_lowers_a_p_value_and_keeps_the_order(
    raw: list[float],
) -> None:
    for adjusted in (holm(raw), benjamini_hochberg(raw)):
        assert len(adjusted) == len(raw)
        for (p, q), (p2, q2) in itertools.product(
            zip(raw, adjusted, strict=True), repeat=2
        ):
            assert p <= q <= 1
            assert q <= q2 or p > p2


@given(raw=p_values)
def test_holm_lies_between_benjamini_hochberg_and_bonferroni(raw: list[float]) -> None:
    pairs = zip(raw, benjamini_hochberg(raw), holm(raw), strict=True)
    for p, low, middle in pairs:
        assert low <= middle + 1e-12
        assert middle <= min(1, p * len(raw)) + 1e-12


@pytest.mark.parametrize("raw", [[], [0.3], [0.3, 0.3]])
def test_no_test_one_test_and_tied_tests_are_adjusted(raw: list[float]) -> None:
    assert holm(raw) == [min(1, p * len(raw)) for p in raw]
    assert benjamini_hochberg(raw) == raw


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    for adjust in (holm, benjamini_hochberg):
        with pytest.raises(ValueError, match="P-values must be between 0 and 1"):
            adjust([0.5, p])


@pytest.mark.parametrize(
    ("discordance", "n", "drop"),
    [(0.10, 200, 0.055599), (0.14, 100, 0.093035), (0, 10, 0)],
)
def test_the_detectable_drop_matches_the_published_figures(
    discordance: float, n: int, drop: float
) -> None:
    assert minimum_detectable(discordance, n) == pytest.approx(drop, abs=1e-6)


@pytest.mark.parametrize(
    ("discordance", "n", "message"),
    [(1.2, 10, "Discordance must be"), (0.1, 0, "1 or more cases, got 0")],
)
def test_an_impossible_detectable_drop_is_refused(
    discordance: float, n: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        minimum_detectable(discordance, n)


@pytest.mark.parametrize(
    ("better", "worse", "n", "low", "high"),
    [
        (0, 0, 20, -0.161125, 0.161125),  # z² / (n + z²)
        (3, 11, 100, -0.161875, -0.007598),  # V4 of the methods note
        (0, 1, 50, -0.104954, 0.052775),
    ],
)
def test_the_score_interval_of_paired_shares(
    better: int, worse: int, n: int, low: float, high: float
) -> None:
    assert score_interval(better, worse, n) == pytest.approx((low, high), abs=1e-6)
    mirrored = score_interval(worse, better, n)
    assert mirrored == pytest.approx((-high, -low), abs=1e-6)


def test_at_the_ends_of_a_score_interval_the_score_statistic_is_z() -> None:
    """With the constrained maximum likelihood estimate found by brute force."""
    better, worse, n = 9, 4, 60
    for d in score_interval(better, worse, n):

        def likelihood(q: float, d: float = d) -> float:
            rest = 1 - 2 * q - d
            return (
                better * math.log(q + d)
                + worse * math.log(q)
                + (n - better - worse) * math.log(rest)
            )

        shares = [place / 100_000 for place in range(1, 100_000)]
        q = max((q for q in shares if q + d > 0 and 2 * q + d < 1), key=likelihood)
        statistic = (better - worse - n * d) / math.sqrt(n * (2 * q + d * (1 - d)))
        assert abs(statistic) == pytest.approx(1.959964, abs=1e-3)


@pytest.mark.parametrize(
    ("better", "worse", "n"), [(-1, 0, 5), (3, 3, 5), (0, 0, 0), (1, 1, -2)]
)
def test_counts_that_do_not_fit_have_no_score_interval(
    better: int, worse: int, n: int
) -> None:
    with pytest.raises(ValueError, match=r"must be|needs 1 or more"):
        score_interval(better, worse, n)


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=2, max_size=40))
def test_a_gain_lies_inside_its_interval_which_is_no_point(gains: list[float]) -> None:
    low, high = gain_interval(gains)
    assert -1 <= low <= sum(gains) / len(gains) <= high <= 1
    assert low < high


def test_gains_that_are_all_the_same_leave_room_for_others() -> None:
    unseen = 1.959964**2 / (30 + 1.959964**2)
    expected = (0.1 - 1.1 * unseen, 0.1 + 0.9 * unseen)
    assert gain_interval([0.1] * 30) == pytest.approx(expected)
    # Of six documents, however many cases each has.
    in_six = gain_interval([0.0] * 30, [place % 6 for place in range(30)])
    assert in_six == pytest.approx(gain_interval([0.0] * 6))
