"""What holds of every coordinator, whatever it keeps claims, money and limits in.

Two rooms are two processes that share a place; each test drives them from outside.
"""

from __future__ import annotations

import random

import pytest

from tests.calls.coordinator.conftest import Opens
from tests.calls.coordinator.room_process import MACHINES, ONE, PLACE, RoomProcess
from tests.calls.engine.test_never_twice import wait_until

pytestmark = pytest.mark.processes
on_one_machine = pytest.mark.parametrize("room", [ONE], indirect=True)
over_machines = pytest.mark.parametrize(
    "room", [pytest.param(MACHINES, marks=pytest.mark.postgres)], indirect=True
)
"""A call that is let in has its money and a time to go: `admit` waits for that."""


def got(room: RoomProcess, key: str, **wanted: object) -> str:
    return str(room.admit(key, **wanted)["got"])


def test_a_reply_is_called_for_by_one_and_known_to_all_once_it_is_settled(
    room: Opens,
) -> None:
    mine, theirs = room(), room()
    assert (got(mine, "a"), got(theirs, "a"), got(theirs, "b")) == ("Go", "Held", "Go")
    mine.settle("a", 0.1, "blue")
    assert theirs.admit("a") == {"got": "Known", "text": "blue"}
    # What is known is held by nobody.
    assert mine.admit("a") == {"got": "Known", "text": "blue"}
    assert theirs.do("known", keys=["a", "b", "c"]) == {"keys": ["a"]}


def test_of_all_that_ask_at_once_one_may_go(room: Opens) -> None:
    rooms = [room(), room()]
    keys = [f"key {number}" for number in range(40)]
    place = {"at_once": 100}
    asked = [(one.begin("admit", key=k, place=place), k) for k in keys for one in rooms]
    answers = [(answer.result(30)["got"], key) for answer, key in asked]
    assert sorted(key for got, key in answers if got == "Go") == sorted(keys)
    assert {got for got, _ in answers} == {"Go", "Held"}


@on_one_machine
def test_a_call_keeps_its_claim_from_one_attempt_to_the_next(room: Opens) -> None:
    mine, theirs = room(), room()
    assert got(mine, "a") == "Go"
    mine.settle("a", 0.0)
    assert got(theirs, "a") == "Held"
    assert got(mine, "a") == "Go"
    mine.settle("a", 0.0)
    mine.do("give_up", key="a")
    assert got(theirs, "a") == "Go"


@over_machines
def test_each_attempt_claims_anew(room: Opens) -> None:
    mine, theirs = room(), room()
    assert got(mine, "a") == "Go"
    mine.settle("a", 0.0)
    assert got(theirs, "a") == "Go"
    assert got(mine, "a") == "Held"
    waiting = mine.begin("released", key="a")
    theirs.settle("a", 0.1, "blue")
    waiting.result(30)
    assert mine.admit("a") == {"got": "Known", "text": "blue"}


@over_machines
def test_a_pause_holds_everybody_up(room: Opens) -> None:
    mine, theirs = room(), room()
    assert (got(theirs, "a"), got(mine, "b")) == ("Go", "Go")
    mine.do("pause", seconds=60.0)
    waiting = [
        one.begin("admit", key=f"of {one.process.pid}") for one in (mine, theirs)
    ]
    # Another place goes on.
    assert got(mine, "c", place={"name": "other"}) == "Go"
    assert got(theirs, "d", place={"name": "other"}) == "Go"
    assert not any(answer.done() for answer in waiting)


def test_who_waits_for_anothers_reply_hears_when_it_is_released(room: Opens) -> None:
    mine, theirs = room(), room()
    assert (got(mine, "a"), got(theirs, "a")) == ("Go", "Held")
    waiting = theirs.begin("released", key="a")
    assert got(theirs, "b") == "Go"
    assert not waiting.done()
    mine.settle("a", 0.1, "blue")
    waiting.result(10)
    assert got(theirs, "a") == "Known"


def test_a_holder_that_dies_is_taken_over(room: Opens) -> None:
    mine, theirs = room(budget_usd=1.0), room(budget_usd=1.0)
    assert got(theirs, "a", worst_usd=0.75) == "Go"
    assert got(mine, "a", worst_usd=0.1) == "Held"
    waiting = mine.begin("released", key="a")
    theirs.kill()
    waiting.result(60)
    assert got(mine, "a", worst_usd=0.1) == "Go"
    # Its call may be billed: what it has set aside is spent.
    mine.settle("a", 0.1)
    assert mine.do("spent")["usd"] == pytest.approx(0.85)
    assert got(mine, "b", worst_usd=0.2) == "Over"


def test_what_the_dead_have_stored_is_not_called_for(room: Opens) -> None:
    """Its holder died between storing the reply and releasing the claim."""
    mine, theirs = room(), room()
    assert (got(theirs, "a"), got(mine, "another")) == ("Go", "Go")
    looked_up_at = mine.do("now")["at"]
    theirs.do("store", key="a", text="blue")
    theirs.kill()
    wait_until(lambda: got(mine, "a", looked_up_at=looked_up_at) != "Held")
    assert mine.admit("a", looked_up_at=looked_up_at)["text"] == "blue"


def test_a_reply_that_came_after_the_look_up_is_found(room: Opens) -> None:
    mine, theirs = room(), room()
    assert got(mine, "another") == "Go"
    looked_up_at = mine.do("now")["at"]
    assert got(theirs, "a") == "Go"
    theirs.settle("a", 0.1, "blue")
    assert mine.admit("a", looked_up_at=looked_up_at)["text"] == "blue"


def test_the_cap_is_never_passed(room: Opens) -> None:
    """Many attempts of both, each with another worst case and another bill."""
    rooms, order = [room(budget_usd=1.0), room(budget_usd=1.0)], random.Random(24)
    going: list[tuple[RoomProcess, str, float]] = []
    billed, refused = 0.0, 0
    for number in range(80):
        one, key, worst = rooms[number % 2], f"key {number}", order.uniform(0.01, 0.1)
        # What is left must suffice for all that is under way, else it would wait.
        while billed + sum(open_[2] for open_ in going) + worst > 1.0 and going:
            billed += settle_one(going, order)
        answer = got(one, key, worst_usd=worst, place={"at_once": 100})
        if answer == "Over":
            refused += 1
        else:
            assert answer == "Go"
            going.append((one, key, worst))
        spent = rooms[0].do("spent")["usd"]
        assert spent == pytest.approx(billed + sum(open_[2] for open_ in going))
        assert spent <= 1.0 + 1e-9
    assert refused > 0
    assert rooms[1].do("spent")["refused"] == refused


def settle_one(
    going: list[tuple[RoomProcess, str, float]], order: random.Random
) -> float:
    """Settle any attempt, one in eight without a bill; returns what counts of it."""
    one, key, worst = going.pop(order.randrange(len(going)))
    usd = None if order.random() < 0.125 else worst * order.random()
    one.settle(key, usd)
    return worst if usd is None else usd


def test_who_may_fit_later_waits_for_others_to_settle(room: Opens) -> None:
    mine, theirs = room(budget_usd=1.0), room(budget_usd=1.0)
    assert got(mine, "a", worst_usd=0.75) == "Go"
    waiting = theirs.begin("admit", key="b", worst_usd=0.5)
    assert theirs.do("spent")["usd"] == pytest.approx(0.75)
    assert not waiting.done()
    mine.settle("a", 0.25, "blue")
    answer = waiting.result(30)["got"]
    assert answer in ("Go", "Wait")
    assert answer == "Go" or got(theirs, "b", worst_usd=0.5) == "Go"
    assert mine.do("spent")["usd"] == pytest.approx(0.75)


def test_local_models_and_others_have_one_cap(room: Opens) -> None:
    mine, theirs = room(budget_usd=1.0), room(budget_usd=1.0)
    local = {"model": "local/bot.gguf", "place": {"name": "local models", "at_once": 1}}
    assert got(mine, "a", worst_usd=0.75, **local) == "Go"
    mine.settle("a", None)
    assert theirs.do("spent")["usd"] == pytest.approx(0.75)
    assert got(theirs, "b", worst_usd=0.5) == "Over"
    assert got(theirs, "c", worst_usd=0.5, **local) == "Over"


def test_an_unknown_cost_keeps_its_reservation(room: Opens) -> None:
    mine, theirs = room(budget_usd=1.0), room(budget_usd=1.0)
    assert got(mine, "a", worst_usd=0.75) == "Go"
    mine.settle("a", None)
    assert theirs.do("spent")["usd"] == pytest.approx(0.75)
    assert got(theirs, "b", worst_usd=0.5) == "Over"


def test_a_bill_that_was_too_high_raises_later_reservations(room: Opens) -> None:
    mine, theirs = room(budget_usd=1.0), room(budget_usd=1.0)
    assert got(mine, "a", worst_usd=0.01) == "Go"
    mine.settle("a", 0.3, "blue")
    assert got(theirs, "b", worst_usd=0.01) == "Go"
    spent = theirs.do("spent")
    assert spent["usd"] == pytest.approx(0.6)
    assert len(spent["surprises"]) == 1
    other = {"worst_usd": 0.01, "bill": "another model", "place": {"name": "another"}}
    assert got(mine, "c", **other) == "Go"
    assert mine.do("spent")["usd"] == pytest.approx(0.61)


@on_one_machine
def test_a_pause_stops_everybody(room: Opens) -> None:
    mine, theirs = room(), room()
    assert got(theirs, "a") == "Go"
    mine.do("pause", seconds=30.0)
    for one in (mine, theirs):
        answer = one.admit("b")
        assert answer["got"] == "Wait"
        assert 0 < answer["seconds"] <= 1
        one.do("give_up", key="b")
        # Another place goes on.
        assert got(one, f"of {one.process.pid}", place={"name": "other"}) == "Go"


@on_one_machine
def test_a_quota_is_shared(room: Opens) -> None:
    rooms, place = [room(), room()], {"rpm": 4}
    answers = [got(rooms[n % 2], f"key {n}", place=place) for n in range(8)]
    assert answers == ["Go"] * 4 + ["Wait"] * 4


@on_one_machine
def test_who_waits_for_its_turn_holds_no_money(room: Opens) -> None:
    mine, theirs = room(budget_usd=1.0), room(budget_usd=1.0)
    place = {"rpm": 1}
    assert got(mine, "a", worst_usd=0.5, place=place) == "Go"
    assert got(mine, "b", worst_usd=0.5, place=place) == "Wait"
    assert got(theirs, "c", worst_usd=0.5, place={"name": "other"}) == "Go"


def test_no_more_are_under_way_than_a_place_allows(room: Opens) -> None:
    mine, theirs = room(), room()
    place = PLACE | {"at_once": 1}
    assert got(mine, "a", place=place) == "Go"
    waiting = theirs.begin("admit", key="b", place=place)
    assert theirs.do("known", keys=["a"]) == {"keys": []}
    assert not waiting.done()
    mine.settle("a", 0.0, "blue")
    assert waiting.result(30)["got"] == "Go"


@on_one_machine
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "not alone"])
def test_a_process_alone_looks_a_reply_up_once(room: Opens, *, alone: bool) -> None:
    """That it was missing is not asked again, unless another process was at work."""
    mine, theirs = room(), room()
    assert got(mine, "a") == "Go"
    before = mine.do("now")
    if not alone:
        assert got(theirs, "of theirs") == "Go"
    assert got(mine, "b", looked_up_at=before["at"]) == "Go"
    looked_up = mine.do("now")["looked_up"] - before["looked_up"]
    assert looked_up == (0 if alone else 1)
