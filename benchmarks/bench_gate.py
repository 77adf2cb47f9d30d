"""False alarms and detection of the gate: methods 2.3 to 2.7, 5.7 and 7.3.

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
from unittest import mock

import msgspec

from benchmarks.measuring import say
from pytest_ladder.core.ladder import Gate
from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level, Verdict
from pytest_ladder.decide.gate import quality
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.quality import ESCALATE_AT
from pytest_ladder.decide.gate.result import ComparedRun, GateResult
from pytest_ladder.decide.judge_errors import JudgeErrors
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.stats.agreement import MIN_JUDGE
from pytest_ladder.stats.judged import judge_line

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
WORST_FALSE_ALARM = 0.045
NAMED = 0.08
"""How far a drop that is named may be from being seen 4 times in 5."""
DROPS = (0.0, 0.02, 0.05, 0.10)
FORMER = {
    (30, 0.0, 1): (0.000, 0.03, 0.19, 0.59),
    (30, 0.0, 5): (0.000, 0.02, 0.19, 0.59),
    (30, 0.2, 1): (0.018, 0.07, 0.20, 0.49),
    (30, 0.2, 5): (0.014, 0.04, 0.18, 0.51),
    (30, 0.5, 1): (0.066, 0.10, 0.20, 0.42),
    (30, 0.5, 5): (0.025, 0.06, 0.19, 0.46),
    (100, 0.0, 1): (0.000, 0.31, 0.89, 1.00),
    (100, 0.0, 5): (0.000, 0.33, 0.88, 1.00),
    (100, 0.2, 1): (0.055, 0.24, 0.61, 0.94),
    (100, 0.2, 5): (0.017, 0.25, 0.73, 0.98),
    (100, 0.5, 1): (0.063, 0.18, 0.46, 0.84),
    (100, 0.5, 5): (0.036, 0.19, 0.58, 0.94),
    (300, 0.0, 1): (0.000, 0.54, 1.00, 1.00),
    (300, 0.0, 5): (0.000, 0.56, 1.00, 1.00),
    (300, 0.2, 1): (0.012, 0.47, 0.96, 1.00),
    (300, 0.2, 5): (0.001, 0.48, 0.99, 1.00),
    (300, 0.5, 1): (0.048, 0.32, 0.84, 1.00),
    (300, 0.5, 5): (0.011, 0.43, 0.96, 1.00),
}
"""(cases, share flaky, runs of the baseline): blocked at each of `DROPS`, by the paired
t test that the gate had before it compared samples within cases."""


class Cell(NamedTuple):
    """A line of a published table: cases, drop, and the share that was blocked."""

    n: int
    drop: float
    published: tuple[float, float]


SINGLE = (
    Cell(100, 0.00, (0.022, 0.022)),
    Cell(200, 0.00, (0.038, 0.038)),
    Cell(100, 0.05, (0.504, 0.504)),
    Cell(200, 0.05, (0.832, 0.832)),
    Cell(100, 0.10, (0.915, 0.915)),
)
"""2.4, one sample each, 20 % flaky: mid-p .05. The gate asks for 2 points as well."""
JUDGES = ((0.95, 0.90), (0.90, 0.70), (0.80, 0.60))
ASKED = ("test_shop.py::test_answer", "openai/judge", "correctness@1#0")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    begun = time.perf_counter()
    # What a drop would be seen is asked for once, below.
    with mock.patch.object(quality, "detectable", return_value=0.0):
        alarms = [
            *_escalating(given.reps, given.seed),
            *_single(given.reps, given.seed),
            _suites(given.reps, given.seed),
            *_slow_days(given.reps, given.seed),
            *_judged(given.reps, given.seed),
        ]
    furthest = _named(max(20, given.reps // 4), given.seed)
    say(f"\n{given.reps} replications a cell, {time.perf_counter() - begun:.0f} s")
    # What chance may add to the rate allowed: three standard errors.
    allowed = WORST_FALSE_ALARM
    allowed += 3 * (allowed * (1 - allowed) / given.reps) ** 0.5
    say(f"worst rate of false alarms {max(alarms):.3f}, allowed {allowed:.3f}")
    far = NAMED + 3 * (0.16 / max(20, given.reps // 4)) ** 0.5
    say(f"named drops are seen {0.8 - furthest:.2f} to {0.8 + furthest:.2f} times in 1")
    return int(max(alarms) > allowed or furthest > far)


def _escalating(reps: int, seed: int) -> list[float]:
    import numpy as np

    say("2.5: change 1 sample, two more when p <= .20; blocked (before this rule)")
    say("    n flaky runs      no change           -2           -5          -10")
    alarms = []
    for (n, flaky, runs), former in FORMER.items():
        said = ""
        for drop, was in zip(DROPS, former, strict=True):
            random = np.random.default_rng([seed, n, int(100 * flaky), runs])
            blocked = 0
            for _ in range(reps):
                before, after = _world(Cell(n, drop, (0, 0)), flaky, random)
                base = _side(_draw(before, runs, random), "before")
                blocked += _held(base, after, random).verdict == "fail"
            said += f"{blocked / reps:7.3f} ({was:.2f})"
            if not drop:
                alarms.append(blocked / reps)
        say(f"{n:5} {flaky:5.0%} {runs:4} {said}")
    return alarms


def _held(base: ComparedRun, chances: Chances, random: Random) -> GateResult:
    """Hold a change against a baseline, with two more samples where the gate asks."""
    scores = _draw(chances, 1, random)
    result = gate(base, _side(scores, "after"))
    if not result.needs_escalation:
        return result
    more = _draw(chances, 2, random)
    scores = [[*one, *two] for one, two in zip(scores, more, strict=True)]
    head = msgspec.structs.replace(_side(scores, "after"), escalation="run")
    return gate(base, head)


def _named(reps: int, seed: int) -> float:
    """Break as much as the gate says that it sees, and count how often it does."""
    import numpy as np

    say("\n2.3: the true drop that is seen 4 times in 5, and how often it is seen")
    furthest = 0.0
    for n, flaky, runs in FORMER:
        random = np.random.default_rng([seed, n, int(100 * flaky), runs, 3])
        seen, drops = 0, []
        for _ in range(reps):
            before, _ = _world(Cell(n, 0.0, (0, 0)), flaky, random)
            base = _side(_draw(before, runs, random), "before")
            drops.append(_held(base, before, random).suites[0].detectable)
            left = random.random(n) >= drops[-1] / max(float(before.mean()), 0.01)
            with mock.patch.object(quality, "detectable", return_value=0.0):
                found = _held(base, np.where(left, before, 0.0), random)
            seen += found.verdict == "fail"
        furthest = max(furthest, abs(seen / reps - 0.8))
        mean = 100 * sum(drops) / reps
        say(f"{n:5} {flaky:5.0%} {runs:4}  {mean:5.1f} points  {seen / reps:.3f}")
    return furthest


def _slow_days(reps: int, seed: int) -> list[float]:
    """Let nothing change but the day: latency gates of a margin of 20 %."""
    import numpy as np

    say("\n7.3: p95 latency, calls lognormal (sd .5): red")
    say("                  day effect 0, 10 and 20 %; one day in ten twice as slow")
    alarms = []
    for n, runs in ((60, 2), (60, 5), (60, 10), (100, 3), (100, 5), (300, 5)):
        said = ""
        for sd in (0.0, 0.1, 0.2, None):
            random = np.random.default_rng([seed, n, runs, int(100 * (sd or 9))])
            red = 0
            for _ in range(max(20, reps // 4)):
                days = np.exp(random.normal(0, sd or 0.0, runs + 1))
                if sd is None:
                    days = np.where(random.random(runs + 1) < 0.1, 2.0, 1.0)
                seconds = random.lognormal(0, 0.5, (runs + 1, n)) * days[:, None]
                rows = [_rows([[1.0]] * n, "t.py", "before") for _ in range(runs)]
                old = [
                    _timed(row, seconds[run, place], run)
                    for run, made in enumerate(rows)
                    for place, row in enumerate(made)
                ]
                new = [
                    _timed(row, seconds[runs, place], runs)
                    for place, row in enumerate(_rows([[1.0]] * n, "t.py", "after"))
                ]
                result = gate(_results(old), _results(new), Gate(latency_p95=0.2))
                red += result.verdict == "fail"
            rate = red / max(20, reps // 4)
            # A bad day of its own is no draw of days as before: it is only shown.
            alarms += [] if sd is None else [rate]
            said += f"{rate:7.3f}"
        say(f"{n:5} calls, {runs} runs {said}")
    # Few replications, and a rate of at most .05: what chance may add is taken off.
    return [max(0.0, rate - 3 * (0.05 / max(20, reps // 4)) ** 0.5) for rate in alarms]


def _timed(row: Row, seconds: float, run: int) -> Row:
    bill = UsedReply(key=f"{row.case}-{run}", live=True, latency_s=float(seconds))
    return msgspec.structs.replace(
        row, sample=run + 1, run=f"r{run}", replies=(bill,), text=f"{run}"
    )


def _single(reps: int, seed: int) -> list[float]:
    import numpy as np

    say("\n2.4: one sample each, 20 % flaky, mid-p at .05 (published without 2 points)")
    alarms = []
    for cell in SINGLE:
        random = np.random.default_rng([seed, cell.n, 7])
        blocked = doubted = 0
        for _ in range(reps):
            before, after = _world(cell, 0.2, random)
            base = _side(_draw(before, 1, random), "before")
            head = _side(_draw(after, 1, random), "after")
            result = gate(base, head)
            blocked += result.verdict == "fail"
            doubted += result.suites[0].p <= ESCALATE_AT
        rates = f"{blocked / reps:8.3f} ({cell.published[0]:.3f})"
        say(f"{cell.n:5} {cell.drop:6.2f} {rates}   p <= .20: {doubted / reps:.3f}")
        if not cell.drop:
            alarms.append(blocked / reps)
    return alarms


def _judged(reps: int, seed: int) -> list[float]:
    """Let judges with errors say it, of which labels of the baseline tell (5.7)."""
    import numpy as np

    say("\n5.7: judged, 100 labels of the baseline's replies, 20 % flaky, escalation")
    say("    n   drop   " + "  ".join(f"se/sp {se}/{sp}" for se, sp in JUDGES))
    alarms = []
    for n in (100, 300):
        for drop in (0.0, 0.05, 0.10):
            rates = []
            for place, shares in enumerate(JUDGES):
                random = np.random.default_rng([seed, n, place])
                blocked = sum(
                    _one_judged(Cell(n, drop, (0, 0)), shares, random) == "fail"
                    for _ in range(reps)
                )
                rates.append(blocked / reps)
            say(f"{n:5} {drop:6.2f}   {'  '.join(f'{rate:13.3f}' for rate in rates)}")
            alarms += [] if drop else rates
    return alarms


def _one_judged(cell: Cell, shares: tuple[float, float], random: Random) -> str:
    before, after = _world(cell, 0.2, random)
    base, base_said = _said(_draw(before, 5, random), shares, random)
    people = [score for case in base for score in case]
    judge = [score for case in base_said for score in case]
    picked = random.permutation(len(people))[:100]
    line = judge_line(
        [people[at] for at in picked], [judge[at] for at in picked], picked.tolist()
    )
    enough = line is not None and line.slope >= MIN_JUDGE - 1
    errors = {ASKED: JudgeErrors(labels=100, line=line, why_not="" if enough else "?")}
    _, said = _said(_draw(after, 3, random), shares, random)
    first = gate(_judging(base_said), _judging([c[:1] for c in said]), errors=errors)
    if not first.needs_escalation:
        return first.verdict
    return gate(_judging(base_said), _judging(said), errors=errors).verdict


def _said(
    scores: list[list[float]], shares: tuple[float, float], random: Random
) -> tuple[list[list[float]], list[list[float]]]:
    """Return what people would say, and what a judge does."""
    se, sp = shares
    said = [
        [float(random.random() < (se if score else 1 - sp)) for score in case]
        for case in scores
    ]
    return scores, said


def _judging(scores: Sequence[Sequence[float]]) -> ComparedRun:
    _, judge, rubric = ASKED
    return _results(
        [
            msgspec.structs.replace(
                row,
                level=Level.JUDGED,
                verdict=Verdict(
                    passed=bool(row.score),
                    score=row.score or 0.0,
                    judge=judge,
                    rubric=rubric,
                ),
            )
            for row in _rows(scores, "test_shop.py")
        ]
    )


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


def _side(scores: Sequence[Sequence[float]], side: str) -> ComparedRun:
    return _results(_rows(scores, "test_shop.py", side))


def _results(rows: Sequence[Row]) -> ComparedRun:
    return ComparedRun(rows=rows, matrix=EMPTY, current=RUNG)


def _rows(scores: Sequence[Sequence[float]], file: str, side: str = "") -> list[Row]:
    """Return rows with replies that all differ, each sample of a run of its own."""
    return [
        Row(
            test=f"{file}::test_answer",
            rung=RUNG,
            level=Level.CHEAP,
            source=f"{file}.jsonl",
            case=str(place),
            sample=sample,
            run=f"r{sample}",
            text=f"{side} {sample}",
            replies=(UsedReply(key=f"{file}-{place}-{side}-{sample}", live=True),),
            outcome=Outcome.PASSED if score else Outcome.MISSED,
            score=score,
        )
        for place, case in enumerate(scores)
        for sample, score in enumerate(case, start=1)
    ]


if __name__ == "__main__":
    sys.exit(main())
