"""`pytest-ladder budget`: ledgers over all machines, caps, and bills of the dead."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ladder.calls.shared.words import SharedPermit
from tests.calls.shared.calls_made import call, opened, row
from tests.calls.shared.commands.checkout import Checkout, cells
from tests.calls.shared.conftest import Run

DOLLAR = 1_000_000_000


def test_without_a_ledger_it_says_how_one_is_made(checkout: Checkout) -> None:
    assert "budget set team --usd 500 --per month" in checkout.run("budget")
    checkout.is_worker()
    assert "no ledger that this checkout draws on" in checkout.run("budget")


def test_a_cap_is_set_raised_lifted_and_holds_for_workers(
    checkout: Checkout, run: Run[Any]
) -> None:
    database = checkout.database
    said = checkout.run("budget", "set", "team", "--usd=2", "--per=day")
    assert said == f"{database.owner.name}: ledger team may spend $2.00 a day.\n"

    async def verdict() -> str:
        async with opened(database.worker, ledgers=["team"]) as room:
            asked = await room.admit(call(1, worst_nano=3 * DOLLAR))
            if asked.permit is not None:
                await room.settle(asked.permit, 0)
            return asked.verdict

    assert run(verdict()) == "over"
    checkout.run("budget", "set", "team", "--usd=3", "--per=day")
    assert run(verdict()) == "go"
    checkout.is_worker()
    refused = checkout.refused("budget", "set", "team", "--usd=500000")
    assert refused.startswith("Only the owner of the shared store ")
    checkout.is_owner()
    (ledger,) = checkout.json("budget")["ledgers"]
    assert (ledger["cap_usd"], ledger["everyone"]) == (3.0, False)
    said = checkout.run("budget", "set", "team", "--no-cap", "--per=day")
    assert "ledger team has no cap" in said
    assert checkout.json("budget")["ledgers"][0]["cap_usd"] is None


def test_a_ledger_of_everyone_is_one_whatever_a_client_names(
    checkout: Checkout, run: Run[Any]
) -> None:
    said = checkout.run("budget", "set", "all", "--usd=1", "--per=ever", "--everyone")
    assert said.endswith("may spend $1.00 in all, and all calls draw on it.\n")

    async def story() -> None:
        async with opened(checkout.database.worker) as room:
            assert (await room.admit(call(1, worst_nano=2 * DOLLAR))).verdict == "over"

    run(story())
    checkout.is_worker()
    (ledger,) = checkout.json("budget")["ledgers"]
    assert (ledger["name"], ledger["cap_usd"]) == ("all", 1.0)


def test_a_cap_for_each_run_holds_in_each_by_itself(
    checkout: Checkout, run: Run[Any]
) -> None:
    database = checkout.database
    said = checkout.run("budget", "set", "team", "--usd=2", "--per=run")
    assert "ledger team may spend $2.00 a run.\n" in said

    async def pay(name: str, number: int) -> str:
        async with opened(database.worker, name, ledgers=["team"]) as room:
            asked = await room.admit(call((name, number), worst_nano=2 * DOLLAR))
            if asked.permit is not None:
                await room.settle(asked.permit, DOLLAR, row((name, number)))
            (team,) = [s for s in await room.standing() if s.name == "team"]
            assert team.period == f"run:{name}"
            return asked.verdict

    # "nightly" is as long as the name of a month.
    runs = ["nightly", *(f"pull {number}" for number in range(11))]
    assert [run(pay(name, 1)) for name in runs] == ["go"] * 12
    assert run(pay("nightly", 2)) == "over"
    checkout.run("budget", "set", "team", "--usd=3", "--per=run")
    assert run(pay("nightly", 2)) == "go"
    shown = [line.split("  ") for line in checkout.run("budget").splitlines()]
    table = [[cell.strip() for cell in line if cell.strip()] for line in shown]
    assert table[1] == ["team", "each run", "$3.00", "$0", "$0", "$3.00", "-"]
    assert table[2] == ["team", "run pull 10", "$3.00", "$1.00", "$0", "$2.00", "-"]
    assert table[-1] == ["… and 2 runs more (--json has all)"]
    (*_, first) = checkout.json("budget")["ledgers"]
    assert (first["period"], first["settled_usd"]) == ("run:nightly", 2.0)


def test_what_was_spent_is_shown_by_run_model_kind_and_day(
    checkout: Checkout, run: Run[Any]
) -> None:
    checkout.run("budget", "set", "team", "--usd=500")

    async def pay(name: str, model: str, bill: int | None, **of: str) -> None:
        asked = call((name, model), worst_nano=DOLLAR, model=model, **of)
        async with opened(checkout.database.worker, name, ledgers=["team"]) as room:
            permit = (await room.admit(asked)).permit
            assert permit is not None
            await room.settle(permit, bill, row((name, model)))

    run(pay("nightly", "small", 250_000_000))
    run(pay("nightly", "big", 500_000_000))
    run(pay("pull", "big", None, kind="evaluation"))
    shown = {
        by: [
            (each["name"], each["calls"], each["spent_usd"], each["unknown_calls"])
            for each in checkout.json("budget", "--by", by)["spent"]
        ]
        for by in ("run", "model", "kind")
    }
    assert shown == {
        "run": [("pull", 1, 1.0, 1), ("nightly", 2, 0.75, 0)],
        "model": [("big", 2, 1.5, 1), ("small", 1, 0.25, 0)],
        "kind": [("evaluation", 1, 1.0, 1), ("product", 2, 0.75, 0)],
    }
    said = checkout.run("budget", "--by=day", "--ledger=team")
    (team,) = (line for line in cells(said) if line[:1] == ["team"])
    assert team[2:] == ["$500", "$1.75", "$0", "$498", *["$1.00", "of", "1", "call"]]
    assert cells(said)[-1][1:] == ["3", "$1.75", *["$1.00", "of", "1", "call"]]
    assert "--ledger goes with --by" in checkout.refused("budget", "--ledger=team")
    checkout.is_worker()
    (ledger,) = checkout.json("budget")["ledgers"]
    assert (ledger["settled_usd"], ledger["unknown_usd"]) == (1.75, None)


def test_what_the_dead_had_set_aside_is_listed_and_corrected(
    checkout: Checkout, run: Run[Any]
) -> None:
    database = checkout.database
    checkout.run("budget", "set", "team", "--usd=500")
    permits: list[SharedPermit] = []

    async def story() -> None:
        async with opened(database.worker, "gone", ledgers=["team"]) as room:
            for number in range(2):
                permit = (await room.admit(call(number, worst_nano=DOLLAR))).permit
                assert permit is not None
                permits.append(permit)
            (ledger,) = checkout.json("budget")["ledgers"]
            assert (ledger["settled_usd"], ledger["reserved_usd"]) == (0.0, 2.0)
            database.rows("UPDATE members SET seen = '-infinity'")
            database.rows("SELECT reap()")

    run(story())
    said = checkout.run("budget")
    assert "2 calls of dead processes booked at the worst case ($2.00)" in said
    first, second = (str(permit.fence) for permit in permits)
    assert [first, "gone", "bot", "$1.00"] in [line[:4] for line in cells(said)]
    said = checkout.run("budget", "release", first, "--usd=0.25")
    assert said == "1 call corrected to $0.25 each.\n"
    (ledger,) = checkout.json("budget")["ledgers"]
    assert (ledger["settled_usd"], ledger["reserved_usd"]) == (1.25, 0.0)
    status, out, err = checkout.tried("budget", "release", first, second)
    assert (status, out) == (2, "1 call corrected to $0 each.\n")
    assert f"No call of a dead process has the id {first}" in err
    assert checkout.json("budget")["dead"] == []


@pytest.mark.parametrize("name", ["run:nightly", "", " "])
def test_a_ledger_may_not_be_called_like_a_run(checkout: Checkout, name: str) -> None:
    said = checkout.refused("budget", "set", name, "--usd=5")
    assert "names that begin with 'run:' are those of runs" in said
