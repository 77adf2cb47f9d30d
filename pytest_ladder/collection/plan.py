"""What a live run would call (`--ladder-plan`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import pytest

from pytest_ladder.calls.contract import USUAL_OUTPUT, Request
from pytest_ladder.calls.plan import LaterCalls, RungPlan, plan_calls
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.store.stored_reply import StoredReply
from pytest_ladder.collection.known_calls import KnownCalls, known_calls
from pytest_ladder.collection.unplanned import unplanned
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import BYTES_PER_TOKEN, Reply
from pytest_ladder.core.rung import Rung
from pytest_ladder.errors import LadderError
from pytest_ladder.judging.jury import Jury
from pytest_ladder.judging.verdicts import has_verdict
from pytest_ladder.reporting.plan_table import plan_lines
from pytest_ladder.session.ladder_test import LadderItem
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text.phrases import shown


def plan(session: LadderSession, items: Sequence[pytest.Item]) -> list[str]:
    """Say what a live run of these items would call; calls no model.

    Raises `pytest.UsageError` where a request cannot be made.
    """
    try:
        lines = plan_lines(
            _plans(session, items), _plans(session, session.extra_samples)
        )
        several = len(session.opened) > 1
        shards = [
            (f"{shown(opened.ladder.path)}: " if several else "")
            + session.shard_of(opened)
            for opened in session.opened
            if session.settings.shard is not None
        ]
        notes = session.notes(session.opened)
        beside = unplanned(session, items)
        return [*shards, *lines, *session.store_lines, *notes, *beside]
    except LadderError as error:
        raise pytest.UsageError(str(error)) from None


def _plans(session: LadderSession, items: Iterable[pytest.Item]) -> list[RungPlan]:
    # What a condition in words leaves out is only known later: a plan says what is
    # called at most.
    run = [item for item in session.items_of(items) if item.is_skipped is not True]
    plans: list[RungPlan] = []
    for opened in session.opened:
        of_ladder = [item for item in run if item.test.opened is opened]
        # Where there are several ladders, each is named.
        ladder = f"{shown(opened.ladder.path)}: " if len(session.opened) > 1 else ""
        plans += [
            msgspec.structs.replace(plan, rung=f"{ladder}{plan.rung}")
            for plan in (
                *_rung_plans(opened, of_ladder),
                *_judge_plans(session, opened, of_ladder),
            )
        ]
    return plans


def _rung_plans(opened: OpenLadder, items: list[LadderItem]) -> Iterator[RungPlan]:
    """Plan the calls of each rung that has a test to run."""
    for rung in opened.rungs:
        of_rung = [item for item in items if item.rung is rung]
        # Tests share the reply to a case.
        conversations = {
            (case.source, case.id, case.content_hash, sample): _known_calls(
                opened, rung, case, sample
            )
            for item in of_rung
            if item.test.uses_reply and item.test.task is None
            for case, sample in item.cases_and_samples
        }
        open_tests = sum(item.makes_unknown_requests for item in of_rung)
        if of_rung:
            plan = plan_calls(
                rung.id,
                rung.model,
                [r for known in conversations.values() for r in known.requests],
                opened.archive,
                later=[_later(opened, rung, known) for known in conversations.values()],
            )
            yield msgspec.structs.replace(plan, open_tests=open_tests)


def _known_calls(opened: OpenLadder, rung: Rung, case: Case, sample: int) -> KnownCalls:
    archive = opened.archive

    def stored(request: Request) -> StoredReply | None:
        return archive.find(archive.key(request))

    return known_calls(opened, rung, case, sample, stored)


def _later(opened: OpenLadder, rung: Rung, known: KnownCalls) -> LaterCalls:
    """Estimate the calls of a conversation that depend on replies it does not have."""
    estimate = opened.strategies.estimate(rung.strategy)
    if known.is_all:
        return LaterCalls(0, 0)
    # A later prompt is taken to hold an earlier one with its reply, and so on: a long
    # case makes it longer than the strategy can tell.
    longest = max(
        request.prompt_bytes // BYTES_PER_TOKEN + _output_tokens(request)
        for request in known.requests
    )
    output = max(map(_output_tokens, known.requests))
    left = max(0, estimate.calls - len(known.requests))
    usual, added = estimate.prompt_tokens / estimate.calls, estimate.added_tokens
    tokens = sum(
        max(usual, longest + added + turn * (output + added)) for turn in range(left)
    )
    return LaterCalls(left, math.ceil(tokens))


def _output_tokens(request: Request) -> int:
    return request.output_limit or USUAL_OUTPUT


def _judge_plans(
    session: LadderSession, opened: OpenLadder, items: list[LadderItem]
) -> Iterator[RungPlan]:
    """Plan the verdicts of markers: at most, for the funnel may leave some out."""
    jury = session.running.jury_of(opened)
    requests = [
        request
        for item in items
        if item.test.judged is not None and item.test.task is None
        for case, sample in item.cases_and_samples
        for request in _verdict_requests(jury, item, case, sample)
    ]
    for model in opened.judges:
        asked = [request for request in requests if request.model.name == model.name]
        if asked:
            yield plan_calls(
                model.name,
                model,
                asked,
                opened.archive,
                unusable=_without_verdict(opened.archive, asked),
            )


def _without_verdict(archive: Archive, requests: Iterable[Request]) -> set[str]:
    """Return the keys of requests whose stored answers give no verdict."""

    def find(request: Request) -> Reply | None:
        key = archive.key(request)
        kept = archive.find(key)
        return None if kept is None else kept.reply_to(request, key, replayed=True)

    return {
        archive.key(request) for request in requests if not has_verdict(request, find)
    }


def _verdict_requests(
    jury: Jury, item: LadderItem, case: Case, sample: int
) -> list[Request]:
    """Return what judges would be asked about the reply, or about one as long."""
    opened, judged, rung = item.test.opened, item.test.judged, item.rung
    assert judged is not None
    reply = _known_calls(opened, rung, case, sample).reply
    if reply is None:
        request = Request(model=rung.model, messages=[], params=rung.params)
        length = _output_tokens(request) * BYTES_PER_TOKEN
        # Replies of other rungs and samples differ, so the judge is asked about each.
        stand_in = f"{rung.id} {sample}".ljust(length, "x")
        passages = opened.strategies.known_passages(rung, case)
        reply = Reply(text=stand_in, retrieved=passages)
    return judged.requests(jury, reply, case)
