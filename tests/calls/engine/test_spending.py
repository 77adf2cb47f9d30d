"""The budget: no call starts that might lead above the cap, in any process."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_ladder.calls import retries
from pytest_ladder.calls.bounds import worst_usd
from pytest_ladder.calls.one_machine.budget import SharedBudget
from pytest_ladder.calls.prices import PriceTable, cost_of
from pytest_ladder.core.reply import Reply, Usage
from pytest_ladder.core.rung import Price
from pytest_ladder.errors import BudgetReached, CallError, LadderError
from tests.calls.engine.engine_under_test import Desk, texts
from tests.scripted_server import ScriptedServer, fails, hangs, says, sends

# Of `Desk.request("question 0")`, by its bytes and 20 tokens out.
QUESTION_USD = 1.2e-4


@pytest.fixture
def budget(tmp_path: Path) -> Any:
    budget = SharedBudget(tmp_path / "budget.sqlite", 1.0)
    yield budget
    budget.close()


def test_a_reservation_is_replaced_by_the_true_cost(budget: SharedBudget) -> None:
    first = budget.reserve("a", 0.75)
    assert first is not None
    assert budget.spent_usd() == 0.75
    assert budget.reserve("b", 0.5) is None
    budget.settle(first, 0.25)
    assert budget.spent_usd() == 0.25
    assert budget.reserve("b", 0.5) is not None


def test_an_unknown_cost_keeps_its_reservation(budget: SharedBudget) -> None:
    first = budget.reserve("a", 0.75)
    assert first is not None
    budget.settle(first, None)
    assert budget.spent_usd() == 0.75
    with pytest.raises(BudgetReached):
        budget.reserve("b", 0.5)


def test_what_can_never_fit_is_refused_at_once_and_counted_once(
    budget: SharedBudget,
) -> None:
    budget.reserve("a", 0.5)
    for _ in range(2):
        with pytest.raises(BudgetReached, match=r"of \$1.00 is spent and this"):
            budget.reserve("b", 1.25)
    assert budget.refused() == (1, 1.25)


def test_reservations_of_a_dead_process_are_kept_and_not_waited_for(
    budget: SharedBudget,
) -> None:
    budget.reserve("a", 0.75)
    budget._connection.execute("UPDATE reserved SET pid = 4194303")
    with pytest.raises(BudgetReached):
        budget.reserve("b", 0.5)
    assert budget.spent_usd() == 0.75


Step = tuple[int, int, float]
STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 9), st.floats(0.0, 0.6)), max_size=40
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_no_interleaving_of_processes_exceeds_the_cap(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    path = tmp_path_factory.mktemp("budget") / "budget.sqlite"
    processes = [SharedBudget(path, 1.0) for _ in range(3)]
    open_calls: list[tuple[int, float]] = []
    true_usd = 0.0
    for process, choice, usd in steps:
        if choice < 6 or not open_calls:
            try:
                reservation = processes[process].reserve("key", usd)
            except BudgetReached:
                continue
            if reservation is not None:
                open_calls.append((reservation, usd))
        else:
            reservation, worst = open_calls.pop(choice % len(open_calls))
            known = None if choice == 9 else worst * min(usd, 1.0)
            processes[process].settle(reservation, known)
            true_usd += worst if known is None else known
        held = true_usd + sum(worst for _, worst in open_calls)
        assert processes[0].spent_usd() == pytest.approx(held)
        assert held <= 1.0 + 1e-9
    for budget in processes:
        budget.close()


def test_threads_of_many_connections_never_exceed_the_cap(tmp_path: Path) -> None:
    path = tmp_path / "budget.sqlite"
    granted: list[float] = []

    def spend() -> None:
        budget = SharedBudget(path, 1.0)
        for _ in range(20):
            try:
                reservation = budget.reserve("key", 0.03)
            except BudgetReached:
                break
            if reservation is not None:
                budget.settle(reservation, 0.02)
                granted.append(0.02)
        budget.close()

    threads = [threading.Thread(target=spend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert 0.9 < sum(granted) <= 1.0


@pytest.mark.parametrize(
    ("request_fields", "usage"),
    [
        ({}, Usage(input=30, output=20)),
        ({"n": 3}, Usage(input=30, output=60)),
        ({"extra_body": {"max_tokens": 50}}, Usage(input=30, output=50)),
        ({"max_completion_tokens": 40}, Usage(input=30, output=40)),
        ({"text": "日本語のテキスト"}, Usage(input=30, output=20)),
        (
            {"tools": [{"type": "function", "name": "x" * 90}]},
            Usage(input=100, output=20),
        ),
        (
            {"model": {"price": Price(input=1.0, output=2.0, cache_write=4.0)}},
            Usage(input=30, cache_write=30, output=20),
        ),
    ],
    ids=["plain", "n", "extra_body", "completion", "japanese", "tools", "cache_write"],
)
def test_the_worst_case_bounds_the_true_cost(
    desk: Desk, request_fields: dict[str, Any], usage: Usage
) -> None:
    request = desk.request(**request_fields)
    true_usd, _ = cost_of(request.model, usage, None, PriceTable())
    assert true_usd is not None
    assert true_usd <= worst_usd(request, PriceTable())


def test_calls_end_when_the_budget_does(desk: Desk, server: ScriptedServer) -> None:
    server.reply = lambda _: says("blue", usage={"completion_tokens": 20})
    desk.start_anew(budget_usd=10 * QUESTION_USD)
    outcomes = desk.ask_many(100)
    budget = desk.engine.budget
    assert budget is not None
    refused = [outcome for outcome in outcomes if isinstance(outcome, BudgetReached)]
    assert len(refused) + server.count == 100
    assert len(refused) == budget.refused().calls
    true_usd = sum((2 + 2 * 20) / 1e6 for text in texts(outcomes) if text == "blue")
    assert budget.spent_usd() == pytest.approx(true_usd)
    # Reserving the worst case leaves less than one worst case unused.
    assert 9 * QUESTION_USD <= true_usd <= 10 * QUESTION_USD


def test_failed_attempts_without_an_answer_are_counted_as_paid(
    desk: Desk, server: ScriptedServer, short_pauses: None
) -> None:
    desk.start_anew(budget_usd=1.0)
    budget = desk.engine.budget
    assert budget is not None
    worst = worst_usd(desk.request(), PriceTable())
    server.script(fails(500), fails(400))
    with pytest.raises(CallError):
        desk.ask()
    assert budget.spent_usd() == 0
    server.script(hangs())
    desk.ask(timeout=1.0)
    assert worst < budget.spent_usd() < 1.5 * worst


def test_a_failed_attempt_that_was_billed_is_paid_for(
    desk: Desk, server: ScriptedServer, short_pauses: None
) -> None:
    desk.start_anew(budget_usd=1.0)
    budget = desk.engine.budget
    assert budget is not None
    billed = {"prompt_tokens": 1000, "completion_tokens": 500}
    server.script(sends({"choices": [], "usage": billed}))
    served = desk.ask()
    once_usd = (1000 * 1.0 + 500 * 2.0) / 1e6
    usage = served.usage
    assert usage is not None
    twice_usd = (usage.input * 1.0 + usage.output * 2.0) / 1e6
    assert served.cost_usd == pytest.approx(once_usd + twice_usd)
    assert budget.spent_usd() == pytest.approx(once_usd + twice_usd)
    stored = desk.archive.store.get(served.key)
    assert stored is not None
    assert [attempt.cost_usd for attempt in stored.failed] == [once_usd]


ODD_USAGE = {"prompt_tokens": 1000, "completion_tokens": 24_500}
ODD_USD = (1000 * 1.0 + 24_500 * 2.0) / 1e6
"""What one call then comes to: 0.05, where `QUESTION_USD` was set aside."""


def overcharged(outcomes: list[Reply | LadderError], server: ScriptedServer) -> int:
    """Count the calls that were paid, and check that the rest was refused."""
    refused = sum(isinstance(outcome, BudgetReached) for outcome in outcomes)
    assert refused + server.count == len(outcomes)
    return server.count


@pytest.mark.parametrize(
    "model",
    [{}, {"stream": True}, {"lane": "litellm"}],
    ids=["whole", "streamed", "litellm"],
)
def test_a_bill_above_what_was_set_aside_stops_all_calls_that_have_not_left(
    desk: Desk, server: ScriptedServer, model: dict[str, Any]
) -> None:
    server.reply = lambda _: says("blue", usage=ODD_USAGE)
    desk.start_anew(budget_usd=0.025, concurrency=1)
    assert overcharged(desk.ask_many(40, model=model), server) == 1
    budget = desk.engine.budget
    assert budget is not None
    assert budget.spent_usd() == pytest.approx(ODD_USD)
    (surprise,) = budget.surprises()
    assert str(surprise).startswith("Model 'bot' billed 1 call higher than its prompt")


def test_each_call_already_under_way_may_bring_one_surprise_and_no_other_call(
    desk: Desk, server: ScriptedServer
) -> None:
    server.latency_s = 0.1
    server.reply = lambda _: says("blue", usage=ODD_USAGE)
    desk.start_anew(budget_usd=0.025, concurrency=3)
    assert overcharged(desk.ask_many(40), server) == 3


def test_later_calls_of_a_model_reserve_what_it_billed(
    desk: Desk, server: ScriptedServer
) -> None:
    server.reply = lambda _: says("blue", usage=ODD_USAGE)
    desk.start_anew(budget_usd=4.5 * ODD_USD, concurrency=2)
    assert overcharged(desk.ask_many(40), server) == 4
    # Another model has billed nothing odd.
    server.reply = lambda _: says("blue")
    desk.ask(model={"name": "other"})


def test_an_odd_bill_of_a_failed_attempt_stops_the_next_one(
    desk: Desk, server: ScriptedServer, short_pauses: None
) -> None:
    server.script(sends({"choices": [], "usage": ODD_USAGE}))
    desk.start_anew(budget_usd=0.025)
    with pytest.raises(BudgetReached):
        desk.ask()
    assert server.count == 1


def test_calls_that_wait_for_their_minute_hear_of_an_odd_bill_at_once(
    desk: Desk, server: ScriptedServer
) -> None:
    server.reply = lambda _: says("blue", usage=ODD_USAGE)
    desk.start_anew(budget_usd=0.025)
    before = time.monotonic()
    outcomes = desk.ask_many(10, model={"limits": {"concurrency": 4, "rpm": 1}})
    assert overcharged(outcomes, server) == 1
    assert time.monotonic() - before < 30


def test_a_provider_that_bills_as_it_should_waits_for_nothing(
    desk: Desk, server: ScriptedServer
) -> None:
    server.reply = lambda _: says("blue", usage=ODD_USAGE)
    desk.start_anew(budget_usd=1.0, concurrency=1)
    desk.ask()
    server.reply = lambda _: says("blue")
    # Each reserves the odd bill, and there is room for it as long as others wait.
    assert texts(desk.ask_many(18)) == ["blue"] * 18


@pytest.mark.parametrize("lane", ["direct", "litellm"])
def test_an_answer_that_nobody_can_read_is_paid_for(
    desk: Desk, server: ScriptedServer, lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "MAX_ATTEMPTS", 1)
    desk.start_anew(budget_usd=1.0)
    budget = desk.engine.budget
    assert budget is not None
    worst = worst_usd(desk.request(), PriceTable())
    told = {"prompt_tokens": 1000, "completion_tokens": 500}
    answers: list[Any] = [
        {"choices": 5},
        {"choices": []},
        {"choices": [{"message": 7, "finish_reason": "stop"}], "usage": [told]},
    ]
    for number, answer in enumerate(answers):
        server.script(sends(answer))
        desk.submit(f"say {number:04}", model={"lane": lane}).exception(60)
    assert server.count == len(answers)
    assert budget.spent_usd() == pytest.approx(len(answers) * worst)


def test_an_error_nobody_expected_holds_nobody_up(
    desk: Desk, server: ScriptedServer
) -> None:
    desk.start_anew(budget_usd=QUESTION_USD)
    # A mistake that the lane does not know of.
    with pytest.raises(CallError, match="that nobody expected") as caught:
        desk.ask("one", model={"stream": True}, stream_options=5)
    assert not caught.value.transient
    # It may have been sent, so what was set aside for it is spent.
    with pytest.raises(BudgetReached):
        desk.submit("question 1").result(10)


def test_a_model_without_a_price_is_refused(desk: Desk, server: ScriptedServer) -> None:
    desk.start_anew(budget_usd=1.0)
    with pytest.raises(BudgetReached, match="the price of model 'bot' is unknown"):
        desk.ask(model={"price": None})
    with pytest.raises(BudgetReached, match=r"set params.max_tokens in ladder.toml"):
        desk.ask(max_tokens=None)
    assert server.count == 0
