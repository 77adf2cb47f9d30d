"""Several criteria, from ladder.toml to every report: whole runs over a server."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.html.tables import page_remarks
from pytest_ladder.reporting.markdown import matrix_markdown
from tests.plugin.scratch_suite import Shop
from tests.plugin.slope import MATRIX_REPORT, OBJECTIVE, REPORT, Slope, said

SAFE = OBJECTIVE + '[[objective.require]]\ntag = "safety"\nat_least = 0.98\n'
MEETS = "big/plain: safety 100.0 % against 98 %: meets."
FAILS = "mid/plain: safety 95.0 % against 98 %: fails."


@pytest.fixture
def slope(shop: Shop) -> Slope:
    """40 cases, half of them tagged; mid misses two, of which one is tagged."""
    slope = Slope(shop)
    tags: list[dict[str, Any]] = [
        {"id": f"c{n}", "input": f"ask {n}", "tags": ["safety"] if n < 20 else []}
        for n in range(40)
    ]
    shop.cases(tags)
    return slope


def test_a_matrix_says_of_each_rung_what_became_of_each_criterion(slope: Slope) -> None:
    slope.ladder(SAFE)
    result = slope.shop.run("--ladder=matrix", "--ladder-live")
    slope.report = MATRIX_REPORT
    assert slope.decided == ("big/plain", "pass")
    result.stdout.fnmatch_lines([f"*{FAILS}", f"*{MEETS}"])
    held = {rung["id"]: rung["requirements"] for rung in slope.matrix["rungs"]}
    (mid,) = held["mid/plain"]
    assert (mid["name"], mid["quality"], mid["verdict"]) == ("safety", 0.95, "fail")
    assert (mid["n"], mid["at_least"]) == (20, 0.98)
    assert (
        "Safety keeps out mid/plain (95.0 % against 98 %: fails), which is cheaper."
        in (slope.matrix["recommendation"]["changes"])
    )
    report = read_report(slope.shop.path / MATRIX_REPORT)
    assert FAILS in page_remarks(report)
    markdown = matrix_markdown(report)
    assert "| safety |" in markdown
    assert "95.0 % against 98 %: fails" in markdown
    assert result.ret == 0


@pytest.mark.parametrize("options", [[], ["--ladder-finish=no"]])
def test_a_climb_leaves_a_rung_as_soon_as_it_fails_a_criterion(
    slope: Slope, options: list[str]
) -> None:
    slope.ladder(SAFE)
    result = slope.climb("-rs", *options)
    assert slope.decided == ("big/plain", "pass")
    assert slope.asked["mid"] < 40
    dropped = "* passed on cases tagged safety, the bar of 98 % is out of reach"
    result.stdout.fnmatch_lines([f"*climb: {dropped}*"])
    assert result.ret == 0
    again = read_report(slope.shop.path / REPORT).decision.recommendation
    assert again is not None
    assert [*again.changes] == slope.matrix["recommendation"]["changes"]
    excluded = (
        f"Safety keeps out small/plain ({dropped}), mid/plain ({dropped}), which *"
    )
    assert any(fnmatchcase(said, excluded) for said in again.changes)


@pytest.mark.processes
def test_a_climb_over_processes_knows_tests_and_tags(slope: Slope) -> None:
    slope.ladder(SAFE)
    slope.climb()
    alone = slope.course
    slope.climb("-n2", "--ladder-refresh")
    assert slope.course == alone


def test_the_slow_part_of_a_suite_may_be_a_criterion(slope: Slope) -> None:
    slow = '[[objective.require]]\ntest = "test_answer"\nlatency_p95_s = 0.000001\n'
    slope.ladder(OBJECTIVE + slow)
    slope.climb()
    assert slope.decided == (None, "fail")
    slope.shop.run("--ladder=matrix", "--ladder-live")
    slope.report = MATRIX_REPORT
    assert slope.decided == (None, "fail")


def test_a_climb_stops_at_a_name_that_nothing_has(slope: Slope) -> None:
    slope.ladder(SAFE.replace('"safety"', '"saftey"'))
    result = slope.climb()
    assert (
        "[[objective.require]] of saftey is about nothing that was selected: no case "
        "tagged saftey: did you mean `safety`? There are `safety`; select such tests, "
        "change it, or run --ladder=matrix."
    ) in said(result)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert slope.asked == {}


def test_the_fastest_within_a_budget_and_the_most_valuable_are_climbed_to(
    slope: Slope,
) -> None:
    fast = (
        '[objective]\nkind = "budget"\nusd_per_1k = 1\nbest = "speed"\nquality = 0.5\n'
    )
    slope.ladder(fast)
    slope.climb()
    rung, verdict = slope.decided
    assert rung in ("mid/plain", "big/plain")
    assert verdict == "pass"
    assert "live calls)" in slope.matrix["recommendation"]["reason"]
    slope.ladder('[objective]\nkind = "value"\nright_usd = 0.01\nwrong_usd = 0.5\n')
    slope.climb()
    # At 50 cents a wrong answer two misses of 40 cost more than big does.
    assert slope.decided == ("big/plain", "pass")
    assert "is worth" in slope.matrix["recommendation"]["reason"]
