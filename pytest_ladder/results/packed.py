"""Packed tests: one item for all cases of a rung, one row for each.

For suites so big that an item for every case would cost more than the cases do.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.why import Why
from pytest_ladder.decide.funnel import is_unsure
from pytest_ladder.decide.shares import Share, shares_in
from pytest_ladder.results.rows import row_of
from pytest_ladder.results.subtests import ended_as_parts
from pytest_ladder.session.event_loops import run_coroutine
from pytest_ladder.session.ladder_test import LadderItem, LadderTest, Record
from pytest_ladder.session.session import LadderSession

_MOST_LISTED = 20


def run(session: LadderSession, packed: Record) -> None:
    """Run the body of a packed test for every case and sample.

    Fails once, with a list, for errors, and on the current rung for too low a share
    of passes.
    """
    packed.rows = []
    for item in packed.item.parts():
        record = Record(item=item)
        with _running(session, record, packed):
            raised = _run_body(session, record)
        if record.why is Why.BUDGET:
            packed.why = Why.BUDGET
        skipped = isinstance(raised, pytest.skip.Exception)
        if not skipped or record.leaves_row_if_skipped:
            packed.rows.append(row_of(session, record, raised, "call"))
        elif record.why is None:
            packed.skipped += 1
    problem = _problem_of_item(packed)
    if problem:
        pytest.fail(problem, pytrace=False)


@contextmanager
def _running(session: LadderSession, record: Record, packed: Record) -> Iterator[None]:
    session.running.record = record
    try:
        yield
    finally:
        session.apps.end_test()
        session.running.record = packed


def _run_body(session: LadderSession, record: Record) -> BaseException | None:
    """Run the body for one case; returns what it raised."""
    function = record.item.function.obj
    try:
        arguments = _arguments(session, record.item)
        with session.apps.heard(), ended_as_parts(record):
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


def _arguments(session: LadderSession, item: LadderItem) -> dict[str, Any]:
    case = item.case
    assert case is not None
    names = inspect.signature(item.function.obj).parameters
    arguments = {name: item.function.funcargs[name] for name in names}
    if "case" in arguments:
        arguments["case"] = case
    reply = session.running.reply(case) if item.test.uses_reply else None
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
    item = packed.item
    parts = []
    if errors:
        parts.append(_listed(f"{len(errors)} of {len(rows)} cases broke:", errors))
    if item.is_current and not item.is_extra:
        parts += _low_shares(item.test, rows)
    return "\n".join(parts)


def _low_shares(test: LadderTest, rows: list[Row]) -> Iterator[str]:
    """Yield what is wrong with the share of passes, of all cases and by tag."""
    left_out = list(filter(test.opened.lacks, test.cases))
    # Where all must pass, a tag may be excepted.
    strict = [row for row in rows if test.at_least < 1 or not row.shares]
    whole = Share(at_least=test.at_least)
    tagged = [share for share in shares_in(rows) if share.tag is not None]
    for share in (whole, *tagged):
        held = strict if share is whole else share.of(rows)
        left = [c for c in left_out if share.tag is None or share.tag in c.tags]
        # A part of the cases may miss as often as all of them.
        total = len(held) + len(left) * test.samples
        if share.is_missed(held, total):
            missed = [row for row in held if row.outcome is Outcome.MISSED]
            of_tag = f"{share.tag}: " if share.tag else ""
            head = (
                f"{of_tag}{len(held) - len(missed)} of {len(held)} passed"
                f"{f' (a part of its {total})' if left else ''}; "
                f"at_least={share.at_least} allows {total - share.required(total)} "
                "misses:"
            )
            yield _listed(head, missed)


def _listed(head: str, rows: list[Row]) -> str:
    lines = [f"  {row.case}: {row.reason}" for row in rows[:_MOST_LISTED]]
    if len(rows) > _MOST_LISTED:
        lines.append(f"  … and {len(rows) - _MOST_LISTED} more, in rows.jsonl")
    return "\n".join([head, *lines])
