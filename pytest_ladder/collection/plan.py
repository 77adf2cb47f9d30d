"""What a live run would call (`--ladder-plan`), and whether a budget can be kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import pytest

from pytest_ladder.calls.contract import USUAL_OUTPUT, Request
from pytest_ladder.calls.one_machine.budget import worst_usd
from pytest_ladder.calls.plan import RungPlan, plan_calls
from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import BYTES_PER_TOKEN, Reply
from pytest_ladder.core.row import OVER_BUDGET
from pytest_ladder.errors import BudgetReached, ConfigError, LadderError
from pytest_ladder.judging.jury import Jury
from pytest_ladder.reporting.plan_table import plan_lines
from pytest_ladder.session.judge import requests_of
from pytest_ladder.session.ladder_test import Record
from pytest_ladder.session.llm import request_for
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text.phrases import shown


def plan(session: LadderSession, items: Iterable[pytest.Item]) -> list[str]:
    """Say what a live run of these items would call; calls no model.

    Raises `pytest.UsageError` where a request cannot be made.
    """
    try:
        return plan_lines(
            _plans(session, items), _plans(session, session.extra_samples)
        )
    except LadderError as error:
        raise pytest.UsageError(str(error)) from None


def _plans(session: LadderSession, items: Iterable[pytest.Item]) -> list[RungPlan]:
    # What `skipif` leaves out is only known later; a plan says what is called at most.
    run = [item for item in items if item.get_closest_marker("skip") is None]
    records = [record for item in run if (record := session.record_of(item))]
    plans: list[RungPlan] = []
    for opened in session.opened:
        of_ladder = [record for record in records if record.test.opened is opened]
        for_rungs = _rung_plans(opened, of_ladder)
        for_judges = _judge_plans(session, opened, of_ladder)
        made = [*for_rungs, *for_judges]
        several = len(session.opened) > 1
        plans += [_with_ladder(opened, plan) for plan in made] if several else made
    return plans


def _with_ladder(opened: OpenLadder, plan: RungPlan) -> RungPlan:
    """Name the ladder as well, where there are several."""
    rung = f"{shown(opened.ladder.path)}: {plan.rung}"
    return msgspec.structs.replace(plan, rung=rung)


def _rung_plans(opened: OpenLadder, records: list[Record]) -> Iterator[RungPlan]:
    """Plan the calls of each rung that has a test to run."""
    for rung in opened.rungs:
        of_rung = [record for record in records if record.rung is rung]
        requests = [
            request_for(rung, opened.prompter, case, sample)
            for record in of_rung
            if _has_known_request(record)
            for case, sample in record.cases_and_samples
        ]
        open_tests = sum(record.makes_unknown_requests for record in of_rung)
        if of_rung:
            yield plan_calls(
                rung.id, rung.model, requests, opened.archive, open_tests=open_tests
            )


def _has_known_request(record: Record) -> bool:
    return record.test.uses_reply and record.test.task is None


def _judge_plans(
    session: LadderSession, opened: OpenLadder, records: list[Record]
) -> Iterator[RungPlan]:
    """Plan the verdicts of markers: at most, for the funnel may leave some out."""
    jury = session.running.jury_of(opened)
    requests = [
        request
        for record in records
        if record.test.judged is not None and record.test.task is None
        for case, sample in record.cases_and_samples
        for request in _verdict_requests(jury, record, case, sample)
    ]
    for model in opened.judges:
        asked = [request for request in requests if request.model.name == model.name]
        if asked:
            yield plan_calls(model.name, model, asked, opened.archive, repaired=True)


def _verdict_requests(
    jury: Jury, record: Record, case: Case, sample: int
) -> list[Request]:
    """Return what judges would be asked about the reply, or about one as long."""
    opened, judged, rung = record.test.opened, record.test.judged, record.rung
    assert judged is not None
    request = request_for(rung, opened.prompter, case, sample)
    stored = opened.archive.find(opened.archive.key(request))
    length = request.output_limit or USUAL_OUTPUT
    # Replies of other rungs and samples differ, so the judge is asked about each.
    stand_in = f"{rung.id} {sample}".ljust(length * BYTES_PER_TOKEN, "x")
    text = stored.reply.text if stored else stand_in
    passages = opened.prompter.messages(rung.strategy, case).retrieved
    reply = Reply(text=text, retrieved=passages)
    return requests_of(jury, judged, reply, case)


def check_budget(session: LadderSession) -> None:
    """Refuse a budget that cannot be kept; raises `ConfigError`."""
    for opened in session.opened:
        judged = any(test.uses_judge for test in session.tests_of(opened))
        judges = opened.judges if judged else ()
        for model in (*(rung.model for rung in opened.rungs), *judges):
            request = Request(model=model, messages=[], params=model.params)
            try:
                worst_usd(request, PriceTable())
            except BudgetReached as error:
                reason = str(error).removeprefix(f"{OVER_BUDGET}: ")
                raise ConfigError(f"--ladder-budget: {reason}") from None
