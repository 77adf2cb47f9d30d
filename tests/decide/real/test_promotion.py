from __future__ import annotations

import msgspec
import pytest

from pytest_ladder.core.aggregate import Aggregate
from pytest_ladder.core.ladder import Gate
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.result import Check, GateResult
from pytest_ladder.decide.real.users import Declared
from pytest_ladder.reporting.files.baseline import compared_run
from pytest_ladder.reporting.gate_comment import gate_markdown
from pytest_ladder.reporting.sentences.gate import gate_lines
from tests.decide.ladders import Made, passes
from tests.decide.real.experiments import (
    BROKEN,
    FEW,
    GUARDRAIL,
    LEAKING,
    OBSERVED,
    OLD,
    OPEN,
    RAG,
    SEVERAL_ARMS,
    STALE,
    TOLD,
    arm,
    declared,
    escalated,
    june,
    report,
)

SAME = {
    FEW: Made(scores=passes(45, 50), usd=0.001),
    RAG: Made(scores=passes(45, 50), usd=0.001),
}
WORSE = june(arm(FEW, 300, 2400), arm(RAG, 200, 2400))


def promoted(
    users: Declared | None,
    terms: Gate | None = None,
    *,
    base: str = FEW,
    head: str = RAG,
    before: Declared | None = None,
) -> GateResult:
    """Gate a change of what ships, from `base` to `head`; the suite says the same."""
    return gate(
        compared_run(report(before, SAME, current=base)),
        compared_run(report(users, SAME, current=head)),
        terms or Gate(),
    )


def check(result: GateResult, kind: str) -> Check:
    (found,) = (one for one in result.checks if one.kind == kind)
    return found


@pytest.mark.parametrize(
    ("aggregate", "drop", "verdict", "sentence"),
    [
        (
            TOLD,
            0.0,
            "pass",
            "resolved: bot/rag +4.2 points against bot/few (+1.5 to +6.8, 4,800 "
            "users): users fare better.",
        ),
        (
            OPEN,
            0.0,
            "undecided",
            "resolved: bot/rag +2.0 points against bot/few (-0.9 to +4.8, 4,780 "
            "users): no established improvement yet.",
        ),
        (
            OPEN,
            0.01,
            "pass",
            "resolved: bot/rag +2.0 points against bot/few (-0.9 to +4.8, 4,780 "
            "users): users lose less than 1.0 points.",
        ),
        (
            WORSE,
            0.0,
            "fail",
            "resolved: bot/rag -4.2 points against bot/few (-6.8 to -1.5, 4,800 "
            "users): users fare worse.",
        ),
        (
            WORSE,
            0.03,
            "undecided",
            "resolved: bot/rag -4.2 points against bot/few (-6.8 to -1.5, 4,800 "
            "users): a loss of more than 3.0 points cannot be ruled out.",
        ),
    ],
)
def test_a_promotion_is_held_to_the_experiment_of_its_two_rungs(
    aggregate: Aggregate, drop: float, verdict: str, sentence: str
) -> None:
    result = promoted(declared(aggregate), Gate(real_drop=drop))
    found = check(result, "users")
    assert (found.verdict, found.reason) == (verdict, sentence)
    assert result.verdict == verdict


@pytest.mark.parametrize(
    ("users", "said"),
    [
        (declared(BROKEN), "june: the split is broken: 2,400 and 1,900 units"),
        (declared(SEVERAL_ARMS), "june: 212 of 5,012 units (4.2 %) met several"),
        (declared(LEAKING), 'june: 3 units are in "beta", whose share is 0;'),
        (declared(OBSERVED), "resolved was observed, not assigned at random;"),
        (declared(STALE), "resolved: bot/rag changed since users met it;"),
        (declared(OLD, most_days=90), "resolved is of 2026-01-01, 181 days ago;"),
        (
            declared(june(arm(FEW, 20, 90), arm(RAG, 60, 90))),
            "resolved: there are fewer than 100 users a rung.",
        ),
        (
            declared(june(arm(FEW, 200, 2400), arm("bot/x", 300, 2400))),
            "resolved: no experiment holds both bot/few and bot/rag,",
        ),
        (declared(), "resolved: nothing is imported yet; run pytest-ladder outcomes"),
    ],
)
def test_an_experiment_that_is_not_sound_leaves_a_promotion_undecided(
    users: Declared, said: str
) -> None:
    result = promoted(users)
    assert result.verdict == "undecided"
    assert check(result, "users").reason.startswith(said)


def test_an_open_promotion_is_said_before_other_open_checks() -> None:
    few = {rung: Made(scores=passes(3, 5), usd=0.001) for rung in (FEW, RAG)}
    result = gate(
        compared_run(report(None, few, current=FEW)),
        compared_run(report(declared(OPEN), few, current=RAG)),
        Gate(),
    )
    assert {"quality", "users"} <= {
        one.kind for one in result.checks if one.verdict == "undecided"
    }
    assert result.reason.startswith("resolved: bot/rag +2.0 points against bot/few")


# RW21, looked at once: 210 of 2,400 against 190 of 2,380, where less is better.
@pytest.mark.parametrize(
    ("margin", "verdict", "end"),
    [
        (0.02, "undecided", "margin 2.0 points: undecided."),
        (0.03, "pass", "margin 3.0 points: more harm than that is ruled out."),
        (0.005, "undecided", "margin 0.5 points: undecided."),
    ],
)
def test_a_guardrail_is_one_sided_and_wants_its_margin(
    margin: float, verdict: str, end: str
) -> None:
    guard = escalated(190, 210, analysis="fixed", planned_units=2380)
    outcome = msgspec.structs.replace(GUARDRAIL, guardrail=margin)
    found = check(promoted(declared(TOLD, guard, others=[outcome])), "guardrail")
    assert found.verdict == verdict
    assert found.reason == (
        f"escalated: bot/rag is 0.8 points worse than bot/few (4,780 users), {end}"
    )


def test_a_guardrail_that_breaks_fails_a_promotion_that_users_like() -> None:
    users = declared(TOLD, escalated(100, 240), others=[GUARDRAIL])
    result = promoted(users)
    assert check(result, "users").verdict == "pass"
    assert result.verdict == "fail"
    assert result.decided_by == "guardrail, escalated"
    assert "users, resolved" in {one.name for one in result.checks}
    assert "harm is established." in gate_markdown(result)


@pytest.mark.parametrize("imported", [True, False])
def test_a_guardrail_of_a_broken_split_or_none_at_all_decides_nothing(
    imported: bool,
) -> None:
    broken = june(
        arm(FEW, 100, 2380),
        arm(RAG, 240, 1700),
        name="escalated",
        goal="down",
        experiment="may",
    )
    outcomes = [TOLD, broken] if imported else [TOLD]
    result = promoted(declared(*outcomes, others=[GUARDRAIL]))
    assert check(result, "guardrail").verdict == "undecided"


def test_what_is_wrong_with_an_experiment_is_wrong_with_all_its_outcomes() -> None:
    result = promoted(
        declared(BROKEN, escalated(100, 240), others=[GUARDRAIL]),
    )
    assert check(result, "guardrail").reason.startswith("june: the split is broken")


def test_a_change_that_leaves_what_ships_alone_is_told_the_standing_verdict() -> None:
    result = promoted(declared(TOLD), base=RAG, head=RAG)
    assert result.verdict == "pass"
    assert not [one for one in result.checks if one.kind in ("users", "guardrail")]
    said = (
        "For information, of what ships: PASS: resolved: bot/rag +4.2 points against "
        "bot/few (+1.5 to +6.8, 4,800 users): users fare better."
    )
    assert said in "\n".join(gate_lines(result))
    assert promoted(None, base=RAG, head=RAG).standing == ()


def test_rows_of_real_tests_are_paired_on_no_side_once_outcomes_are_declared() -> None:
    result = promoted(declared(TOLD), before=None)
    assert {suite.level for suite in result.suites} == {"cheap"}
