"""Parts: the suites that a gate tests one by one, and the tags too small for one.

A suite is the tests of one file at one level, as far as it has enough cases for a test
of its own; where a level has more than that, all of it is one suite more. So a feature
that breaks is not diluted by the files beside it, and a little of everything is seen as
well.

A tag that a stacked marker asks a share of matters by itself, so it is a suite, too,
and the same correction for many suites keeps false alarms where they were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from pytest_ladder.core.score import Level
from pytest_ladder.decide.gate.pairs import Key, Pairs, file_of
from pytest_ladder.text import numbers

FEW = 10
"""With fewer cases only a drop can be established, never that there is none."""


class About(NamedTuple):
    """What a suite is about."""

    level: Level
    file: str | None = None
    tag: str | None = None

    @property
    def name(self) -> str:
        """The name of the suite."""
        tag = None if self.tag is None else f"tag {self.tag}"
        return ", ".join(filter(None, (str(self.level), self.file, tag)))


def parts_of(pairs: Pairs) -> Iterator[tuple[About, Pairs]]:
    """Yield the pairs of each suite."""
    for level in levels_of(pairs):
        whole = pairs.at(level)
        files = sorted({file_of(key[1]) for key in whole.before})
        parts = {file: _of_file(whole, file) for file in files}
        large = {file: part for file, part in parts.items() if _cases(part) >= FEW}
        if len(files) > 1 or not large:
            yield About(level), whole
        for file, part in large.items():
            yield About(level, file), part
    for level, tag, part in _tag_parts(pairs):
        if _cases(part) >= FEW:
            yield About(level, tag=tag), part


def small_tags(pairs: Pairs) -> tuple[str, ...]:
    """Name the tags that markers are about and that have too few cases for a suite."""
    return tuple(
        f"{tag} ({level}, {numbers.count(cases, 'case')})"
        for level, tag, part in _tag_parts(pairs)
        if (cases := _cases(part)) < FEW
    )


def levels_of(pairs: Pairs) -> list[Level]:
    """Return the levels that have pairs."""
    levels = {key[0] for key in pairs.before}
    return [level for level in Level if level in levels]


def _of_file(pairs: Pairs, file: str) -> Pairs:
    return pairs.only(lambda key: file_of(key[1]) == file)


def _cases(pairs: Pairs) -> int:
    return len({key[2:] for key in pairs.before})


def _tag_parts(pairs: Pairs) -> Iterator[tuple[Level, str, Pairs]]:
    """Yield the pairs of each level and tag that a marker is about.

    On either side, so that no change drops its own gate. All tests of the level count,
    whether they have the marker or not. A tag that all cases of a level have is the
    level, and left out.
    """
    cases: defaultdict[Level, set[Key]] = defaultdict(set)
    asked: defaultdict[Level, set[str]] = defaultdict(set)
    tagged: defaultdict[tuple[Level, str], set[Key]] = defaultdict(set)
    for side in (pairs.before, pairs.after):
        for key, rows in side.items():
            cases[key[0]].add(key)
            asked[key[0]].update(tag for row in rows for tag in row.shares)
            for tag in {tag for row in rows for tag in row.tags}:
                tagged[key[0], tag].add(key)
    for level in Level:
        for tag in sorted(asked[level]):
            keys = tagged[level, tag]
            if keys and keys != cases[level]:
                yield level, tag, pairs.only(keys.__contains__)
