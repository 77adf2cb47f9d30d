"""Attempts of a climb are counted over all machines; an older store says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugin.machines.conftest import Machines
from tests.plugin.machines.machine import STORE, Ended, Machine
from tests.plugin.slope import OBJECTIVE
from tests.postgres_server import FIRST_RELEASE, Database

CLIMB = ("--ladder=climb", "--ladder-live", "--ladder-report=climb")


def climber(made: Machine) -> Machine:
    made.ladder(OBJECTIVE + STORE)
    return made


def run_of(one: Machine) -> dict[str, Any]:
    told: dict[str, Any] = one.matrix("climb")["run"]
    return told


def climb(one: Machine, *arguments: str) -> Ended:
    run = one.run(*CLIMB, *arguments)
    assert run.code == 0, run.said
    return run


def test_a_seed_of_one_machine_is_an_attempt_of_the_next(
    machine: Machines, database: Database
) -> None:
    laptop, job = climber(machine()), climber(machine())
    climb(laptop)
    climb(laptop, "--ladder-seed=new")
    climb(job, "-n", "2")
    assert (run_of(job)["seed"], run_of(job)["attempts"]) == (1, ["0", "1"])
    climb(job, "--ladder-seed=new")
    assert run_of(job)["attempts"] == ["0", "1", "2"]
    # What a machine did alone counts once it shares again.
    climb(laptop, "--ladder-seed=7", "--ladder-store=local")
    assert run_of(laptop)["attempts"] == ["0", "1", "7"]
    climb(job)
    assert run_of(job)["attempts"] == ["0", "1", "2"]
    climb(laptop, "--ladder-seed=1")
    assert run_of(laptop)["attempts"] == ["0", "2", "7", "1"]
    ((questions, seeds),) = database.rows(
        "SELECT count(DISTINCT question), count(*) FROM climbs"
    )
    assert (questions, seeds) == (1, 4)


def test_a_store_of_the_first_release_does_all_but_count_climbs(
    machine: Machines, database: Database
) -> None:
    database.rows(FIRST_RELEASE)
    one = climber(machine())
    assert one.run("--ladder-live").counts() == {"passed": 40}
    refused = one.run(*CLIMB)
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert "function ladder.climb(" in refused.said
    assert "its owner makes them by `pytest-ladder store init`" in refused.said
