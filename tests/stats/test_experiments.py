from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from pytest_ladder.stats.experiments import (
    Moments,
    adjusted,
    always_valid,
    difference,
    lift,
    moments,
    ratio_moments,
    sample_ratio,
    two_proportions,
    users_needed,
    users_needed_always,
)
from pytest_ladder.stats.intervals import effective_wilson

arms = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
values = st.lists(st.floats(-100, 100), min_size=2, max_size=30)
RATIO_A = (3, 0, 2, 5, 1, 4, 0, 2, 6, 1), (4, 1, 3, 6, 2, 5, 2, 2, 7, 3)
RATIO_B = (1, 0, 2, 2, 1, 3, 0, 1, 4, 0), (3, 2, 3, 4, 2, 5, 1, 3, 8, 2)
TREATED = (8, 43.1, 242.83, 36.2, 171.12, 203.70)
CONTROL = (8, 37.5, 182.33, 35.8, 165.52, 173.56)


def rate(successes: int, n: int) -> Moments:
    share = successes / n
    return Moments(n, share, share * (1 - share))


def of(measured: list[float]) -> Moments:
    return moments(
        len(measured), math.fsum(measured), math.fsum(x * x for x in measured)
    )


def ratio(num: tuple[int, ...], den: tuple[int, ...]) -> Moments:
    return ratio_moments(
        len(num),
        sum(num),
        sum(x * x for x in num),
        sum(den),
        sum(x * x for x in den),
        sum(x * y for x, y in zip(num, den, strict=True)),
    )


@pytest.mark.parametrize(
    ("counts", "shares", "chi2", "p"),
    [
        ((5000, 4600), (0.5, 0.5), 16.666667, 4.455709e-5),
        ((10152, 9848), (0.5, 0.5), 4.620800, 0.031587),
        ((821, 812, 776), (1 / 3, 1 / 3, 1 / 3), 1.412204, 0.493564),
        ((1006, 497, 497), (0.5, 0.25, 0.25), 0.072000, 0.964640),
        ((4072, 2035), (0.8, 0.2), 677.444899, 2.402003e-149),
        ((100, 100, 0), (0.5, 0.5, 0.0), 0.0, 1.0),
        ((100, 100, 1), (0.5, 0.5, 0.0), math.inf, 0.0),
    ],
)
def test_a_split_is_held_to_its_plan(
    counts: tuple[int, ...], shares: tuple[float, ...], chi2: float, p: float
) -> None:
    found = sample_ratio(counts, shares)
    assert found[0] == pytest.approx(chi2, abs=1e-6)
    assert found[1] == pytest.approx(p, rel=5e-5, abs=1e-160)


@pytest.mark.parametrize(
    ("counts", "shares", "message"),
    [
        ((5, 4), (0.5, 0.4), "Shares must add up to 1, got 0.9"),
        ((5,), (1.0,), "Arms must be 2 or more, got 1"),
        ((5, 4), (0.5, 0.3, 0.2), "equal lengths, got 2 and 3"),
        ((0, 0), (0.5, 0.5), "No arm has a unit"),
        ((-1, 3), (0.5, 0.5), "Units must be counts of 0 or more, got -1"),
    ],
)
def test_impossible_splits_are_refused(
    counts: tuple[int, ...], shares: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        sample_ratio(counts, shares)


def test_two_means_match_welch() -> None:
    found = difference(Moments(1200, 4.21, 1.13**2), Moments(1180, 4.07, 1.21**2))
    expected = (0.14, 0.048009, 2360.914668, 0.003577, 0.045856, 0.234144)
    assert astuple(found) == pytest.approx(expected, abs=1e-6)


def test_moments_come_from_sums() -> None:
    assert astuple(moments(8, 26, 98)) == pytest.approx((8, 3.25, 1.928571), abs=1e-6)


def test_a_ratio_is_compared_by_the_delta_method() -> None:
    a, b = ratio(*RATIO_A), ratio(*RATIO_B)
    assert a == ratio_moments(10, 24, 96, 35, 157, 119)
    assert (a.mean, a.se) == pytest.approx((0.685714, 0.077501), abs=1e-6)
    assert (b.mean, b.se) == pytest.approx((0.424242, 0.060200), abs=1e-6)
    found = difference(a, b)
    expected = (0.261472, 0.098135, 16.961963, 0.016365, 0.054391, 0.468553)
    assert astuple(found) == pytest.approx(expected, abs=1e-6)


def test_thumbs_are_a_ratio_by_user() -> None:
    votes = ["1110", "0", "11", "001", "1", "10", "11111", "0", "1", "101"]
    found = ratio(
        tuple(user.count("1") for user in votes), tuple(len(user) for user in votes)
    )
    assert (found.mean, found.se) == pytest.approx((0.695652, 0.104797), abs=1e-6)
    effective = found.mean * (1 - found.mean) / found.se**2
    assert effective == pytest.approx(19.278091, abs=1e-5)
    assert effective_wilson(found.mean, effective) == pytest.approx(
        (0.472787, 0.853500), abs=1e-6
    )


@pytest.mark.parametrize(
    ("treated", "control", "expected"),
    [
        (rate(312, 2400), rate(262, 2380), (0.180916, 0.092874, -0.001113, 0.362945)),
        (
            Moments(900, 41.2, 310),
            Moments(910, 38.9, 295),
            (0.059126, 0.021632, 0.016728, 0.101524),
        ),
    ],
)
def test_a_lift_is_a_share_of_the_control(
    treated: Moments, control: Moments, expected: tuple[float, ...]
) -> None:
    found = lift(treated, control)
    assert found is not None
    assert astuple(found) == pytest.approx(expected, abs=1e-6)


def test_there_is_no_lift_over_a_control_that_may_be_zero() -> None:
    assert lift(rate(3, 100), rate(2, 100)) is None


def test_an_always_valid_interval_matches_the_published_figures() -> None:
    a, b = rate(312, 2400), rate(262, 2380)
    apart = difference(a, b)
    assert apart.se == pytest.approx(0.00939612, abs=1e-6)
    found = always_valid(apart.difference, apart.se, 4780)
    assert found == pytest.approx((-0.008607, 0.048439, 0.402677), abs=1e-6)
    found = always_valid(0.05, 0.0109624363, 8000)
    assert found == pytest.approx((0.016593, 0.083407, 0.000240), abs=1e-6)
    half = always_valid(0.05, 0.0109624363, 8000, alpha=0.025)[1] - 0.05
    assert half == pytest.approx(0.036079, abs=1e-6)
    one_sample = always_valid(b.mean, b.se, 2380)[1] - b.mean
    assert one_sample == pytest.approx(0.019832, abs=1e-6)


@pytest.mark.parametrize(
    ("n", "times"),
    [
        (200, 2.602068),
        (1000, 1.716301),
        (5000, 1.548604),
        (20000, 1.595496),
        (100000, 1.702510),
    ],
)
def test_looking_at_any_time_costs_so_much_width(n: int, times: float) -> None:
    assert always_valid(0, 1, n)[1] / 1.959963985 == pytest.approx(times, abs=1e-6)


@given(apart=st.floats(-1, 1), se=st.floats(0.001, 1), n=st.integers(1, 10_000_000))
def test_an_always_valid_interval_holds_its_estimate_and_agrees_with_its_p(
    apart: float, se: float, n: int
) -> None:
    low, high, p = always_valid(apart, se, n)
    assert low <= apart <= high
    assert high - apart > 1.5 * 1.96 * se * 0.99
    if abs(p - 0.05) > 1e-9:
        assert (p < 0.05) == (low > 0 or high < 0)
    mirrored = always_valid(-apart, se, n)
    assert mirrored == pytest.approx((-high, -low, p))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.1, -1.0, 100), "standard error must be 0 or more"),
        ((0.1, 1.0, 0), "Units must be 1 or more"),
        ((math.nan, 1.0, 100), "must be finite numbers, got nan"),
        ((0.1, 1.0, 100, 1.0), "Alpha must be strictly between 0 and 1"),
    ],
)
def test_impossible_looks_are_refused(
    arguments: tuple[float, float, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        always_valid(*arguments)


def test_what_was_known_before_is_taken_out() -> None:
    theta, treated, control = adjusted(TREATED, CONTROL)
    assert theta == pytest.approx(1.151899, abs=1e-6)
    assert (treated.mean, control.mean) == pytest.approx((5.358703, 4.716297), abs=1e-6)
    found = difference(treated, control)
    assert astuple(found) == pytest.approx(
        (0.642405, 0.113004, 13.999352, 5.635756e-5, 0.400034, 0.884776), abs=1e-6
    )
    first, second = (moments(*arm[:3]) for arm in (TREATED, CONTROL))
    plain = difference(first, second)
    assert plain.difference == pytest.approx(0.7)
    assert (plain.low, plain.high) == pytest.approx((-0.494191, 1.894191), abs=1e-6)
    assert (found.se / plain.se) ** 2 == pytest.approx(0.041631, abs=1e-6)


def test_a_covariate_that_does_not_vary_changes_nothing() -> None:
    arm = (4, 10.0, 30.0, 8.0, 16.0, 20.0)
    theta, treated, _ = adjusted(arm, arm)
    assert theta == 0
    assert treated == moments(4, 10.0, 30.0)


@pytest.mark.parametrize(
    ("rates", "alpha", "users"),
    [
        ((0.60, 0.63), 0.05, 4128.639754),
        ((0.60, 0.63), 0.025, 4999.935907),
        ((0.60, 0.65), 0.05, 1470.485463),
        ((0.31, 0.34), 0.05, 3825.149722),
    ],
)
def test_users_are_planned_for_one_look(
    rates: tuple[float, float], alpha: float, users: float
) -> None:
    assert users_needed(*rates, alpha) == pytest.approx(users, abs=1e-5)


def test_users_are_planned_for_daily_looks() -> None:
    assert users_needed_always(0.60, 0.63) == 8190


def test_no_number_of_users_tells_equal_rates_apart() -> None:
    with pytest.raises(ValueError, match="The rates must differ"):
        users_needed(0.5, 0.5)


@pytest.mark.parametrize(
    ("x1", "n1", "x2", "n2", "expected"),
    [
        (312, 2400, 262, 2380, (2.117965, 0.034178, 0.001477, 0.038360)),
        (0, 50, 5, 50, (-2.294157, 0.021781, -0.213602, -0.008975)),
        (1443, 2400, 1342, 2380, (2.620686, 0.008775, 0.009425, 0.065264)),
    ],
)
def test_two_rates_match_the_vectors(
    x1: int, n1: int, x2: int, n2: int, expected: tuple[float, ...]
) -> None:
    assert astuple(two_proportions(x1, n1, x2, n2)) == pytest.approx(expected, abs=1e-6)


def test_harm_has_one_sided_ends() -> None:
    found = two_proportions(210, 2400, 190, 2380, confidence=0.9)
    assert (found.low, found.high) == pytest.approx((-0.005527, 0.020870), abs=1e-6)


@given(first=values, second=values)
@settings(deadline=None)
def test_swapping_the_arms_mirrors_the_difference_of_means(
    first: list[float], second: list[float]
) -> None:
    found, mirrored = (
        difference(of(first), of(second)),
        difference(of(second), of(first)),
    )
    assert found.low <= found.difference <= found.high
    assert mirrored.difference == pytest.approx(-found.difference)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))
    assert mirrored.p == pytest.approx(found.p)


@given(
    first=st.lists(st.integers(-50, 50), min_size=2, max_size=20),
    second=st.lists(st.integers(-50, 50), min_size=2, max_size=20),
    constant=st.integers(-1000, 1000),
)
@settings(deadline=None)
def test_a_constant_on_both_arms_changes_no_difference(
    first: list[int], second: list[int], constant: int
) -> None:
    found = difference(of([*map(float, first)]), of([*map(float, second)]))
    moved = difference(
        of([float(x + constant) for x in first]),
        of([float(x + constant) for x in second]),
    )
    assert moved.difference == pytest.approx(found.difference)
    assert moved.se == pytest.approx(found.se, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: moments(0, 0, 0), "An arm needs 1 or more units, got 0"),
        (lambda: moments(4, 13, 80 / 4), "below sum²/n 42.25"),
        (lambda: moments(4, math.inf, 80), "Sums must be finite numbers, got inf"),
        (lambda: ratio_moments(3, 1, 1, 0, 0, 0), "The denominator is 0"),
        (lambda: ratio_moments(3, 3, 5, 3, 5, 9), "cross product 9 is larger"),
        (
            lambda: difference(Moments(1, 0.5, 0.0), Moments(9, 0.5, 0.1)),
            "Both arms need 2 or more units, got 1 and 9",
        ),
    ],
)
def test_sums_that_no_units_have_are_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()


def test_arms_that_do_not_vary_differ_or_do_not() -> None:
    assert difference(moments(3, 3, 3), moments(4, 4, 4)).p == 1
    assert difference(moments(3, 3, 3), moments(4, 0, 0)).p == 0


def test_two_proportions_match_the_published_figures() -> None:
    assert astuple(two_proportions(130, 1000, 100, 1000)) == pytest.approx(
        (2.102741, 0.035488, 0.002002, 0.058070), abs=1e-6
    )


@given(first=arms, second=arms)
def test_swapping_the_arms_mirrors_their_comparison(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    z, p, low, high = astuple(two_proportions(*first, *second))
    mirrored = two_proportions(*second, *first)
    assert astuple(mirrored) == pytest.approx((-z, p, -high, -low), abs=1e-12)
    assert 0 <= p <= 1


@given(first=arms, second=arms)
def test_newcombes_interval_contains_the_difference_and_is_possible(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    _, _, low, high = astuple(two_proportions(*first, *second))
    difference = first[0] / first[1] - second[0] / second[1]
    assert -1 - 1e-12 <= low <= difference <= high <= 1 + 1e-12


@given(first=arms, second=arms)
@settings(deadline=None)
def test_the_squared_z_is_the_chi_square_of_the_two_by_two_table(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    from scipy.stats import chi2_contingency

    (x1, n1), (x2, n2) = first, second
    if 0 < x1 + x2 < n1 + n2:
        oracle = chi2_contingency([[x1, n1 - x1], [x2, n2 - x2]], correction=False)
        found = two_proportions(x1, n1, x2, n2)
        assert found.z**2 == pytest.approx(oracle.statistic, abs=1e-9)
        assert found.p == pytest.approx(oracle.pvalue, abs=1e-9)


@pytest.mark.parametrize("successes", [0, 1])
def test_arms_that_all_succeed_or_all_fail_do_not_differ(successes: int) -> None:
    found = two_proportions(9 * successes, 9, 20 * successes, 20)
    assert (found.z, found.p) == (0, 1)
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    ("x1", "n1", "x2", "n2", "message"),
    [
        (5, 4, 1, 4, "Passes must be between 0 and n, got 5 of 4"),
        (1, 4, -1, 4, "Passes must be between 0 and n, got -1 of 4"),
        (0, 0, 1, 4, "Both arms need 1 or more users, got 0 and 4"),
    ],
)
def test_impossible_arms_are_refused(
    x1: int, n1: int, x2: int, n2: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        two_proportions(x1, n1, x2, n2)
