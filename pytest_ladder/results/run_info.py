"""What a report says of its run: when, where and of which tests it is."""

from __future__ import annotations

import datetime
import platform
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ladder import __version__
from pytest_ladder.core.why import Why
from pytest_ladder.decide.decision import Part
from pytest_ladder.disk import git
from pytest_ladder.reporting.report import RunInfo, decides, machine_info
from pytest_ladder.results.ladder_result import Arrived
from pytest_ladder.results.part import suite_of
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession

if TYPE_CHECKING:
    from pytest_ladder.decide.climb.course import ClimbResult


def run_info(
    session: LadderSession,
    opened: OpenLadder,
    items: Sequence[Arrived],
    *,
    climb: ClimbResult | None = None,
    part: Part | None = None,
    stopped: bool = True,
) -> RunInfo:
    """Describe the run of one ladder, so far (`stopped`) or as it ended."""
    suite = suite_of(session, opened, items)
    # What became of the samples that the gate asked for.
    extra = {item.payload.why for item in items if item.payload.extra}
    started = datetime.datetime.fromtimestamp(session.started, datetime.UTC)
    return RunInfo(
        id=uuid.uuid4().hex[:12],
        started=started.isoformat(timespec="seconds"),
        mode=session.settings.mode,
        store=session.store_name,
        current=opened.current.id,
        strategies=tuple(one.name for one in opened.ladder.strategies),
        tried=opened.tried,
        aim=None if decides(session.settings.mode) else opened.ladder.objective,
        escalation="budget" if Why.BUDGET in extra else "run" if extra else "",
        stopped=stopped,
        part=part,
        tests=suite.tests,
        shard=suite.shard or session.settings.shard,
        **_left_out(items),
        git_sha=git.head(opened.ladder.folder),
        ladder=git.place_of(opened.ladder.path),
        seed=climb.seeds[-1] if climb else None,
        versions={
            "pytest-ladder": __version__,
            "pytest": pytest.__version__,
            "python": platform.python_version(),
        },
        machine=machine_info(),
    )


def _left_out(items: Sequence[Arrived]) -> dict[str, Any]:
    """Say which tests of the current rung were skipped, and of which a part ran.

    As `skipped` and `partial` of a report's `RunInfo`.
    """
    ran, expected = Counter[str](), dict[str, int]()
    tagged = Counter[str]()
    for item in items:
        payload = item.payload
        if not payload.current or payload.extra:
            continue
        ran[payload.test] += len(item.rows)
        expected[payload.test] = payload.expected
        for tag, rows in payload.expected_of.items():
            name = f"{payload.test}[{tag}]"
            tagged[name] += sum(tag in row.tags for row in item.rows)
            expected[name] = rows
    return {
        "skipped": tuple(sorted(test for test, count in ran.items() if not count)),
        "partial": {
            test: expected[test]
            for test, count in sorted((ran | tagged).items())
            if 0 < count < expected[test]
        },
    }
