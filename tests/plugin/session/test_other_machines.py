"""Workers of xdist on other machines: refused, before they cost money.

Another machine is a socket server of execnet here. It shares this machine's files, but
what is typed (`--tx socket=…`) cannot tell, and a tunnel looks the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import execnet.script
import pytest

from pytest_ladder.session.settings import check_workers, read_settings
from tests.plugin.scratch_suite import Shop
from tests.plugin.slope import Slope, said

SERVER = Path(execnet.script.__path__[0]) / "socketserver.py"
BOUNDED = (
    "import runpy, signal, sys; signal.alarm(120); sys.argv.pop(0); "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.1)
def test_answer(reply, case):
    assert case.expected in reply.text
"""
ELSEWHERE = [
    "--tx=socket=127.0.0.1:9",
    "--tx=3*ssh=me@far.example//python=python3",
    "--tx=popen --tx=ssh=me@far.example//chdir=/srv/shop",
    "--px=id=far//socket=127.0.0.1:9 --tx=2*popen//via=far",
    "--px=id=here//popen --tx=ssh=me@far.example//via=here",
]
LIVE, CLIMB = "--ladder-live", "--ladder=climb"


@pytest.fixture
def machine(shop: Shop) -> Iterator[str]:
    """How `--tx` reaches another machine that has the suite in the same place."""
    around = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-u", "-c", BOUNDED, str(SERVER), "127.0.0.1:0"]
    with subprocess.Popen(
        command, env=around, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().rpartition(", ")[2].strip(" )\n")
        yield f"socket=127.0.0.1:{port}//chdir={shop.path}"
        process.terminate()


def refusal(result: pytest.RunResult) -> str:
    """Return the one sentence that a run was refused with."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.startswith("ERROR: ")]
    return line.removeprefix("ERROR: ")


@pytest.mark.parametrize("workers", ELSEWHERE)
@pytest.mark.parametrize("live", [[LIVE], []], ids=["live", "replay"])
def test_a_climb_is_refused(shop: Shop, workers: str, live: list[str]) -> None:
    """A replay too: they do not see the plan, and would run every test."""
    shop.test(ANSWER)
    told = refusal(shop.run("-d", *workers.split(), CLIMB, *live))
    assert told.startswith("--ladder=climb decides by what came in what runs next")
    assert "use workers of this machine (-n)" in told
    assert shop.server.count == 0


def test_a_gate_that_may_take_more_samples_is_refused(shop: Shop) -> None:
    shop.test(ANSWER)
    shop.run(LIVE, "--ladder-report=base")
    before = shop.server.count
    gated = ("-d", "--tx=socket=127.0.0.1:9", "--ladder-baseline=base")
    told = refusal(shop.run(*gated, LIVE, "--ladder-refresh"))
    assert told.startswith("--ladder-baseline with --ladder-live decides by")
    assert shop.server.count == before


@pytest.mark.parametrize("workers", ELSEWHERE)
@pytest.mark.parametrize("budget", [[], ["--ladder-budget=1"]], ids=["plain", "budget"])
def test_a_live_run_without_a_store_is_refused(
    shop: Shop, workers: str, budget: list[str]
) -> None:
    shop.test(ANSWER)
    told = refusal(shop.run("-d", *workers.split(), LIVE, *budget))
    assert told.startswith("workers on other machines (--tx ")
    assert "share nothing with this one" in told
    assert "name a store ([store] in ladder.toml), or use workers of this" in told
    assert shop.server.count == 0


def test_with_a_store_workers_of_another_machine_may_make_calls(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.test(ANSWER)
    shop.write("apart/ladder.toml", (shop.path / "ladder.toml").read_text())
    with (shop.path / "ladder.toml").open("a") as file:
        file.write('\n[store]\nurl_env = "TEAM_PG"\nledger = "team"\n')

    def check(*arguments: str) -> None:
        config = shop.pytester.parseconfig("--dist=load", *arguments, LIVE)
        check_workers(config, read_settings(config))

    workers = ELSEWHERE[0]
    with pytest.raises(pytest.UsageError, match="name a store"):
        check(workers)
    monkeypatch.setenv("TEAM_PG", "postgresql://me:hunter2@db.internal/evals")
    check(workers)
    for refused in (
        "--ladder-store=local",
        "apart",
        "--ladder-config=apart/ladder.toml",
    ):
        with pytest.raises(pytest.UsageError, match="name a store"):
            check(workers, ".", refused)
    monkeypatch.setenv("TEAM_PG", "hunter2")
    with pytest.raises(pytest.UsageError, match="TEAM_PG holds no address of a"):
        check(workers)


def test_a_replay_over_workers_of_another_machine_runs(
    shop: Shop, machine: str
) -> None:
    shop.test(ANSWER)
    shop.run(LIVE)
    # execnet leaves its sockets open, which is an error in this process.
    run_apart = shop.pytester.runpytest_subprocess
    result = run_apart("-q", "-d", f"--tx={machine}")
    result.assert_outcomes(passed=2, warnings=0)
    assert shop.server.count == 3


def test_workers_of_several_folders_are_warned_of(shop: Shop) -> None:
    shop.test(ANSWER)
    folders = ("--tx=popen//chdir=a", "--tx=popen//chdir=b")
    told = refusal(shop.run("-d", *folders, LIVE, "-Werror"))
    assert "workers in several folders (--tx popen//chdir=b) share no claims" in told


def test_a_suite_that_is_only_collected_or_planned_is_not_refused(shop: Shop) -> None:
    shop.test(ANSWER)
    for only in ("--collect-only", "--ladder-plan"):
        result = shop.run("-d", "--tx=socket=127.0.0.1:9", CLIMB, only)
        assert "decides by" not in said(result)


def test_processes_of_this_machine_climb_however_they_are_named(shop: Shop) -> None:
    slope = Slope(shop, cases=20)
    here = ("--px=id=here//popen", f"--tx=popen//python={sys.executable}")
    result = slope.climb("-d", *here, "--tx=popen//via=here")
    assert result.ret == 0
    assert slope.decided == ("mid/plain", "pass")
    assert sum(slope.asked.values()) == 25
    result.assert_outcomes(passed=20, skipped=35, warnings=0)
