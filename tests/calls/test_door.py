"""In what order a model's first calls go out."""

from __future__ import annotations

import asyncio

from pytest_ladder.calls.wrong_keys import FIRST_CALLS, Door
from pytest_ladder.core.rung import Model, Tier

MODEL = Model(name="bot", tier=Tier.OFF_THE_SHELF, id="local/smollm2-135m")


def test_calls_that_wait_for_a_model_to_load_go_out_in_the_order_they_came() -> None:
    """Each looked by itself, every so often: replies of the last rung came first."""

    async def order() -> list[int]:
        door, entered = Door(MODEL, usual_refusal_s=0.02), list[int]()

        async def call(number: int) -> None:
            await door.enter()
            entered.append(number)

        calls = []
        for number in range(30):
            calls.append(asyncio.ensure_future(call(number)))
            # The model takes so long to load that all look more than once.
            await asyncio.sleep(0.003)
        assert entered == list(range(FIRST_CALLS))
        door.sends()
        await asyncio.gather(*calls)
        return entered

    assert asyncio.run(order()) == list(range(30))


def test_a_call_that_comes_again_waits_for_none_that_came_first() -> None:
    async def order() -> list[str]:
        door, entered = Door(MODEL, usual_refusal_s=60.0), list[str]()

        async def call(name: str, *, again: bool = False) -> None:
            await door.enter(again=again)
            entered.append(name)

        for number in range(FIRST_CALLS):
            await call(f"first {number}")
        later = asyncio.ensure_future(call("later"))
        await asyncio.sleep(0)
        door.leave()
        await call("again", again=True)
        door.leave()
        await later
        return entered[FIRST_CALLS:]

    assert asyncio.run(order()) == ["again", "later"]
