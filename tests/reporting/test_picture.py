from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET

import msgspec
import pytest

from pytest_ladder.core.ladder import Objective
from pytest_ladder.reporting.charts.badge import badge_svg, badge_text
from pytest_ladder.reporting.charts.picture import picture_png, picture_svg
from pytest_ladder.reporting.report import Report
from tests.browser.sample_reports import sample_report

REPORT = sample_report(4, 4, 60)


def words(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter()]


def test_a_picture_says_what_was_decided_on_what_and_when_and_names_each_rung() -> None:
    svg = picture_svg(REPORT)
    advice = REPORT.decision.recommendation
    assert advice is not None
    said = words(svg)
    assert f"Stand on {advice.rung}" in said
    assert advice.verdict.upper() in said
    assert " ".join(said).replace("\n", " ").count(advice.reason[:60])
    line = next(text for text in said if "2026-10-03" in text)
    assert "quality \u2265 72 %" in line
    assert "60 cases" in line
    for number, rung in enumerate(REPORT.matrix.rungs, 1):
        # In the key, and beside its point: alone or with its name.
        assert said.count(str(number)) + said.count(f"{number} {rung.id}") >= 2
    assert not re.search(r"(href|src)=", svg)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_has_the_size_of_a_preview(theme: str) -> None:
    png = picture_png(REPORT, "dark" if theme == "dark" else "light")
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (1200, 630)


def undecided_without_a_rung() -> Report:
    advice = REPORT.decision.recommendation
    assert advice is not None
    advice = msgspec.structs.replace(advice, rung=None, verdict="undecided")
    decision = msgspec.structs.replace(REPORT.decision, recommendation=advice)
    return msgspec.structs.replace(REPORT, decision=decision)


def test_undecided_never_reads_as_no_rung_to_stand_on() -> None:
    said = words(picture_svg(undecided_without_a_rung()))
    assert any(text.startswith("Not decided yet") for text in said)
    assert not any("No rung" in text for text in said)
    assert badge_text(undecided_without_a_rung()) == "undecided"


def test_a_badge_tells_verdict_rung_and_quality() -> None:
    text = badge_text(REPORT)
    assert re.fullmatch(r"(pass|fail|undecided) \u00b7 \S+/\S+ \u00b7 [\d.]+ %", text)
    root = ET.fromstring(badge_svg(REPORT))
    assert root.attrib["aria-label"] == f"ladder: {text}"
    assert root.attrib["height"] == "20"


@pytest.mark.parametrize(
    "report",
    [
        msgspec.structs.replace(REPORT, objective=None),
        sample_report(1, 2, 0, judged=False),
        sample_report(1, 1, 3),
        sample_report(2, 2, 12, objective=Objective(kind="good-enough", quality=0.99)),
    ],
    ids=["no objective", "nothing measured", "one rung", "nothing fits"],
)
def test_any_report_has_a_picture_and_a_badge(report: Report) -> None:
    ET.fromstring(picture_svg(report))
    ET.fromstring(badge_svg(report))
