from __future__ import annotations

import msgspec
import pytest

from pytest_ladder.core.aggregate import UNKNOWN, Aggregate
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Outcome
from pytest_ladder.core.score import Level
from pytest_ladder.decide.feasibility import feasibility
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.decide.real.states import experiment_problems
from pytest_ladder.reporting.files.merge import merged
from pytest_ladder.reporting.report import report_on
from pytest_ladder.reporting.users import sentences_of
from tests.decide.ladders import Made, passes
from tests.decide.real.experiments import (
    BROKEN,
    FEW,
    LEAKING,
    OBSERVED,
    OLD,
    OPEN,
    RAG,
    SEVERAL_ARMS,
    STALE,
    TOLD,
    arm,
    at_real,
    declared,
    june,
    report,
)


@pytest.mark.parametrize(
    ("aggregate", "objective", "verdict", "sentence"),
    [
        (
            TOLD,
            at_real(quality=0.05),
            "pass",
            "bot/few is the cheapest of 2 rungs that meets the bar: 8.3 % (7.3-9.5, "
            "2,400 users) against 5 %, at $1.00 per 1,000 calls.",
        ),
        (
            OPEN,
            at_real(quality=0.12),
            "undecided",
            "Whether a rung meets the bar of 12 % is open: bot/rag scores "
            "13.0 % (11.7-14.4, 2,400 users), undecided with an always-valid 95 % "
            "interval of 10.9-15.1.",
        ),
        (
            TOLD,
            at_real(quality=0.4),
            "fail",
            "No rung meets the bar of 40 %: the best, bot/rag, scores 12.5 % "
            "(11.2-13.9, 2,400 users).",
        ),
        (
            TOLD,
            at_real(kind="budget", usd_per_1k=3.0),
            "pass",
            "bot/rag is the best of 2 rungs within $3.00 per 1,000 calls: 12.5 % "
            "(11.2-13.9, 2,400 users), at $2.00 per 1,000 calls.",
        ),
        (
            TOLD,
            at_real(kind="step-function"),
            "pass",
            "bot/rag is the best of 2 rungs: 12.5 % (11.2-13.9, 2,400 users), at $2.00 "
            "per 1,000 calls; over the cheapest, bot/few, +4.2 points, "
            "always-valid 95 % interval +1.5 to +6.8.",
        ),
        (
            OPEN,
            at_real(kind="step-function", tolerance=0.01),
            "undecided",
            "bot/rag is the best of 2 rungs: 13.0 % (11.7-14.4, 2,400 users), at $2.00 "
            "per 1,000 calls; over the cheapest, bot/few, +2.0 points, "
            "always-valid 95 % interval -0.9 to +4.8, which is not established.",
        ),
        (
            OPEN,
            at_real(kind="value", right_usd=0.0301, wrong_usd=0.001),
            "pass",
            "bot/few is worth the most of 2 rungs, $1.42 ($1.05 to $1.83) per 1,000 "
            "calls: 11.0 % (9.8-12.3, 2,380 users), at $1.00 per 1,000 calls.",
        ),
    ],
    ids=[
        "meets the bar",
        "bar inside the interval",
        "below the bar",
        "budget",
        "step",
        "no step yet",
        "value",
    ],
)
def test_an_objective_at_level_real_is_decided_by_users(
    aggregate: Aggregate, objective: Objective, verdict: str, sentence: str
) -> None:
    advice = report(declared(aggregate), objective=objective).decision.recommendation
    assert advice is not None
    assert (advice.verdict, advice.reason) == (verdict, sentence)


@pytest.mark.parametrize(
    ("aggregate", "doubt"),
    [
        (BROKEN, "a broken split on bot/few, bot/rag"),
        (SEVERAL_ARMS, "users that met several variants on bot/few, bot/rag"),
        (LEAKING, "users in a variant that should have none on bot/few, bot/rag"),
        (OBSERVED, "use that was only observed on bot/few, bot/rag"),
        (OLD, "an outcome of 181 days ago on bot/few, bot/rag"),
        (
            june(arm(FEW, 20, 90), arm(RAG, 30, 90)),
            "fewer than 100 users a rung on bot/few, bot/rag",
        ),
        (
            msgspec.structs.replace(TOLD, analysis="fixed", planned_units=4129),
            "2,400 of the 4,129 users a rung that it waits for on bot/few, bot/rag",
        ),
    ],
)
def test_what_is_not_sound_is_shown_and_decides_nothing(
    aggregate: Aggregate, doubt: str
) -> None:
    found = report(declared(aggregate, most_days=90), objective=at_real(quality=0.05))
    advice = found.decision.recommendation
    assert advice is not None
    assert (advice.rung, advice.verdict) == (None, "undecided")
    assert advice.reason == (f"Whether a rung meets the bar of 5 % is open: {doubt}.")
    cells = [rung.levels[Level.REAL] for rung in found.matrix.rungs]
    assert all(cell.quality and cell.verdict == "undecided" for cell in cells)
    assert not any(point.comparable for point in found.decision.standings)


def test_a_rung_that_changed_decides_nothing_and_the_other_one_does() -> None:
    found = report(declared(STALE), objective=at_real(quality=0.05))
    advice = found.decision.recommendation
    assert advice is not None
    assert (advice.rung, advice.verdict) == (FEW, "pass")
    assert found.evidence.compare(Level.REAL, RAG, FEW).established is False  # type: ignore[union-attr]
    stale = report(declared(STALE), objective=at_real(quality=0.1))
    assert stale.decision.recommendation is not None
    assert stale.decision.recommendation.rung is None


@pytest.mark.parametrize("kind", ["budget", "step-function"])
def test_nothing_is_recommended_by_users_of_a_broken_split(kind: str) -> None:
    objective = at_real(kind=kind, usd_per_1k=3.0 if kind == "budget" else None)
    advice = report(declared(BROKEN), objective=objective).decision.recommendation
    assert advice is not None
    assert (advice.rung, advice.verdict) == (None, "undecided")


def test_a_rung_that_no_user_met_is_not_measured() -> None:
    made = {
        FEW: Made(scores=passes(40, 50), usd=0.001),
        "bot/new": Made(scores=passes(50, 50), usd=0.0005),
        RAG: Made(scores=passes(45, 50), usd=0.002),
    }
    advice = report(declared(TOLD), made, at_real(quality=0.4)).decision.recommendation
    assert advice is not None
    assert advice.verdict == "undecided"
    assert "; bot/new is not measured." in advice.reason


@pytest.mark.parametrize(
    ("users", "why"),
    [
        (declared(), "resolved is not imported (pytest-ladder outcomes import)"),
        (
            declared(TOLD, primary=None),
            "no [[outcome]] is primary, so nobody knows which one is level real",
        ),
    ],
)
def test_without_an_outcome_the_objective_says_what_is_missing(
    users: object, why: str
) -> None:
    advice = report(users, objective=at_real(quality=0.1)).decision.recommendation  # type: ignore[arg-type]
    assert advice is not None
    assert advice.reason.endswith(f": {why}.")


def test_the_cell_counts_users_and_rows_of_real_tests_are_not_in_it() -> None:
    found = report(declared(TOLD))
    rows = [
        msgspec.structs.replace(row, level=Level.REAL, outcome=Outcome.MISSED, score=0)
        for row in found.rows
    ]
    again = report_on(
        found.info,
        found.matrix,
        [*found.rows, *rows],
        declared=declared(TOLD),
    )
    cell = again.matrix.rungs[0].levels[Level.REAL]
    assert (cell.n, cell.missed, cell.errors, cell.coverage) == (2400, 0, 0, 1.0)
    assert cell.quality == pytest.approx(200 / 2400)


@pytest.mark.parametrize("x", [0, 2400])
def test_where_all_users_are_alike_an_interval_is_none_of_width_0(x: int) -> None:
    found = report(
        declared(june(arm(FEW, x, 2400), arm(RAG, x, 2400))),
        objective=at_real(quality=0.5),
    )
    gain = found.evidence.compare(Level.REAL, RAG, FEW)
    assert gain is not None
    assert gain.low is not None
    assert gain.high is not None
    assert gain.low < -0.001
    assert gain.high > 0.001


def test_of_100_users_without_a_success_a_bar_of_a_percent_stays_open() -> None:
    aggregate = june(arm(FEW, 0, 100), arm(RAG, 0, 100))
    found = report(declared(aggregate), objective=at_real(quality=0.01))
    assert found.decision.verdicts == {FEW: "undecided", RAG: "undecided"}


def test_what_is_known_says_from_which_bar_on_a_rung_is_open() -> None:
    advice = report(
        declared(TOLD), objective=at_real(quality=0.05)
    ).decision.recommendation
    assert advice is not None
    assert advice.changes[0] == (
        "Above a bar of 6.6 % bot/few is undecided, and bot/rag is next (12.5 %)."
    )


def test_no_litmus_says_what_users_will_do() -> None:
    found = report(declared(TOLD))
    said = feasibility(found.matrix, found.evidence, at_real(quality=0.05))
    assert said.verdict == "undecided"
    assert said.sentence.endswith("undecided: users decide level real.")


UNCLEAR = june(
    arm(FEW, 200, 2400, fingerprint="a"), arm(RAG, 300, 2400, fingerprint="b")
)


def test_a_rung_whose_weights_are_not_here_is_unknown_and_not_changed() -> None:
    """Neither machine that runs, nor the one that imported, may lack them."""
    at_import = msgspec.structs.replace(UNCLEAR.variants[1], fingerprint=UNKNOWN)
    for aggregate, now in (
        (UNCLEAR, UNKNOWN),
        (
            msgspec.structs.replace(UNCLEAR, variants=(UNCLEAR.variants[0], at_import)),
            "b",
        ),
    ):
        known = declared(aggregate, prints={"resolved": {FEW: "a", RAG: now}})
        found = report(known, objective=at_real(quality=0.1))
        assert found.users is not None
        assert found.users.primary is not None
        rag = found.users.primary.of(RAG)
        assert rag is not None
        assert (rag.is_stale, rag.is_unknown, rag.mark) == (False, True, "maybe stale")
        assert rag.value is not None, "it is shown"
        reason = found.decision.recommendation
        assert reason is not None
        assert reason.verdict == "undecided"
        said = " ".join(sentences_of(found, whole=False))
        assert "whether users met bot/rag as it is now is unknown" in said
        assert "changed" not in said
    gone = declared(UNCLEAR, prints={"resolved": {FEW: "a"}})
    (told,) = [one for one in sentences_of(report(gone), whole=True) if "stale" in one]
    assert told.startswith("resolved: bot/rag changed since")


def test_a_shard_that_has_the_weights_tells_for_the_others() -> None:
    shards = {}
    for name, print_ in (("one", UNKNOWN), ("two", "b")):
        made = Made(scores=passes(40, 50))
        known = declared(UNCLEAR, prints={"resolved": {FEW: "a", RAG: print_}})
        found = report(known, {FEW if name == "one" else RAG: made})
        info = msgspec.structs.replace(found.info, id=name)
        shards[name] = msgspec.structs.replace(found, info=info)
    joined = merged(shards)
    assert [Level.REAL in rung.levels for rung in joined.matrix.rungs] == [True, True]
    assert joined.users is not None
    assert joined.users.primary is not None
    assert joined.users.primary.freshness.unsure == ()


def test_without_a_reply_no_cost_is_held_against_a_budget() -> None:
    """As with `pytest -m real`, where users alone tell of the rungs."""
    full = report(declared(TOLD))
    users = [
        msgspec.structs.replace(row, level=Level.REAL, replies=()) for row in full.rows
    ]
    matrix = build_matrix(
        users, [Made(scores=[]).rung(name) for name in (FEW, RAG)], {}
    )
    for objective in (
        at_real(kind="budget", usd_per_1k=3.0),
        at_real(kind="budget", usd_per_1k=3.0, quality=0.05),
    ):
        found = report_on(full.info, matrix, users, objective, declared=declared(TOLD))
        assert found.decision.recommendation is not None
        assert found.decision.recommendation.verdict == "undecided"
        assert "no reply in this run that tells its cost" in (
            found.decision.recommendation.reason
        )


def test_a_split_of_odd_shares_is_written_in_few_digits() -> None:
    arms = [
        arm(rung, 10, n, share=share)
        for rung, n, share in ((FEW, 900, 1 / 6), (RAG, 200, 5 / 6))
    ]
    ((_, sentence),) = experiment_problems(june(*arms))
    assert "where 16.7:83.3 was planned (p below 1e-99)" in sentence
    third = [arm(f"bot/{n}", 10, 900 - 300 * (n == 2)) for n in range(3)]
    ((_, sentence),) = experiment_problems(june(*third))
    assert "units where an equal share each was planned" in sentence
