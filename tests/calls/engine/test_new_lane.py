"""A lane of one's own: a class, and a line in the table of lanes."""

from __future__ import annotations

import pytest

from pytest_ladder.calls.contract import Answer, Lane, Request
from pytest_ladder.calls.lanes.table import LANES, LaneNeeds
from pytest_ladder.core.reply import Usage
from tests.calls.engine.engine_under_test import Desk


class Shouting:
    """Answers what was said, louder, without any network."""

    def __init__(self, needs: LaneNeeds) -> None:
        self.workers = needs.workers
        self.closed = False

    async def open(self) -> None:
        pass

    async def send(self, request: Request, address: str | None) -> Answer:
        text = str(request.messages[-1]["content"]).upper()
        return Answer(text=text, usage=Usage(input=3, output=2))

    async def close(self) -> None:
        self.closed = True


def test_a_new_lane_is_limited_priced_stored_and_closed_like_any_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Shouting] = []

    def make(needs: LaneNeeds) -> Lane:
        made.append(Shouting(needs))
        return made[-1]

    monkeypatch.setitem(LANES, "shouting", make)
    first, second = (desk.ask(t, model={"lane": "shouting"}) for t in ("say a", "b"))
    assert (first.text, second.text) == ("SAY A", "B")
    assert first.cost_usd == pytest.approx((3 * 1.0 + 2 * 2.0) / 1e6)
    desk.start_anew(live=False)
    again = desk.ask("say a", model={"lane": "shouting"})
    assert (again.text, again.replayed) == ("SAY A", True)
    (lane,) = made
    assert (lane.closed, lane.workers) == (True, 1)
