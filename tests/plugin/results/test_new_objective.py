"""A new kind of objective is an object in one file, and one line of the table.

The file is this one, the line is in `fastest`. Nothing else of the package knows the
kind, and it goes all the way: configuration, matrix, climb, reports and commands.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.cli.main import main
from pytest_ladder.core.ladder import Objective
from pytest_ladder.decide.climb.course import Course, Stage
from pytest_ladder.decide.climb.hurdle import hurdles_of
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.decide.objectives import reasons
from pytest_ladder.decide.objectives.kind import Choice, Kind
from pytest_ladder.decide.objectives.table import OBJECTIVES
from pytest_ladder.decide.view import View
from pytest_ladder.text import numbers
from tests.plugin.scratch_suite import Shop
from tests.plugin.slope import MATRIX_REPORT, OBJECTIVE, PRICES, Slope
from tests.scripted_server import Act, Body

FASTEST = OBJECTIVE.replace("good-enough", "fastest")


class Fastest(Kind):
    """The rung that answers soonest of those that meet the bar."""

    needs = ("quality",)

    def choose(self, view: View) -> Choice:
        passing = [
            (rung.result.latency.p50_s, rung)
            for rung in view.candidates
            if rung.status == "pass" and rung.result.latency.p50_s is not None
        ]
        if not passing:
            return reasons.nothing(view)
        seconds, chosen = min(passing, key=lambda pair: pair[0] or 0.0)
        reason = (
            f"{chosen.id} is the fastest of {len(passing)} that meet the bar, with "
            f"{numbers.seconds(seconds)} at the median: {reasons.quality(chosen)}."
        )
        return Choice(rung=chosen, verdict="pass", reason=reason)

    def climb(self, objective: Objective, terms: Terms) -> Course:
        return Heats(terms, objective)


class Heats(Course):
    """Every rung runs as long as it may still reach the bar."""

    def __init__(self, terms: Terms, objective: Objective) -> None:
        super().__init__(terms.rungs, terms.units, objective.level)
        bars = {objective.level: objective.quality or 0.0}
        (self._hurdle,) = hurdles_of(terms, bars)
        self.stage = self._advance()

    def _judge(self, stage: Stage) -> None:
        tally = self._tallies[stage.rung][self.level]
        verdict = self._hurdle.verdict(tally)
        self._looks.append(self._look(stage, verdict or "go on"))
        if verdict == "fail":
            self._settled[stage.rung] = verdict
            self._out[stage.rung] = f"climb: {tally}, too slow to the bar"

    def _advance(self) -> Stage | None:
        for rung in self._left:
            units = self._tallies[rung][self.level].rest(self._hurdle.risks.every)
            if units:
                return Stage(rung=rung, level=self.level, units=units)
        return None


@pytest.fixture(autouse=True)
def fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OBJECTIVES, "fastest", Fastest())


@pytest.fixture
def slope(shop: Shop) -> Slope:
    """Three rungs: a bad one, a good one that is slow, and a good one that is dear."""
    slope = Slope(shop)
    slope.ladder(FASTEST)
    reply = shop.server.reply

    def reply_later(body: Body) -> str | Act:
        shop.server.latency_s = 0.3 if body["model"] == "mid" else 0.0
        return reply(body)

    shop.server.reply = reply_later
    return slope


REASON = (
    "big/plain is the fastest of 2 that meet the bar, with * at the median: 100.0 %"
)


def test_a_matrix_decides_by_a_new_kind(slope: Slope) -> None:
    result = slope.shop.run("--ladder=matrix", "--ladder-live")
    slope.report = MATRIX_REPORT
    assert slope.decided == ("big/plain", "pass")
    assert slope.states == dict.fromkeys(slope.states, "run")
    result.stdout.fnmatch_lines([f"PASS: {REASON}*"])
    assert result.ret == 0


def test_a_climb_goes_the_way_of_a_new_kind(slope: Slope) -> None:
    result = slope.climb("-rs")
    assert slope.decided == ("big/plain", "pass")
    assert slope.asked["small"] < slope.asked["mid"] == slope.asked["big"] == 40
    assert slope.states["small/plain"] == "stopped"
    result.stdout.fnmatch_lines(["*climb: * passed, too slow to the bar"])
    result.stdout.fnmatch_lines([f"PASS: {REASON}*"])


def test_a_climb_fails_where_no_rung_meets_a_new_kind(slope: Slope) -> None:
    slope.skill |= {"mid": 4, "big": 4}
    result = slope.climb()
    assert slope.decided == (None, "fail")
    result.stdout.fnmatch_lines(["FAIL: No rung meets the bar of 80 %: the best*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_reports_and_commands_know_a_new_kind(
    slope: Slope, capsys: pytest.CaptureFixture[str]
) -> None:
    slope.shop.run("--ladder=matrix", "--ladder-live")
    slope.report = MATRIX_REPORT
    folder = slope.shop.path / slope.report
    assert _pages_with("is the fastest of 2", folder) == {"matrix.md", "index.html"}
    assert _data_of(folder)["objective"] == "fastest: quality ≥ 80 % at cheap"
    assert slope.matrix["objective"]["kind"] == "fastest"

    capsys.readouterr()
    stricter = ["--quality", "0.99", "--output", str(folder / "stricter")]
    assert main(["report", str(folder), *stricter]) == 0
    assert "big/plain is the fastest of 1" in capsys.readouterr().out

    other = ["--objective", "good-enough", "--output", str(folder / "other")]
    assert main(["report", str(folder), *other]) != 0, "its bar meant something else"
    back = ["--objective", "fastest", "--quality", "0.9"]
    cheapest = [*other[:2], "--quality", "0.9", *other[2:]]
    assert main(["report", str(folder), *cheapest]) == 0
    again = [str(folder / "other"), *back, "--output", str(folder / "again")]
    assert main(["report", *again]) == 0
    advice = json.loads((folder / "again" / "matrix.json").read_text(encoding="utf-8"))
    assert advice["recommendation"]["rung"] == "big/plain"


@pytest.mark.parametrize(
    ("objective", "problem"),
    [
        (FASTEST.replace("quality = 0.8\n", ""), '*"fastest" needs `quality`; add it*'),
        (
            FASTEST.replace("fastest", "fasttest"),
            "*did you mean `fastest`? Choose one*",
        ),
    ],
    ids=["without its key", "mistyped"],
)
def test_mistakes_in_a_new_kind_are_told(
    slope: Slope, objective: str, problem: str
) -> None:
    slope.ladder(objective, PRICES)
    result = slope.shop.run("--ladder=matrix")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([problem])


def _data_of(folder: Path) -> Any:
    """Return what the page of a report shows, beside its cases."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    packed = re.search('id="data-summary">([^<]*)<', page)
    assert packed is not None
    if packed[1].startswith("{"):
        return json.loads(packed[1])
    return json.loads(gzip.decompress(base64.b64decode(packed[1])))


def _pages_with(text: str, folder: Path) -> set[str]:
    return {
        path.name
        for path in folder.iterdir()
        if path.suffix in (".md", ".html") and text in path.read_text(encoding="utf-8")
    }
