"""Planning: what a live run would call, and whether a budget can be kept."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_ladder.calls.budget import worst_usd
from pytest_ladder.calls.lane import Request
from pytest_ladder.calls.llm import request_for
from pytest_ladder.calls.plan import RungPlan, plan_calls
from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.errors import BudgetReached, ConfigError
from pytest_ladder.grading import requests_of
from pytest_ladder.judging.judge import Jury
from pytest_ladder.ladder_tests import LadderTest
from pytest_ladder.opened import OpenLadder
from pytest_ladder.prompting.estimate import BYTES_PER_TOKEN
from pytest_ladder.reporting.plan import plan_lines
from pytest_ladder.session import LadderSession
from pytest_ladder.words.case import Case
from pytest_ladder.words.reply import Reply
from pytest_ladder.words.rung import Rung

# What a reply is taken to be long where `max_tokens` is not set, in tokens.
_USUAL_OUTPUT = 256


def plan(session: LadderSession) -> list[str]:
    """Say what a live run would call; calls nobody."""
    plans = []
    for opened in session.opened:
        plans += [_rung_plan(session, opened, rung) for rung in opened.rungs]
        plans += _judge_plans(session, opened)
    return plan_lines(plans)


def _rung_plan(session: LadderSession, opened: OpenLadder, rung: Rung) -> RungPlan:
    tests = _tests_of(session, opened)
    asking = [test for test in tests if test.asks and test.task is None]
    others = [test for test in tests if test not in asking]
    requests = [
        request_for(rung, opened.prompter, case, sample)
        for test in asking
        for case in test.cases
        for sample in range(1, test.samples + 1)
    ]
    open_tests = sum(session.shapes[test.nodeid].items for test in others)
    prices = PriceTable()
    return plan_calls(rung.id, rung.model, requests, open_tests, opened.archive, prices)


def _judge_plans(session: LadderSession, opened: OpenLadder) -> Iterator[RungPlan]:
    """Plan the verdicts of markers: at most, for the funnel may leave some out."""
    requests = [
        request
        for test in _tests_of(session, opened)
        if test.judged is not None and test.task is None
        for rung in opened.rungs
        for case in test.cases
        for request in _verdict_requests(session.jury_of(opened), test, rung, case)
    ]
    for model in opened.judges:
        mine = [request for request in requests if request.model.name == model.name]
        if mine:
            prices = PriceTable()
            yield plan_calls(model.name, model, mine, 0, opened.archive, prices)


def _verdict_requests(
    jury: Jury, test: LadderTest, rung: Rung, case: Case
) -> list[Request]:
    """Return what judges would be asked about the reply, or about one as long."""
    opened, judged = test.opened, test.judged
    assert judged is not None
    request = request_for(rung, opened.prompter, case)
    found = opened.archive.find(opened.archive.key(request))
    length = int(rung.model.params.get("max_tokens") or _USUAL_OUTPUT)
    # Rungs answer differently, as far as anybody knows.
    unknown = rung.id.ljust(length * BYTES_PER_TOKEN, "x")
    text = found.reply.text if found else unknown
    passages = opened.prompter.messages(rung.strategy, case).retrieved
    reply = Reply(text=text, retrieved=passages)
    return requests_of(jury, judged, reply, case)


def _tests_of(session: LadderSession, opened: OpenLadder) -> list[LadderTest]:
    return [test for test in session.tests.values() if test.opened is opened]


def check_budget(session: LadderSession) -> None:
    """Refuse a budget that cannot be kept; raises `ConfigError`."""
    if session.settings.budget is None:
        return
    for opened in session.opened:
        judged = any(test.judges for test in _tests_of(session, opened))
        judges = opened.judges if judged else ()
        for model in (*(rung.model for rung in opened.rungs), *judges):
            request = Request(model=model, messages=[], params=model.params)
            try:
                worst_usd(request, PriceTable())
            except BudgetReached as error:
                reason = str(error).removeprefix("not run: budget: ")
                raise ConfigError(f"--ladder-budget: {reason}") from None
