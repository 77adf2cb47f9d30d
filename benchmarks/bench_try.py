"""--ladder-try by its decision: how often better, worse and equal models are told.

`python -m benchmarks.bench_try` makes the table of docs/trying.md, 500 draws a cell.
What ships is right in 80 % of the cases. Whether a model is right depends half on the
case, which is hard or easy for both, and half on chance (correlation .5 of a normal
that is cut at its share).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.measuring import say
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.decide.tried import hold_against

if TYPE_CHECKING:
    import numpy as np

SHIPS = 0.8
GAPS = (0.1, -0.1, 0.0, 0.05, -0.05)
CASES = (50, 100, 200)
RIGHT = {True: "better", False: "worse"}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    begun = time.perf_counter()
    say(" gap  cases  rungs  better  worse  undecided")
    wrong = []
    for at_once in (1, 3):
        for gap in GAPS:
            for cases in CASES:
                told = _told(gap, cases, at_once, given.reps, given.seed)
                shares = [told[v] / given.reps for v in ("better", "worse")]
                undecided = told["undecided"] / given.reps
                say(
                    f"{gap:+4.0%} {cases:6} {at_once:6} {shares[0]:7.3f} "
                    f"{shares[1]:6.3f} {undecided:10.3f}"
                )
                wrong.append(sum(shares) if gap == 0 else shares[int(gap > 0)])
    say(f"\n{given.reps} draws a cell, {time.perf_counter() - begun:.0f} s")
    # What chance may add to the 5 %: three standard errors.
    allowed = 0.05 + 3 * (0.05 * 0.95 / given.reps) ** 0.5
    say(f"worst rate of wrong verdicts {max(wrong):.3f}, allowed {allowed:.3f}")
    return int(max(wrong) > allowed)


def _told(gap: float, cases: int, at_once: int, reps: int, seed: int) -> Counter[str]:
    """Count the verdicts on the first of several rungs; the others equal what ships."""
    import numpy as np

    random = np.random.default_rng([seed, cases, at_once, round(100 * gap) + 100])
    qualities = [SHIPS, SHIPS + gap, *[SHIPS] * (at_once - 1)]
    names = ["bot/plain", *[f"new{n}/plain" for n in range(at_once)]]
    rungs = [_rung(name) for name in names]
    told: Counter[str] = Counter()
    for _ in range(reps):
        rows = _rows(random, names, qualities, cases)
        matrix = build_matrix(rows, rungs, {})
        held = hold_against(matrix, Evidence(rows), names[1:], names[0], None)
        told[held[0].verdict] += 1
    return told


def _rows(
    random: np.random.Generator,
    names: Sequence[str],
    qualities: Sequence[float],
    cases: int,
) -> list[Row]:
    from scipy.special import ndtri

    shared = random.standard_normal(cases)
    rows = []
    for name, quality in zip(names, qualities, strict=True):
        own = random.standard_normal(cases)
        passed = (shared + own) / 2**0.5 < ndtri(quality)
        rows += [
            Row(
                test="t.py::test_a",
                rung=name,
                level=Level.CHEAP,
                source="cases.jsonl",
                case=f"c{place}",
                outcome=Outcome.PASSED if is_right else Outcome.MISSED,
                score=float(is_right),
            )
            for place, is_right in enumerate(passed)
        ]
    return rows


def _rung(name: str) -> Rung:
    model = Model(name=name.split("/")[0], tier=Tier.OFF_THE_SHELF, id="scripted/x")
    return Rung(model=model, strategy=Strategy(name="plain"))


if __name__ == "__main__":
    sys.exit(main())
