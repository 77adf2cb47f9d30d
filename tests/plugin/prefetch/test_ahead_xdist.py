"""Running ahead over processes: each rehearses its own, and nothing is paid twice."""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import Shop

CASES = [{"id": f"c{n}", "input": f"say {n}", "expected": f"{n}"} for n in range(24)]
SUITE = """
import os, threading

def tell(name):
    how = "turn" if threading.current_thread() is threading.main_thread() else "ahead"
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    with open("told.txt", "a") as file:
        file.write(f"{name} {how} {worker} {os.getpid()}\\n")

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    assert case.expected in reply.text

@pytest.mark.cheap
@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("n", range(24))
def test_body(llm, n):
    tell(f"body-{n}")
    assert llm(f"first {n}").text == f"first {n}"
    llm(f"second {n}")
"""


def told(shop: Shop) -> list[tuple[str, str, str]]:
    """Return name, how and worker of each run of a body, as they came."""
    lines = (shop.path / "told.txt").read_text(encoding="utf-8").splitlines()
    return [(name, how, worker) for name, how, worker, _ in map(str.split, lines)]


@pytest.fixture
def busy(shop: Shop) -> Shop:
    shop.cases(CASES)
    shop.server.latency_s = 0.05
    shop.test(SUITE)
    return shop


@pytest.mark.parametrize(
    "options",
    [
        ("-n0",),
        ("-n2", "--dist=load"),
        ("-n2", "--dist=loadfile"),
        ("-n2", "--dist=loadgroup"),
    ],
    ids=" ".join,
)
def test_every_way_to_distribute_pays_once_and_rehearses_its_own(
    busy: Shop, options: tuple[str, ...]
) -> None:
    result = busy.run("--ladder-live", *options)
    result.assert_outcomes(passed=48)
    prompts = [r.body["messages"][0]["content"] for r in busy.server.requests]
    assert len(prompts) == len(set(prompts)) == 24 * 3
    assert {row["outcome"] for row in busy.rows()} == {"passed"}
    assert len(busy.rows()) == 48
    turns = {name: worker for name, how, worker in told(busy) if how == "turn"}
    ahead = {name: worker for name, how, worker in told(busy) if how == "ahead"}
    assert len(turns) == 24
    assert ahead, "bodies are rehearsed"
    # A test that was stolen from a worker may have been rehearsed by it.
    if not {"--dist=worksteal", "--dist=load"} & set(options):
        assert ahead.items() <= turns.items()
    assert busy.server.peak > 4
    # Whichever process called for a reply, the run did.
    spend = busy.matrix()["spend"]
    assert (spend["live_calls"], spend["replayed_calls"]) == (24 * 3, 0)


def test_a_worker_that_dies_costs_the_test_it_ran(busy: Shop) -> None:
    busy.test("""
import os, threading

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    if case.id == "c7":
        os._exit(3)

@pytest.mark.cheap
@pytest.mark.parametrize("n", range(12))
def test_body(llm, n):
    llm(f"first {n}")
    if n == 5 and threading.current_thread() is threading.main_thread():
        os._exit(3)
    llm(f"second {n}")
""")
    result = busy.run("--ladder-live", "-n2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    rows = busy.rows()
    cases = {row["case"] for row in rows if "case" in row}
    assert cases == {case["id"] for case in CASES} - {"c7"}
    assert len([row for row in rows if "case" not in row]) == 11
    # Paid again is at most what the dead were at; their finished replies are kept.
    assert 24 + 24 - 2 <= busy.server.count <= 24 + 24 + 2 * 32
