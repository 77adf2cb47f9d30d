"""Packed tests: one item for all cases of a rung, one row for each.

For suites so big that an item for every case would cost more than the cases do.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.decide.funnel import is_unsure
from pytest_ladder.results.rows import row_of
from pytest_ladder.session.event_loops import run_coroutine
from pytest_ladder.session.ladder_test import Record
from pytest_ladder.session.session import LadderSession

_MOST_LISTED = 20


def run(session: LadderSession, packed: Record) -> None:
    """Run the body of a packed test for every case and sample.

    Fails once, with a list, for errors, and on the current rung for too low a share
    of passes.
    """
    packed.rows = []
    test = packed.test
    for case, sample in packed.cases_and_samples:
        record = Record(
            test=test,
            item=packed.item,
            rung=packed.rung,
            sample=sample,
            packed_case=case,
        )
        with _running(session, record, packed):
            raised = _run_body(session, record, case)
        packed.over_budget = packed.over_budget or record.over_budget
        skipped = isinstance(raised, pytest.skip.Exception)
        if not skipped or record.leaves_row_if_skipped:
            packed.rows.append(row_of(session, record, raised, "call"))
    problem = _problem_of_item(packed)
    if problem:
        pytest.fail(problem, pytrace=False)


@contextmanager
def _running(session: LadderSession, record: Record, packed: Record) -> Iterator[None]:
    session.running.record = record
    try:
        yield
    finally:
        session.running.record = packed


def _run_body(
    session: LadderSession, record: Record, case: Case
) -> BaseException | None:
    """Run the body for one case; returns what it raised."""
    function = record.item.obj
    try:
        arguments = _arguments(session, record, case)
        if inspect.iscoroutinefunction(function):
            run_coroutine(function(**arguments), session.running.waiting)
        else:
            function(**arguments)
    except (
        Exception,  # noqa: BLE001 - a body that crashed is a row, not a score of 0
        pytest.fail.Exception,
        pytest.skip.Exception,
        pytest.xfail.Exception,
    ) as error:
        return error
    return None


def _arguments(session: LadderSession, record: Record, case: Case) -> dict[str, Any]:
    names = inspect.signature(record.item.obj).parameters
    arguments = {name: record.item.funcargs[name] for name in names}
    if "case" in arguments:
        arguments["case"] = case
    reply = session.running.reply(case) if record.test.uses_reply else None
    if "reply" in arguments:
        arguments["reply"] = reply
    if "verdict" in arguments and reply is not None:
        arguments["verdict"] = session.running.verdict(reply, case)
    return arguments


def _problem_of_item(packed: Record) -> str:
    """Say what fails the item, with the first rows that did; empty: nothing."""
    rows = packed.rows or []
    errors = [
        row for row in rows if row.outcome is Outcome.ERROR and not is_unsure(row)
    ]
    missed = [row for row in rows if row.outcome is Outcome.MISSED]
    allowed = len(rows) - math.ceil(packed.test.at_least * len(rows) - 1e-9)
    parts = []
    if errors:
        parts.append(_listed(f"{len(errors)} of {len(rows)} cases broke:", errors))
    if packed.is_current and not packed.is_extra and len(missed) > allowed:
        head = (
            f"{len(rows) - len(missed)} of {len(rows)} passed; "
            f"at_least={packed.test.at_least} allows {allowed} misses:"
        )
        parts.append(_listed(head, missed))
    return "\n".join(parts)


def _listed(head: str, rows: list[Row]) -> str:
    lines = [f"  {row.case}: {row.reason}" for row in rows[:_MOST_LISTED]]
    if len(rows) > _MOST_LISTED:
        lines.append(f"  … and {len(rows) - _MOST_LISTED} more, in rows.jsonl")
    return "\n".join([head, *lines])
