"""Shares on the rung that ships: too few cases of a test passed, or of those of a tag.

Each is reported as a test of its own, `test_answer[bot/plain] share` and, of the cases
with a tag, `test_answer[bot/plain] share[de]`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from pytest_ladder.core.row import Row
from pytest_ladder.decide.shares import Share, shares_in
from pytest_ladder.results import made_reports
from pytest_ladder.results.ladder_result import Arrived, Items
from pytest_ladder.session import pytest_internals


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A share with what came in of its cases."""

    name: str
    share: Share
    arrived: Sequence[Arrived]
    """The items that have such a case."""
    rows: Sequence[Row]
    total: int
    """Rows that it is about on one rung, before any was deselected."""

    @property
    def problem(self) -> str | None:
        """Say in a sentence why it is too low; None: it is not."""
        if not self.share.is_missed(self.rows, self.total):
            return None
        part = ""
        if len(self.rows) < self.total:
            part = f" (a part of its {self.total})"
        return (
            f"{self.share.counted(self.rows, part)}; at_least={self.share.at_least} "
            f"needs {self.share.required(self.total)} of {self.total}. The misses are "
            "listed by -rm and run again by --lf."
        )


def share_reports(config: pytest.Config, items: Items) -> Iterator[pytest.TestReport]:
    """Yield a failing report for each share that is too low."""
    last_failed = pytest_internals.last_failed(config)
    nodeids = {id(arrived): nodeid for nodeid, arrived in items.items()}
    for asked in _asked(items, packed=False):
        problem = asked.problem
        if problem is None:
            last_failed.pop(asked.name, None)
            continue
        # `--lf` runs the misses again.
        for arrived in asked.arrived:
            if arrived.payload.missed:
                last_failed[nodeids[id(arrived)]] = True
        yield made_reports.failed(asked.name, problem, asked.arrived[0].location)


def partial_shares(items: Items) -> Iterator[str]:
    """Yield a sentence on each share that is open: a part of its tests did not run."""
    for packed in (False, True):
        for asked in _asked(items, packed=packed):
            ran = len(asked.rows)
            if ran < asked.total and asked.problem is None:
                yield f"{asked.name}: partial, {ran} of {asked.total} ran"


def _asked(items: Items, *, packed: bool) -> Iterator[_Asked]:
    """Yield the shares of tests on the current rung, of packed ones or all others."""
    tests: dict[str, list[Arrived]] = defaultdict(list)
    for arrived in items.values():
        payload = arrived.payload
        # Samples of the gate are for the gate alone.
        counts = payload.current and not payload.extra
        if arrived.rows and counts and payload.packed is packed:
            tests[f"{payload.test}[{payload.rung}] share"].append(arrived)
    for name, group in tests.items():
        rows = [row for arrived in group for row in arrived.rows]
        for share in shares_in(rows):
            yield _Asked(
                name=name + share.label,
                share=share,
                arrived=[item for item in group if share.of(item.rows)],
                rows=share.of(rows),
                total=max(item.payload.expected_by(share.tag) for item in group),
            )
