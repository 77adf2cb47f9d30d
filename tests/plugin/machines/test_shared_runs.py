"""Live runs and replays of several machines through one store, as processes."""

from __future__ import annotations

import collections

import pytest

from pytest_ladder.calls.shared.install import set_cap
from pytest_ladder.calls.shared.words import nano
from tests.plugin.machines.conftest import Machines
from tests.plugin.machines.machine import REPLY_USD, STORE, ended
from tests.postgres_server import Database
from tests.scripted_server import ScriptedServer

LIVE = "--ladder-live"


def prompts(server: ScriptedServer) -> collections.Counter[str]:
    return collections.Counter(
        request.body["messages"][-1]["content"] for request in server.requests
    )


def settled(database: Database, ledger: str) -> tuple[int, int]:
    query = "SELECT settled, reserved FROM ledgers WHERE name = %s"
    ((spent, reserved),) = database.rows(query, ledger)
    return spent, reserved


def test_another_machine_replays_what_one_has_paid_for(
    machine: Machines, server: ScriptedServer, database: Database
) -> None:
    first, second = machine(), machine()
    paid = first.run(LIVE)
    assert paid.counts() == {"passed": 40}
    assert server.count == 40
    assert "store: " in paid.said
    assert database.rows("SELECT count(*) FROM replies") == [(40,)]
    planned = second.run("--ladder-plan")
    assert "0 calls, at most $0" in planned.said
    assert f"store: {database.worker.name}" in planned.said
    replayed = second.run()
    assert replayed.counts() == {"passed": 40}
    assert second.matrix()["run"]["store"] == database.worker.name
    # What it fetched is its own from now on.
    alone = second.run("--ladder-store=local")
    assert alone.counts() == {"passed": 40}
    assert "store: local" in alone.said
    assert server.count == 40


def test_two_shards_share_one_budget_and_pay_for_nothing_twice(
    machine: Machines, server: ScriptedServer, database: Database
) -> None:
    server.latency_s = 0.05
    cap = 30 * REPLY_USD
    machines = [machine(80), machine(80)]
    shards = [
        one.start(
            LIVE,
            f"--ladder-budget={cap:.6f}",
            f"--ladder-shard={number}/2",
            LADDER_SHARD_RUN="nightly",
        )
        for number, one in enumerate(machines, 1)
    ]
    runs = [ended(shard) for shard in shards]
    assert [run.code for run in runs] == [1, 1]
    passed = sum(run.counts()["passed"] for run in runs)
    assert passed == server.count
    assert max(prompts(server).values()) == 1
    bill = nano(server.count * REPLY_USD)
    assert settled(database, "run:nightly") == (bill, 0)
    assert 0.8 * cap <= server.count * REPLY_USD <= cap
    for run in runs:
        assert "is spent; left out: " in run.said


def test_a_team_has_a_cap_of_its_own(
    machine: Machines, server: ScriptedServer, database: Database
) -> None:
    set_cap(database.owner, "team", nano(30 * REPLY_USD), per="month")
    one = machine(80)
    one.ladder(STORE + 'ledger = "team"\n')
    run = one.run(LIVE)
    assert run.code == 1
    assert 20 <= server.count <= 30
    assert run.counts()["passed"] == server.count
    assert "ledger team: $0 of $0.0024 this month" in run.said
    assert "of ledger 'team' is spent; left out: " in run.said
    assert "pytest-ladder budget set team --usd" in run.said
    (spent, reserved) = settled(database, "team")
    assert (spent, reserved) == (nano(server.count * REPLY_USD), 0)


def test_a_cap_of_everyone_holds_for_who_names_no_ledger(
    machine: Machines, server: ScriptedServer, database: Database
) -> None:
    set_cap(database.owner, "all", nano(30 * REPLY_USD), per="run", everyone=True)
    run = machine(80).run(LIVE, "-n", "2")
    assert run.code == 1
    assert 20 <= server.count <= 30
    assert "ledger all: $0 of $0.0024 this run" in run.said
    assert "of ledger 'all' is spent; left out: " in run.said


def test_each_ladder_draws_on_the_ledger_that_it_names(
    machine: Machines, server: ScriptedServer, database: Database
) -> None:
    set_cap(database.owner, "team", nano(1))
    set_cap(database.owner, "poor", nano(10 * REPLY_USD))
    one = machine()
    one.ladder(STORE + 'ledger = "team"\n')
    (one.folder / "poor").mkdir()
    for name in ("ladder.toml", "cases.jsonl", "test_shop.py"):
        text = (one.folder / name).read_text().replace('"team"', '"poor"')
        one.write(f"poor/{name.replace('shop', 'poor')}", text.replace("say", "tell"))
    run = one.run(LIVE)
    assert run.code == 1
    asked = prompts(server)
    of_poor = sum(prompt.startswith("tell") for prompt in asked)
    assert len(asked) - of_poor == 40, run.said
    assert 5 <= of_poor <= 10
    assert settled(database, "team") == (nano(40 * REPLY_USD), 0)
    assert settled(database, "poor") == (nano(of_poor * REPLY_USD), 0)
    assert "of ledger 'poor' is spent; left out: " in run.said


def test_a_ladder_beside_it_that_names_no_store_is_told_of(machine: Machines) -> None:
    one = machine()
    (one.folder / "alone").mkdir()
    for name in ("ladder.toml", "cases.jsonl", "test_shop.py"):
        text = (one.folder / name).read_text().replace(STORE, "")
        one.write(f"alone/{name.replace('shop', 'alone')}", text)
    planned = one.run("--ladder-plan")
    told = "alone/ladder.toml names no store: its replies, limits and --ladder-budget"
    assert told in planned.said
    assert planned.said.count("names no store") == 1


def test_workers_of_one_machine_are_one_run(
    machine: Machines, server: ScriptedServer, database: Database
) -> None:
    run = machine().run(LIVE, "--ladder-budget=1", "-n", "2")
    assert run.counts() == {"passed": 40}
    assert max(prompts(server).values()) == 1
    assert "store: " in run.said
    (sums,) = database.rows("SELECT settled, reserved FROM ledgers")
    assert sums == (nano(40 * REPLY_USD), 0)


def test_a_refresh_pays_anew_and_once(
    machine: Machines, server: ScriptedServer, database: Database
) -> None:
    first, second = machine(), machine()
    first.run(LIVE)
    run = second.run(LIVE, "--ladder-refresh", "-n", "2")
    assert run.counts() == {"passed": 40}
    assert set(prompts(server).values()) == {2}
    assert database.rows("SELECT count(*) FROM replaced") == [(40,)]


def test_a_run_that_began_with_another_budget_is_told(
    machine: Machines, server: ScriptedServer
) -> None:
    shards = [
        machine().run(
            LIVE, f"--ladder-budget={usd}", f"--ladder-shard={n}/2",
            LADDER_SHARD_RUN="nightly",
        )
        for n, usd in ((1, 1), (2, 2))
    ]  # fmt: skip
    assert shards[0].code == 0
    assert "began with a budget of $1.00" in shards[1].said
    assert shards[1].code == 1


def test_a_variable_that_holds_no_address_is_one_sentence(machine: Machines) -> None:
    one = machine()
    one.store_url = "mysql://evals:hunter2@db/evals"
    run = one.run(LIVE)
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert "holds no address of a PostgreSQL database; set it to" in run.said
    assert "Traceback" not in run.said
    assert "hunter2" not in run.said


@pytest.mark.parametrize("mode", ["live", "replay"])
def test_a_store_that_cannot_be_reached(
    machine: Machines, server: ScriptedServer, mode: str
) -> None:
    one = machine()
    # Where all are at hand, a replay does not ask for it.
    one.run(LIVE, "--ladder-store=local", "-k", "not c39")
    one.store_url = "postgresql://evals:hunter2@127.0.0.1:9/evals"
    run = one.run(*([LIVE] if mode == "live" else []))
    assert "evals@127.0.0.1:9 cannot be reached" in run.said
    assert "--ladder-store=local" in run.said
    assert "hunter2" not in run.said
    if mode == "live":
        assert run.code == pytest.ExitCode.USAGE_ERROR
    else:
        assert run.counts() == {"passed": 39, "error": 1, "warning": 1}
    assert server.count == 39
