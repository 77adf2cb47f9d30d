"""False alarms and detection of the gate: the simulations of methods 2.4, 2.5 and 2.7.

`python benchmarks/bench_gate.py --reps=4000` repeats the published ones; small by
default. Every replication goes through `gate()`, rows in and verdict out.

A world: the baseline is right on .85 of the cases. A share of them is flaky (their
chance is drawn from a Beta with that mean); the others always pass or always miss. A
regression breaks a random share of the passing cases for good.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.measuring import say
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.quality import ESCALATE_AT
from pytest_ladder.decide.gate.result import ComparedRun, GateResult
from pytest_ladder.decide.matrix import build_matrix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Chances = NDArray[np.float64]
    Random = np.random.Generator

QUALITY = 0.85
RUNG = "bot/plain"
EMPTY = build_matrix(
    [],
    [
        Rung(
            model=Model(name="bot", tier=Tier.OFF_THE_SHELF, id="scripted/bot"),
            strategy=Strategy(name="plain"),
        )
    ],
    {},
)
WORST_FALSE_ALARM = 0.05


class Cell(NamedTuple):
    """A line of the published table of 2.5: n, drop, blocked at 20 and 50 % flaky."""

    n: int
    drop: float
    published: tuple[float, float]


ESCALATING = (
    Cell(50, 0.00, (0.019, 0.032)),
    Cell(100, 0.00, (0.015, 0.035)),
    Cell(200, 0.00, (0.002, 0.022)),
    Cell(100, 0.05, (0.73, 0.61)),
    Cell(200, 0.05, (0.96, 0.88)),
    Cell(100, 0.10, (0.99, 0.95)),
)
SINGLE = (
    Cell(100, 0.00, (0.022, 0.022)),
    Cell(200, 0.00, (0.038, 0.038)),
    Cell(100, 0.05, (0.504, 0.504)),
    Cell(200, 0.05, (0.832, 0.832)),
    Cell(100, 0.10, (0.915, 0.915)),
)
"""2.4, one sample each, 20 % flaky: mid-p .05. The gate asks for 2 points as well."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    begun = time.perf_counter()
    alarms = [*_escalating(given.reps, given.seed), *_single(given.reps, given.seed)]
    alarms.append(_suites(given.reps, given.seed))
    say(f"\n{given.reps} replications a cell, {time.perf_counter() - begun:.0f} s")
    # What chance may add to the rate allowed: three standard errors.
    allowed = WORST_FALSE_ALARM
    allowed += 3 * (allowed * (1 - allowed) / given.reps) ** 0.5
    say(f"worst rate of false alarms {max(alarms):.3f}, allowed {allowed:.3f}")
    return int(max(alarms) > allowed)


def _escalating(reps: int, seed: int) -> list[float]:
    import numpy as np

    say("2.5: baseline 5 samples, change 1, two more when p <= .20 (published)")
    say("    n   drop   20 % flaky        50 % flaky        samples  undecided")
    alarms = []
    for cell in ESCALATING:
        said, samples, undecided = "", 0.0, 0.0
        for flaky, published in zip((0.2, 0.5), cell.published, strict=True):
            random = np.random.default_rng([seed, cell.n, int(100 * flaky)])
            blocked = 0
            for _ in range(reps):
                result, used = _one_escalating(cell, flaky, random)
                blocked += result.verdict == "fail"
                samples += used / (2 * reps)
                undecided += (result.verdict == "undecided") / (2 * reps)
            said += f"{blocked / reps:8.3f} ({published:.3f})"
            if not cell.drop:
                alarms.append(blocked / reps)
        say(f"{cell.n:5} {cell.drop:6.2f} {said} {samples:9.2f} {undecided:9.2f}")
    return alarms


def _one_escalating(cell: Cell, flaky: float, random: Random) -> tuple[GateResult, int]:
    before, after = _world(cell, flaky, random)
    base = _side(_draw(before, 5, random))
    scores = _draw(after, 1, random)
    result = gate(base, _side(scores))
    if not result.needs_escalation:
        return result, 1
    more = _draw(after, 2, random)
    scores = [[*one, *two] for one, two in zip(scores, more, strict=True)]
    return gate(base, _side(scores)), 3


def _single(reps: int, seed: int) -> list[float]:
    import numpy as np

    say("\n2.4: one sample each, 20 % flaky, mid-p at .05 (published without 2 points)")
    alarms = []
    for cell in SINGLE:
        random = np.random.default_rng([seed, cell.n, 7])
        blocked = doubted = 0
        for _ in range(reps):
            before, after = _world(cell, 0.2, random)
            base, head = (_side(_draw(one, 1, random)) for one in (before, after))
            result = gate(base, head)
            blocked += result.verdict == "fail"
            doubted += result.suites[0].p <= ESCALATE_AT
        rates = f"{blocked / reps:8.3f} ({cell.published[0]:.3f})"
        say(f"{cell.n:5} {cell.drop:6.2f} {rates}   p <= .20: {doubted / reps:.3f}")
        if not cell.drop:
            alarms.append(blocked / reps)
    return alarms


def _suites(reps: int, seed: int) -> float:
    """Run five files of 100 cases, then let one of them lose 10 points (2.7)."""
    import numpy as np

    random = np.random.default_rng([seed, 5])
    rates = []
    for drop in (0.0, 0.10):
        blocked = 0
        for _ in range(reps):
            sides: tuple[list[Row], list[Row]] = ([], [])
            for place in range(5):
                cell = Cell(100, 0.0 if place else drop, (0, 0))
                for rows, chances in zip(sides, _world(cell, 0.2, random), strict=True):
                    rows += _rows(_draw(chances, 1, random), f"test_{place}.py")
            base, head = (_results(rows) for rows in sides)
            blocked += gate(base, head).verdict == "fail"
        rates.append(blocked / reps)
    say("\n2.7: five suites of 100 cases and the whole, Holm (published .025 and .666)")
    say(f"      no drop {rates[0]:.3f}, one suite 10 points worse {rates[1]:.3f}")
    return rates[0]


def _world(cell: Cell, flaky: float, random: Random) -> tuple[Chances, Chances]:
    """Return the chance of every case to pass, before and after."""
    import numpy as np

    chances = (random.random(cell.n) < QUALITY).astype(float)
    doubtful = random.random(cell.n) < flaky
    beta = random.beta(3 * QUALITY, 3 * (1 - QUALITY), cell.n)
    before = np.where(doubtful, beta, chances)
    broken = random.random(cell.n) < cell.drop / QUALITY
    return before, np.where(broken, 0.0, before)


def _draw(chances: Chances, samples: int, random: Random) -> list[list[float]]:
    drawn = random.random((len(chances), samples)) < chances[:, None]
    return [[float(one) for one in case] for case in drawn]


def _side(scores: Sequence[Sequence[float]]) -> ComparedRun:
    return _results(_rows(scores, "test_shop.py"))


def _results(rows: Sequence[Row]) -> ComparedRun:
    return ComparedRun(rows=rows, matrix=EMPTY, current=RUNG)


def _rows(scores: Sequence[Sequence[float]], file: str) -> list[Row]:
    return [
        Row(
            test=f"{file}::test_answer",
            rung=RUNG,
            level=Level.CHEAP,
            source=f"{file}.jsonl",
            case=str(place),
            sample=sample,
            outcome=Outcome.PASSED if score else Outcome.MISSED,
            score=score,
        )
        for place, case in enumerate(scores)
        for sample, score in enumerate(case, start=1)
    ]


if __name__ == "__main__":
    sys.exit(main())
