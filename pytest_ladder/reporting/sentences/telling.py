"""How the planner words what would tell two rungs apart."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_ladder.decide.telling import ASSUMED_DISCORDANCE, Amount, Telling
from pytest_ladder.stats.intervals import MIN_CLUSTERS
from pytest_ladder.text.numbers import (
    bar,
    count,
    dollars,
    percent,
    points,
    points_between,
)


def telling_lines(told: Telling, source: str) -> Iterator[str]:
    """Say how much data it takes and what that costs, and what it rests on.

    `source` names where the rows are from; empty: there are none.
    """
    first, second = told.rungs
    yield (
        f"To tell {first} from {second} by {_points(told.gap)} at the {told.level} "
        "level, 4 times in 5 (two-sided, 95 %), takes about"
    )
    yield f"  cases: {_cases(told)}"
    yield f"  or samples: {_samples(told.samples)}"
    if told.labels is not None:
        yield f"  and labels: {_labels(told.labels)}"
    yield from _grounds(told, source)


def _cases(told: Telling) -> str:
    cases = told.cases
    said = f"{cases.needed:,}"
    if told.cases_between is not None:
        fewest, most = told.cases_between
        said += f" ({fewest:,} to {most:,})"
    more = (cases.needed or 0) - round(cases.now)
    if more <= 0:
        return f"{said}; the {cases.now:,.0f} at hand are enough."
    beyond = f", {more:,} more than both ran" if cases.now else ""
    return f"{said}{beyond}: {_price(cases)}."


def _samples(samples: Amount) -> str:
    if samples.needed is None:
        return f"{samples.why_not}."
    each = f"{samples.needed:,} of each case"
    if samples.needed <= samples.now:
        return f"{each}; the {samples.now:.3g} at hand are enough."
    return f"{each} instead of {samples.now:.3g}: {_price(samples)}."


def _labels(labels: Amount) -> str:
    if labels.needed is None:
        return f"{labels.why_not}."
    each = f"{labels.needed:,} of each rung, at random"
    if labels.needed <= labels.now:
        return f"{each}; those at hand are enough."
    return f"{each}, instead of {labels.now:.0f}: people's time, and no call."


def _price(amount: Amount) -> str:
    usd = "an unknown price" if amount.usd is None else dollars(amount.usd)
    return f"{count(amount.calls, 'call')}, {usd}"


def _grounds(told: Telling, source: str) -> Iterator[str]:
    """Say what it rests on: the rows at hand, or what was assumed."""
    judge = told.judge
    if not told.n:
        yield (
            "No results of two rungs are there yet: assumed is that the rungs differ "
            f"on {bar(ASSUMED_DISCORDANCE)} of the cases, and prices are those of "
            "ladder.toml, with replies as long as they may be. "
            "`pytest --ladder=matrix --ladder-cases=30 --ladder-live` tells more."
        )
    else:
        yield (
            f"By {source}: the two differ on {told.differ:,} of "
            f"{count(told.n, 'case')}, which tell {_points(told.sees)}."
        )
    if told.stopped:
        verb = "was" if len(told.stopped) == 1 else "were"
        yield f"{' and '.join(told.stopped)} {verb} stopped before all cases ran."
    if told.gain is not None and told.n:
        first, second = told.rungs
        gain = points(told.gain.mean)
        between = points_between(told.gain.low, told.gain.high)
        verdict = (
            "told apart already" if told.gain.established else "not told apart yet"
        )
        yield f"So far {first} is {gain} ({between}) from {second}: {verdict}."
    if told.clusters is not None:
        yield (
            f"The cases are of {count(told.clusters, 'cluster')}, and more of them are "
            "taken to be of clusters alike."
        )
        if told.clusters < MIN_CLUSTERS:
            yield f"Below {MIN_CLUSTERS} clusters nothing is established."
    if judge is not None and not judge.graded:
        made_up = ", both assumed: too few replies are labelled"
        yield (
            f"The judge shows {percent(judge.shows)} of a difference (sensitivity "
            f"{judge.sensitivity:.2f}, specificity {judge.specificity:.2f}"
            f"{made_up if judge.assumed else ''})."
        )
        yield from judge.missing


def _points(share: float | None) -> str:
    text = f"{100 * (share or 0.0):.3g}"
    return f"{text} point{'' if text == '1' else 's'}"
