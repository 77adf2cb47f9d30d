"""Suites of all kinds, drawn at random: every report decides and says the same of them.

Longer runs of such worlds found what is held here: a judged level of one cluster, rungs
of nearly equal price and counts of one.
"""

from __future__ import annotations

import html
import random
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import pytest

from pytest_ladder.core.ladder import Objective, Require
from pytest_ladder.core.review import reply_hash
from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.rung import Rung
from pytest_ladder.core.score import Level, Verdict
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.judging.calibration.calibrate import calibrations_of
from pytest_ladder.judging.calibration.labels import Label
from pytest_ladder.reporting.html.page import page_html
from pytest_ladder.reporting.markdown import matrix_markdown
from pytest_ladder.reporting.report import Report, RunInfo, report_on
from pytest_ladder.reporting.revise import revised
from pytest_ladder.reporting.sentences.matrix import headline
from pytest_ladder.reporting.terminal.report import decision_lines, report_lines
from tests.decide.ladders import Made

ASKED = "t.py::test_said", "openai/judge", "correctness@1#0"
ODD = re.compile(
    r"\bnan\b|\binf\b|None|,,|;;|\(\)|\b1 (cases|rungs|calls|labels|samples)\b"
)
"""What no sentence has."""


class World(NamedTuple):
    rows: Sequence[Row]
    rungs: Sequence[Rung]
    labels: Sequence[Label]
    objective: Objective

    def report(self) -> Report:
        names = [rung.id for rung in self.rungs]
        measured = calibrations_of(self.rows, self.labels, names)
        volume = self.objective.volume
        matrix = build_matrix(self.rows, self.rungs, {}, volume=volume)
        info = RunInfo(id="r", started="2026-01-01", mode="matrix", current=names[0])
        return report_on(info, matrix, self.rows, self.objective, measured)


def a_world(seed: int) -> World:
    chance = random.Random(seed)
    n, size = chance.choice([3, 9, 12, 40]), chance.choice([0, 2, 99])
    names = [f"m{place}/s" for place in range(chance.choice([1, 2, 3]))]
    usd = [0.001 * (1 + 1e-9 * place) for place in range(len(names))]
    if chance.random() < 0.3:
        usd[-1] = None  # type: ignore[call-overload]
    lost, fails, grades = (chance.choice([0, 0, x]) for x in (0.2, 0.1, 4))
    rows, labels = [], []
    for name, price in zip(names, usd, strict=True):
        good = chance.uniform(0.4, 1.0)
        for place in range(n):
            fields: dict[str, Any] = {
                "rung": name,
                "source": "cases.jsonl",
                "case": f"c{place}",
                "cluster": f"k{place // size}" if size else None,
                "tags": ("de",) if place % 2 else (),
                "text": f"{name} {place}",
                "replies": (
                    UsedReply(key=f"{name}-{place}", live=True, cost_usd=price),
                ),
            }
            right = float(chance.random() < good)
            if grades:
                right = sum(chance.random() < good for _ in range(4)) / 4
            said = float(chance.random() < (0.9 if right >= 0.5 else 0.2))
            verdict = Verdict(
                passed=said == 1, score=said, judge=ASKED[1], rubric=ASKED[2]
            )
            for test, level, score in (
                ("t.py::test_cheap", Level.CHEAP, right),
                (ASKED[0], Level.JUDGED, said),
            ):
                if chance.random() < lost:
                    continue
                failed = chance.random() < fails
                passed = Outcome.PASSED if score == 1 else Outcome.MISSED
                judged = level is Level.JUDGED and not failed
                row = Row(
                    test=test,
                    level=level,
                    outcome=Outcome.ERROR if failed else passed,
                    score=None if failed else score,
                    verdict=verdict if judged else None,
                    **fields,
                )
                rows.append(row)
            labels.append(
                Label(
                    case=f"c{place}",
                    rung=name,
                    reply=reply_hash(fields["text"]),
                    verdict="pass" if right >= 0.5 else "fail",
                    test=ASKED[0],
                )
            )
    kind = chance.choice(["good-enough", "good-enough", "budget", "value"])
    asked: dict[str, Any] = {
        "good-enough": {"quality": chance.choice([0.5, 0.8, 1.0])},
        "budget": {"usd_per_1k": chance.choice([0.5, 2.0])},
        "value": {"right_usd": 0.05, "wrong_usd": 0.1},
    }[kind]
    require = (Require(tag="de", at_least=0.6),) if chance.random() < 0.3 else ()
    level = chance.choice([Level.CHEAP, Level.JUDGED])
    objective = Objective(kind=kind, level=level, require=require, **asked)
    labels = chance.sample(labels, min(len(labels), chance.choice([0, 21, 99])))
    return World(rows, [Made().rung(name) for name in names], labels, objective)


@pytest.mark.parametrize("seed", range(6, 20))
def test_reports_of_any_suite_say_one_thing(seed: int) -> None:
    world = a_world(seed)
    report = world.report()
    advice, said = report.decision.recommendation, headline(report.decision)
    assert advice is not None
    assert said is not None
    assert said.startswith(advice.verdict.upper())
    terminal = [*report_lines(report, 10_000), *decision_lines(report, 10_000)]
    lines = [line for line, _ in terminal]
    assert lines[-1] == said
    assert html.escape(advice.reason) in page_html(report)
    assert f"**{advice.verdict.upper()}: " in matrix_markdown(report)
    assert [line for line in lines if ODD.search(line)] == []
    for rung in report.matrix.rungs:
        for cell in rung.levels.values():
            if cell.quality is not None and cell.low is not None and cell.high:
                assert cell.low <= cell.quality + 1e-9 <= cell.high + 2e-9
    # The same rows, in whatever order and however often they are looked at.
    mixed = list(world.rows)
    random.Random(seed).shuffle(mixed)
    for other in (
        world._replace(rows=mixed).report(),
        revised(report, report.objective, report.matrix.volume),
    ):
        assert other.decision.recommendation == advice
    if advice.verdict == "pass":
        worse = with_a_worse_rung(world).report().decision.recommendation
        assert worse is not None
        assert (worse.rung, worse.verdict) == (advice.rung, "pass")


def with_a_worse_rung(world: World) -> World:
    """Add a rung that misses all that another has, at a hundred times the price."""
    bill = UsedReply(key="zz", live=True, cost_usd=0.1)
    rows = [
        msgspec.structs.replace(
            row,
            rung="zz/s",
            outcome=Outcome.MISSED,
            score=0.0,
            verdict=None,
            replies=(msgspec.structs.replace(bill, key=f"zz-{row.case}"),),
        )
        for row in world.rows
        if row.rung == world.rungs[0].id
    ]
    rungs = [*world.rungs, Made().rung("zz/s")]
    return world._replace(rows=[*world.rows, *rows], rungs=rungs)
