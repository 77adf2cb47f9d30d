"""Which collected tests run: the cases of `--ladder-cases`, and of these a shard.

And what part of the suite that makes.

Called at the end of collection, after what other plugins deselect (`-k`, `-m`, `--lf`).
Every worker of xdist comes to the same: all depends on what was collected alone.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable

import msgspec
import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.session.ladder_test import LadderItem, Shape
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.suite import SuiteSize


def select(session: LadderSession, items: list[pytest.Item]) -> None:
    """Leave out cases that were not asked for, and note how much of each suite is left.

    What is left out is deselected, or of a packed test not run. Of free-form tests only
    a shard leaves some out.
    """
    levels = frozenset(Level)
    if session.config.getoption("markexpr", ""):
        # Those that `-m` asks for are those of which it leaves anything.
        levels = frozenset(item.test.level for item in session.items_of(items))
    if session.settings.cases is not None:
        _choose_cases(session)
        left = [
            item
            for item in items
            if (one := session.item_of(item)) is not None
            and one.case is not None
            and one.test.opened.leaves_out(one.case)
        ]
        _deselect(session, items, left)
    if session.settings.shard is not None:
        from pytest_ladder.collection.sharding import cut

        shard, seed = session.settings.shard, session.settings.order_seed
        _deselect(session, items, cut(session, items, shard, seed))
    made = session.items_of(items)
    session.suites = {
        str(opened.ladder.path): _suite(session, opened, levels, made)
        for opened in session.opened
    }


def _deselect(
    session: LadderSession, items: list[pytest.Item], left: list[pytest.Item]
) -> None:
    if left:
        session.config.hook.pytest_deselected(items=left)
        dropped = set(map(id, left))
        items[:] = [item for item in items if id(item) not in dropped]


def chosen(cases: Iterable[Case], amount: int | float, seed: int) -> frozenset[Unit]:
    """Draw cases at random: `amount` of them, or as a float that share of all.

    The order is one of all (source, id), so a larger amount has the cases of a smaller
    one, and one more case in the suite moves no other. A cluster comes whole, so the
    last one may make it more than `amount`.
    """
    groups: dict[bytes, set[Unit]] = defaultdict(set)
    for case in cases:
        unit = case.source, case.id
        groups[msgspec.json.encode(case.cluster or unit)].add(unit)
    total = len(set().union(*groups.values()))
    # As in `1 % of 300`: what a float makes of it must not add a case.
    wanted = math.ceil(amount * total - 1e-9) if isinstance(amount, float) else amount

    def place(group: bytes) -> bytes:
        return hashlib.sha256(b"%d " % seed + group).digest()

    drawn: set[Unit] = set()
    for group in sorted(groups, key=place):
        if len(drawn) >= wanted:
            break
        drawn |= groups[group]
    return frozenset(drawn)


def _choose_cases(session: LadderSession) -> None:
    """Choose the cases of each ladder, among those of all its collected tests.

    How many an ini file wants is the suite's own choice: these cases are all of it.
    """
    settings = session.settings
    seed = settings.order_seed
    for opened in session.opened:
        tests = session.tests_of(opened)
        cases = {
            (case.source, case.id): case
            for test in tests
            for case in session.shapes[test.nodeid].cases
        }
        assert settings.cases is not None
        drawn = chosen(cases.values(), settings.cases, seed)
        opened.chosen = None if len(drawn) == len(cases) else drawn
        if settings.own_cases is not None:
            opened.own = drawn | chosen(cases.values(), settings.own_cases, seed)
            for test in tests:
                shape = session.shapes[test.nodeid]
                session.shapes[test.nodeid] = _of_cases(shape, opened.own, test.pack)


def _of_cases(shape: Shape, units: frozenset[Unit], pack: bool) -> Shape:
    """Return how a test is parametrized over some of its cases."""
    kept = tuple(case for case in shape.cases if (case.source, case.id) in units)
    if len(kept) == len(shape.cases):
        return shape
    items, rows = (n * len(kept) // len(shape.cases) for n in (shape.items, shape.rows))
    return msgspec.structs.replace(
        shape, items=shape.items if pack else items, rows=rows, cases=kept
    )


def _suite(
    session: LadderSession,
    opened: OpenLadder,
    levels: frozenset[Level],
    items: Iterable[LadderItem],
) -> SuiteSize:
    tests = session.tests_of(opened)
    tries = bool(session.settings.tried)
    one = session.settings.mode in ("current", "litmus") and not tries
    rungs = 1 if one else len(opened.of_suite)
    return SuiteSize(
        tests={
            test.nodeid: rungs * session.shapes[test.nodeid].rows
            for test in tests
            if test.level in levels
        },
        files=tuple(dict.fromkeys(str(test.path) for test in tests)),
        selected=sum(
            len(item.cases_and_samples) if item.test.pack else 1
            for item in items
            if item.test.opened is opened
        ),
        left_files=bool(session.config.getoption("lf", False)),
        shard=opened.shard,
    )
