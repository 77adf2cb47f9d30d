"""Planning: what a live run would call, and whether a budget can be kept."""

from __future__ import annotations

from pytest_ladder.calls.budget import worst_usd
from pytest_ladder.calls.lane import Request
from pytest_ladder.calls.llm import request_for
from pytest_ladder.calls.plan import RungPlan, plan_rung
from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.errors import BudgetReached, ConfigError
from pytest_ladder.opened import OpenLadder
from pytest_ladder.reporting.plan import plan_lines
from pytest_ladder.session import LadderSession
from pytest_ladder.words.rung import Rung


def plan(session: LadderSession) -> list[str]:
    """Say what a live run would call; calls nobody."""
    return plan_lines(
        [
            _rung_plan(session, opened, rung)
            for opened in session.opened
            for rung in opened.rungs
        ]
    )


def _rung_plan(session: LadderSession, opened: OpenLadder, rung: Rung) -> RungPlan:
    tests = [test for test in session.tests.values() if test.opened is opened]
    asking = [test for test in tests if test.asks and test.task is None]
    others = [test for test in tests if test not in asking]
    requests = [
        request_for(rung, opened.prompter, case, sample)
        for test in asking
        for case in test.cases
        for sample in range(1, test.samples + 1)
    ]
    open_tests = sum(session.shapes[test.nodeid].items for test in others)
    return plan_rung(rung, requests, open_tests, opened.archive, PriceTable())


def check_budget(session: LadderSession) -> None:
    """Refuse a budget that cannot be kept; raises `ConfigError`."""
    if session.settings.budget is None:
        return
    for opened in session.opened:
        for rung in opened.rungs:
            model = rung.model
            request = Request(model=model, messages=[], params=model.params)
            try:
                worst_usd(request, PriceTable())
            except BudgetReached as error:
                reason = str(error).removeprefix("not run: budget: ")
                raise ConfigError(f"--ladder-budget: {reason}") from None
