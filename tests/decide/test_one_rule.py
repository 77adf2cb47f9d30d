"""A climb decides what a matrix of the same tests decides, by one rule for both."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_ladder.core.ladder import Objective, Require
from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from tests.decide.worlds import CHEAP, JUDGED, World, logistic, rows_for

RUNGS = tuple(f"m{place}/s" for place in range(6))
PRICES = {rung: 0.001 * 1.6**place for place, rung in enumerate(RUNGS)}
PROFILES = {
    "early": (0.55, 0.72, 0.85, 0.88, 0.9, 0.95),
    "late": (0.4, 0.5, 0.6, 0.65, 0.72, 0.9),
    "tiers": (0.5, 0.7, 0.815, 0.6, 0.82, 0.9),
    "never": (0.4, 0.45, 0.5, 0.55, 0.6, 0.65),
}
NEAR = {"near": (0.78, 0.8, 0.79, 0.81, 0.8, 0.82)}
WORLDS = 10
GOOD = Objective(kind="good-enough", quality=0.8)

NEVER = {"alpha": 1e-300, "beta": 1e-300}
"""So small a chance to err that only what is certain decides for good."""

Scores = list[float | None]
scores = st.sampled_from([0.0, 1.0, 1.0, 1.0, None])
graded_scores = st.one_of(st.none(), st.floats(0, 1))


@st.composite
def certain_worlds(draw: st.DrawFn) -> World:
    """Draw worlds of any kind: errors, few cases, graded scores, a cheap bar."""
    graded, judged = draw(st.booleans()), draw(st.booleans())
    kind = graded_scores if graded else scores
    n = draw(st.integers(1, 24))
    size = draw(st.sampled_from([0, 0, 3]))
    rows: list[Row] = []
    names = RUNGS[: draw(st.integers(1, 3))]
    share = draw(st.sampled_from([1.0, 0.9, 0.6]))
    second = draw(st.integers(0, n)) if draw(st.booleans()) else 0
    levels = (CHEAP, JUDGED) if judged else (CHEAP,)
    for rung in names:
        for level in levels:
            given = draw(st.lists(kind, min_size=n, max_size=n))
            at_least = share if level is CHEAP else 1.0
            fields: dict[str, Any] = {"level": level, "at_least": at_least}
            fields["tags_of"] = 3
            rows += rows_for(rung, given, PRICES[rung], clusters_of=size, **fields)
        if second:
            fields["test"] = "t.py::TestMore::test_b[x]"
            given = draw(st.lists(kind, min_size=second, max_size=second))
            rows += rows_for(rung, given, PRICES[rung], clusters_of=size, **fields)
    bar = draw(st.sampled_from([0.3, 0.5, 0.8, 0.9, 1.0]))
    level = JUDGED if judged else CHEAP
    least = draw(st.sampled_from([None, None, 12]))
    return World(
        rows=rows,
        usd={rung: PRICES[rung] for rung in names},
        objective=Objective(
            kind="good-enough",
            quality=bar,
            level=level,
            min_n=least,
            require=tuple(draw(st.lists(_requires(levels, second), max_size=2))),
        ),
        graded=graded or second > 0,
        funnel=judged and draw(st.booleans()),
    )


def _requires(levels: Sequence[Level], second: int) -> st.SearchStrategy[Require]:
    """Draw a criterion of rows that are there."""
    return st.builds(
        Require,
        level=st.sampled_from(levels),
        tag=st.sampled_from([None, "t0"]),
        at_least=st.sampled_from([0.3, 0.7, 1.0]),
    ) | st.builds(
        Require,
        test=st.just("test_b" if second else "test_a"),
        at_least=st.sampled_from([0.3, 0.7, 1.0]),
    )


@given(world=certain_worlds())
@settings(max_examples=300, deadline=None)
def test_a_climb_that_may_not_err_decides_as_the_matrix_does(world: World) -> None:
    assume(all(_finishes_any(world, rung) for rung in world.usd))
    assert world.climbed(**NEVER) == world.in_full()


@given(world=certain_worlds(), order=st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_so_it_does_when_it_took_the_rungs_in_the_wrong_order(
    world: World, order: random.Random
) -> None:
    assume(all(_finishes_any(world, rung) for rung in world.usd))
    # A guess that is off by so much that five calls of all rungs are needed.
    guessed = {rung: 1e-6 * (1 + order.random()) for rung in world.usd}
    off = World(
        rows=world.rows,
        usd=world.usd,
        objective=world.objective,
        graded=world.graded,
        funnel=world.funnel,
        guessed=guessed,
    )
    assert off.climbed(**NEVER) == world.in_full()


@given(world=certain_worlds())
@settings(max_examples=150, deadline=None)
def test_what_it_left_too_soon_it_takes_up_again_once_a_dearer_rung_passes(
    world: World,
) -> None:
    assume(all(_finishes_any(world, rung) for rung in world.usd))
    found = world.climbed(alpha=1e-300, beta=0.4, again=1e-300)
    assert found.rung is None or found == world.in_full()


def _finishes_any(world: World, rung: str) -> bool:
    """Whether no level of a rung is given up: none of its first units finished."""
    levels = {row.level for row in world.rows}
    return all(
        any(
            row.score is not None
            for row in world.rows
            if row.rung == rung and row.level is level and row.case < "c0010"
        )
        for level in levels
    )


def a_world(
    chance: random.Random,
    qualities: Sequence[float],
    *,
    n: int = 60,
    bar: float = 0.8,
    errors: float = 0.0,
    grades: int = 0,
    samples: int = 1,
    weights: Sequence[float] = (1.0,),
    cluster: int = 0,
    prices: Sequence[float] = tuple(PRICES.values()),
    guess_off: float = 0.0,
    cheap: float | None = None,
) -> World:
    """Draw a world whose cases are as hard for one rung as for another."""
    hard = [chance.gauss(0, 1.5) for _ in range(n)]
    if cluster:
        hard = [hard[place // cluster] for place in range(n)]
    rows: list[Row] = []
    for rung, quality, usd in zip(RUNGS, qualities, prices, strict=True):
        ease = 1.35 * _logit(quality)
        for number, weight in enumerate(weights):
            for sample in range(1, samples + 1):
                given: Scores = [
                    _drawn(chance, logistic(ease + z), grades, errors) for z in hard
                ]
                fields: dict[str, Any] = {
                    "test": f"t.py::test_{number}",
                    "weight": weight,
                    "sample": sample,
                    "level": CHEAP if cheap is None else JUDGED,
                    "clusters_of": cluster,
                }
                rows += rows_for(rung, given, usd, **fields)
        if cheap is not None:
            given = [_drawn(chance, logistic(ease + 1 + z), 0, 0) for z in hard]
            more: dict[str, Any] = {"test": "t.py::test_cheap", "at_least": cheap}
            rows += rows_for(rung, given, usd, clusters_of=cluster, **more)
    usd_of = dict(zip(RUNGS, prices, strict=True))
    guessed = {}
    if guess_off:
        guessed = {r: p * 2 ** chance.gauss(0, guess_off) for r, p in usd_of.items()}
    return World(
        rows=rows,
        usd=usd_of,
        objective=Objective(
            kind="good-enough", quality=bar, level=CHEAP if cheap is None else JUDGED
        ),
        guessed=guessed,
        graded=bool(grades) or samples > 1 or len(weights) > 1,
        funnel=cheap is not None,
    )


def _drawn(
    chance: random.Random, passes: float, grades: int, errors: float
) -> float | None:
    if chance.random() < errors:
        return None
    if grades:
        return sum(chance.random() < passes for _ in range(grades)) / grades
    return float(chance.random() < passes)


def _logit(share: float) -> float:
    import math

    return math.log(share / (1 - share))


Profiles = dict[str, Sequence[float]]


def _shuffled(chance: random.Random, qualities: Sequence[float]) -> Sequence[float]:
    return chance.sample(list(qualities), len(qualities))


CONDITIONS: dict[str, tuple[Profiles, dict[str, Any]]] = {
    "base": ({**PROFILES}, {}),
    "8 cases": ({**PROFILES}, {"n": 8}),
    "40 cases": ({**PROFILES}, {"n": 40}),
    "bar .50": ({**PROFILES}, {"bar": 0.5}),
    "bar .95": ({**PROFILES}, {"bar": 0.95}),
    "near the bar": ({**NEAR}, {}),
    "equal prices": ({**PROFILES}, {"prices": [0.001] * 6}),
    "graded": ({**PROFILES}, {"grades": 4}),
    "3 samples": ({**PROFILES}, {"samples": 3, "n": 40}),
    "two tests": ({**PROFILES}, {"weights": (1.0, 3.0)}),
    "clusters": ({**PROFILES}, {"cluster": 5}),
    "5 % errors": ({**PROFILES}, {"errors": 0.05}),
    "20 % errors": ({**PROFILES}, {"errors": 0.2}),
    "8 cases with errors": ({**PROFILES}, {"n": 8, "errors": 0.1}),
    "judged with a cheap bar": ({**PROFILES}, {"cheap": 0.9}),
    "judged with a cheap bar and errors": (
        {**PROFILES},
        {"cheap": 0.8, "errors": 0.05},
    ),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_climb_decides_as_the_matrix_but_for_the_error_that_it_promises(
    condition: str,
) -> None:
    profiles, fields = CONDITIONS[condition]
    chance = random.Random(condition)
    worlds = [
        a_world(chance, qualities, **fields)
        for qualities in profiles.values()
        for _ in range(WORLDS * len(PROFILES) // len(profiles))
    ]
    walks = [world.walk() for world in worlds]
    other = [
        world
        for world, walk in zip(worlds, walks, strict=True)
        if world.decided_by(*walk) != world.in_full()
    ]
    # A good rung is missed with a chance of .02: 3 of 40 are beyond it.
    assert len(other) <= 3
    # What it is promised for: it asks for less.
    asked = sum(len(rows) for _, rows in walks)
    if fields.get("n", 60) > 8:
        assert asked < 0.9 * sum(len(world.rows) for world in worlds)


def test_quality_need_not_rise_with_the_price() -> None:
    chance = random.Random("not monotone")
    worlds = [
        a_world(chance, _shuffled(chance, qualities))
        for qualities in PROFILES.values()
        for _ in range(WORLDS)
    ]
    assert sum(world.climbed() != world.in_full() for world in worlds) <= 3


def test_a_look_tells_what_was_judged_from_what_was_held_back() -> None:
    missed = [0.0, 0.0, *[1.0] * 38]
    rows = rows_for("m0/s", missed, 0.001, at_least=0.5)
    rows += rows_for("m0/s", [1.0] * 40, 0.001, level=JUDGED, test="t.py::test_j")
    objective = Objective(kind="good-enough", quality=0.9, level=JUDGED)
    world = World(rows=rows, usd={"m0/s": 0.001}, objective=objective, funnel=True)
    look = next(one for one in world.walk()[0].looks if one.level is JUDGED)
    assert str(look).startswith(
        "m0/s, judged: 3 of 5 (40 in all), 2 held back by cheap checks"
    )
