"""How often experiments with users mislead, and what predicts them: simulations.

    python -m benchmarks.bench_users [looks|cost|proxies|all] [--runs N] [--ladders N]

**looks**: an experiment with 100 users a day and arm is looked at on each of 28 days.
Share of harmless ones in which some look establishes a difference, by the package's
`compare` while it runs and by a fixed interval that is peeked at; and share of those
with a true difference that are detected, with the day. Users are drawn one rate an arm.

**proxies**: a ladder has 3 to 8 rungs. True outcomes are normal around .35 (sd .04),
true scores of the suite around .6 (sd .08), correlated by 0, .9 or 1. Users of a rung
are binomial (5,000 or 500), and so are 150 cases, which all rungs share: a case is as
hard for all of them, so that scores are paired. The experiment is over, looked at once.
The proxy's pick is its best score; verdicts are those of `proxy_of`. A pick is "good"
where its true regret is 3 points or less, and misleads "wrongly" where it is good.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

import numpy as np

from pytest_ladder.core.aggregate import Aggregate, VariantSums
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.core.score import Level
from pytest_ladder.decide.real import level_three
from pytest_ladder.decide.real.measured import compare
from pytest_ladder.decide.real.proxies import TOLERANCE, proxy_of
from pytest_ladder.decide.real.record import PastRecord
from pytest_ladder.decide.real.states import OutcomeState, RungOutcome
from pytest_ladder.reporting.files.write import WRITERS
from tests.decide.ladders import Made, passes
from tests.decide.real.experiments import arm, declared, june, report

DAYS, A_DAY = 28, 100
CASES, CENTRE, SPREAD, SCORE, SCORE_SPREAD = 150, 0.35, 0.04, 0.6, 0.08
NO_PAST = PastRecord(agree=0, of=0, p=None)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


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


def ladders(rungs: int, users: int, correlation: float, many: int) -> dict[str, float]:
    """Return the shares of verdicts over `many` ladders."""
    rng = np.random.default_rng([2024, rungs, users, round(100 * correlation)])
    shares = dict.fromkeys(("holds", "good", "misleads", "wrongly", "agrees"), 0)
    for _ in range(many):
        first, other = rng.normal(size=(2, rungs))
        mixed = correlation * first + np.sqrt(1 - correlation**2) * other
        truth = np.clip(CENTRE + SPREAD * first, 0.01, 0.99)
        scores = np.clip(SCORE + SCORE_SPREAD * mixed, 0.01, 0.99)
        passed = (rng.random(CASES)[:, None] < scores).mean(axis=0)
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


def proxies(many: int) -> None:
    """Print the table of docs/methods.md §6.11."""
    say(f"{many:,} ladders each; correlation 0 / .9 / 1")
    for users in (5000, 500):
        for rungs in (3, 4, 5, 6, 8):
            found = [ladders(rungs, users, r, many) for r in (0.0, 0.9, 1.0)]
            cells = (
                f"{name} {' / '.join(f'{one[name]:.3f}' for one in found)}"
                for name in found[0]
            )
            say(f"  {users:,} users, {rungs} rungs: {'; '.join(cells)}")


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


def main() -> None:
    """Run what is asked for, with the CPU seconds it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="all")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--ladders", type=int, default=150)
    given = parser.parse_args()
    started = time.process_time()
    if given.what in ("looks", "all"):
        looks(given.runs)
    if given.what in ("cost", "all"):
        cost()
    if given.what in ("proxies", "all"):
        proxies(given.ladders)
    say(f"{time.process_time() - started:.0f} CPU seconds")


if __name__ == "__main__":
    main()
