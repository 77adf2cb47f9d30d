"""The climb in worlds with errors, guessed prices, judges and clusters.

`python -m benchmarks.bench_climb_conditions --reps=60` takes a minute. Worlds
are those of `bench_climb`, at prices in equal ratios. An audit of 18c67dc measured the
same conditions over worlds of its own; its figures stand in brackets.

- `errors`: of 20 calls one brings no answer.
- `guesses`: how long replies are is off by a factor of e^0.3, up or down, where the run
  is ordered. What was called is known; a rung that was not may say half as much as the
  tersest so far.
- `judged`: the objective is judged, and 90 % of the cheap checks must pass. Of what is
  wrong they find half, and what they find is not judged.
- `clusters`: 40 documents with 5 questions each, as hard as their document is.

`same rung`: the rung that all rows of the world come to, errors and all. `as without
errors`: the one that they would come to had no call failed. `or said`: or that one is
said to be undecided.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.bench_climb import (
    BAR,
    CASES,
    EVERY,
    PRICES,
    PROFILES,
    RUNGS,
    SPREAD,
    UNITS,
    intercepts,
)
from benchmarks.measuring import say
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.climb.climb import Climb
from pytest_ladder.decide.climb.course import Stage
from pytest_ladder.decide.climb.opening import climb_of
from pytest_ladder.decide.climb.terms import Terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]
    """One line a rung; NaN: an error."""

CHEAP, JUDGED = Level.CHEAP, Level.JUDGED
CHEAP_BAR = 0.90
ERRORS = 0.05
OFF = 0.3
TERSER = 2
PROBE = 5
SIZE = 5
LEAST = 99.0
AUDITED = {
    "base": (99.7, 99.1, 12.4),
    "errors": (62.5, 48.0, 17.9),
    "guesses": (73.0, 56.0, 12.5),
    "judged": (92.1, 81.5, 14.7),
    "clusters": (99.7, 99.4, 16.4),
}
"""Agreement, that of the worst profile, and spend; all in %."""


@dataclass(kw_only=True)
class World:
    """What all rungs would say to all cases."""

    scores: dict[Level, Scores]
    """By level, the one that decides last."""
    right: dict[Level, Scores]
    """The same, had no call failed."""
    usd: list[float]
    """What a call costs, in the order of the run."""
    lengths: list[float]
    """How long replies are, where 1 was expected."""
    clusters: dict[tuple[str, str], str] = field(default_factory=dict)

    def wanted(self, scores: dict[Level, Scores]) -> str | None:
        """Return the cheapest rung of the whole suite, each error taken for a miss."""
        import numpy as np

        good = [
            usd
            if all(np.nansum(s[place]) >= b * CASES - 1e-9 for s, b in bars)
            else None
            for bars in [[(scores[level], bar) for level, bar in self.bars.items()]]
            for place, usd in enumerate(self.usd)
        ]
        least = min((usd for usd in good if usd is not None), default=None)
        return None if least is None else RUNGS[good.index(least)]

    @property
    def bars(self) -> dict[Level, float]:
        """What is asked for at each level."""
        *_, last = self.scores
        return {level: BAR if level is last else CHEAP_BAR for level in self.scores}

    def walk(self) -> tuple[Climb, float]:
        """Climb to the end; also return what was spent, in % of the whole suite."""
        *_, last = self.scores
        expected = [
            usd / length for usd, length in zip(self.usd, self.lengths, strict=True)
        ]
        course = climb_of(
            Objective(kind="good-enough", quality=BAR, level=last),
            Terms(
                rungs=RUNGS,
                units=dict.fromkeys(self.scores, UNITS),
                graded=dict.fromkeys(self.scores, False),
                cheap_bar=CHEAP_BAR if len(self.scores) > 1 else None,
                every=EVERY,
                usd=dict(zip(RUNGS, expected, strict=True)),
                clusters=self.clusters,
            ),
        )
        assert isinstance(course, Climb)
        asked: dict[str, set[str]] = {rung: set() for rung in RUNGS}
        while (stage := course.stage) is not None:
            asked[stage.rung].update(case for _, case in stage.units)
            tried = [p for p, r in enumerate(RUNGS) if len(asked[r]) >= PROBE]
            least = min((self.lengths[p] for p in tried), default=1.0) / TERSER
            course.reprice(
                {
                    rung: self.usd[p] if p in tried else expected[p] * least
                    for p, rung in enumerate(RUNGS)
                }
            )
            course.close(self._rows(stage))
        spent = sum(len(asked[r]) * usd for r, usd in zip(RUNGS, self.usd, strict=True))
        return course, 100 * spent / (CASES * sum(self.usd))

    def _rows(self, stage: Stage) -> list[Row]:
        scores = self.scores[stage.level][RUNGS.index(stage.rung)].tolist()
        return [
            Row(
                test="test_answer",
                rung=stage.rung,
                level=stage.level,
                source=source,
                case=case,
                outcome=_outcome(scores[int(case)]),
            )
            for source, case in stage.units
        ]


def _outcome(score: float) -> Outcome:
    if score != score:
        return Outcome.ERROR
    return Outcome.PASSED if score else Outcome.MISSED


def draw(profile: str, condition: str, chance: np.random.Generator) -> World:
    """Draw a world of a profile under a condition."""
    import numpy as np

    hard = SPREAD * chance.standard_normal(CASES)
    clusters = {}
    if condition == "clusters":
        hard = np.repeat(hard[: CASES // SIZE], SIZE)
        clusters = {unit: str(place // SIZE) for place, unit in enumerate(UNITS)}
    qualities = PROFILES[profile]

    def passes(means: NDArray[np.float64]) -> Scores:
        logits = means[:, None] + hard
        drawn = chance.random(logits.shape) < 1 / (1 + np.exp(-logits))
        return drawn.astype(float)

    scores: dict[Level, Scores] = {CHEAP: passes(intercepts(qualities))}
    if condition == "judged":
        # Of what is wrong the checks find half, so both together are the profile.
        checks = passes(intercepts([(1 + quality) / 2 for quality in qualities]))
        rest = passes(intercepts([2 * q / (1 + q) for q in qualities]))
        scores = {CHEAP: checks, JUDGED: checks * rest}
    right = dict(scores)
    if condition == "errors":
        failed = chance.random(scores[CHEAP].shape) < ERRORS
        scores[CHEAP] = np.where(failed, np.nan, scores[CHEAP])
    off = OFF if condition == "guesses" else 0.0
    lengths = np.exp(off * chance.standard_normal(len(RUNGS)))
    usd = np.array(PRICES["ratio"]) * lengths
    return World(
        scores=scores,
        right=right,
        usd=usd.tolist(),
        lengths=lengths.tolist(),
        clusters=clusters,
    )


def simulate(condition: str, reps: int, seed: int) -> list[list[float]]:
    """Return the four columns in %, of each profile."""
    import numpy as np

    chance = np.random.default_rng(seed)
    found = []
    for profile in PROFILES:
        sums = np.zeros(4)
        for _ in range(reps):
            world = draw(profile, condition, chance)
            course, spent = world.walk()
            rung, right = course.winner, world.wanted(world.right)
            said = right is not None and course.settled.get(right) == "undecided"
            same = rung == world.wanted(world.scores)
            sums += [100 * same, 100 * (rung == right), 0, spent]
            sums[2] += 100 * (rung == right or said)
        found.append((sums / reps).tolist())
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reps", type=int, default=100, help="worlds per profile")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    begun = time.perf_counter()
    with ProcessPoolExecutor(given.jobs) as pool:
        futures = {
            name: pool.submit(simulate, name, given.reps, given.seed + place)
            for place, name in enumerate(AUDITED)
        }
        found = {name: future.result() for name, future in futures.items()}
    say(f"{'% (audited)':<10}   same rung   as without errors, worst   or said   spend")
    off = 0
    for name, profiles in found.items():
        same, right, said, spend = (
            sum(of) / len(profiles) for of in zip(*profiles, strict=True)
        )
        worst = min(right for _, right, *_ in profiles)
        agreed, least, spent = AUDITED[name]
        say(
            f"{name:<10}{same:>10.1f}{right:>10.1f} ({agreed:.1f}){worst:>8.1f} "
            f"({least:.1f}){said:>10.1f}{spend:>8.1f} ({spent:.1f})"
        )
        off += same < LEAST
    say(f"{given.reps} worlds a profile, {time.perf_counter() - begun:.0f} s")
    return int(off > 0)


if __name__ == "__main__":
    sys.exit(main())
