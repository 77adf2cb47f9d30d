"""How much more data would tell two rungs apart, and what that costs, from rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.telling import (
    Draw,
    Judge,
    Telling,
    assumed_telling,
    pair_of,
    telling,
)
from pytest_ladder.reporting.sentences.telling import telling_lines
from pytest_ladder.stats.planning import binary_cases_to_tell, reach
from tests.decide.ladders import Made, passes, rows_of

PAIR = ("bot/few", "bot/plain")
TWO = {
    "bot/plain": Made(scores=passes(160, 200), usd=0.001),
    "bot/few": Made(scores=passes(180, 200), usd=0.002),
}
"""They differ on 20 of 200 cases, all one way."""
JUDGE = Judge(sensitivity=0.9, specificity=0.8, labels=(30, 40), assumed=False)


def told(
    made: dict[str, Made] | None = None,
    gap: float = 0.03,
    *,
    rows: Sequence[Row] | None = None,
    judge: Judge | None = None,
) -> Telling:
    level = Level.CHEAP if judge is None else Level.JUDGED
    given = rows_of(made or TWO, level) if rows is None else list(rows)
    return telling(given, Evidence(given), level, PAIR, gap, judge)


def samples_of(by_rung: Mapping[str, Sequence[Sequence[float]]]) -> list[Row]:
    """Rows of several samples: by rung, the scores of each sample."""
    return [
        msgspec.structs.replace(
            row,
            sample=number,
            replies=tuple(
                msgspec.structs.replace(bill, key=f"{bill.key}-s{number}")
                for bill in row.replies
            ),
        )
        for rung, samples in by_rung.items()
        for number, scores in enumerate(samples, start=1)
        for row in Made(scores=scores).rows(rung, Level.CHEAP)
    ]


def test_cases_are_planned_from_how_often_the_two_differ() -> None:
    plan = told()
    assert (plan.n, plan.differ) == (200, 20)
    assert plan.cases.needed == binary_cases_to_tell(0.1, 0.03)
    assert plan.cases_between is not None
    # The ends of the Wilson interval of 20 of 200.
    assert plan.cases_between == (
        binary_cases_to_tell(0.065681, 0.03),
        binary_cases_to_tell(0.149425, 0.03),
    )
    assert plan.sees == pytest.approx(reach() * (0.1 / 200) ** 0.5)


def test_what_is_not_there_yet_costs_a_call_of_both_rungs() -> None:
    cases = told().cases
    more = (cases.needed or 0) - 200
    assert cases.calls == 2 * more
    assert cases.usd == pytest.approx(more * 0.003)


def test_what_is_at_hand_costs_nothing() -> None:
    cases = told(gap=0.2).cases
    assert (cases.calls, cases.usd) == (0, 0.0)
    assert cases.needed is not None
    assert cases.needed <= 200


def test_an_unknown_price_stays_unknown() -> None:
    made = {**TWO, "bot/few": Made(scores=passes(180, 200), usd=None)}
    cases = told(made).cases
    assert cases.usd is None
    assert cases.calls > 0


def test_rungs_that_never_differed_may_differ_all_the_same() -> None:
    same = {name: Made(scores=passes(180, 200)) for name in TWO}
    plan = told(same)
    # A difference of 3 points takes 3 % of cases that differ, at the least.
    assert plan.cases.needed == binary_cases_to_tell(0.03, 0.03)
    assert plan.sees == pytest.approx(reach() ** 2 / (200 + reach() ** 2))


@pytest.mark.parametrize("clusters", [(), [f"d{n // 10}" for n in range(200)]])
def test_grades_that_hardly_ever_differed_are_not_told_by_a_handful(
    clusters: Sequence[str],
) -> None:
    grades = [0.5, 0.75] * 100
    nearly = [0.75, *grades[1:]]
    for other in (grades, nearly):
        made = {
            "bot/plain": Made(scores=grades, clusters=clusters),
            "bot/few": Made(scores=other, clusters=clusters),
        }
        plan = told(made)
        # Three points by grades that differ by 1/4, or by as much as they can.
        size = 0.25 if other is nearly else 1.0
        least = reach() ** 2 * (size / 0.03 - 1)
        assert plan.cases.needed is not None
        assert plan.cases.needed >= 0.7 * least
        assert plan.sees is not None
        assert plan.sees > 0.009


def test_no_plan_is_for_fewer_than_twenty_cases() -> None:
    close = {
        "bot/plain": Made(scores=[0.5, 0.52] * 20),
        "bot/few": Made(scores=[0.6, 0.6] * 20),
    }
    assert told(close, gap=0.1).cases.needed == 20


def test_clusters_make_a_case_worth_less() -> None:
    clusters = [f"d{place // 10}" for place in range(200)]
    whole = {
        name: msgspec.structs.replace(one, clusters=clusters)
        for name, one in TWO.items()
    }
    plan = told(whole)
    assert plan.clusters == 20
    assert (plan.cases.needed or 0) > 5 * binary_cases_to_tell(0.1, 0.03)


def test_samples_help_where_cases_are_flaky() -> None:
    flaky = [[float((place + number) % 2) for place in range(60)] for number in (0, 1)]
    steady = [passes(60, 60)] * 2
    plan = told(rows=samples_of({"bot/plain": flaky, "bot/few": steady}), gap=0.05)
    # Each case of bot/plain is a coin: a variance of 1/2 for two samples, and all of it
    # is between samples. By hand: (1/2) / 60 / (0.05 / 2.80)² = 26.2.
    assert plan.samples.needed == 27
    assert plan.samples.now == 2
    assert plan.samples.calls == (27 - 2) * 60 * 2
    assert plan.samples.usd == pytest.approx(25 * 60 * 0.002)


def test_samples_do_not_help_where_cases_themselves_differ() -> None:
    steady = {
        "bot/plain": [passes(40, 60)] * 2,
        "bot/few": [[float(place >= 20) for place in range(60)]] * 2,
    }
    samples = told(rows=samples_of(steady)).samples
    assert samples.needed is None
    assert samples.why_not.startswith("no number will do: 60 cases tell 2")
    assert told().samples.why_not.startswith("with a single sample of each case")


def test_a_judge_that_errs_shows_less_of_a_difference() -> None:
    plan, sure = told(judge=JUDGE), told()
    assert plan.cases.needed == binary_cases_to_tell(0.1, 0.03 * 0.7)
    assert plan.sees == pytest.approx((sure.sees or 0) / 0.7)


def test_labels_are_planned_from_how_far_the_judge_errs() -> None:
    labels = told(gap=0.15, judge=JUDGE).labels
    assert labels is not None
    # By the raw shares .80 and .90 the true ones are .857 and 1. Of the first .771 are
    # right and passed, .029 wrong and passed, .086 and .114 likewise failed.
    within = 0.7714 * 0.0286 / 0.8 + 0.0857 * 0.1143 / 0.2
    room = (0.15 / reach()) ** 2 - (0.8571 * 0.1429 - within) / 200
    assert labels.needed == pytest.approx(within / room, abs=1)
    assert (labels.now, labels.calls) == (30, 0)
    fine = told(gap=0.03, judge=JUDGE).labels
    assert fine is not None
    assert (fine.needed, fine.why_not) == (None, "no number will do: add cases")


def test_of_grades_no_labels_are_planned() -> None:
    plan = told(judge=msgspec.structs.replace(JUDGE, graded=True))
    assert plan.cases.needed == told().cases.needed
    assert plan.labels is not None
    assert plan.labels.why_not.endswith("and this judge gives grades")
    assert not any("sensitivity" in line for line in telling_lines(plan, "r"))


def test_rungs_without_a_common_case_cannot_be_planned_with() -> None:
    made = {**TWO, "bot/few": Made(scores=[None] * 200)}
    with pytest.raises(ValueError, match="share no case at the cheap level"):
        told(made)


def test_the_recommended_rung_is_held_against_the_next_best() -> None:
    qualities = {"a": 0.7, "b": 0.9, "c": 0.8}
    assert pair_of(qualities, "a") == ("a", "b")
    assert pair_of(qualities, "b") == ("b", "c")
    assert pair_of(qualities, None) == ("b", "c")
    assert pair_of({"a": 0.7}, "a") is None


def test_before_anything_was_run_it_says_what_it_assumes() -> None:
    plan = assumed_telling(Level.CHEAP, PAIR, 0.03, Draw(calls=2, usd=0.01))
    lines = list(telling_lines(plan, ""))
    needed = binary_cases_to_tell(0.2, 0.03)
    assert lines[1] == f"  cases: {needed:,}: {2 * needed:,} calls, $17.37."
    assert lines[2] == "  or samples: known after the first run."
    assert lines[3].startswith(
        "No results of two rungs are there yet: assumed is that the rungs differ on "
        "20 % of the cases"
    )


def test_the_lines_say_what_it_takes_and_what_it_rests_on() -> None:
    cases = told().cases
    assert list(telling_lines(told(), "ladder-report")) == [
        "To tell bot/few from bot/plain by 3 points at the cheap level, 4 times in 5 "
        "(two-sided, 95 %), takes about",
        f"  cases: {cases.needed:,} (544 to 1,292), {(cases.needed or 0) - 200} more "
        f"than both ran: {cases.calls:,} calls, $1.95.",
        "  or samples: with a single sample of each case nobody knows how much these "
        "differ.",
        "By ladder-report: the two differ on 20 of 200 cases, which tell 6.26 points.",
        "So far bot/few is +10.0 points (+6.6 to +14.9) from bot/plain: told apart "
        "already.",
    ]
    judged = list(telling_lines(told(gap=0.15, judge=JUDGE), "r"))
    assert judged[3] == (
        "  and labels: 30 of each rung, at random; those at hand are enough."
    )
    assert judged[-1] == (
        "The judge shows 70.0 % of a difference (sensitivity 0.90, specificity 0.80)."
    )
