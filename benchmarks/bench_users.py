"""How often experiments with users mislead, and what predicts them: simulations.

    python -m benchmarks.bench_users [looks|cost|proxies|shared|all] [--runs N]
        [--ladders N]

**looks**: an experiment with 100 users a day and arm is looked at on each of 28 days.
Share of harmless ones in which some look establishes a difference, by the package's
`compare` while it runs and by a fixed interval that is peeked at; and share of those
with a true difference that are detected, with the day. Users are drawn one rate an arm.

**proxies**: a ladder has 3 to 8 rungs. True outcomes are normal around .35 (sd .03),
true scores of the suite around .6 (sd .10), correlated by 0, .9 or 1. Users of a rung
are binomial (5,000 or 500), and so are 150 cases, other ones for each rung. The
experiment is over, looked at once. The proxy's pick is its best score; verdicts are
those of `proxy_of`. A pick is "good" where its true regret is 3 points or less, and
misleads "wrongly" where it is good. Each cell stands beside that of the table in the
design (1,500 ladders, before this code), with the difference in standard errors.

**shared**: the other end. All rungs answer the same 150 cases, and each is as hard for
all of them, so that a better rung misses none that a worse one passes; outcomes with an
sd of .04, scores of .08.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.measuring import say
from pytest_ladder.core.aggregate import Aggregate, VariantSums
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.core.score import Level
from pytest_ladder.decide.real import level_three
from pytest_ladder.decide.real.compare import compare
from pytest_ladder.decide.real.proxies import TOLERANCE, proxy_of
from pytest_ladder.decide.real.record import PastRecord
from pytest_ladder.decide.real.states import OutcomeState, RungOutcome
from pytest_ladder.reporting.files.write import WRITERS
from tests.decide.ladders import Made, passes
from tests.decide.real.experiments import arm, declared, june, report

DAYS, A_DAY = 28, 100
CASES, CENTRE, SCORE = 150, 0.35, 0.6
CORRELATIONS = (0.0, 0.9, 1.0)
NO_PAST = PastRecord(agree=0, of=0, p=None)


class World(NamedTuple):
    """What ladders are drawn from."""

    spread: float
    """Of true outcomes over rungs, a standard deviation."""
    score_spread: float
    shared: bool
    """Whether all rungs answer the same cases."""


OWN = World(spread=0.03, score_spread=0.10, shared=False)
SHARED = World(spread=0.04, score_spread=0.08, shared=True)

DESIGN: dict[tuple[int, int], dict[str, tuple[float, ...]]] = {
    (5000, 3): {
        "holds": (0.44, 0.84, 0.93),
        "misleads": (0.25, 0.01, 0.00),
        "wrongly": (0.003,),
        "agrees": (0.00, 0.00, 0.00),
    },
    (5000, 4): {
        "holds": (0.38, 0.84, 0.90),
        "misleads": (0.31, 0.02, 0.00),
        "wrongly": (0.002,),
        "agrees": (0.00, 0.04, 0.05),
    },
    (5000, 5): {
        "holds": (0.31, 0.81, 0.90),
        "misleads": (0.37, 0.01, 0.00),
        "agrees": (0.02, 0.30, 0.44),
    },
    (5000, 6): {
        "holds": (0.28, 0.79, 0.88),
        "misleads": (0.40, 0.02, 0.00),
        "agrees": (0.03, 0.52, 0.68),
    },
    (5000, 8): {
        "holds": (0.22, 0.77, 0.88),
        "misleads": (0.48, 0.03, 0.00),
        "agrees": (0.04, 0.76, 0.91),
    },
    (500, 3): {
        "holds": (0.20, 0.40, 0.43),
        "wrongly": (0.008,),
        "agrees": (0.00, 0.00, 0.00),
    },
    (500, 4): {"holds": (0.13, 0.34, 0.37), "wrongly": (0.013,), "agrees": (0.00,)},
    (500, 5): {"holds": (0.09, 0.28, 0.32), "agrees": (0.01,)},
    (500, 6): {"holds": (0.06, 0.25, 0.27), "agrees": (0.05,)},
    (500, 8): {"holds": (0.03, 0.17, 0.23), "agrees": (0.31,)},
}
"""The design's table, by users and rungs: a share for each correlation, or one alone,
the most of the three."""
DESIGN_LADDERS = 1500
FAR = 3.0
"""Standard errors between two simulations that chance does not explain."""


def outcome(
    successes: np.ndarray, units: np.ndarray | int, analysis: str = "sequential"
) -> Aggregate:
    """Return a rate of rungs r0, r1, …"""
    of = np.broadcast_to(units, successes.shape)
    variants = tuple(
        VariantSums(
            variant=f"r{n}",
            rung=f"r{n}",
            share=1 / len(successes),
            units=int(many),
            sum=int(won),
            sum_squares=int(won),
        )
        for n, (won, many) in enumerate(zip(successes, of, strict=True))
    )
    return Aggregate(
        name="resolved",
        kind="rate",
        experiment="june",
        assigned="random",
        analysis=analysis,  # type: ignore[arg-type]
        planned_units=0 if analysis == "fixed" else None,
        control="r0",
        variants=variants,
    )


def looked_at(rates: tuple[float, float], analysis: str, runs: int) -> Iterator[int]:
    """Yield the first day on which a difference is established; 0: on none."""
    rng = np.random.default_rng(2024)
    for _ in range(runs):
        days = rng.binomial(A_DAY, rates, (DAYS, 2)).cumsum(axis=0)
        found = 0
        for day, won in enumerate(days, start=1):
            told = compare(outcome(won, day * A_DAY, analysis), "r1", "r0")
            if told is not None and told.better is not None:
                found = day
                break
        yield found


def looks(runs: int) -> None:
    """Print the table of false alarms and of detections."""
    say(f"Looks on {DAYS} days, {A_DAY} users a day and arm, {runs:,} runs each")
    for low, high in ((0.1, 0.1), (0.6, 0.6), (0.6, 0.63), (0.6, 0.65), (0.6, 0.7)):
        line = f"  {low:.2f} and {high:.2f}:"
        for name, analysis in (("always valid", "sequential"), ("peeked", "fixed")):
            days = [*looked_at((low, high), analysis, runs)]
            told = [day for day in days if day]
            mean = f", day {sum(told) / len(told):.0f}" if told else ""
            line += f" {name} {len(told) / runs:.3f}{mean};"
        say(line)


def ladders(
    world: World, rungs: int, users: int, correlation: float, many: int
) -> dict[str, float]:
    """Return the shares of verdicts over `many` ladders."""
    rng = np.random.default_rng([2024, rungs, users, round(100 * correlation)])
    shares = dict.fromkeys(("holds", "good", "misleads", "wrongly", "agrees"), 0)
    for _ in range(many):
        first, other = rng.normal(size=(2, rungs))
        mixed = correlation * first + np.sqrt(1 - correlation**2) * other
        truth = np.clip(CENTRE + world.spread * first, 0.01, 0.99)
        scores = np.clip(SCORE + world.score_spread * mixed, 0.01, 0.99)
        hard = rng.random((CASES, 1 if world.shared else rungs))
        passed = (hard < scores).mean(axis=0)
        aggregate = outcome(rng.binomial(users, truth), users, "fixed")
        state = OutcomeState(
            name="resolved",
            kind="rate",
            goal="up",
            is_primary=True,
            guardrail=None,
            aggregate=aggregate,
            rungs=tuple(
                RungOutcome(outcome="resolved", rung=v.rung, value=None, units=users)
                for v in aggregate.variants
            ),
            problems=(),
        )
        by_rung = {f"r{n}": float(score) for n, score in enumerate(passed)}
        found = proxy_of(Level.JUDGED, state, by_rung, None, NO_PAST)
        assert found.pick is not None
        assert found.order is not None
        lost = truth.max() - truth[int(found.pick.rung[1:])]
        shares["good"] += lost <= TOLERANCE
        shares["holds"] += found.pick.verdict == "holds"
        shares["misleads"] += found.pick.verdict == "misleads"
        shares["wrongly"] += found.pick.verdict == "misleads" and lost <= TOLERANCE
        shares["agrees"] += found.order.verdict == "agrees"
    return {name: value / many for name, value in shares.items()}


def proxies(world: World, many: int) -> int:
    """Print the cells of docs/methods.md §6.11; return how many the design denies."""
    say(f"{many:,} ladders each; correlation 0 / .9 / 1")
    far = compared = 0
    for users, rungs in DESIGN:
        found = [ladders(world, rungs, users, r, many) for r in CORRELATIONS]
        say(f"  {users:,} users, {rungs} rungs")
        for name in found[0]:
            ours = [one[name] for one in found]
            line = f"    {name:<9}{' / '.join(f'{one:.3f}' for one in ours)}"
            design = DESIGN[users, rungs].get(name) if world is OWN else None
            if design:
                beside = ours if len(design) > 1 else [max(ours)]
                step = 0.001 if name == "wrongly" else 0.01
                apart = [
                    errors_apart(one, given, many, step)
                    for one, given in zip(beside, design, strict=True)
                ]
                compared += len(apart)
                far += sum(abs(z) > FAR for z in apart)
                line += f"   design {' / '.join(f'{one:.3f}' for one in design)}"
                line += f"   {' / '.join(f'{z:+.1f}' for z in apart)} se"
            say(line)
    if compared:
        say(f"{far} of {compared} cells differ by more than {FAR:g} standard errors")
    return far


def errors_apart(ours: float, design: float, many: int, step: float) -> float:
    """Standard errors between two shares, the design's rounded to steps."""
    pooled = (ours * many + design * DESIGN_LADDERS) / (many + DESIGN_LADDERS)
    drawn = pooled * (1 - pooled) * (1 / many + 1 / DESIGN_LADDERS)
    return (ours - design) / math.sqrt(drawn + step**2 / 12)


def cost() -> None:
    """Print what proxies of 16 rungs and 6 outcomes take, and the page of the same."""
    rungs = [f"bot/s{n}" for n in range(16)]
    made = {
        rung: Made(scores=passes(20 + n, CASES), usd=0.001 * (n + 1))
        for n, rung in enumerate(rungs)
    }
    arms = [arm(rung, 300 + 40 * n, 4000) for n, rung in enumerate(rungs)]
    others = [
        RealOutcome(name=f"o{n}", kind="rate", experiment="june", table="t.csv")
        for n in range(5)
    ]
    known = [june(*arms), *(june(*arms, name=one.name) for one in others)]
    users = declared(*known, others=others)
    plain = report(None, made)
    started = time.process_time()
    level_three.add(users, plain.matrix, plain.rows, None, None)
    proxied = time.process_time()
    found = report(users, made)
    begun = time.process_time()
    WRITERS["index.html"](found)
    page = time.process_time() - begun
    say(
        f"proxies of 16 rungs and 6 outcomes {proxied - started:.2f} s, page {page:.2f}"
    )


def main() -> int:
    """Run what is asked for, with the CPU seconds it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="all")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--ladders", type=int, default=150)
    given = parser.parse_args()
    started, far = time.process_time(), 0
    if given.what in ("looks", "all"):
        looks(given.runs)
    if given.what in ("cost", "all"):
        cost()
    if given.what in ("proxies", "all"):
        far = proxies(OWN, given.ladders)
    if given.what in ("shared", "all"):
        proxies(SHARED, given.ladders)
    say(f"{time.process_time() - started:.0f} CPU seconds")
    return int(far > 0)


if __name__ == "__main__":
    sys.exit(main())
