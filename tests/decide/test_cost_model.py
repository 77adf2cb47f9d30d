from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ladder.core.reply import Usage
from pytest_ladder.core.row import UsedReply
from pytest_ladder.core.rung import Build, Model, Price, Rung, Strategy, Tier
from pytest_ladder.decide.cost import (
    Cost,
    Tokens,
    break_even,
    build_usd,
    cost_of,
    latency_of,
    spread,
    tco,
    tokens_of,
    usd_per_call,
    use_usd,
)
from pytest_ladder.decide.matrix import at_volume, build_matrix
from tests.decide.ladders import Made, ladder, passes, rows_of


def a_cost(build_usd: float, serve_usd: float | None) -> Cost:
    """Cost by the price of one call."""
    per_1k = None if serve_usd is None else 1000 * serve_usd
    return Cost(
        usd_per_1k=None,
        serve_usd_per_1k=per_1k,
        build_usd=build_usd,
        known=per_1k is not None,
    )


def test_peoples_hours_are_part_of_what_building_costs() -> None:
    build = Build(usd=100, people_hours=40, usd_per_hour=60, tokens=2_000_000)
    model = Model(name="own", tier=Tier.FINE_TUNED, id="openai/own", build=build)
    assert build.total_usd == 2500
    assert cost_of(model, [], 100_000).build_usd == 2500
    assert build_usd(model, 100_000) == 0.025


def test_a_fee_for_each_request_is_part_of_what_using_costs() -> None:
    model = Model(name="own", tier=Tier.FINE_TUNED, id="openai/own")
    rung = Rung(model=model, strategy=Strategy(name="s"))
    price = Price(input=1, output=1, request=0.01, image=0.5)
    assert use_usd(rung, price, 1000, calls=3, reply_tokens=0) == pytest.approx(0.031)


def test_thoughts_and_speed_stand_beside_tokens_and_latency() -> None:
    usages = [Usage(input=10, output=out, reasoning=out // 2) for out in (20, 40, 90)]
    bills = [
        UsedReply(key=f"{n}", live=True, cost_usd=0, latency_s=2.0, usage=usage)
        for n, usage in enumerate(usages)
    ]
    tokens, latency = tokens_of(bills), latency_of(bills)
    assert tokens == Tokens(input=10, output=50, reasoning=25)
    assert latency.tokens_per_second == 20
    silent = [UsedReply(key="s", live=True, cost_usd=0, latency_s=2.0)]
    assert latency_of(silent).tokens_per_second is None


# V16 of the methods note
PROMPTED, TUNED = a_cost(0, 0.012), a_cost(2500, 0.002)


def test_the_dearer_build_breaks_even_where_its_cheaper_calls_have_paid_for_it() -> (
    None
):
    assert break_even(PROMPTED, TUNED) == pytest.approx(250_000)
    assert break_even(TUNED, PROMPTED) == pytest.approx(250_000)


@pytest.mark.parametrize(
    ("volume", "prompted", "tuned"), [(100_000, 1200, 2700), (1_000_000, 12_000, 4500)]
)
def test_the_total_cost_of_ownership_is_building_and_all_calls(
    volume: int, prompted: float, tuned: float
) -> None:
    assert tco(PROMPTED, volume) == pytest.approx(prompted)
    assert tco(TUNED, volume) == pytest.approx(tuned)
    assert usd_per_call(TUNED, volume) == pytest.approx(tuned / volume)
    assert spread(TUNED, volume).usd_per_1k == pytest.approx(1000 * tuned / volume)
    assert spread(TUNED, volume).serve_usd_per_1k == TUNED.serve_usd_per_1k


def test_a_rung_dearer_to_build_and_to_serve_never_breaks_even() -> None:
    assert break_even(PROMPTED, a_cost(2500, 0.012)) is None
    assert break_even(PROMPTED, a_cost(2500, 0.013)) is None
    assert break_even(PROMPTED, a_cost(0, 0.002)) is None


def test_what_is_unknown_stays_unknown() -> None:
    unknown = a_cost(10, None)
    assert (usd_per_call(unknown, 10), tco(unknown, 10)) == (None, None)
    assert break_even(PROMPTED, unknown) is None


def test_volumes_without_a_call_are_refused() -> None:
    with pytest.raises(ValueError, match="volume must be 1 call or more, got 0"):
        spread(TUNED, 0)
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        tco(TUNED, -1)


TWO = {
    "off/zero-shot": Made(scores=passes(10, 20), usd=0.012),
    "ft/zero-shot": Made(scores=passes(10, 20), usd=0.002, build_usd=2500),
}


@pytest.mark.parametrize(
    ("volume", "first", "usd_per_1k"),
    [(100_000, "off/zero-shot", 12.0), (1_000_000, "ft/zero-shot", 4.5)],
)
def test_rungs_change_order_with_the_volume(
    volume: int, first: str, usd_per_1k: float
) -> None:
    matrix, _ = ladder(TWO, volume=volume)
    assert matrix.rungs[0].id == first
    assert matrix.rungs[0].cost.usd_per_1k == pytest.approx(usd_per_1k)
    assert matrix.volume == volume


a_made = st.builds(
    Made,
    scores=st.just([1.0]),
    usd=st.none() | st.sampled_from([0.001, 0.002, 0.01]),
    build_usd=st.sampled_from([0.0, 0.0, 10.0, 2500.0]),
)


@given(
    st.dictionaries(st.sampled_from(["a/x", "b/x", "c/x", "d/x"]), a_made, min_size=1),
    st.integers(1, 10**7),
    st.integers(1, 10**7),
)
def test_a_matrix_at_another_volume_is_the_one_built_for_it(
    made: dict[str, Made], first: int, second: int
) -> None:
    rungs = [one.rung(name) for name, one in made.items()]
    rows = rows_of(made)
    moved = at_volume(build_matrix(rows, rungs, {}, volume=first), second)
    assert moved == build_matrix(rows, rungs, {}, volume=second)
