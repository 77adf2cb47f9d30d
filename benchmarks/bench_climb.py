"""The simulation of methods 3.10: the climb itself, worlds in place of model calls.

`python benchmarks/bench_climb.py --reps=2000` repeats the published one.

A world has 200 cases and 16 rungs, 4 models x 4 strategies. A case is as hard for one
rung as for another: rung r passes it with chance logistic(a_r + 1.5 z), z standard
normal and a_r such that the rung's quality over all such cases is q_r.

What the text leaves open is chosen here, by the columns `fixed` (200 cases a rung, pass
from 158: vector V15) and `curtailed` (the same, stopped when certain), which need no
climb: they tie the worlds to the published ones before the climb is measured on them.
- Prices: 1, 4, 12, 33 for the models times 1, 1.5, 2, 3 for the strategies. Prices from
  1 to 99 in equal ratios (`--prices=ratio`) cannot be the published ones: 12 of 16
  rungs would cost 28.8 % of the matrix, where `hover` spends 32.7 % on 12, and those up
  to 30 would cost 28.8 %, where section 3.12 has 24.8 %; these cost 33.2 and 24.4 %.
- Qualities: given are the first rung at .80 or more, the plateau of `hover` with .87
  after it, and that `tiers` falls from time to time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.measuring import say
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.climb.climb import Climb
from pytest_ladder.decide.climb.opening import climb_of
from pytest_ladder.decide.climb.terms import Terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Passed = NDArray[np.bool_]

CASES = 200
BAR = 0.80
EVERY = 5
SPREAD = 1.5
FIXED = 158
RUNGS = tuple(f"model-{model}/strategy-{way}" for model in "abcd" for way in "abcd")
UNITS = tuple(("cases.jsonl", str(case)) for case in range(CASES))
PRICES: dict[str, tuple[float, ...]] = {
    "product": tuple(sorted(m * s for m in (1, 4, 12, 33) for s in (1, 1.5, 2, 3))),
    "ratio": tuple(99 ** (place / 15) for place in range(16)),
}


def _ramp(first: float, last: float, count: int) -> tuple[float, ...]:
    step = (last - first) / (count - 1)
    return tuple(first + step * place for place in range(count))


PROFILES: dict[str, tuple[float, ...]] = {
    "early": (0.55, 0.67, 0.77, 0.85, *_ramp(0.86, 0.95, 12)),
    "mid": (*_ramp(0.45, 0.74, 6), 0.815, *_ramp(0.83, 0.95, 9)),
    "tiers": (
        *(0.40, 0.50, 0.60, 0.66),
        *(0.50, 0.70, 0.815, 0.60),
        *(0.82, 0.72, 0.85, 0.88),
        *(0.65, 0.78, 0.90, 0.92),
    ),
    "hover": (*_ramp(0.45, 0.62, 4), *_ramp(0.68, 0.72, 7), *_ramp(0.87, 0.93, 5)),
    "late": (*_ramp(0.40, 0.64, 13), 0.84, 0.87, 0.90),
    "never": _ramp(0.40, 0.665, 16),
}
NULL = "all at .70"
WORLDS = {**PROFILES, NULL: (BAR - 0.10,) * 16}

WAYS = ("fixed", "curtailed", "unfinished", "finished")
OURS = WAYS[2:]
PUBLISHED: dict[str, tuple[float, float]] = {
    "early": (1.5, 1.3),
    "mid": (7.3, 5.6),
    "tiers": (8.0, 5.9),
    "hover": (32.7, 25.1),
    "late": (56.0, 36.7),
    "never": (100, 56.5),
    "mean spend": (34.3, 21.8),
    "mean calls": (62.2, 34.9),
    "false pass": (4.4, 4.4),
}
"""Of `fixed` and `curtailed`; these need no climb and tie the worlds to the text."""
TOLERANCE = 3.0
MOST_SPEND = {"unfinished": 10.5, "finished": 12.0}
"""In % of the full matrix, the mean of all profiles, at prices in equal ratios."""
LEAST_AGREEMENT = 0.995
"""The mean of all profiles; no profile may be below `LEAST_IN_A_PROFILE`."""
LEAST_IN_A_PROFILE = 0.99


class Walk(NamedTuple):
    """How one way over the rungs of one world ended."""

    asked: tuple[int, ...]
    """Cases run, by rung."""
    rung: str | None


@dataclass
class Sums:
    """The walks of one way over many worlds of one profile."""

    spend: float = 0.0
    """In % of the full matrix, as `calls`."""
    calls: float = 0.0
    passed: float = 0.0
    """Share of the worlds, as `agreed`."""
    agreed: float = 0.0


def intercepts(qualities: Sequence[float]) -> NDArray[np.float64]:
    """Return the a_r that give each rung its quality over all cases."""
    import numpy as np
    from scipy.optimize import brentq

    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()

    def excess(a: float, quality: float) -> float:
        return float(weights @ (1 / (1 + np.exp(-(a + SPREAD * nodes))))) - quality

    return np.array([brentq(excess, -9, 9, args=(q,)) for q in qualities])


def fixed(passed: Passed, needed: int = FIXED) -> Walk:
    """Walk to the first rung that passes enough of all its cases."""
    good = (passed.sum(axis=1) >= needed).tolist()
    tried = good.index(True) + 1 if True in good else len(RUNGS)
    asked = (CASES,) * tried + (0,) * (len(RUNGS) - tried)
    return Walk(asked, RUNGS[tried - 1] if True in good else None)


def stopped_when_certain(passed: Passed) -> Walk:
    """Walk the same way, each rung stopped when its verdict is certain."""
    whole = fixed(passed)
    certain = (passed.cumsum(1) >= FIXED) | ((~passed).cumsum(1) > CASES - FIXED)
    firsts = (certain.argmax(axis=1) + 1).tolist()
    asked = tuple(min(pair) for pair in zip(whole.asked, firsts, strict=True))
    return Walk(asked, whole.rung)


def climb(passed: Passed, usd: Sequence[float], finish_winner: bool) -> Walk:
    """Walk by the climb of this package."""
    walk = climb_of(
        Objective(kind="good-enough", quality=BAR),
        Terms(
            rungs=RUNGS,
            units={Level.CHEAP: UNITS},
            graded={Level.CHEAP: False},
            cheap_bar=None,
            every=EVERY,
            finish_winner=finish_winner,
            usd=dict(zip(RUNGS, usd, strict=True)),
        ),
    )
    assert isinstance(walk, Climb)
    asked = dict.fromkeys(RUNGS, 0)
    outcomes = dict(zip(RUNGS, passed.tolist(), strict=True))
    while walk.stage is not None:
        rung, units = walk.stage.rung, walk.stage.units
        asked[rung] += len(units)
        walk.close(_rows(rung, units, outcomes[rung]))
    return Walk(tuple(asked.values()), walk.winner)


def _rows(
    rung: str, units: Sequence[tuple[str, str]], passed: Sequence[bool]
) -> list[Row]:
    return [
        Row(
            test="test_answer",
            rung=rung,
            level=Level.CHEAP,
            source=source,
            case=case,
            outcome=Outcome.PASSED if passed[int(case)] else Outcome.MISSED,
        )
        for source, case in units
    ]


def simulate(profile: str, prices: str, reps: int, seed: int) -> dict[str, Sums]:
    """Walk over `reps` worlds of a profile in each way."""
    import numpy as np

    chance = np.random.default_rng(seed)
    means = intercepts(WORLDS[profile])
    usd = PRICES[prices]
    shares = np.array(usd) / sum(usd)
    walks: dict[str, Callable[[Passed], Walk]] = {
        "fixed": fixed,
        "curtailed": stopped_when_certain,
        "unfinished": lambda passed: climb(passed, usd, finish_winner=False),
        "finished": lambda passed: climb(passed, usd, finish_winner=True),
    }
    sums = {way: Sums() for way in WAYS}
    for _ in range(reps):
        logits = means[:, None] + SPREAD * chance.standard_normal(CASES)
        passed = chance.random(logits.shape) < 1 / (1 + np.exp(-logits))
        wanted = fixed(passed, round(BAR * CASES)).rung
        for way, added in sums.items():
            walk = walks[way](passed)
            added.spend += 100 * float(shares @ walk.asked) / CASES / reps
            added.calls += 100 * sum(walk.asked) / CASES / len(RUNGS) / reps
            added.passed += (walk.rung is not None) / reps
            added.agreed += (walk.rung == wanted) / reps
    return sums


def _lines(found: Mapping[str, Mapping[str, Sums]]) -> dict[str, list[float]]:
    """Return the figures of the published table, by line, in the order of `WAYS`."""
    named = [found[profile] for profile in PROFILES]
    mean = len(named)
    return {
        **{name: [found[name][way].spend for way in WAYS] for name in PROFILES},
        "mean spend": [sum(f[way].spend for f in named) / mean for way in WAYS],
        "mean calls": [sum(f[way].calls for f in named) / mean for way in WAYS],
        "false pass": [100 * found[NULL][way].passed for way in WAYS],
    }


def show(found: Mapping[str, Mapping[str, Sums]], reps: int, prices: str) -> int:
    """Print all figures, published ones in brackets; returns how many are off."""
    heads = [f"{way:>17}" for way in WAYS[:2]] + [f"{way:>12}" for way in OURS]
    say(f"{'% (published)':<12}" + "".join(heads) + "  agreement")
    off = 0
    for name, figures in _lines(found).items():
        known = [
            f"{figure:>9.1f} ({at:>5.1f})"
            for figure, at in zip(figures, PUBLISHED[name], strict=False)
        ]
        ours = [f"{figure:>12.1f}" for figure in figures[2:]]
        agreed = [found[name][way].agreed for way in OURS if name in PROFILES]
        said = " / ".join(f"{share:.4f}" for share in agreed)
        say(f"{name:<12}" + "".join(known + ours) + f"   {said}")
        if prices == "product":
            pairs = zip(figures, PUBLISHED[name], strict=False)
            off += sum(abs(figure - at) > TOLERANCE for figure, at in pairs)
    for place, way in enumerate(OURS, start=2):
        agreed = [found[name][way].agreed for name in PROFILES]
        mean, worst = sum(agreed) / len(agreed), min(agreed)
        slack = 2 * (LEAST_IN_A_PROFILE * (1 - LEAST_IN_A_PROFILE) / reps) ** 0.5
        spend = _lines(found)["mean spend"][place]
        say(
            f"{way}: {spend:.2f} % of the spend (at most {MOST_SPEND[way]}), agreement "
            f"{100 * mean:.2f} %, in the worst profile {100 * worst:.2f} %"
        )
        off += spend > MOST_SPEND[way] and prices == "ratio"
        off += mean < LEAST_AGREEMENT
        off += worst < LEAST_IN_A_PROFILE - slack
    return off


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reps", type=int, default=400, help="worlds per profile")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prices", choices=PRICES, default="product")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    begun = time.perf_counter()
    with ProcessPoolExecutor(given.jobs) as pool:
        futures = {
            name: pool.submit(
                simulate, name, given.prices, given.reps, given.seed + place
            )
            for place, name in enumerate(WORLDS)
        }
        found = {name: future.result() for name, future in futures.items()}
    off = show(found, given.reps, given.prices)
    say(
        f"{given.reps} worlds a line, prices {given.prices!r}, "
        f"{time.perf_counter() - begun:.0f} s: {off} figures are not as they should be"
    )
    return int(off > 0)


if __name__ == "__main__":
    sys.exit(main())
