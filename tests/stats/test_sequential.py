from __future__ import annotations

import itertools
import math
import random
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ladder.stats.sequential import (
    Boundaries,
    betting_evidence,
    betting_suite,
    confidence_sequence,
    curtailed,
    group_sequential,
    required_passes,
    suite_boundaries,
)

V20 = suite_boundaries(200, 0.8, 0.05 / 16, 0.05, 10)

small = st.integers(1, 11)
bars = st.floats(0.05, 1)
errors = st.sampled_from([0.01, 0.05, 0.2, 0.4])
steps = st.integers(1, 6)
graded = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def orders(n: int, passes: int) -> list[list[int]]:
    """Every order of a suite of n cases with so many passes."""
    return [
        [int(case in chosen) for case in range(n)]
        for chosen in itertools.combinations(range(n), passes)
    ]


def stop(boundaries: Boundaries, scores: list[int]) -> tuple[str | None, int]:
    """Verdict and number of cases of a climb that knows the boundaries only."""
    upper, lower = boundaries
    for look in sorted({*upper, *lower}):
        total = sum(scores[:look])
        if total >= upper.get(look, look + 1):
            return "pass", look
        if total <= lower.get(look, -1):
            return "fail", look
    return None, len(scores)


def crossed(side: dict[int, int], scores: list[int], sign: int) -> bool:
    """Whether the scores ever reach one side's boundary, the other side ignored."""
    return any(sign * (sum(scores[:t]) - limit) >= 0 for t, limit in side.items())


@pytest.mark.parametrize(
    ("n", "bar", "passes"),
    [(200, 0.8, 160), (10, 0.85, 9), (10, 0.7, 7), (3, 1, 3), (5, 1e-12, 1)],
)
def test_required_passes_survive_rounding(n: int, bar: float, passes: int) -> None:
    assert required_passes(n, bar) == passes


@pytest.mark.parametrize(
    ("look", "upper"),
    [
        *[(10, None), (20, None), (30, None), (40, 39), (50, 48), (60, 57), (70, 65)],
        *[(80, 73), (90, 82), (100, 90), (160, 136), (200, 160)],
    ],
)
def test_suite_boundaries_pass_at_the_published_counts(
    look: int, upper: int | None
) -> None:
    assert V20.upper.get(look) == upper


@pytest.mark.parametrize(
    ("look", "lower"),
    [
        (10, 3),
        (20, 10),
        (30, 18),
        (40, 25),
        (50, 33),
        (100, 72),
        (160, 122),
        (200, 159),
    ],
)
def test_suite_boundaries_fail_at_the_published_counts(look: int, lower: int) -> None:
    assert V20.lower[look] == lower


@given(n=small, bar=bars, alpha=errors, beta=errors, every=steps)
@settings(deadline=None, max_examples=60)
def test_suite_boundaries_keep_both_errors_over_every_order(
    n: int, bar: float, alpha: float, beta: float, every: int
) -> None:
    upper, lower = suite_boundaries(n, bar, alpha, beta, every)
    required = required_passes(n, bar)
    for passes in range(n + 1):
        paths = orders(n, passes)
        if passes < required:
            wrong = sum(crossed(upper, path, 1) for path in paths)
            assert wrong / len(paths) <= alpha + 1e-9
        else:
            wrong = sum(crossed(lower, path, -1) for path in paths)
            assert wrong / len(paths) <= beta + 1e-9


@given(n=small, bar=bars, alpha=errors, beta=errors, every=steps)
@settings(deadline=None, max_examples=60)
def test_suite_boundaries_stop_wherever_the_verdict_is_certain(
    n: int, bar: float, alpha: float, beta: float, every: int
) -> None:
    upper, lower = suite_boundaries(n, bar, alpha, beta, every)
    for look in {*range(every, n, every), n}:
        for total in range(look + 1):
            certain = curtailed(total, look, n, bar)
            if certain == "pass":
                assert total >= upper[look]
            elif certain == "fail":
                assert total <= lower[look]
    assert (upper[n], lower[n]) == (required_passes(n, bar), upper[n] - 1)
    assert all(limit < upper.get(look, n + 1) for look, limit in lower.items())


def test_suite_boundaries_could_not_stop_one_pass_earlier() -> None:
    """The first look with a boundary spends what it may, counted exactly."""
    look, alpha = min(V20.upper), Fraction(1, 20 * 16)
    budget = alpha * Fraction(look, 200)

    def at_least(passes: int) -> Fraction:
        ways = sum(
            math.comb(159, k) * math.comb(41, look - k) for k in range(passes, look + 1)
        )
        return Fraction(ways, math.comb(200, look))

    assert at_least(V20.upper[look]) <= budget < at_least(V20.upper[look] - 1)


def test_a_bar_of_one_fails_at_the_first_miss() -> None:
    upper, lower = suite_boundaries(20, 1, 0.05, 0.05, 5)
    assert lower == {5: 4, 10: 9, 15: 14, 20: 19}
    assert upper == {20: 20}


def test_a_suite_of_one_case_is_decided_by_it() -> None:
    assert suite_boundaries(1, 0.8, 0.05, 0.05, 10) == ({1: 1}, {1: 0})


def test_looks_need_not_divide_the_suite() -> None:
    upper, lower = suite_boundaries(25, 0.8, 0.2, 0.2, 10)
    assert {*upper, *lower} <= {10, 20, 25}
    assert (upper[25], lower[25]) == (20, 19)


def test_boundaries_of_a_thousand_cases_are_soon_found() -> None:
    suite_boundaries(2, 0.8, 0.05, 0.05, 1)  # imports numpy
    start = time.process_time()
    upper, _ = suite_boundaries(1000, 0.8, 0.05, 0.05, 1)
    assert time.process_time() - start < 10
    assert upper[1000] == 800


@pytest.mark.parametrize(
    ("n", "alpha", "passes"),
    [(200, 0.05, 152), (100, 0.05, 78), (50, 0.05, 41), (200, 0.05 / 16, 158)],
)
def test_a_single_look_is_the_published_fixed_threshold(
    n: int, alpha: float, passes: int
) -> None:
    assert group_sequential(n, 0.7, 0.8, alpha, 0.02, n).upper == {n: passes}


def climb(boundaries: Boundaries, n: int, q: float) -> tuple[float, float, float]:
    """Exact chance to pass, mean number of cases and mean score where a climb stops."""
    last = boundaries.upper[n]
    alive, passed, calls, score = [1.0], 0.0, 0.0, 0.0
    for t in range(1, n + 1):
        alive = [
            a * (1 - q) + b * q
            for a, b in zip([*alive, 0.0], [0.0, *alive], strict=True)
        ]
        if t % 10:
            continue
        low = max(boundaries.lower.get(t, -1), last - 1 - (n - t))
        for total, chance in enumerate(alive):
            if low < total < boundaries.upper.get(t, n + 1) and t < n:
                continue
            passed += chance * (total >= boundaries.upper.get(t, n + 1))
            calls, score = calls + chance * t, score + chance * total / t
            alive[total] = 0.0
    return passed, calls, score


@pytest.mark.parametrize(
    ("q", "calls"),
    [
        *[(0.40, 19), (0.50, 28), (0.60, 49), (0.70, 115), (0.75, 146), (0.80, 110)],
        *[(0.85, 66), (0.90, 42), (0.95, 29)],
    ],
)
def test_a_rung_takes_as_many_calls_to_decide_as_the_method_note_says(
    q: float, calls: float
) -> None:
    boundaries = group_sequential(200, 0.7, 0.8, 0.05, 0.02, 10)
    assert climb(boundaries, 200, q)[1] == pytest.approx(calls, abs=0.5)


@pytest.mark.parametrize(("q", "power"), [(0.80, 0.60), (0.85, 0.983), (0.90, 1.0)])
def test_a_rung_passes_as_often_as_the_method_note_says(q: float, power: float) -> None:
    boundaries = group_sequential(200, 0.7, 0.8, 0.05 / 16, 0.02, 10)
    assert climb(boundaries, 200, q)[0] == pytest.approx(power, abs=0.005)


@pytest.mark.parametrize(("q", "mean"), [(0.8, 0.818), (0.7, 0.674)])
def test_the_mean_of_a_stopped_rung_is_biased_as_the_method_note_says(
    q: float, mean: float
) -> None:
    boundaries = group_sequential(200, 0.7, 0.8, 0.05, 0.02, 10)
    assert climb(boundaries, 200, q)[2] == pytest.approx(mean, abs=0.0005)


@given(n=small, alpha=errors, beta=errors, every=steps)
@settings(deadline=None, max_examples=40)
def test_group_sequential_boundaries_keep_both_errors_over_every_outcome(
    n: int, alpha: float, beta: float, every: int
) -> None:
    upper, lower = group_sequential(n, 0.5, 0.75, alpha, beta, every)
    false_pass = false_fail = 0.0
    for outcome in itertools.product([0, 1], repeat=n):
        path = [*outcome]
        passes = sum(path)
        false_pass += crossed(upper, path, 1) * 0.5**n
        false_fail += crossed(lower, path, -1) * 0.75**passes * 0.25 ** (n - passes)
    assert false_pass <= alpha + 1e-9
    assert false_fail <= beta + 1e-9


def test_a_count_that_could_stop_both_ways_passes() -> None:
    upper, lower = group_sequential(4000, 0.7, 0.8, 0.05, 0.02, 2000)
    assert upper[2000] - 1 == lower[2000]
    assert upper[4000] - 1 == lower[4000]


def test_a_climb_stops_at_the_first_boundary_it_reaches() -> None:
    assert stop(V20, [1] * 200) == ("pass", 40)
    assert stop(V20, [0] * 200) == ("fail", 10)
    assert stop(V20, [1, 1, 1, 1, 0] * 40) == ("pass", 200)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0.8, 0.05, 0.05, 10), "1 or more cases, got 0"),
        ((10, 0, 0.05, 0.05, 10), "The bar must be above 0 and at most 1, got 0"),
        ((10, 80, 0.05, 0.05, 10), "The bar must be above 0 and at most 1, got 80"),
        ((10, 0.8, 0, 0.05, 10), "Alpha must be strictly between 0 and 1, got 0"),
        ((10, 0.8, 0.05, 1, 10), "Beta must be strictly between 0 and 1, got 1"),
        ((10, 0.8, 0.05, 0.05, 0), "Looks must be 1 or more cases apart, got 0"),
    ],
)
def test_impossible_suite_boundaries_are_refused(
    arguments: tuple[int, float, float, float, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        suite_boundaries(*arguments)


@pytest.mark.parametrize("null", [0, 0.8, 0.9])
def test_a_null_that_is_not_below_the_bar_is_refused(null: float) -> None:
    with pytest.raises(ValueError, match="0 < null < bar <= 1 is required"):
        group_sequential(10, null, 0.8, 0.05, 0.05, 10)


@pytest.mark.parametrize(
    ("total", "seen", "verdict"),
    [(8, 8, "pass"), (7, 9, None), (7, 10, "fail"), (0, 2, None), (0, 3, "fail")],
)
def test_curtailment_says_what_the_full_suite_is_bound_to_say(
    total: float, seen: int, verdict: str | None
) -> None:
    assert curtailed(total, seen, 10, 0.8) == verdict


def test_curtailment_survives_rounding() -> None:
    assert curtailed(math.fsum([0.8] * 10), 10, 10, 0.8) == "pass"
    assert curtailed(sum([0.1] * 10), 10, 10, 0.1) == "pass"


@pytest.mark.parametrize(("total", "seen"), [(3, 2), (-1, 2), (1, 11)])
def test_impossible_totals_are_refused(total: float, seen: int) -> None:
    with pytest.raises(ValueError, match="of 10 cases is impossible"):
        curtailed(total, seen, 10, 0.8)


@pytest.mark.parametrize(
    ("passes", "n", "mean", "evidence"),
    [
        (18, 20, 0.7, 5.546411),
        (20, 20, 0.7, 198.0375),
        (29, 30, 0.7, 374.1504),
        (30, 30, 0.8, 129.6574),
        (0, 0, 0.7, 1),
    ],
)
def test_betting_evidence_matches_the_published_figures(
    passes: int, n: int, mean: float, evidence: float
) -> None:
    scores = [1] * passes + [0] * (n - passes)
    assert betting_evidence(scores, mean) == pytest.approx(evidence, abs=1e-4)


@pytest.mark.parametrize(
    ("score", "mean", "above", "threshold", "first"),
    [
        (1, 0.7, True, 20, 13),
        (1, 0.8, True, 20, 20),
        (1, 0.8, True, 320, 35),
        (0, 0.8, False, 20, 3),
    ],
)
def test_evidence_decides_after_the_published_number_of_cases(
    score: int, mean: float, above: bool, threshold: float, first: int
) -> None:
    assert betting_evidence([score] * (first - 1), mean, above) < threshold
    assert betting_evidence([score] * first, mean, above) >= threshold


@given(mean=st.floats(0.02, 0.98), t=st.integers(1, 8), above=st.booleans())
@settings(deadline=None, max_examples=50)
def test_evidence_is_worth_one_on_average_if_the_mean_is_as_said(
    mean: float, t: int, above: bool
) -> None:
    average = 0.0
    for scores in itertools.product([0, 1], repeat=t):
        passes = sum(scores)
        chance = mean**passes * (1 - mean) ** (t - passes)
        average += chance * betting_evidence(scores, mean, above)
    assert average == pytest.approx(1, abs=1e-6)


@given(scores=graded, mean=st.floats(0, 1))
@settings(deadline=None)
def test_evidence_above_is_evidence_below_of_the_complement(
    scores: list[float], mean: float
) -> None:
    mirror = betting_evidence([1 - score for score in scores], 1 - mean, above=False)
    assert betting_evidence(scores, mean) == pytest.approx(mirror, rel=1e-4)


def test_overwhelming_evidence_is_infinite_not_an_error() -> None:
    assert betting_evidence([1] * 5000, 0.1) == math.inf
    assert 0 <= betting_evidence([0] * 5000, 0.1) < 1e-50
    assert betting_evidence([1] * 5, 0) > 1e30


def test_evidence_about_impossible_scores_is_refused() -> None:
    with pytest.raises(ValueError, match="Scores must be between 0 and 1, got 2"):
        betting_evidence([2], 0.5)
    with pytest.raises(ValueError, match="The mean must be between 0 and 1, got 80"):
        betting_evidence([1], 80)


def first_verdict(
    scores: list[float], bar: float, alpha: float, beta: float
) -> str | None:
    """Verdict of a climb that looks after every case but stops before the last."""
    for t in range(1, len(scores)):
        verdict = betting_suite(scores[:t], len(scores), bar, alpha, beta)
        if verdict:
            return verdict
    return None


@pytest.mark.long
@pytest.mark.parametrize(("n", "bar"), [(12, 0.7), (11, 0.5), (12, 0.35)])
@pytest.mark.parametrize("error", [0.1, 0.4])
def test_betting_on_a_suite_keeps_both_errors_over_every_order(
    n: int, bar: float, error: float
) -> None:
    required = required_passes(n, bar)
    below = [
        first_verdict([*order], bar, error, error) for order in orders(n, required - 1)
    ]
    at_bar = [
        first_verdict([*order], bar, error, error) for order in orders(n, required)
    ]
    assert below.count("pass") / len(below) <= error
    assert at_bar.count("fail") / len(at_bar) <= error
    if error == 0.4:
        assert below.count("pass") + at_bar.count("fail") > 0


@pytest.mark.long
def test_betting_on_graded_scores_keeps_both_errors_in_a_simulation() -> None:
    rng = random.Random(7)
    scores = [rng.choice([0.0, 0.25, 0.5, 0.75, 1.0, 1.0]) for _ in range(40)]
    mean = math.fsum(scores) / 40
    wrong = {"pass": 0, "fail": 0}
    for _ in range(300):
        rng.shuffle(scores)
        wrong["pass"] += first_verdict(scores, mean + 1e-6, 0.2, 0.2) == "pass"
        wrong["fail"] += first_verdict(scores, mean, 0.2, 0.2) == "fail"
    assert max(wrong.values()) / 300 <= 0.2 + 0.05
    assert min(wrong.values()) > 0


@given(scores=graded, bar=bars)
@settings(deadline=None)
def test_betting_on_a_whole_suite_gives_its_exact_verdict(
    scores: list[float], bar: float
) -> None:
    met = math.fsum(scores) >= bar * len(scores) - 1e-9
    verdict = betting_suite(scores, len(scores), bar, 0.05, 0.05)
    assert verdict == ("pass" if met else "fail")


def test_betting_on_a_suite_may_decide_early_and_stays_decided() -> None:
    scores = [1.0] * 30 + [0.0] * 20
    verdicts = [betting_suite(scores[:t], 200, 0.5, 0.05, 0.05) for t in range(51)]
    first = verdicts.index("pass")
    assert 0 < first < 10
    assert set(verdicts[:first]) == {None}
    assert set(verdicts[first:]) == {"pass"}


def test_a_certain_verdict_overrules_the_evidence() -> None:
    scores = [1.0] * 20 + [0.0] * 30
    assert betting_suite(scores[:20], 50, 0.5, 0.05, 0.05) == "pass"
    assert betting_suite(scores[:46], 50, 0.5, 0.05, 0.05) == "fail"


def test_betting_on_a_suite_needs_fewer_cases_than_on_a_population() -> None:
    """What is left of a suite has to do better and better to turn the verdict."""
    scores = [0.9, 1.0] * 45
    decided = next(
        t for t in range(91) if betting_suite(scores[:t], 100, 0.8, 0.05, 0.05)
    )
    evidence = [betting_evidence(scores[:t], 0.8) for t in range(91)]
    assert evidence[decided] < 20 <= max(evidence)


def test_a_suite_without_scores_is_undecided() -> None:
    assert betting_suite([], 10, 0.8, 0.05, 0.05) is None


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0] * 11, "from 11 of 10 cases is impossible"),
        ([1.5], "Scores must be between 0 and 1, got 1.5"),
    ],
)
def test_scores_that_fit_no_suite_are_refused(
    scores: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        betting_suite(scores, 10, 0.8, 0.05, 0.05)


@pytest.mark.parametrize(
    ("passes", "n", "low", "high"),
    [(10, 20, 0.1920, 0.8080), (160, 200, 0.7005, 0.8860), (0, 0, 0, 1)],
)
def test_confidence_sequences_match_the_published_figures(
    passes: int, n: int, low: float, high: float
) -> None:
    scores = [1] * passes + [0] * (n - passes)
    assert confidence_sequence(scores) == pytest.approx((low, high), abs=1e-6)


@given(scores=graded, alpha=errors)
@settings(deadline=None)
def test_confidence_sequences_hold_the_means_that_no_evidence_refutes(
    scores: list[float], alpha: float
) -> None:
    low, high = confidence_sequence(scores, alpha)
    assert 0 <= low <= math.fsum(scores) / len(scores) <= high <= 1
    limit = 2 / alpha
    for mean in (low, high, (low + high) / 2):
        assert betting_evidence(scores, mean) < limit * (1 + 1e-6)
        assert betting_evidence(scores, mean, above=False) < limit * (1 + 1e-6)
    if low > 0.0005:
        assert betting_evidence(scores, low - 0.0005) >= limit * (1 - 1e-6)
    if high < 0.9995:
        assert betting_evidence(scores, high + 0.0005, above=False) >= limit * (
            1 - 1e-6
        )


@pytest.mark.parametrize("score", [0.0001, 0.9999])
def test_a_mean_closer_to_the_end_than_the_grid_is_still_inside(score: float) -> None:
    low, high = confidence_sequence([score] * 5)
    assert low <= score <= high


def test_a_single_score_leaves_nearly_every_mean_possible() -> None:
    low, high = confidence_sequence([1])
    assert 0 < low < 0.03
    assert high == 1


def test_confidence_sequences_cover_the_mean_of_a_rung_that_stopped_early() -> None:
    """The Wilson interval at that moment covers too little (methods note, 3.11)."""
    rng, covered = random.Random(11), 0
    boundaries = suite_boundaries(100, 0.8, 0.05, 0.05, 10)
    suite = [1] * 78 + [0] * 22
    for _ in range(200):
        rng.shuffle(suite)
        _, seen = stop(boundaries, suite)
        low, high = confidence_sequence(suite[:seen])
        covered += low <= 0.78 <= high
    assert covered >= 196


def test_confidence_sequences_of_impossible_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="Scores must be between 0 and 1, got -1"):
        confidence_sequence([-1])
    with pytest.raises(ValueError, match="Alpha must be strictly between 0 and 1"):
        confidence_sequence([1], alpha=1)
