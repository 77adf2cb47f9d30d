"""Which of the selected tests and cases are those of this shard.

What is dealt out are clusters of cases, each whole and on all rungs, then free-form
tests, one by one, then the tests of the suite that are no ladder tests. A deal depends
on what was selected alone, not on its order, so that all machines, workers of xdist and
hash seeds come to the same. Loaded only in a run that is a shard.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.core.shard import CutSource, Shard
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.results.rows import test_id_of
from pytest_ladder.session.ladder_test import LadderItem
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession


class Piece(NamedTuple):
    """What stays together: the cases of a cluster, or one test without cases."""

    source: str
    """Its file: each is cut evenly by itself."""
    key: bytes
    units: frozenset[Unit]


def deal(pieces: Iterable[Piece], total: int, seed: int) -> dict[bytes, int]:
    """Return the shard of each piece, from 1 to `total`, by its key.

    Each goes to the shard that has the least so far, so that what two have never
    differs by more than the largest piece, and the first ones have something where
    there are fewer pieces than shards. Large pieces come first, for small ones even out
    what these leave uneven.
    """

    def place(piece: Piece) -> tuple[str, int, bytes]:
        drawn = hashlib.sha256(b"%d " % seed + piece.key).digest()
        return piece.source, -len(piece.units), drawn

    loads = [(0, index) for index in range(1, total + 1)]
    dealt = {}
    for piece in sorted(pieces, key=place):
        load, index = loads[0]
        heapq.heapreplace(loads, (load + len(piece.units), index))
        dealt[piece.key] = index
    return dealt


def pieces_of(cases: Iterable[Case]) -> list[Piece]:
    """Return cases as what stays together; a cluster may be of several files."""
    units: dict[bytes, set[Unit]] = defaultdict(set)
    for case in cases:
        unit = case.source, case.id
        units[msgspec.json.encode(case.cluster or unit)].add(unit)
    return [
        Piece(source=min(group)[0], key=key, units=frozenset(group))
        for key, group in units.items()
    ]


def cut(
    session: LadderSession, items: Sequence[pytest.Item], shard: Shard, seed: int
) -> list[pytest.Item]:
    """Return the tests that are not of this shard.

    Of packed ones the cases are left out that are not. Notes on each ladder what was
    cut. Where there are more shards than there is to cut, the last ones have nothing.
    """
    left: list[pytest.Item] = []
    for opened in session.opened:
        of_ladder = [i for i in session.items_of(items) if i.test.opened is opened]
        if of_ladder:
            left += _cut_ladder(session, opened, of_ladder, shard, seed)
    others = [item for item in items if session.item_of(item) is None]
    alone = {item.nodeid: _alone(item.nodeid, item.nodeid) for item in others}
    dealt = deal(alone.values(), shard.total, seed)
    left += [i for i in others if dealt[alone[i.nodeid].key] != shard.index]
    return left


def _cut_ladder(
    session: LadderSession,
    opened: OpenLadder,
    items: Sequence[LadderItem],
    shard: Shard,
    seed: int,
) -> Iterator[pytest.Item]:
    """Yield the tests of a ladder that are not of this shard, and note what it cut."""
    cases = {
        (part.case.source, part.case.id): part.case
        for item in items
        for part in item.parts()
        if part.case is not None
    }
    free = {
        test: _alone(test, item.test.nodeid)
        for item in items
        if item.case is None and not item.test.pack
        for test in [test_id_of(session, item)]
    }
    clusters = pieces_of(cases.values())
    dealt = deal([*clusters, *free.values()], shard.total, seed)
    own = [piece for piece in clusters if dealt[piece.key] == shard.index]
    opened.chosen = frozenset(unit for piece in own for unit in piece.units)
    # By lines, for git writes other line ends on Windows.
    lines = opened.ladder.path.read_bytes().splitlines()
    opened.shard = msgspec.structs.replace(
        shard,
        ladder=_digest(b"\n".join(lines)),
        cut=_sources(cases, free),
        undecided_fails=opened.ladder.gate.undecided == "fail",
    )
    for item in items:
        if item.test.pack:
            is_left = all(map(opened.leaves_out, item.test.cases))
        elif item.case is not None:
            is_left = opened.leaves_out(item.case)
        else:
            is_left = dealt[free[test_id_of(session, item)].key] != shard.index
        if is_left:
            yield item.function


def _alone(test: str, nodeid: str) -> Piece:
    """Return a test without cases as a piece."""
    key = b"test " + test.encode()
    return Piece(nodeid.partition("::")[0], key, frozenset({("", test)}))


def _sources(
    cases: Mapping[Unit, Case], tests: Mapping[str, Piece]
) -> dict[str, CutSource]:
    """Say what was cut, by file, so that shards can be told to be of one whole."""
    said: dict[str, list[object]] = defaultdict(list)
    for unit, case in sorted(cases.items()):
        said[case.source].append((unit, case.cluster, case.content_hash))
    for test, piece in sorted(tests.items()):
        said[piece.source].append(test)
    return {
        source: CutSource(items=len(told), digest=_digest(msgspec.json.encode(told)))
        for source, told in sorted(said.items())
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
