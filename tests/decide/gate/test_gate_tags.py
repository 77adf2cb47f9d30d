"""Gates by tag: a tag that a marker asks a share of is a suite by itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pytest_ladder.core.row import Row
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.result import GateResult
from pytest_ladder.reporting.gate_comment import gate_markdown
from pytest_ladder.reporting.sentences.gate import gate_lines
from pytest_ladder.stats.paired import holm, mcnemar_midp
from tests.decide.gate.baseline_and_change import rows, side

N = 200
GERMAN = 40
"""The first ones of the cases."""


def suite_of(missed: Any, shares: dict[str, float] | None = None) -> list[Row]:
    """Return 200 rows, the first 40 with the tag `de`; `missed` are places."""
    tags = [("de",) if place < GERMAN else ("en",) for place in range(N)]
    of_tag = [{"de": 0.5}] * GERMAN + [{}] * (N - GERMAN)
    given = of_tag if shares is None else [shares] * N
    scores = [float(place not in missed) for place in range(N)]
    return rows(scores, tags=tags, shares=given)


def compared(base: list[Row], head: list[Row]) -> GateResult:
    return gate(side(base), side(head))


def test_a_tag_that_breaks_is_found_where_all_cases_hide_it() -> None:
    # 7 of 40 German answers broke, and 7 others were mended.
    base = suite_of(range(100, 107))
    result = compared(base, suite_of(range(7)))
    names = [(suite.name, suite.tag, suite.verdict) for suite in result.suites]
    assert names == [
        ("cheap, test_shop.py", None, "pass"),
        ("cheap, tag de", "de", "fail"),
    ]
    assert result.verdict == "fail"
    assert result.decided_by == "quality, cheap, tag de"
    assert "Quality (cheap, tag de) went from 100.0 % to 82.5 %" in result.reason
    assert any("quality, cheap, tag de: " in line for line in gate_lines(result))
    assert "quality, cheap, tag de" in gate_markdown(result)


def test_the_tags_share_the_correction_of_all_suites() -> None:
    result = compared(suite_of(()), suite_of((0, 1, 2, 3, 4, 150, 151)))
    alone = [mcnemar_midp(7, 0), mcnemar_midp(5, 0)]
    assert [suite.p for suite in result.suites] == pytest.approx(holm(alone))


def test_a_tag_without_a_marker_is_no_suite() -> None:
    base = suite_of((), shares={})
    assert [suite.tag for suite in compared(base, base).suites] == [None]


def test_a_change_cannot_drop_the_gate_of_a_tag_with_its_marker() -> None:
    bare = [msgspec.structs.replace(r, tags=(), shares={}) for r in suite_of(range(7))]
    result = compared(suite_of(()), bare)
    assert [(suite.tag, suite.verdict) for suite in result.suites][1] == ("de", "fail")


def test_a_tag_of_all_cases_is_no_suite_beside_them() -> None:
    whole = rows([1.0] * 30, tags=[("de",)] * 30, shares=[{"de": 0.5}] * 30)
    assert [suite.tag for suite in compared(whole, whole).suites] == [None]


def test_a_tag_of_few_cases_is_named_and_decides_nothing() -> None:
    tags = [("rare",) if place < 4 else () for place in range(50)]
    shares = [{"rare": 0.5} if place < 4 else {} for place in range(50)]
    made = rows([1.0] * 50, tags=tags, shares=shares)
    result = compared(made, made)
    assert result.verdict == "pass"
    assert [suite.tag for suite in result.suites] == [None]
    said = "Too few for a gate of their own (10 cases): rare (cheap, 4 cases)."
    assert any(said in line for line in gate_lines(result))


def test_all_tests_of_a_level_count_for_a_tag() -> None:
    def several(missed: Any) -> list[Row]:
        marked = suite_of(())
        other = rows(
            [float(place not in missed) for place in range(GERMAN)],
            tags=[("de",)] * GERMAN,
            test="test_other.py::test_tone",
        )
        return [*marked, *other]

    result = compared(several(()), several(range(20)))
    german = next(suite for suite in result.suites if suite.tag == "de")
    assert (german.n, german.verdict) == (GERMAN, "fail")
    # Each case is the mean of its two tests.
    assert german.change == pytest.approx(-0.25)


def test_the_share_of_a_tag_is_checked_by_the_gate() -> None:
    made = suite_of(range(30))
    result = compared(made, made)
    (check,) = (check for check in result.checks if check.kind == "at_least")
    assert check.name == "at_least, test_shop.py::test_answer[de]"
    assert check.verdict == "fail"
    assert "[de]: 10 of 40 passed; at_least=0.5 needs 20 of 40." in check.reason
