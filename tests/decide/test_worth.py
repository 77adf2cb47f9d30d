"""How good a rung that is not built yet must be to be worth its build."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.rung import Build, Model, Rung, Strategy, Tier
from pytest_ladder.decide.cost import Tokens
from pytest_ladder.decide.decision import Decision, Part, Worth
from pytest_ladder.decide.estimates import PlannedRung, planned_rungs
from pytest_ladder.decide.matrix import at_volume
from pytest_ladder.decide.objective import decide
from pytest_ladder.decide.objectives.step_function import StepFunction
from pytest_ladder.decide.objectives.table import OBJECTIVES
from pytest_ladder.reporting.sentences.planned import planned_sentences
from tests.decide.ladders import Made, ladder, passes

GOOD = Objective(kind="good-enough", quality=0.85)
STEP = Objective(kind="step-function")
TWO = {
    "bot/plain": Made(scores=passes(60, 100), usd=0.001),
    "bot/few": Made(scores=passes(90, 100), usd=0.002),
}


def planned(
    serve: float | None = 0.4, build: float | None = 1200.0, **fields: Any
) -> PlannedRung:
    """By default $0.40 per 1,000 calls to use, and $1,200 to build."""
    made = {
        "model": "tuned-8b",
        "strategy": "plain",
        "tier": Tier.FINE_TUNED,
        "build_hours": 0.0,
    }
    return PlannedRung(**{**made, **fields}, serve_usd_per_1k=serve, build_usd=build)


def decided(
    *rungs: PlannedRung,
    objective: Objective | None = STEP,
    made: dict[str, Made] = TWO,
    volume: int = 1_000_000,
    current: str | None = "bot/plain",
    **fields: Any,
) -> Decision:
    part = fields.pop("part", None)
    matrix, evidence = ladder(made, **fields)
    matrix = msgspec.structs.replace(at_volume(matrix, volume), planned=rungs)
    return decide(matrix, evidence, objective, current=current, part=part)


def worth(rung: PlannedRung, **fields: Any) -> Worth:
    (made,) = decided(rung, **fields).planned
    return made


def held(rung: PlannedRung, **fields: Any) -> tuple[float | None, str]:
    """Return the quality that is needed, and by which rule."""
    made = worth(rung, **fields)
    assert made.rival is not None
    return made.quality, made.rival.why


def test_a_cheaper_rung_is_worth_its_build_at_the_same_quality() -> None:
    made = worth(planned(serve=0.4))
    assert made.usd_per_1k == pytest.approx(0.4 + 1.2)
    assert made.quality == 0.9
    assert made.rival is not None
    assert (made.rival.rung, made.rival.recommended) == ("bot/few", True)
    # By hand: $1,200 / ($2.00 - $0.40) per 1,000 calls.
    assert made.rival.break_even_volume == pytest.approx(750_000)


def test_a_rival_whose_recommendation_is_undecided_is_not_called_recommended() -> None:
    (worse, better) = (Made(scores=passes(n, 100), usd=n / 1e5) for n in (84, 86))
    made = {"bot/plain": worse, "bot/few": better}
    (said,) = planned_sentences(decided(planned(serve=0.4), made=made))
    assert "against bot/plain, whose recommendation is undecided (84.0 %" in said
    (said,) = planned_sentences(decided(planned(serve=0.4)))
    assert "against bot/few, the recommended rung (90.0 %" in said


def test_a_dearer_rung_must_be_better_by_the_tolerance() -> None:
    needed, why = held(planned(serve=3.0))
    assert needed == pytest.approx(0.93)
    assert why == "3 points better, for it would be dearer"
    far = Objective(kind="step-function", tolerance=0.08)
    assert held(planned(serve=3.0), objective=far)[0] == pytest.approx(0.98)


def test_the_volume_makes_the_same_rung_the_dearer_one() -> None:
    assert held(planned(serve=0.4), volume=500_000)[0] == pytest.approx(0.93)
    assert held(planned(serve=0.4), volume=800_000)[0] == 0.9


def test_above_all_that_can_be_had_nothing_is_worth_it() -> None:
    best = {"bot/plain": Made(scores=passes(98, 100), usd=0.001)}
    assert held(planned(serve=3.0), made=best, current="bot/plain") == (
        None,
        "it would be dearer, and cannot be 3 points better",
    )
    assert held(planned(serve=3.0), objective=None, made=best)[0] is None


@pytest.mark.parametrize(
    ("serve", "made", "needed", "why"),
    [
        (0.4, TWO, 0.85, "the bar"),
        (3.0, TWO, None, "bot/few meets the bar for less"),
        # By the bar: nothing that was measured meets it, so the price does not count.
        (3.0, {"bot/plain": TWO["bot/plain"]}, 0.85, "the bar"),
    ],
    ids=["cheaper", "dearer", "none meets it"],
)
def test_where_a_bar_is_enough_the_bar_is_asked_for(
    serve: float, made: dict[str, Made], needed: float | None, why: str
) -> None:
    assert held(planned(serve=serve), objective=GOOD, made=made) == (needed, why)


def test_what_breaks_a_budget_or_a_limit_is_not_worth_it() -> None:
    cap = Objective(kind="budget", usd_per_1k=2.5, build_hours=24)
    assert held(planned(serve=0.4), objective=cap)[0] == 0.9
    assert held(planned(serve=2.0), objective=cap) == (
        None,
        "$3.20 is over the budget of $2.50",
    )
    assert held(planned(serve=0.4, build_hours=40), objective=cap) == (
        None,
        "it takes 40 h to build (at most 24 h)",
    )


@pytest.mark.parametrize(
    ("serve", "needed"),
    [
        # $1 more (less) per 1,000 calls for answers that are worth $0.05: 2 points.
        (1.8, 0.92),
        (0.1, 0.886),
        (10.0, None),
    ],
    ids=["dearer", "cheaper", "far dearer"],
)
def test_what_a_good_answer_is_worth_says_how_good_it_must_be(
    serve: float, needed: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Priced(StepFunction):
        def good_answer_usd(self, objective: Objective) -> float | None:
            return 0.05

    monkeypatch.setitem(OBJECTIVES, "step-function", Priced())
    quality, why = held(planned(serve=serve))
    assert quality == (None if needed is None else pytest.approx(needed))
    assert why.endswith("an extra good answer is worth $0.05")


def test_a_bar_within_a_budget_is_the_least_that_is_asked_for() -> None:
    strict = Objective(kind="budget", usd_per_1k=9, quality=0.95)
    assert held(planned(), objective=strict) == (0.95, "the bar")


def test_without_an_objective_what_ships_is_what_it_is_held_against() -> None:
    made = worth(planned(serve=3.0), objective=None)
    assert made.rival is not None
    assert (made.rival.rung, made.rival.recommended) == ("bot/plain", False)
    assert made.quality == pytest.approx(0.63)


def test_a_rung_that_was_stopped_is_nothing_to_hold_it_against() -> None:
    stopped = {"bot/plain": "stopped", "bot/few": "not run"}
    made = {"bot/plain": TWO["bot/plain"], "bot/few": Made()}
    assert worth(planned(), made=made, states=stopped).rival is None


def test_of_a_part_of_the_suite_nothing_is_said() -> None:
    assert decided(planned(), part=Part(items=3, of=9)).planned == ()


def test_rungs_of_a_model_come_cheapest_first_and_the_cheapest_is_named() -> None:
    rungs = planned(strategy="few", serve=0.9), planned(serve=0.4)
    decision = decided(*rungs, planned(model="own", serve=None, build=None))
    assert [each.rung for each in decision.planned] == [
        "tuned-8b/plain",
        "tuned-8b/few",
        "own/plain",
    ]
    assert list(planned_sentences(decision)) == [
        "planned: tuned-8b/plain would cost about $0.40 per 1,000 calls and $1,200 to "
        "build: worth it from 90.0 % at 1,000,000 calls against bot/few, the "
        "recommended rung (90.0 % (82.6-94.5, n=100) at $2.00): the same quality for "
        "less; from 750,000 calls on it is the cheaper one.",
        "planned: own/plain: unknown is what using it would cost (add `price`, or "
        "`serve` with `tokens_per_second`, to its [[model]]) and what building it "
        "would cost (add `build = { usd = … }` to its [[model]]).",
    ]


@pytest.mark.parametrize(
    ("rung", "fields", "said"),
    [
        (
            planned(serve=3.0, build_hours=40),
            {"objective": GOOD},
            "would cost about $3.00 per 1,000 calls and $1,200 (40 h) to build: not "
            "worth it at 1,000,000 calls against bot/few, the recommended rung (90.0 % "
            "(82.6-94.5, n=100) at $2.00): bot/few meets the bar for less.",
        ),
        (
            planned(),
            {"objective": GOOD, "volume": 100_000},
            "to build: not worth it at 100,000 calls against bot/few, the recommended "
            "rung (90.0 % (82.6-94.5, n=100) at $2.00): bot/few meets the bar for "
            "less; from 750,000 calls on it would be the cheaper one.",
        ),
        (
            planned(build=None),
            {},
            "tuned-8b/plain: unknown is what building it would cost (add `build = { "
            "usd = … }` to its [[model]]).",
        ),
        (
            planned(),
            {"made": {"bot/plain": Made()}},
            "to build; no measured rung is there to hold it against.",
        ),
    ],
    ids=["no quality", "more calls", "no build cost", "nothing measured"],
)
def test_the_sentence_says_what_it_rests_on(
    rung: PlannedRung, fields: dict[str, Any], said: str
) -> None:
    (sentence,) = planned_sentences(decided(rung, **fields))
    assert sentence.startswith("planned: tuned-8b/plain")
    assert sentence.endswith(said)


def test_what_using_it_costs_is_estimated_by_lengths_that_were_measured() -> None:
    asked: list[tuple[str, float | None, float | None]] = []

    def expected(rung: Rung, prompt: float | None, reply: float | None) -> float | None:
        asked.append((rung.id, prompt, reply))
        return None if rung.strategy == "rag" else 0.002

    model = Model(
        name="own", tier=Tier.PRETRAINED, planned=True, build=Build(usd=9, hours=2)
    )
    rungs = [Rung(model=model, strategy=Strategy(name=name)) for name in ("few", "rag")]
    measured = [
        ("few", Tokens(input=100, output=10)),
        ("few", Tokens(input=120, output=30)),
        ("plain", Tokens(input=20, output=50)),
        ("plain", None),
    ]
    few, rag = planned_rungs(rungs, measured, expected)
    # No prompt with retrieved passages was measured; replies were.
    assert asked == [("own/few", 110, 20), ("own/rag", None, 30)]
    assert (few.serve_usd_per_1k, few.build_usd, few.build_hours) == (2.0, 9, 2)
    assert (rag.id, rag.serve_usd_per_1k) == ("own/rag", None)


def test_before_anything_was_measured_the_configuration_is_the_estimate() -> None:
    rung = Rung(
        model=Model(name="own", tier=Tier.PRETRAINED, planned=True),
        strategy=Strategy(name="few"),
    )
    (made,) = planned_rungs([rung], [], lambda *lengths: sum(map(bool, lengths[1:])))
    assert (made.serve_usd_per_1k, made.build_usd) == (0.0, None)
