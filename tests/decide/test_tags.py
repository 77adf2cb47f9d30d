"""Quality by tag: the matrix once more for the cases that have one."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.decide.tags import MOST_TAGS, Tag, tags_of

BOT = Model(name="bot", tier=Tier.OFF_THE_SHELF, id="scripted/bot")
RUNGS = [Rung(model=BOT, strategy=Strategy(name=name)) for name in ("a", "b")]


def a_row(case: int, *tags: str, rung: str = "bot/a", **fields: Any) -> Row:
    passed = fields.pop("passed", True)
    outcome = Outcome.PASSED if passed else Outcome.MISSED
    values: dict[str, Any] = {
        "test": "t.py::test_a",
        "rung": rung,
        "level": Level.CHEAP,
        "source": "cases.jsonl",
        "case": f"c{case}",
        "outcome": outcome,
        "score": float(passed),
        "tags": tags,
    }
    return Row(**{**values, **fields})


def by_tag(rows: list[Row], states: dict[str, str] | None = None) -> list[Tag]:
    return list(tags_of(rows, build_matrix(rows, RUNGS, states or {})))


def test_a_tag_has_the_figures_of_a_matrix_of_its_cases_alone() -> None:
    rows = [
        a_row(case, "de" if case % 3 else "en", rung=rung, passed=case % 4 > 0)
        for case in range(30)
        for rung in ("bot/a", "bot/b")
    ]
    german = [row for row in rows if "de" in row.tags]
    alone = build_matrix(german, RUNGS, {})
    first, second = by_tag(rows)
    assert (first.tag, first.n, second.tag, second.n) == ("de", 20, "en", 10)
    cells = [rung.levels for rung in first.rungs]
    assert cells == [rung.levels for rung in alone.rungs]


def test_clusters_widen_the_interval_of_a_tag() -> None:
    scores = [case % 10 < 7 for case in range(60)]
    free = [a_row(c, "de", passed=scores[c]) for c in range(60)]
    tied = [a_row(c, "de", passed=scores[c], cluster=f"k{c % 10}") for c in range(60)]
    widths = []
    for rows in (free, tied):
        cell = by_tag(rows)[0].rungs[0].levels[Level.CHEAP]
        widths.append((cell.high or 0) - (cell.low or 0))
    assert widths[1] > 1.5 * widths[0]


def test_a_rung_that_a_climb_stopped_has_the_wider_interval() -> None:
    rows = [a_row(case, "de", passed=case % 4 > 0) for case in range(40)]
    whole, stopped = (
        by_tag(rows, {"bot/a": state})[0].rungs[0].levels[Level.CHEAP]
        for state in ("run", "stopped")
    )
    assert (stopped.low or 1) < (whole.low or 0)


def test_a_case_counts_for_each_of_its_tags_once() -> None:
    tags = by_tag([a_row(1, "de", "de", "safety"), a_row(2)])
    assert [(tag.tag, tag.n) for tag in tags] == [("de", 1), ("safety", 1)]
    assert tags[0].rungs[0].levels[Level.CHEAP].n == 1


def test_without_tags_there_is_nothing() -> None:
    assert by_tag([a_row(1)]) == []


@pytest.mark.parametrize("more", [0, 5])
def test_of_very_many_tags_those_of_most_cases_are_kept(more: int) -> None:
    rows = [a_row(case, f"only-{case:03}", "all") for case in range(MOST_TAGS + more)]
    tags = by_tag(rows)
    assert len(tags) == MOST_TAGS
    assert tags[0].tag == "all"
