"""What the page says of users, as data: its script only puts it in place."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.aggregate import VariantSums
from pytest_ladder.core.score import Level
from pytest_ladder.decide.real.users import Users
from pytest_ladder.reporting.html import page_html
from pytest_ladder.reporting.html.proxies import proxy_cards
from pytest_ladder.reporting.html.users import users_section
from pytest_ladder.reporting.report import Report, report_on
from tests.browser.sample_reports import HOSTILE, sample_report
from tests.browser.sample_users import OUTCOMES, renamed, sample_users
from tests.reporting.test_page_html import data_of, read

REPORT = sample_users(stale=("smol/rag",))
"""Six rungs by five outcomes."""
RUNGS = [rung.id for rung in REPORT.matrix.rungs]
NAMES = [outcome[0] for outcome in OUTCOMES]


def summary_of(report: Report) -> Any:
    page = page_html(report)
    return data_of(page, "summary") | {"views": data_of(page, "views")}


def users_of(report: Report) -> Any:
    """What the section shows, as the page is given it."""
    assert report.users is not None
    cards = proxy_cards(report, report.users)
    return json.loads(json.dumps(users_section(report, report.users, cards)))


def hero_of(data: Any) -> Any:
    at = data["volumes"].index(data["start"]["volume"])
    return data["views"][data["start"]["level"]][at]["hero"]


@pytest.fixture(scope="module")
def summary() -> Any:
    return summary_of(REPORT)


def with_variants(report: Report, name: str, *variants: VariantSums) -> Report:
    """The report decided anew, where an outcome has other sums as well."""
    assert report.declared is not None
    given = report.declared.aggregates
    more = (*given[name].variants, *variants)
    aggregates = given | {name: msgspec.structs.replace(given[name], variants=more)}
    return report_on(
        report.info,
        report.matrix,
        report.rows,
        report.objective,
        declared=msgspec.structs.replace(report.declared, aggregates=aggregates),
    )


@pytest.mark.parametrize("users", [None, Users()])
def test_a_report_without_outcomes_says_nothing_of_users(users: Users | None) -> None:
    report = msgspec.structs.replace(sample_report(1, 2, 3), users=users)
    data = summary_of(report)
    assert data["users"] is None
    assert data["levels"]["real"] == "real"


def test_outcomes_stand_by_rungs_in_their_own_unit_the_primary_one_first() -> None:
    users = users_of(sample_users(1, 2, primary="minutes", level=Level.CHEAP))
    names = [one["name"] for one in users["outcomes"]]
    assert names == [
        "minutes",
        *(name for name in NAMES if name != "minutes"),
    ]
    assert users["outcomes"][0]["notes"] == ["level real", "mean, less is better"]
    assert "guardrail, margin 1.0 points" in users["outcomes"][2]["notes"]
    assert [rung for rung, _ in users["rungs"]] == ["smol/zero-shot", "smol/few-shot"]
    cells = dict(zip(names, users["rungs"][0][1], strict=True))
    assert cells["resolved"]["text"] == "30.8 %"
    assert cells["resolved"]["note"] == "29.3-32.2, 4,000 users"
    assert cells["minutes"]["text"] == "19.6"
    for cell in cells.values():
        low, at, high = cell["bar"]
        assert 0 <= low <= at <= high <= 1


def test_stale_outcomes_say_so_in_words_and_are_among_the_problems() -> None:
    users = users_of(REPORT)
    stale = {rung for rung, cells in users["rungs"] if cells[0]["stale"]}
    assert stale == {"smol/rag"}
    assert any("smol/rag" in text and "stale" in text for text in users["problems"])
    assert users["alarms"] == []


def test_a_broken_split_comes_first_and_nothing_of_it_is_decided() -> None:
    data = summary_of(sample_users(1, 2, 2, uneven=0.6, judged=False))
    users = data["users"]
    assert users["alarms"] == ["june"]
    assert "the split is broken" in users["problems"][0]
    (experiment,) = users["experiments"]
    assert experiment["broken"]
    assert dict(experiment["facts"])["split"].startswith("BROKEN, nothing is decided")
    for one in users["comparisons"]:
        assert {line["verdict"] for line in one["lines"]} == {"nothing decided"}
    told = hero_of(data)
    assert "the split is broken" in " ".join([told["reason"], *told["users"]])
    assert not any("fare better" in text for text in told["users"])


def test_an_experiment_tells_its_units_its_checks_and_its_looks() -> None:
    report = sample_users(1, 2, leaks={"beta": 31}, dropped={"several variants": 12})
    (one,) = users_of(report)["experiments"]
    assert one["dates"] == "2026-06-01 to 2026-06-28"
    assert [each["rung"] for each in one["variants"]] == RUNGS[:2]
    assert one["variants"][0]["variant"] == "v0 (control)"
    assert {each["got"] for each in one["variants"]} == {"50.0 %"}
    assert {each["planned"] for each in one["variants"]} == {"50.0 %"}
    assert dict(one["facts"]) == {
        "split": "as planned (χ² 0.00, p 1.000; broken below 0.001)",
        "leaks": "beta: 31 units",
        "in several variants": "12 units (0.1 %), left out",
        "looked at": "4 times, last with 8,000 units to 2026-06-28",
    }
    assert [place for place, _ in one["looks"]] == [0, 0.3333, 0.6667, 1]
    assert one["looks"][-1][1] == 1


def test_users_fare_better_to_the_right_whatever_the_goal() -> None:
    found = {one["outcome"]: one for one in users_of(REPORT)["comparisons"]}
    for name, better in (("resolved", True), ("escalated-to-a-person", False)):
        last = found[name]["lines"][-1]
        low, at, high = last["marks"]
        assert low < at < high
        assert (at > 0.5) is better
    assert found["resolved"]["margin"] is None
    assert found["escalated-to-a-person"]["margin"] < 0.5
    assert found["escalated-to-a-person"]["margin_text"] == "margin 1.0 points"
    assert found["resolved"]["lines"][-1]["verdict"] == "better"
    assert found["resolved"]["lines"][-1]["marks"][0] > 0.5


def test_the_triangle_has_the_pairs_that_the_sentence_counts() -> None:
    assert REPORT.users is not None
    shown = {one["title"]: one for one in users_of(REPORT)["proxies"]}
    for proxy in REPORT.users.proxies:
        one = shown[f"{proxy.level} → {proxy.outcome}"]
        pairs = [pair for rung in one["rungs"] for pair in rung["pairs"]]
        assert len(pairs) == proxy.pairs.of == 10
        assert sum(sign != "?" for sign, *_ in pairs) == proxy.pairs.established
        assert sum(mark == "✓" for _, mark, _ in pairs) == proxy.pairs.agree
        assert sum(mark == "✗" for _, mark, _ in pairs) == proxy.pairs.contradict
    assert shown["cheap → resolved"]["columns"] == ["1", "2", "4", "5"]
    stale = shown["cheap → resolved"]["rungs"][2]
    assert (stale["name"], stale["stale"], stale["pairs"]) == (
        "3 smol/rag",
        "stale",
        [],
    )


def test_a_pair_says_in_words_who_fares_better_and_what_the_level_says() -> None:
    shown = users_of(sample_users(1, 3, 1, judged=False))["proxies"]
    last = shown[0]["rungs"][-1]["pairs"][0]
    assert last[0] == "+"
    assert last[2].startswith("smol/rag: users fare better than with smol/zero-shot; ")
    assert users_of(sample_users(1, 2, 1))["proxies"][0]["columns"] == []


def test_proxies_are_drawn_with_both_intervals_and_stale_rungs_marked(
    summary: Any,
) -> None:
    points = summary["specs"]["judged-resolved"]["datasets"]["rungs"]
    assert [point["rung"] for point in points] == RUNGS
    assert [bool(point["stale"]) for point in points] == [
        rung == "smol/rag" for rung in RUNGS
    ]
    for point in points:
        assert point["low"] < point["value"] < point["high"]
        assert point["score_low"] < point["score"] < point["score_high"]
    assert {one["place"] for one in summary["users"]["proxies"]} <= {*summary["specs"]}


def test_level_real_bears_the_name_of_the_primary_outcome(
    summary: Any,
) -> None:
    assert summary["levels"] == {
        "cheap": "cheap",
        "judged": "judged",
        "real": "resolved (real)",
    }
    assert summary["objective"].endswith("at real; real is what users did: resolved")
    hero = hero_of(summary)
    assert hero["stats"][0][0] == "resolved"
    assert hero["stats"][0][2].endswith("n = 4,000 users")
    assert any(hero["rung"] in text and "users" in text for text in hero["users"])


def test_an_outcome_where_less_is_better_is_told_in_its_own_unit() -> None:
    data = summary_of(sample_users(1, 2, 3, primary="minutes", judged=False))
    stat = hero_of(data)["stats"][0]
    assert stat[0] == "minutes"
    assert float(stat[1]) < 25
    cells = [rung["levels"]["real"] for rung in data["rungs"]]
    assert all(cell["units"] == " users" for cell in cells)
    assert cells[0]["notes"] == ["minutes 19.6"]
    assert cells[0]["text"] == "83.7 %"


def test_levels_below_are_not_told_of_users_on_the_first_screen(
    summary: Any,
) -> None:
    heroes = [view["hero"] for view in summary["views"]["judged"]]
    assert all(hero["users"] == [] for hero in heroes)
    assert {hero["stats"][0][0] for hero in heroes if hero["stats"]} == {"quality"}


def test_what_is_not_imported_yet_is_told_with_the_command() -> None:
    users = users_of(sample_users(1, 2, 0, missing=("nps",)))
    assert users["missing"] == [
        "nps: nothing is imported yet; run pytest-ladder outcomes import nps."
    ]
    assert users["rungs"] == users["outcomes"] == users["comparisons"] == []


def test_withheld_sums_and_rungs_of_another_ladder_keep_their_places() -> None:
    few = VariantSums(variant="tiny", rung="gone/few-shot", units=3, share=0.0)
    users = users_of(with_variants(sample_users(1, 2), "csat", few))
    rung, cells = users["rungs"][-1]
    assert rung == "gone/few-shot"
    csat = cells[NAMES.index("csat")]
    assert (csat["text"], csat["note"]) == ("withheld", "too few: 3 users")
    assert cells[0] is None


def test_what_was_left_out_of_an_outcome_is_told() -> None:
    assert users_of(REPORT)["left_out"][0] == "resolved: event too late 57."


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_of_rungs_and_variants_are_data(text: str) -> None:
    report = sample_users(1, 2, 1, judged=False, leaks={text: 3}, dropped={text: 9})
    page = page_html(renamed(report, {RUNGS[1]: text}))
    clean = page_html(sample_report(1, 2, 0))
    tags = [tag for tag, _ in read(page).elements]
    assert tags == [tag for tag, _ in read(clean).elements]
    users = data_of(page, "summary")["users"]
    seen = text.encode(errors="replace").decode()
    assert seen in [rung for rung, _ in users["rungs"]]
    assert seen in users["experiments"][0]["facts"][1][1]
