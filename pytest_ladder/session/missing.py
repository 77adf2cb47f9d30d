"""What a test says that has no reply: why, and how to record it."""

from __future__ import annotations

from pytest_ladder.errors import MissingReply
from pytest_ladder.session.ladder_test import Record
from pytest_ladder.session.settings import Settings


def how_to_record(error: MissingReply, record: Record, settings: Settings) -> str:
    """Say what is missing, what changed since it was recorded, and what to type."""
    command = f'pytest "{record.item.nodeid}" --ladder-live{settings.as_typed}'
    return f"{error} {_changed(error, record)}Record it: {command}"


def _changed(error: MissingReply, record: Record) -> str:
    """Say what differs from the recording of the same case; "" where none is.

    Nothing is recorded of rungs that do not ship, and verdicts change with replies. Of
    a strategy that asks on, the recordings may be of what it asks next.
    """
    request, item = error.request, record.item
    strategies = item.test.opened.strategies
    if item.test.uses_reply and not strategies.all_is_known(item.rung.strategy):
        return ""
    if (
        request is None
        or not item.is_current
        or request.model.name != item.rung.model.name
    ):
        return ""
    # Loaded here: a run without misses does without it.
    from pytest_ladder.calls.store.changed import change_of

    archive = item.test.opened.archive
    label = item.case.id if item.case else item.test.nodeid
    of_case = archive.recordings.of_case(label, item.test.module)
    used = {key for bill in record.replies for key in bill.calls or (bill.key,)}
    change = change_of(request, archive, of_case, used)
    noun = "case" if item.case else "test"
    return f"This {noun} was recorded with {change.told}. " if change else ""
