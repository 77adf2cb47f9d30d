"""What reviews cost to work out, and how often their intervals hold.

    python -m benchmarks.bench_votes [speed|coverage|all] [--runs N]

**speed**: CPU seconds of Bradley and Terry's strengths of 20 rungs by 20,000 votes on
500 cases, with the intervals of all rungs and pairs; and of a whole report's way from
the lines of `reviews.jsonl`.

**coverage**: pairs of 4 rungs are voted on, 2 votes a case; cases differ in what is
liked on them (strengths vary by case with sd 0.7), so that votes on a case are alike.
Share of 95 % intervals that hold the true chance, averaged over cases, and how often a
pair of equal rungs is told apart.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from scipy.special import expit

from pytest_ladder.core.outcomes import ReviewConfig
from pytest_ladder.core.review import PAIRS, PairReview, question_id, reply_hash
from pytest_ladder.core.row import Row
from pytest_ladder.decide.people.preferences import preferences_of
from pytest_ladder.decide.people.sums import people_of
from pytest_ladder.real.reviews import line_of, read_reviews
from pytest_ladder.reporting.people import people_json
from pytest_ladder.stats.preferences import (
    PairVote,
    beats,
    bradley_terry,
    mean_chance,
    wins_of,
)
from tests.cli.written_report import a_row

RUNGS, VOTES, CASES = 20, 20_000, 500
ASKED = ReviewConfig(question="Would you send it?")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def votes(draw: random.Random) -> list[PairVote]:
    """Return votes in which later rungs are the stronger ones."""
    cast = []
    for n in range(VOTES):
        first, second = draw.sample(range(RUNGS), 2)
        won = draw.random() < 1 / (1 + 2 ** ((second - first) / 5))
        cast.append(PairVote(first, second, float(won), n % CASES))
    return cast


def speed() -> None:
    """Print what strengths cost alone, and on the way from the file to the JSON."""
    cast = votes(random.Random(1))
    bradley_terry(wins_of(cast[:100], RUNGS), cast[:100])  # loads scipy
    start = time.process_time()
    fit = bradley_terry(wins_of(cast, RUNGS), cast)
    chances = [mean_chance(fit, rung) for rung in range(RUNGS)]
    pairs = [beats(fit, *pair) for pair in itertools.combinations(range(RUNGS), 2)]
    took = time.process_time() - start
    say(f"strengths, {len(chances)} rungs and {len(pairs)} pairs: {took:.3f} s of CPU")
    names = [f"m{n:02}/s" for n in range(RUNGS)]
    rows = [reply(rung, case) for rung in names for case in range(CASES)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reviews.jsonl"
        lines = (line_of(review(vote, n, names)) for n, vote in enumerate(cast))
        path.write_bytes(b"\n".join(lines) + b"\n")
        start = time.process_time()
        reviews = read_reviews(path)
        read = time.process_time()
        people = people_of(reviews, rows, ASKED)
        summed = time.process_time()
        preferences_of(people)
        fitted = time.process_time()
        people_json(people, names[0])
        end = time.process_time()
    say(f"{len(reviews):,} lines read: {read - start:.3f} s")
    say(f"held against {len(rows):,} replies and summed up: {summed - read:.3f} s")
    say(f"strengths and intervals of these sums: {fitted - summed:.3f} s")
    say(f"matrix.json's part: {end - fitted:.3f} s")


def reply(rung: str, case: int) -> Row:
    """Return the row of a reply."""
    return msgspec.structs.replace(
        a_row("small/plain", 0),
        rung=rung,
        source="c.jsonl",
        case=f"c{case}",
        text=f"{rung} {case}",
    )


def review(vote: PairVote, n: int, names: list[str]) -> PairReview:
    """Return a vote as a line of the file."""
    a, b = names[vote.first], names[vote.second]
    return PairReview(
        source="c.jsonl",
        case=f"c{vote.case}",
        a=a,
        b=b,
        a_reply=reply_hash(f"{a} {vote.case}"),
        b_reply=reply_hash(f"{b} {vote.case}"),
        preferred="a" if vote.share else "b",
        left="a",
        rater=f"r{n}",
        question=question_id(ASKED.question, PAIRS),
        seconds=12,
    )


def coverage(runs: int) -> None:
    """Print how often intervals hold, and equal rungs are told apart."""
    say("| cases | strengths | 95 % intervals hold | equal rungs told apart |")
    say("| --- | --- | --- | --- |")
    for cases, gap in itertools.product((8, 15, 30, 100), (0.0, 0.5, 2.0)):
        held, apart = zip(*_runs(cases, gap, runs), strict=True)
        told = f"{np.mean(apart):.3f}" if gap == 0 else ""
        say(f"| {cases} | {gap:g} apart | {np.mean(held):.3f} | {told} |")


def _runs(cases: int, gap: float, runs: int) -> Iterator[tuple[float, float]]:
    """Yield for each run the share of pairs whose interval holds, and is above 1/2."""
    rng = np.random.default_rng(1)
    strengths = gap * np.arange(4)
    pairs = list(itertools.combinations(range(4), 2))
    likings = rng.normal(0, 0.7, (20_000, 4))
    for _ in range(runs):
        own = strengths + rng.normal(0, 0.7, (cases, 4))
        cast = [
            PairVote(
                i, j, float(rng.random() < expit(own[case, i] - own[case, j])), case
            )
            for case in range(cases)
            for i, j in pairs
            for _ in range(2)
        ]
        fit = bradley_terry(wins_of(cast, 4), cast)
        held, apart = [], []
        for i, j in pairs:
            gaps = strengths[i] - strengths[j] + likings[:, i] - likings[:, j]
            true = float(expit(gaps).mean())
            found = beats(fit, i, j)
            assert found is not None
            assert found.p_low is not None
            assert found.p_high is not None
            held.append(found.p_low <= true <= found.p_high)
            apart.append(not found.p_low <= 0.5 <= found.p_high)
        yield float(np.mean(held)), float(np.mean(apart))


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="all")
    parser.add_argument("--runs", type=int, default=500)
    given = parser.parse_args()
    if given.what in ("speed", "all"):
        speed()
    if given.what in ("coverage", "all"):
        coverage(given.runs)


if __name__ == "__main__":
    main()
