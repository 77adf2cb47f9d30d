"""Drift since an anchor: how often it is noticed, and how often where there is none.

`python benchmarks/bench_drift.py --reps=1000` makes the table of methods 2.10; small by
default. A world: 100 cases, .85 of them right; a share is flaky (their chance is drawn
from a Beta with that mean), the others always pass or always miss. Each baseline is one
run. In a drift each breaks one passing case for good: a point. A day may make all
flaky cases of a run harder or easier together, by a normal with sd .4 on the logit.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.measuring import say
from pytest_ladder.decide.gate.drift import ERROR
from pytest_ladder.stats.drift import Run, drift_evidence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Chances = NDArray[np.float64]
    Random = np.random.Generator

CASES = 100
QUALITY = 0.85
STEPS = 10
STILL = 50
DAY = 0.4


class Setting(NamedTuple):
    """What a world is drawn from."""

    flaky: float
    samples: int
    """Of the anchor."""
    day: float = 0.0


SETTINGS = (
    Setting(0.0, 1),
    Setting(0.0, 5),
    Setting(0.2, 1),
    Setting(0.2, 5),
    Setting(0.5, 1),
    Setting(0.5, 5),
    Setting(0.5, 1, DAY),
    Setting(0.5, 5, DAY),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    begun = time.perf_counter()
    say("flaky  anchor   day   noticed in 10 x -1 point   of 50 still ones noticed")
    alarms = []
    for number, setting in enumerate(SETTINGS):
        noticed = _rate(setting, STEPS, [given.seed, number, 1], given.reps)
        alarms.append(_rate(setting, STILL, [given.seed, number, 2], given.reps))
        say(
            f"{setting.flaky:5.0%} {setting.samples:7} {setting.day:5.1f} "
            f"{noticed:17.3f} {alarms[-1]:27.3f}"
        )
    say(f"\n{given.reps} worlds a cell, {time.perf_counter() - begun:.0f} s")
    # What chance may add to the rate allowed: three standard errors.
    allowed = ERROR + 3 * (ERROR * (1 - ERROR) / given.reps) ** 0.5
    say(f"worst rate of false alarms {max(alarms):.3f}, allowed {allowed:.3f}")
    return int(max(alarms) > allowed)


def _rate(setting: Setting, baselines: int, seed: list[int], reps: int) -> float:
    import numpy as np

    random = np.random.default_rng(seed)
    breaks = baselines == STEPS
    found = [_noticed(setting, baselines, random, breaks=breaks) for _ in range(reps)]
    return sum(found) / reps


def _noticed(setting: Setting, baselines: int, random: Random, *, breaks: bool) -> bool:
    import numpy as np

    flaky = random.random(CASES) < setting.flaky
    steady = (random.random(CASES) < QUALITY).astype(float)
    drawn = random.beta(2 * QUALITY, 2 * (1 - QUALITY), CASES)
    chances = np.where(flaky, drawn, steady)
    first = _run(chances, setting.samples, setting.day, random)
    later = []
    for _ in range(baselines):
        alive = np.flatnonzero(chances > 0.5)
        if breaks and len(alive):
            chances[random.choice(alive)] = 0.0
        later.append(_run(chances, 1, setting.day, random))
    return max(drift_evidence(first, later)) >= 1 / ERROR


def _run(chances: Chances, samples: int, day: float, random: Random) -> Run:
    """Draw a run: each sample on a day of its own."""
    import numpy as np

    inside = np.clip(chances, 1e-9, 1 - 1e-9)[:, None]
    logit = np.log(inside / (1 - inside)) + random.normal(0, day, (1, samples))
    drawn = random.random((CASES, samples)) < 1 / (1 + np.exp(-logit))
    return {case: [float(one) for one in row] for case, row in enumerate(drawn)}


if __name__ == "__main__":
    sys.exit(main())
