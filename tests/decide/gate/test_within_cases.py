"""Samples of a case are compared with each other, where they may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.pairs import pair, scores_of
from pytest_ladder.decide.gate.power import Rule, detectable
from pytest_ladder.decide.gate.result import GateResult
from pytest_ladder.decide.gate.within import apply_test
from pytest_ladder.reporting.files.write import matrix_json
from pytest_ladder.reporting.gate_comment import gate_markdown
from pytest_ladder.reporting.sentences.gate import gate_lines
from pytest_ladder.stats.exact import Stratum, stratified_midp
from pytest_ladder.stats.paired import paired_t
from tests.decide.gate.baseline_and_change import Score, report, rows, side

FIVE, NONE = [1.0] * 5, [0.0] * 5
BEFORE: Sequence[Score] = [FIVE] * 26 + [NONE] * 4


def drawn(scores: Sequence[Score], **fields: Any) -> list[Row]:
    """Return rows whose replies all differ, sample n of run n."""
    return [
        msgspec.structs.replace(row, text=f"{row.text} {row.sample}", **fields)
        for row in rows(scores)
    ]


def runs(scores: Sequence[Score]) -> list[Row]:
    return [msgspec.structs.replace(row, run=f"r{row.sample}") for row in drawn(scores)]


def missing(*places: int) -> list[float]:
    """Return five samples, with misses in these places."""
    return [float(place not in places) for place in range(5)]


def after(broken: int, samples: int = 3) -> Sequence[Score]:
    kept = [[1.0] * samples] * (26 - broken)
    return [[0.0] * samples] * broken + kept + [[0.0] * samples] * 4


def compared(before: list[Row], after: list[Row]) -> GateResult:
    return gate(side(before), side(after))


def test_one_case_that_always_passed_and_now_never_does_is_seen_among_thirty() -> None:
    result = compared(runs(BEFORE), drawn(after(1)))
    (suite,) = result.suites
    # Of 30 cases one: McNemar would say p = .5.
    assert (suite.test, suite.verdict) == ("within", "fail")
    assert suite.p == pytest.approx(1 / 112)
    # An interval over other cases beside it must not look like its opposite.
    assert suite.reason.endswith(
        ": -3.3 points, p = 0.009 on these cases (others like them: paired 95 % "
        "interval -16.7 to +8.4), which chance hardly explains."
    )
    assert any("it is about these cases; the interval" in s for s in gate_lines(result))


def test_a_suite_is_tested_by_the_stratified_exact_test() -> None:
    before = [missing(place) for place in range(4)] + [FIVE] * 16
    changed: Sequence[Score] = [[0.0]] * 2 + [[1.0]] * 17 + [[0.0]]
    strata = [Stratum(4, 5, 0, 1)] * 2 + [Stratum(4, 5, 1, 1)] * 2
    strata += [Stratum(5, 5, 1, 1)] * 15 + [Stratum(5, 5, 0, 1)]
    suite = compared(runs(before), drawn(changed)).suites[0]
    assert suite.p == pytest.approx(stratified_midp(strata)[0])


GRADED: Sequence[Score] = [[0.5, 1.0, 1.0, 1.0, 1.0], *BEFORE[1:]]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (runs(BEFORE), drawn(after(2)), "within"),
        (runs(BEFORE), drawn(after(2, 1)), "within"),
        # The same replies each time, as at temperature 0.
        (rows(BEFORE), rows(after(2)), "cases"),
        (runs(GRADED), drawn(after(2)), "cases"),
    ],
    ids=["3 samples", "1 sample", "equal replies", "graded"],
)
def test_the_test_fits_the_samples(old: list[Row], new: list[Row], kind: str) -> None:
    assert compared(old, new).suites[0].test == kind


def test_clusters_are_compared_by_cases() -> None:
    names = [f"page-{place // 3}" for place in range(30)]
    old, new = runs(BEFORE), drawn(after(4))
    tied = [
        [msgspec.structs.replace(row, cluster=names[int(row.case[1:])]) for row in made]
        for made in (old, new)
    ]
    assert compared(*tied).suites[0].test == "cases"


def with_second(made: list[Row], **fields: Any) -> list[Row]:
    """Return rows with another test of the same replies."""
    more = {"test": "test_shop.py::test_b", **fields}
    return [*made, *(msgspec.structs.replace(row, **more) for row in made)]


def test_samples_of_several_tests_of_a_case_are_compared_as_a_whole() -> None:
    old, new = runs(BEFORE), drawn(after(1))
    # A test that says the same of the same reply is no second witness.
    for weight in (1.0, 3.0, 0.7):
        twice = [with_second(made, weight=weight) for made in (old, new)]
        (suite,) = compared(*twice).suites
        assert (suite.test, suite.verdict) == ("within", "fail")
        assert suite.p == pytest.approx(1 / 112)
    # One that always passes halves the drop, and not what is known of it.
    always = {"score": 1.0, "outcome": Outcome.PASSED}
    (suite,) = compared(with_second(old, **always), with_second(new, **always)).suites
    assert suite.change == pytest.approx(-1 / 60)
    assert suite.p == pytest.approx(1 / 112)
    # A sample of which one test did not finish is left out of the test.
    part = with_second(new)[:-1]
    assert compared(with_second(old), part).suites[0].test == "within"


def test_with_fewer_than_three_samples_before_both_tests_must_say_so() -> None:
    two: Sequence[Score] = [[1.0, 1.0]] * 26 + [[0.0, 0.0]] * 4
    suite = compared(runs(two), drawn(after(2))).suites[0]
    changes = [-1.0] * 2 + [0.0] * 28
    within = stratified_midp([Stratum(2, 2, 0, 3)] * 2 + [Stratum(2, 2, 3, 3)] * 24)[0]
    assert suite.test == "both"
    assert suite.p == pytest.approx(paired_t(changes).p)
    assert suite.p > within


def test_runs_that_differ_are_said_and_not_pooled() -> None:
    """One run of the baseline had a bad day: its samples are no draws of one thing."""
    before: Sequence[Score] = [[0.0, 1.0, 1.0, 1.0, 1.0]] * 12 + [FIVE] * 18
    result = compared(runs(before), drawn([[0.0] * 3] * 5 + [[1.0] * 3] * 25))
    (suite,) = result.suites
    assert (suite.test, suite.verdict) == ("runs", "pass")
    told = "\n".join(gate_lines(result))
    assert "the runs of the baseline differ by more than chance" in told
    assert "is broken" not in told
    # Far beyond what the runs differ by, it is a drop all the same.
    worse = compared(runs(before), drawn([[0.0] * 3] * 30))
    assert worse.suites[0].verdict == "fail"


def test_cases_are_called_broken_when_their_own_samples_show_it() -> None:
    flaky = [missing(0, 1), missing(2, 3), missing(4, 0)]
    now: Sequence[Score] = [[0.0] * 3] * 3 + [[1.0] * 3] * 27 + [[1.0, 0.0, 0.0]] * 3
    result = compared(runs([[1.0] * 5] * 30 + flaky), drawn(now))
    worse = [flip for flip in result.flips if flip.move < 0]
    assert [(flip.case, flip.broken) for flip in worse] == [
        (f"c00{place}", True) for place in range(3)
    ]
    lines = list(gate_lines(result))
    shown = "  c000 is broken: 5/5 -> 0/3, p = 0.018 (test_shop.py::test_answer)"
    assert shown in lines
    assert "  Broken by its own samples, corrected for all cases: 3 cases: " in (
        "\n".join(lines)
    )
    page = gate_markdown(result)
    assert "### 3 cases worse, 3 of them broken, most frequent first" in page
    assert "passed 5 of 5 → 0 of 3, p = 0.018, broken</summary>" in page


def test_a_single_flip_among_many_flaky_cases_is_not_called_broken() -> None:
    half = [missing(place, (place + 2) % 5) for place in range(5)] * 3
    now: Sequence[Score] = [[0.0] * 3, *[[1.0, 1.0, 0.0]] * 15]
    result = compared(runs([FIVE, *half]), drawn(now))
    (flip,) = (flip for flip in result.flips if flip.case == "c000")
    # p = 1/56 by itself, and 16 cases might have shown it.
    assert flip.p == pytest.approx(1 / 56)
    assert not flip.broken


def test_flaky_cases_are_listed_with_pass_k() -> None:
    before = [missing(1, 3), missing(4), *[FIVE] * 16, *[NONE] * 2]
    result = compared(runs(before), drawn([[1.0]] * 18 + [[0.0]] * 2))
    found = result.flakiness
    assert [(one.case, one.before) for one in found.cases] == [
        ("c000", (3, 5)),
        ("c001", (4, 5)),
    ]
    assert found.cases[0].disagreement == pytest.approx(0.6)
    short, long = (list(gate_lines(result, verbose=v)) for v in (False, True))
    assert "2 of 20 cases: c000, c001. In all 5 samples 80.0 %" in "\n".join(short)
    named = "  flaky: c000: 3/5 before, 1/1 after (test_shop.py::test_answer)"
    assert named in long
    assert named not in short
    assert "<details><summary>2 flaky cases</summary>" in gate_markdown(result)
    held = msgspec.structs.replace(report(runs(before)), gate=result)
    written = matrix_json(held)["gate"]
    assert written["flakiness"]["cases"][0]["before"] == [3, 5]
    assert written["suites"][0]["test"] == "within"


@pytest.mark.parametrize(("samples", "flaky"), [(5, 0.2), (1, 0.2), (5, 0.0)])
def test_a_true_drop_of_the_size_that_is_named_is_seen_4_times_in_5(
    samples: int, flaky: float
) -> None:
    """A rough check, of replays; that of the whole rule is benchmarks/bench_gate.py."""
    random = np.random.default_rng(7)
    n, seen = 60, []

    def draw(chances: NDArray[np.float64], number: int) -> Sequence[Score]:
        hit = random.random((n, number)) < chances[:, None]
        return hit.astype(float).tolist()  # type: ignore[no-any-return]

    for _ in range(5):
        chances = np.where(random.random(n) < flaky, 0.8, random.random(n) < 0.85)
        old = runs(draw(chances, samples))
        pairs = pair(old, drawn(draw(chances, 1)))
        scores = scores_of(pairs)
        rule = Rule(drop=0.02, block_at=0.05, escalate_at=0.2, escalation=None, cases=n)
        named = detectable(pairs, scores, apply_test(pairs, scores), rule)
        assert 0.02 < named < 0.35
        for _ in range(20):
            left = chances * (random.random(n) >= named / chances.mean())
            pairs = pair(old, drawn(draw(left, 1)))
            scores = scores_of(pairs)
            drop = sum(scores.differences) / n <= -0.02
            seen.append(drop and apply_test(pairs, scores).p <= 0.05)
    # 5 baselines with 20 changes each.
    assert sum(seen) / len(seen) == pytest.approx(0.8, abs=0.15)


def test_the_drop_that_is_named_of_several_tests_is_that_of_the_test_within() -> None:
    """The same replies, held to one test and to another one that says the same."""
    random = np.random.default_rng(18)
    chances = np.where(random.random(60) < 0.2, 0.8, 1.0)[:, None]
    old = runs((random.random((60, 5)) < chances).astype(float).tolist())
    new = drawn((random.random((60, 3)) < chances).astype(float).tolist())
    named = []
    for before, after in ((old, new), (with_second(old), with_second(new))):
        pairs = pair(before, after)
        scores = scores_of(pairs)
        tested = apply_test(pairs, scores)
        assert tested.kind == "within"
        rule = Rule(
            drop=0.02, block_at=0.05, escalate_at=0.2, escalation=None, cases=60
        )
        named.append(detectable(pairs, scores, tested, rule))
    assert named[1] == pytest.approx(named[0], rel=0.15)
