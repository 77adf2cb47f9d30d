"""Stacked markers of a level, one for each tag: shares of their own for some cases.

`@pytest.mark.cheap(at_least=0.9, tag="de")` beside `@pytest.mark.cheap(at_least=0.8)`
asks for 90 % of the cases with the tag `de`, and for 80 % of all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_ladder.collection.markers import TAG, share_of
from pytest_ladder.core.score import Level
from pytest_ladder.errors import ConfigError
from pytest_ladder.session.ladder_test import LadderTest, Shape
from pytest_ladder.text.phrases import did_you_mean, listed, shown


def shares_of(definition: pytest.Item, level: Level) -> dict[str, float]:
    """Return the share that each tag is to have; the nearest marker of a tag wins.

    Raises `ConfigError` for a marker that says more than a share, or none.
    """
    shares: dict[str, float] = {}
    named: set[tuple[object, str]] = set()
    for node, mark in definition.iter_markers_with_node(level):
        if TAG not in mark.kwargs:
            continue
        tag, where = mark.kwargs[TAG], _where(definition)
        if not isinstance(tag, str) or not tag or not tag.isprintable():
            raise ConfigError(
                f"{where}: {level}(tag={tag!r}) is no tag; write one tag of the cases, "
                'such as tag="de", and a marker for each.'
            )
        others = sorted(mark.kwargs.keys() - {TAG, "at_least"})
        if others:
            raise ConfigError(
                f"{where}: {level}(tag={tag!r}) is about a share alone, and cannot say "
                f"{listed(others)}; write that into a marker without a tag."
            )
        if "at_least" not in mark.kwargs:
            raise ConfigError(
                f"{where}: {level}(tag={tag!r}) asks for no share; add `at_least=`. "
                "A marker does not choose cases: `cases=` and -k do."
            )
        if (node, tag) in named:
            raise ConfigError(
                f"{where}: two markers of {level} are about tag={tag!r}; drop one."
            )
        named.add((node, tag))
        share = share_of(mark.kwargs["at_least"], f"{where}: {level}(tag={tag!r})")
        shares.setdefault(tag, share)
    return shares


def check(definition: pytest.Item, test: LadderTest, shape: Shape) -> None:
    """Raise `ConfigError` for a tag that none of the test's cases has.

    A test without cases may stand in a class or a file that is marked as a whole.
    """
    own = {mark.kwargs.get(TAG) for mark in definition.own_markers}
    for tag in test.shares:
        if tag in shape.rows_of_tags or not (shape.cases or tag in own):
            continue
        known = sorted(shape.rows_of_tags)
        fix = "give the cases `tags`, or drop the marker."
        if known:
            fix = did_you_mean(tag, known, f"their tags are {listed(known)}.")
        raise ConfigError(
            f"{_where(definition)}: {test.level}(tag={tag!r}): none of its "
            f"{len(shape.cases):,} cases has this tag; {fix}"
        )


def _where(definition: pytest.Item) -> str:
    path, line, _ = definition.reportinfo()
    return f"{shown(Path(path))}:{(line or 0) + 1}: {definition.name}"
