from __future__ import annotations

import itertools
import json
import re
import sys
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.rung import Tier
from pytest_ladder.decide.decision import Roi, Standing
from pytest_ladder.decide.estimates import PlannedRung
from pytest_ladder.decide.objective import decide
from pytest_ladder.decide.objectives.kind import Line
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.charts.labels import HEIGHT, LETTER, scales
from pytest_ladder.reporting.charts.parts import log_ticks, shape_of
from pytest_ladder.reporting.charts.records import SIZES
from pytest_ladder.reporting.charts.render import (
    Chart,
    chart_spec,
    chart_svg,
    mermaid_chart,
)
from pytest_ladder.reporting.charts.theme import Theme, theme_config
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.revise import revised
from pytest_ladder.reporting.sentences.matrix import (
    gain_text,
    price_text,
    return_text,
    standing_text,
)
from tests.browser.sample_reports import sample_report

REPORT = sample_report(3, 3, 60)
CHARTS: tuple[Chart, ...] = get_args(Chart)


def a_step(**fields: Any) -> Roi:
    values: dict[str, Any] = {
        "from_rung": "a/b",
        "to_rung": "a/c",
        "points": 4.2,
        "low": 1.0,
        "high": 7.4,
        "extra_usd_per_1k": 0.12,
        "points_per_1000_usd": 350.0,
        "usd_per_good_answer": 0.00286,
        "points_per_build_hour": None,
        "break_even_volume": None,
        "established": True,
    }
    return Roi(**{**values, **fields})


def costless(report: Report) -> Report:
    rungs = tuple(
        msgspec.structs.replace(
            rung,
            cost=msgspec.structs.replace(
                rung.cost, usd_per_1k=0.0, serve_usd_per_1k=0.0, build_usd=0.0
            ),
        )
        for rung in report.matrix.rungs
    )
    matrix = msgspec.structs.replace(report.matrix, rungs=rungs)
    decision = decide(matrix, report.evidence, report.objective)
    return msgspec.structs.replace(report, matrix=matrix, decision=decision)


def with_plans(report: Report, *costs: float) -> Report:
    """The report with planned rungs at what 1,000 calls of each would cost."""
    planned = tuple(
        PlannedRung(
            model=f"plan-{place}",
            strategy="rag",
            tier=Tier.CONTINUED_PRETRAINED,
            build_usd=0.0,
            build_hours=0.0,
            serve_usd_per_1k=usd,
        )
        for place, usd in enumerate(costs)
    )
    matrix = msgspec.structs.replace(report.matrix, planned=planned)
    return revised(
        msgspec.structs.replace(report, matrix=matrix),
        Objective(kind="step-function"),
        matrix.volume,
    )


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("theme", get_args(Theme))
def test_every_chart_is_plain_data_and_renders_in_every_theme(
    chart: Chart, theme: Theme
) -> None:
    assert json.loads(json.dumps(chart_spec(REPORT, chart))) == chart_spec(
        REPORT, chart
    )
    svg = chart_svg(REPORT, chart, theme)
    assert svg.startswith("<svg")
    assert "smol/zero-shot" in svg
    assert "http://www.w3.org/2000/svg" in svg
    assert not re.search(r"(href|src)=", svg)


def test_pictures_without_the_converter_name_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ConfigError, match=r"pytest-ladder\[charts\]"):
        chart_svg(REPORT)


def test_points_lie_where_the_matrix_says_with_intervals_around_them() -> None:
    points = chart_spec(REPORT)["datasets"]["points"]
    assert [point["rung"] for point in points] == [r.id for r in REPORT.matrix.rungs]
    for point, rung in zip(points, REPORT.matrix.rungs, strict=True):
        assert point["usd"] == pytest.approx(rung.cost.usd_per_1k, rel=1e-4)
        assert 0 < point["usd_low"] <= point["usd"] <= point["usd_high"]
        assert point["low"] <= point["quality"] <= point["high"]
    assert sum(point["recommended"] for point in points) <= 1
    assert [point["rung"] for point in points if point["current"]] == ["smol/few-shot"]


def test_the_front_rises_and_the_hull_lies_on_or_above_it() -> None:
    data = chart_spec(REPORT)["datasets"]
    front, hull = data["front"], data["hull"]
    assert [place["quality"] for place in front] == sorted(
        place["quality"] for place in front
    )
    costs, heights = ([p[key] for p in hull] for key in ("usd", "quality"))
    for place in front:
        reached = np.interp(place["usd"], costs, heights)
        assert reached >= place["quality"] - 1e-4


@pytest.mark.parametrize("models", [1, 2, 4])
def test_every_point_is_named_and_no_name_covers_another(models: int) -> None:
    report = sample_report(models, 4, 60)
    points = chart_spec(report)["datasets"]["points"]
    numbers = {rung.id: n for n, rung in enumerate(report.matrix.rungs, 1)}
    for size, (width, height) in enumerate(SIZES):
        x_of, y_of = scales(points, [], width, height)
        boxes = []
        for point in points:
            x, y = x_of(point["usd"]), y_of(point["quality"])
            dx, dy, _, _, text = point["spots"][size]
            assert text.split()[0] == str(numbers[point["rung"]])
            assert text in (text.split()[0], f"{text.split()[0]} {point['rung']}")
            half = LETTER * len(text) / 2
            boxes.append((x + dx - half, y + dy - 6, x + dx + half, y + dy + 6))
        for one, other in itertools.combinations(boxes, 2):
            apart = one[2] <= other[0] or other[2] <= one[0]
            assert apart or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize("quality", [0.3, 0.5, 0.7, 0.9])
def test_no_line_goes_through_a_name(quality: float) -> None:
    chance = round(quality - 0.2, 2)
    goal = Objective(kind="good-enough", quality=quality, chance=chance)
    report = revised(REPORT, goal, REPORT.matrix.volume)
    points = chart_spec(report)["datasets"]["points"]
    lines = [Line(of="quality", at=at, label="") for at in (quality, chance)]
    for size, (width, height) in enumerate(SIZES):
        _, y_of = scales(points, lines, width, height)
        for point in points:
            middle = y_of(point["quality"]) + point["spots"][size][1]
            for at in (quality, chance):
                assert abs(middle - y_of(at)) > HEIGHT / 2, point["spots"][size]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.8, 22, [1, 2, 5, 10, 20]),
        (1e-3, 3, [0.001, 0.01, 0.1, 1]),
        (0.003, 3, [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]),
        (1e-9, 1e9, [1e-9, 1e-6, 1e-3, 1, 1e3, 1e6, 1e9]),
        (1.0, 1.6, [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]),
        (0.04, 0.04, [0.04]),
        (0.0036353, 0.0036353, [0.00364]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_round_and_few(
    low: float, high: float, ticks: list[float]
) -> None:
    assert log_ticks(low, high) == ticks


def test_rungs_that_cost_nothing_have_a_place_on_a_logarithmic_axis() -> None:
    points = chart_spec(costless(REPORT))["datasets"]["points"]
    assert all(point["usd"] > 0 for point in points)
    assert "$" not in "".join(re.findall(r">(\$[^<]*)<", chart_svg(costless(REPORT))))
    assert re.findall(r">(\$[^<]*)<", chart_svg(REPORT))


def test_nothing_measured_gives_an_empty_chart() -> None:
    empty = sample_report(1, 2, 0, judged=False)
    assert chart_spec(empty)["datasets"]["points"] == []
    assert mermaid_chart(empty) == ""
    for chart in CHARTS:
        assert chart_svg(empty, chart).startswith("<svg")


@pytest.mark.parametrize(
    ("objective", "labels"),
    [
        (Objective(kind="good-enough", quality=0.85), ["bar 85 %"]),
        (Objective(kind="budget", usd_per_1k=0.5), ["budget $0.50"]),
        (
            Objective(kind="budget", usd_per_1k=0.5, quality=0.6),
            ["bar 60 %", "budget $0.50"],
        ),
        (Objective(kind="step-function"), []),
        (
            Objective(kind="good-enough", quality=0.85, chance=0.25),
            ["bar 85 %", "chance 25.0 %"],
        ),
    ],
)
def test_limits_are_drawn_and_labelled(objective: Objective, labels: list[str]) -> None:
    report = sample_report(2, 2, 20, objective=objective)
    limits = chart_spec(report)["datasets"]["limits"]
    assert [limit["label"] for limit in limits] == labels


def test_the_stairs_start_on_the_first_rung_of_the_front_and_join_up() -> None:
    steps = chart_spec(REPORT, "roi")["datasets"]["steps"]
    assert [step["place"] for step in steps] == list(range(len(steps)))
    for below, above in itertools.pairwise(steps):
        assert above["from"] == below["to"]
        assert re.fullmatch(
            r"\$[\d.]+ per extra good answer|not established", above["price_short"]
        )


def test_themes_differ_in_colour_only() -> None:
    light, dark = theme_config("light"), theme_config("dark")
    assert light.keys() == dark.keys()
    assert light["range"] != dark["range"]
    assert light["font"] == dark["font"]


def test_markdown_gets_a_chart_that_github_renders_itself() -> None:
    report = sample_report(
        1, 2, 30, objective=Objective(kind="good-enough", quality=0.7)
    )
    shares = [
        f"{100 * (rung.levels[report.decision.level].quality or 0):.1f}"
        for rung in report.matrix.rungs
    ]
    assert mermaid_chart(report) == (
        "```mermaid\n"
        '%%{init: {"xyChart": {"width": 700, "height": 170}, "themeVariables": '
        '{"xyChart": {"plotColorPalette": "#2f6fb0, #e0662e"}}}}%%\n'
        "xychart-beta horizontal\n"
        '    title "Quality at cheap, cheapest rung first"\n'
        '    x-axis ["smol/zero-shot", "smol/few-shot"]\n'
        '    y-axis "quality in %" 0 --> 100\n'
        f"    bar [{', '.join(shares)}]\n"
        "    line [70, 70]\n"
        "```\n"
    )


def test_names_cannot_leave_their_place_in_the_markdown_chart() -> None:
    rungs = tuple(
        msgspec.structs.replace(rung, id='x"]\n```\n<img src=x>')
        for rung in REPORT.matrix.rungs
    )
    matrix = msgspec.structs.replace(REPORT.matrix, rungs=rungs)
    chart = mermaid_chart(msgspec.structs.replace(REPORT, matrix=matrix))
    assert chart.count("```") == 2
    assert "<" not in chart
    assert 'x-axis ["x____' in chart


@pytest.mark.parametrize(
    ("points_per_1000_usd", "text"),
    [
        (None, "n/a"),
        (35.04, "35 points per $1,000"),
        (-0.5, "-0.5 points per $1,000"),
        (100.0, "100 points per $1,000"),
        (1_234_567.0, "1 point per $0.00081"),
        (-2_000.0, "-1 point per $0.50"),
    ],
)
def test_a_return_beyond_all_there_is_to_gain_is_told_by_the_price_of_a_point(
    points_per_1000_usd: float | None, text: str
) -> None:
    assert return_text(points_per_1000_usd) == text


@pytest.mark.parametrize(
    ("fields", "gain", "price"),
    [
        (
            {},
            "+4.2 points (+1.0 to +7.4)",
            "$0.12 more per 1,000 calls, $0.00286 per extra good answer",
        ),
        ({"low": None, "high": None}, "+4.2 points", None),
        ({"points": None}, "n/a", None),
        ({"established": False}, None, "$0.12 more per 1,000 calls"),
        ({"extra_usd_per_1k": -0.12}, None, "$0.12 less per 1,000 calls"),
        ({"extra_usd_per_1k": None}, None, "cost unknown"),
    ],
)
def test_steps_are_put_into_words(
    fields: dict[str, Any], gain: str | None, price: str | None
) -> None:
    step = a_step(**fields)
    if gain is not None:
        assert gain_text(step) == gain
    if price is not None:
        assert price_text(step) == price


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"on_front": True}, "on the front"),
        ({"dominated_by": "a/b"}, "beaten by a/b"),
        ({}, "off the front, not separable"),
        ({"comparable": False}, "not compared"),
    ],
)
def test_standings_are_put_into_words(fields: dict[str, Any], text: str) -> None:
    values: dict[str, Any] = {
        "rung": "a/c",
        "on_front": False,
        "dominated_by": None,
        "comparable": True,
    }
    assert standing_text(Standing(**{**values, **fields})) == text
    assert standing_text(None) == "not compared"


def test_strategies_come_in_the_order_of_the_file_each_with_its_shape() -> None:
    order = ("rag", "zero-shot", "few-shot")
    info = msgspec.structs.replace(REPORT.info, strategies=order)
    spec = chart_spec(msgspec.structs.replace(REPORT, info=info))
    (shape,) = [
        layer["encoding"]["shape"]["scale"]
        for layer in spec["layer"]
        if "range" in layer["encoding"].get("shape", {}).get("scale", {})
    ]
    assert shape["domain"] == [*order]
    assert len(set(shape["range"])) == 3
    many = [f"s{n}" for n in range(16)]
    looks = {(n % 8, shape_of(many, name)) for n, name in enumerate(many)}
    assert len(looks) == 16


def test_a_strategy_keeps_its_colour_when_prices_change() -> None:
    matrix = msgspec.structs.replace(REPORT.matrix, rungs=REPORT.matrix.rungs[::-1])
    dearest_first = msgspec.structs.replace(REPORT, matrix=matrix)
    first, second = (
        re.findall(r'"domain": (\[[^\]]*\])', json.dumps(chart_spec(one, "latency")))
        for one in (REPORT, dearest_first)
    )
    assert first == second != []


def test_a_planned_rung_is_a_hollow_mark_at_the_quality_that_it_would_need() -> None:
    spec = chart_spec(with_plans(REPORT, 1e-5, 1e6))
    free, dear = spec["datasets"]["planned"]
    best = max(point["quality"] for point in spec["datasets"]["points"])
    # A step up from the best, at its own cost; and as good as that one for less.
    assert (dear["usd"], dear["quality"]) == (1e6, pytest.approx(best + 0.03))
    assert (free["usd"], free["quality"]) == (1e-5, best)
    (layer,) = [
        one
        for one in spec["layer"]
        if one["data"]["name"] == "planned" and one["mark"]["type"] == "point"
    ]
    assert layer["mark"]["filled"] is False
    # Its tier is told, and no strategy changes its colour for it.
    assert dear["tier"] == "continued-pretrained"
    assert chart_svg(with_plans(REPORT, 1e6)).count("plan-0/rag") > 0


def test_what_no_quality_makes_worth_it_is_not_drawn() -> None:
    cap = Objective(kind="budget", usd_per_1k=1e5)
    report = revised(with_plans(REPORT, 1e6), cap, REPORT.matrix.volume)
    assert chart_spec(report)["datasets"]["planned"] == []
