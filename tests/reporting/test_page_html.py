from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Exchange, Outcome
from pytest_ladder.core.rung import Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.estimates import PlannedRung
from pytest_ladder.decide.matrix import at_volume
from pytest_ladder.decide.objective import decide
from pytest_ladder.reporting.html import page_html
from pytest_ladder.reporting.html.views import all_views, volumes_around
from pytest_ladder.reporting.report import (
    Report,
    RunInfo,
    content_text,
    report_on,
)
from pytest_ladder.reporting.revise import revised
from tests.browser.sample_reports import HOSTILE, sample_report
from tests.decide.ladders import Made, ladder, rows_of


class Reader(HTMLParser):
    """Reads the elements of a page as a browser would."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        self._open = given.get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        self.texts[self._open] = self.texts.get(self._open, "") + data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def data_of(page: str, name: str) -> Any:
    text = read(page).texts[f"data-{name}"]
    if text.startswith("{"):
        return json.loads(text)
    return json.loads(gzip.decompress(base64.b64decode(text)))


def cases_of(page: str) -> Any:
    """The cases with what was said in them, as the page puts both together."""
    cases, said = data_of(page, "cases"), data_of(page, "replies")
    rows, texts = cases["rows"] | said["rows"], cases["texts"] + said["texts"]
    return cases | said | {"rows": rows, "texts": texts}


def with_texts(report: Report, text: str) -> Report:
    """The report as if every reply had been this text."""
    rows = [msgspec.structs.replace(row, text=text, reason=text) for row in report.rows]
    exchanges: Mapping[str, Exchange] = {
        key: msgspec.structs.replace(
            one, text=text, messages=({"role": "user", "content": text},)
        )
        for key, one in report.exchanges.items()
    }
    return msgspec.structs.replace(report, rows=rows, exchanges=exchanges)


def test_the_page_is_the_same_each_time() -> None:
    report = sample_report(2, 2, 10)
    assert page_html(report) == page_html(report)


def test_nothing_comes_from_elsewhere_and_the_policy_names_every_script() -> None:
    page = page_html(sample_report(2, 2, 10))
    reader = read(page)
    for tag, given in reader.elements:
        for name in ("src", "href", "action", "data", "srcset"):
            value = given.get(name) or ""
            assert value.startswith(("#", "data:")) or not value, (tag, value)
        assert not [name for name in given if name.startswith("on")], (tag, given)
        assert "style" not in given, tag
    policy = next(
        given["content"] or ""
        for tag, given in reader.elements
        if given.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    charts = gzip.decompress(base64.b64decode(reader.texts["data-charts"]))
    style = reader.texts["style"].encode()
    for text in (reader.texts["script"].encode(), charts, style):
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        assert f"'sha256-{digest}'" in policy


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_data_and_never_markup(text: str) -> None:
    report = sample_report(1, 2, 3, judged=False)
    clean = read(page_html(report)).elements
    page = page_html(with_texts(report, text))
    assert [tag for tag, _ in read(page).elements] == [tag for tag, _ in clean]
    kept = cases_of(page)["texts"]
    assert text.encode(errors="replace").decode() in kept


def test_hostile_names_and_reasons_do_not_leave_the_headline() -> None:
    report = sample_report(1, 2, 12, judged=False)
    advice = report.decision.recommendation
    assert advice is not None
    changed = msgspec.structs.replace(advice, reason="</p><script>1</script>")
    decision = msgspec.structs.replace(report.decision, recommendation=changed)
    page = page_html(msgspec.structs.replace(report, decision=decision))
    assert "<script>1" not in page
    assert "&lt;script&gt;1" in page


def test_every_view_is_what_decide_says_of_that_level_and_volume() -> None:
    report = sample_report(3, 2, 40)
    page = page_html(report)
    summary, views = data_of(page, "summary"), data_of(page, "views")
    for level in (Level.CHEAP, Level.JUDGED):
        for place in (0, 17, 44):
            volume = summary["volumes"][place]
            matrix = at_volume(report.matrix, volume)
            decision = decide(matrix, report.evidence, report.objective, level=level)
            view = views[level][place]
            advice = decision.recommendation
            assert advice is not None
            assert view["hero"]["rung"] == advice.rung
            assert view["hero"]["reason"] == advice.reason
            assert view["order"] == [rung.id for rung in matrix.rungs]
            assert view["verdicts"] == decision.verdicts
    start = summary["volumes"].index(summary["start"]["volume"])
    advice = report.decision.recommendation
    assert advice is not None
    assert summary["view"] == views["cheap"][start]
    assert summary["view"]["hero"]["reason"] == advice.reason


@pytest.mark.parametrize("bar", [0.1, None])
@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("places", [[2], [0, 2], [0, 1, 2, 3, 4, 5]])
def test_a_view_is_the_same_whatever_volume_was_shown_before(
    places: list[int], built: bool, bar: float | None
) -> None:
    report = sample_report(3, 2, 160, judged=False)
    rungs = [report.matrix.rungs[place] for place in places]
    if not built:
        free = {"build_usd": 0.0, "build_hours": 0.0}
        costs = [msgspec.structs.replace(rung.cost, **free) for rung in rungs]
        rungs = [
            msgspec.structs.replace(rung, cost=cost)
            for rung, cost in zip(rungs, costs, strict=True)
        ]
    matrix = msgspec.structs.replace(report.matrix, rungs=tuple(rungs))
    objective = None
    if bar is not None:
        objective = Objective(kind="good-enough", level=Level.CHEAP, quality=bar)
    decision = decide(matrix, report.evidence, objective)
    report = msgspec.structs.replace(
        report, matrix=matrix, objective=objective, decision=decision
    )
    volumes = volumes_around(decision.volume)
    alone = [all_views(report, [volume])["cheap"][0] for volume in volumes]
    assert all_views(report, volumes)["cheap"] == alone


def test_a_view_that_no_volume_changes_is_written_once() -> None:
    report = sample_report(1, 1, 12, judged=False)
    decision = decide(report.matrix, report.evidence, None)
    report = msgspec.structs.replace(report, objective=None, decision=decision)
    (view,) = data_of(page_html(report), "views")["cheap"]
    assert view == all_views(report, [100])["cheap"][0]


@pytest.mark.parametrize("volume", [1, 7, 999, 100_000, 1_234_567, 10**9])
def test_volumes_are_about_sixty_and_the_configured_one_is_among_them(
    volume: int,
) -> None:
    volumes = volumes_around(volume)
    assert volume in volumes
    assert volumes == sorted(set(volumes))
    assert 50 <= len(volumes) <= 62
    assert min(volumes) >= 1


def test_no_objective_is_said_and_nothing_is_recommended() -> None:
    report = sample_report(2, 2, 12)
    bare = msgspec.structs.replace(
        report, objective=None, decision=decide(report.matrix, report.evidence, None)
    )
    page = page_html(bare)
    hero = data_of(page, "views")["cheap"][0]["hero"]
    assert hero["verdict"] == "none"
    assert hero["rung"] is None
    assert "[objective]" in hero["reason"]
    assert "No objective is set" in page


def test_rungs_that_were_not_run_are_named_with_their_reason() -> None:
    report = sample_report(2, 2, 12, states={"smol-ft/few-shot": "not run"})
    why = "climb: decided at smol/few-shot"
    report = msgspec.structs.replace(report, reasons={"smol-ft/few-shot": why})
    view = data_of(page_html(report), "views")["cheap"][0]
    assert view["notes"] == [f"smol-ft/few-shot: not run ({why})."]


def test_texts_go_first_those_of_passing_cases_before_others() -> None:
    report = sample_report(2, 2, 60, judged=False)
    whole = len(page_html(report))
    cases = cases_of(page_html(report))
    assert cases["note"] == ""
    assert all(cases["rows"]["said"])

    smaller = page_html(report, max_bytes=whole - 1)
    cases = cases_of(smaller)
    assert len(smaller) < whole
    assert "prompts of cases that passed are left out" in cases["note"]
    outcomes = cases["rows"]["outcome"]
    for outcome, said in zip(outcomes, cases["rows"]["said"], strict=True):
        assert bool(said) is (outcome != 0)

    least = cases_of(page_html(report, max_bytes=1000))
    assert "prompts are left out" in least["note"]
    assert "replies are left out" in least["note"]
    # What a case asks is kept once, and says what the case is about.
    asked = {least["texts"][case[4]] for case in least["cases"]}
    assert asked == {case.asked for case in report.cases.values()}
    assert len(least["rows"]["case"]) == len(report.rows)


def test_sixteen_rungs_with_500_cases_stay_below_two_megabytes() -> None:
    page = page_html(sample_report(4, 4, 500, judged=False))
    assert len(page.encode()) < 2_000_000
    assert cases_of(page)["note"] == ""


def test_prompts_repeat_lines_and_are_kept_once() -> None:
    report = sample_report(1, 4, 30, judged=False)
    cases = cases_of(page_html(report))
    assert len(cases["lines"]) == len(set(cases["lines"]))
    talk = cases["talks"][cases["rows"]["said"][0][0]]
    lines = ["\n".join(cases["lines"][n] for n in said) for _, *said in talk]
    sent = report.exchanges[f"{report.matrix.rungs[0].id}:0"]
    assert lines[0] == sent.messages[0]["content"]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"role": "user", "content": "plain"}, "plain"),
        ({"role": "user", "content": None}, ""),
        ({"role": "user"}, ""),
        ({"content": [{"type": "text", "text": "one"}]}, "one"),
        (
            {"content": [{"type": "image_url", "image_url": "x"}]},
            '{"type": "image_url", "image_url": "x"}',
        ),
        ({"content": "", "tool_calls": [{"id": "1"}]}, '{"id": "1"}'),
        ({"content": "", "tool_calls": None}, ""),
        (
            {
                "content": "Let me look.",
                "tool_calls": [
                    {"id": "1", "function": {"name": "find", "arguments": '{"a":1}'}},
                    {"id": "2", "function": {"name": "all", "arguments": ""}},
                ],
            },
            'Let me look.\nfind({"a":1})\nall()',
        ),
    ],
)
def test_messages_of_any_shape_become_text(message: dict[str, Any], text: str) -> None:
    assert content_text(message) == text


def test_errors_and_unknown_costs_stay_apart_from_numbers() -> None:
    report = sample_report(1, 2, 8, judged=False)
    rows = [
        msgspec.structs.replace(
            row,
            outcome=Outcome.ERROR,
            score=None,
            replies=tuple(
                msgspec.structs.replace(bill, cost_usd=None) for bill in row.replies
            ),
        )
        for row in report.rows
    ]
    page = page_html(msgspec.structs.replace(report, rows=rows))
    columns = cases_of(page)["rows"]
    assert set(columns["score"]) == {None}
    assert set(columns["cost"]) == {None}
    assert set(columns["outcome"]) == {2}


def test_the_objective_and_the_run_are_told() -> None:
    objective = Objective(
        kind="good-enough",
        quality=0.6,
        latency_p95_s=2.0,
        build_hours=10,
        min_n=5,
    )
    summary = data_of(
        page_html(sample_report(2, 2, 12, objective=objective)), "summary"
    )
    assert summary["objective"] == (
        "good enough: quality ≥ 60 % at cheap, p95 ≤ 2.0 s, built within 10 h, n ≥ 5"
    )
    told = dict(summary["how"])
    assert told["seed of the case order"] == "20261003"
    assert told["attempts"] == "1: the first case order that was tried"
    assert len(summary["looks"]) == 2
    assert summary["ledger"]["cards"][3][1] == "$240"


def test_planned_rungs_follow_the_volume() -> None:
    plan = PlannedRung(
        model="own",
        strategy="rag",
        tier=Tier.PRETRAINED,
        build_usd=1e4,
        build_hours=0.0,
        serve_usd_per_1k=0.0,
    )
    report = sample_report(2, 2, 10)
    matrix = msgspec.structs.replace(report.matrix, planned=(plan,))
    report = msgspec.structs.replace(report, matrix=matrix)
    report = revised(report, Objective(kind="step-function"), 10_000_000)
    page = page_html(report)
    summary, views = data_of(page, "summary"), data_of(page, "views")["cheap"]
    volumes = summary["volumes"]
    said = [view["hero"]["changes"][-1] for view in views]
    assert all(text.startswith("planned: own/rag would cost") for text in said)
    assert "at 10,000 calls against" in said[volumes.index(10_000)]
    assert said[0].endswith(" on it would be the cheaper one.")
    assert "points better, for it would be dearer" in said[0]
    assert "the same quality for less" in said[-1]
    (drawn,) = views[-1]["data"]["planned"]
    assert drawn["usd"] == pytest.approx(1e7 / volumes[-1])
    assert ["own", "pretrained"] in [
        [model["model"], model["tier"]] for model in summary["key"]
    ]
    assert any(note.startswith("own/rag (") for note in views[0]["notes"])


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ([1.0] * 20, "No dearer rung is worth trying."),
        ([0.0] * 20, "No other rung is left to try."),
        ([None] * 20, "No other rung would tell."),
    ],
)
def test_where_no_rung_is_next_the_page_says_why(
    scores: list[float | None], told: str
) -> None:
    made = {"m00/s": Made(scores=scores)}
    info = RunInfo(id="run", started="2026-01-01T00:00:00+00:00", mode="matrix")
    goal = Objective(kind="good-enough", quality=0.8)
    page = page_html(report_on(info, ladder(made)[0], rows_of(made), goal))
    (view, *_) = data_of(page, "views")["cheap"]
    assert (view["hero"]["next"], view["hero"]["last"]) == (None, told)


def test_no_name_of_the_script_is_taken_twice() -> None:
    # Its files share one scope, in which a later function quietly replaces an earlier.
    declared = re.compile(r"^(?:async )?(?:function|const|let) (\w+)", re.MULTILINE)
    named = declared.findall(page_html(sample_report(1, 1, 5)))
    assert len(named) > 100
    assert [name for name, times in Counter(named).items() if times > 1] == []
