from __future__ import annotations

import datetime
import time

import msgspec
import pytest

from pytest_ladder.core.aggregate import Aggregate
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.decide.real.measured import compare
from pytest_ladder.decide.real.proxies import Proxy
from pytest_ladder.reporting.users import brief_sentences
from tests.decide.ladders import Made, passes
from tests.decide.real.experiments import (
    BROKEN,
    FEW,
    GUARDRAIL,
    OBSERVED,
    OPEN,
    RAG,
    STALE,
    TOLD,
    arm,
    declared,
    escalated,
    june,
    report,
)

RUNGS = [f"bot/r{n}" for n in range(1, 6)]


def ladder_of(*passed: int) -> dict[str, Made]:
    """Return rungs whose cheap scores are these of 50, each dearer than the last."""
    return {
        rung: Made(scores=passes(many, 50), usd=0.001 * place)
        for place, (rung, many) in enumerate(zip(RUNGS, passed, strict=False), 1)
    }


def met(*successes: int, units: int = 4000, **fields: object) -> Aggregate:
    arms = [
        arm(rung, many, units) for rung, many in zip(RUNGS, successes, strict=False)
    ]
    return june(*arms, **fields)


def proxy(
    aggregate: Aggregate,
    made: dict[str, Made] | None = None,
    *past: Aggregate,
    objective: Objective | None = None,
) -> Proxy:
    found = report(declared(aggregate, *past), made, objective)
    assert found.users is not None
    (only,) = (one for one in found.users.proxies if one.outcome == "resolved")
    return only


def test_one_rung_that_users_met_is_only_named() -> None:
    assert proxy(STALE).sentence == "cheap: only bot/few has met users."
    made = {FEW: Made(scores=passes(40, 50)), "bot/none": Made(scores=passes(9, 50))}
    told = proxy(TOLD, made).sentence
    assert told == "cheap: it scored only bot/few of 2 that users met."
    alone = report(declared(TOLD), {FEW: made[FEW]})
    assert alone.users is not None
    assert not alone.users.proxies, "one rung has no order"


@pytest.mark.parametrize(
    ("aggregate", "made", "sentence"),
    [
        (
            TOLD,
            None,
            "cheap: users (2,400 a rung, 4 weeks) separate 1 of 1 pair of these rungs; "
            "cheap had it right. Too few rungs to say whether it always does. Its pick "
            "bot/rag holds: it costs users 3 points or less (100 % sure), which says "
            "nothing of its next pick. Of 1 experiment with a winner it foretold 1 (p "
            "0.500).",
        ),
        (
            june(arm(FEW, 360, 2400), arm(RAG, 200, 2400)),
            None,
            "cheap: users (2,400 a rung, 4 weeks) separate 1 of 1 pair of these rungs; "
            "cheap had it wrong. Too few rungs to say whether it always does. Its pick "
            "bot/rag misleads: with bot/few users fare better, by 6.7 points as "
            "expected. Of 1 experiment with a winner it foretold 0 (p 1.000).",
        ),
        (
            OPEN,
            {FEW: Made(scores=passes(45, 50)), RAG: Made(scores=passes(40, 50))},
            "cheap: users (2,380 to 2,400 a rung, 4 weeks) separate none of 1 pair of "
            "these rungs, so nothing tests it. Too few rungs to say whether it always "
            "does. Whether its pick bot/few is a good one is undecided: it costs users "
            "2.0 points as expected, 3 points or less being 86 % sure.",
        ),
    ],
    ids=["right", "wrong", "untested"],
)
def test_two_rungs_establish_a_pick_at_most(
    aggregate: Aggregate, made: dict[str, Made] | None, sentence: str
) -> None:
    assert proxy(aggregate, made).sentence == sentence


def test_three_rungs_establish_no_order_however_well_they_agree() -> None:
    found = proxy(met(400, 800, 1200), ladder_of(10, 25, 40))
    assert found.order is not None
    assert found.order.verdict == "too few rungs"
    assert found.order.p == pytest.approx(1 / 6)
    assert found.pairs.agree == found.pairs.established == 3
    assert "separate 3 of 3 pairs of these rungs; cheap had 3 of them right" in (
        found.sentence
    )


@pytest.mark.parametrize(
    ("scores", "verdict", "p", "words"),
    [
        ((5, 15, 25, 35, 45), "agrees", 1 / 120, "Its order agrees with theirs"),
        ((45, 35, 25, 15, 5), "contradicts", 1 / 120, "Its order contradicts theirs"),
        (
            (25, 15, 35, 5, 45),
            "undecided",
            pytest.approx(49 / 120),
            "Whether its order is theirs is undecided",
        ),
    ],
)
def test_from_four_rungs_on_an_order_is_tested_over_all_orders(
    scores: tuple[int, ...], verdict: str, p: float, words: str
) -> None:
    found = proxy(met(400, 800, 1200, 1600, 2000), ladder_of(*scores))
    assert found.order is not None
    assert found.order.verdict == verdict
    assert found.order.p == p
    assert words in found.sentence


def test_the_pick_is_that_of_the_objective_at_its_own_level() -> None:
    """A bar of 70 % is met by the cheaper rung, whose users fare worse."""
    objective = Objective(kind="good-enough", quality=0.7)
    found = proxy(TOLD, objective=objective)
    assert found.picked == FEW
    assert found.pick is not None
    assert found.pick.verdict == "misleads" or found.pick.regret > 0.03


def test_of_rungs_that_score_alike_the_cheaper_one_is_picked() -> None:
    made = {
        RAG: Made(scores=passes(45, 50), usd=0.001),
        FEW: Made(scores=passes(45, 50), usd=0.002),
    }
    assert proxy(TOLD, made).picked == RAG


def test_a_pick_that_no_user_met_is_said_to_be_so() -> None:
    made = {
        FEW: Made(scores=passes(30, 50)),
        RAG: Made(scores=passes(40, 50)),
        "bot/new": Made(scores=passes(50, 50)),
    }
    found = proxy(TOLD, made)
    assert found.pick is None
    assert "Its pick bot/new has met no users." in found.sentence


def past(month: int, few: int, rag: int, name: str = "") -> Aggregate:
    aggregate = june(arm(FEW, few, 2400), arm(RAG, rag, 2400))
    return msgspec.structs.replace(
        aggregate,
        name=name or f"resolved-{month}",
        experiment=f"m{month}",
        first=datetime.date(2026, month, 1),
        last=datetime.date(2026, month, 28),
    )


def test_the_record_counts_each_experiment_once_by_its_surest_difference() -> None:
    experiments = [past(month, 200, 300) for month in (1, 2, 3, 4)]
    # A second outcome of the same users is no further trial, and the surer one counts.
    experiments.append(past(4, 500, 200, "sales-4"))
    # Neither an open experiment nor a broken one has a winner.
    experiments.append(past(5, 262, 280))
    broken = msgspec.structs.replace(BROKEN, name="resolved-6", experiment="m6")
    found = proxy(TOLD, None, *experiments, broken)
    assert (found.record.of, found.record.agree) == (5, 4)
    assert found.record.p == pytest.approx(6 / 32)
    assert "Of 5 experiments with a winner it foretold 4 (p 0.188)." in found.sentence


def test_five_of_five_is_a_record() -> None:
    found = proxy(TOLD, None, *[past(month, 200, 300) for month in (1, 2, 3, 4)])
    assert (found.record.of, found.record.agree) == (5, 5)
    assert found.record.p == pytest.approx(0.031250)


@pytest.mark.parametrize("aggregate", [BROKEN, OBSERVED])
def test_what_decides_nothing_tests_no_level(aggregate: Aggregate) -> None:
    found = report(declared(aggregate))
    assert found.users is not None
    assert found.users.proxies == ()


def test_guardrails_are_nothing_to_foretell() -> None:
    found = report(declared(TOLD, escalated(100, 240), others=[GUARDRAIL]))
    assert found.users is not None
    assert {one.outcome for one in found.users.proxies} == {"resolved"}


def test_an_outcome_of_which_less_is_better_is_turned_round() -> None:
    minutes = june(
        arm(FEW, 50_000, 2400, sum_squares=2_000_000),
        arm(RAG, 40_000, 2400, sum_squares=1_500_000),
        kind="mean",
        goal="down",
        range=(0, 120),
    )
    found = proxy(minutes)
    assert found.pairs.agree == 1
    assert found.pick is not None
    assert (found.pick.rung, found.pick.best) == (RAG, RAG)


def test_of_a_mean_without_range_no_regret_is_known_and_the_order_is() -> None:
    calls = june(
        arm(FEW, 50_000, 2400, sum_squares=2_000_000),
        arm(RAG, 60_000, 2400, sum_squares=2_500_000),
        name="calls",
        kind="mean",
    )
    outcome = RealOutcome(name="calls", kind="mean", experiment="june", table="t.csv")
    found = report(declared(TOLD, calls, others=[outcome]))
    assert found.users is not None
    (only,) = (one for one in found.users.proxies if one.outcome == "calls")
    assert only.pick is None
    assert only.pairs.agree == 1


def test_sixteen_rungs_by_six_outcomes_are_held_together_in_no_time() -> None:
    rungs = [f"bot/s{n}" for n in range(16)]
    made = {
        rung: Made(scores=passes(20 + n, 40), usd=0.001 * (n + 1))
        for n, rung in enumerate(rungs)
    }
    arms = [arm(rung, 300 + 40 * n, 4000) for n, rung in enumerate(rungs)]
    outcomes = [
        RealOutcome(name=f"o{n}", kind="rate", experiment="june", table="t.csv")
        for n in range(5)
    ]
    aggregates = [june(*arms)] + [june(*arms, name=one.name) for one in outcomes]
    started = time.process_time()
    found = report(declared(*aggregates, others=outcomes), made)
    assert found.users is not None
    assert len(found.users.proxies) == 6
    assert all(
        one.order is not None and one.order.verdict == "agrees"
        for one in found.users.proxies
    )
    assert time.process_time() - started < 15


def test_users_tell_two_rungs_apart_only_where_what_decides_says_so() -> None:
    """Of four arms, 6 points that one comparison alone would have established."""
    aggregate = met(264, 307, 306, 333, units=1154)
    alone = compare(aggregate, RUNGS[3], RUNGS[0], is_adjusted=False)
    shared = compare(aggregate, RUNGS[3], RUNGS[0])
    assert alone is not None
    assert shared is not None
    assert (alone.better, shared.better) == (True, None)
    assert proxy(aggregate, ladder_of(10, 20, 30, 40)).pairs.established == 0


def test_what_a_pick_costs_is_told_of_the_range_where_a_point_is_no_user() -> None:
    fields = {"kind": "mean", "range": (0.0, 3000.0)}
    arms = [arm(rung, 9e3, 900, sum_squares=9e6) for rung in RUNGS[:2]]
    found = proxy(june(*arms, **fields), ladder_of(10, 20))
    assert "it costs users 3 points of its range or less" in found.sentence


def test_of_many_arms_a_run_tells_established_harm_and_the_surest_first() -> None:
    resolved = met(400, 410, 420, 440, 500)
    worse = met(200, 200, 320, 200, 200, name="escalated", goal="down")
    users = report(
        declared(resolved, worse, others=(GUARDRAIL,)),
        ladder_of(10, 20, 30, 40, 45),
        current=RUNGS[0],
    ).users
    assert users is not None
    told = " ".join(brief_sentences(users, RUNGS[0], None))
    assert [rung for rung in RUNGS[1:] if f"): {rung} " in told] == RUNGS[2:5:2]
    assert "harm is established" in told
