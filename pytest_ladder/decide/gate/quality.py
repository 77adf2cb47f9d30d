"""Quality before and after: paired tests over suites, Holm-adjusted.

See docs/methods.md §2. A suite is the tests of one file at one level, as far as it has
enough cases for a test of its own; where a level has more than that, all of it is one
suite more. So a feature that breaks is not diluted by the files beside it, and a little
of everything is seen as well.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from statistics import NormalDist

import msgspec

from pytest_ladder.core.ladder import Gate
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.evidence import MANY, comparison
from pytest_ladder.decide.gate.pairs import Key, Pairs, Scores, file_of, scores_of
from pytest_ladder.decide.gate.result import Check, Figure, Suite
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.intervals import (
    MIN_CLUSTERS,
    clustered_se,
    quality_interval,
)
from pytest_ladder.stats.paired import (
    holm,
    mcnemar_midp,
    minimum_detectable,
    paired_t,
    sign_flip,
)
from pytest_ladder.text import numbers

BLOCK_AT = 0.05
"""Holm-adjusted p-value at which a drop blocks."""
ESCALATE_AT = 0.20
"""Up to here a drop may be one: two more samples tell (docs/methods.md §2.5)."""
FEW = 10
"""With fewer cases only a drop can be established, never that there is none."""
_RULE_OF_THREE = 3
_Z95, _Z80 = NormalDist().inv_cdf(0.95), NormalDist().inv_cdf(0.80)


def suites_of(pairs: Pairs, terms: Gate, mistrust: str = "") -> tuple[Suite, ...]:
    """Test every suite; one that has no case in common is left out.

    `mistrust` says why judges block nothing; empty: they may.
    """
    measured = [
        _measured(name, suite, part, mistrust if suite[0] is Level.JUDGED else "")
        for name, suite, part in _parts(pairs)
    ]
    adjusted = holm([suite.p for suite in measured])
    return tuple(
        _judged(msgspec.structs.replace(suite, p=p), terms)
        for suite, p in zip(measured, adjusted, strict=True)
    )


def paired_p(scores: Scores) -> float:
    """One-sided p-value of "worse" (docs/methods.md §2.2).

    Mid-p McNemar for 0/1 scores of one sample each, the paired t test from 20 cases or
    clusters on, exact sign flips below.
    """
    differences, clusters = scores.differences, scores.clusters
    both = (*scores.before, *scores.after)
    single = scores.samples == (1, 1) and all(score in (0, 1) for score in both)
    if single and clusters is None:
        broke = sum(change < 0 for change in differences)
        return mcnemar_midp(broke, sum(change > 0 for change in differences))
    groups = len(differences) if clusters is None else len(set(clusters))
    if groups >= MANY:
        return paired_t(differences, clusters).p
    return sign_flip(differences, clusters)


def non_inferiority(pairs: Pairs, margin: float | None) -> Iterator[Check]:
    """Ask of each level that it is shown to have lost less than `margin`.

    See docs/methods.md §2.8.
    """
    if margin is None:
        return
    for level in _levels(pairs):
        scores = scores_of(_of(pairs, level))
        changes = scores.differences
        n, mean, variance = len(changes), _mean(changes), _variance(scores)
        shown = False
        if n >= FEW and variance is not None:
            shown = mean - _Z95 * math.sqrt(variance / n) > -margin
        said = f"{level}: no drop of {100 * margin:g} points or more"
        needed = ""
        if variance and margin:
            cases = math.ceil((_Z95 + _Z80) ** 2 * variance / margin**2)
            needed = (
                f"; about {numbers.count(cases, 'case')} would be needed to show it"
            )
        yield Check(
            name=f"non-inferiority, {level}",
            verdict="pass" if shown else "undecided",
            reason=f"{said} is {'shown' if shown else f'not shown by {n:,}{needed}'}.",
        )


def p_value(p: float) -> str:
    """Write a p-value: `p = 0.018`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _parts(pairs: Pairs) -> Iterator[tuple[str, tuple[Level, str | None], Pairs]]:
    for level in _levels(pairs):
        files = sorted({file_of(key[1]) for key in pairs.before if key[0] is level})
        parts = {file: _of(pairs, level, file) for file in files}
        large = {
            file: part
            for file, part in parts.items()
            if len({key[2:] for key in part.before}) >= FEW
        }
        if len(files) > 1 or not large:
            yield str(level), (level, None), _of(pairs, level)
        for file, part in large.items():
            yield f"{level}, {file}", (level, file), part


def _levels(pairs: Pairs) -> list[Level]:
    levels = {key[0] for key in pairs.before}
    return [level for level in Level if level in levels]


def _of(pairs: Pairs, level: Level, file: str | None = None) -> Pairs:
    """Return the pairs of a level, and of one file of it."""

    def is_wanted(key: Key) -> bool:
        return key[0] is level and file in (None, file_of(key[1]))

    return pairs.only(is_wanted)


def _measured(
    name: str, suite: tuple[Level, str | None], part: Pairs, mistrust: str
) -> Suite:
    """Measure a suite; `p` is not adjusted yet, and nothing is judged."""
    level, file = suite
    scores = scores_of(part)
    n = len(scores.before)
    compared = comparison(scores.differences, scores.clusters)
    return Suite(
        name=name,
        level=level,
        file=file,
        n=n,
        before=_figure(scores.before, scores.clusters),
        after=_figure(scores.after, scores.clusters),
        change=compared.mean,
        low=compared.low,
        high=compared.high,
        p=paired_p(scores),
        detectable=minimum_detectable(_discordance(scores), n),
        samples=scores.samples[1],
        mistrust=mistrust,
        clusters=None if scores.clusters is None else len(set(scores.clusters)),
        verdict="undecided",
        reason="",
    )


def _judged(suite: Suite, terms: Gate) -> Suite:
    large = suite.change <= -terms.quality_drop + TINY and suite.change < -TINY
    why = ""
    verdict: Verdict = "pass"
    if large and suite.p <= BLOCK_AT:
        verdict, why = "fail", ", which chance hardly explains"
    elif suite.n < FEW:
        verdict, why = "undecided", f"; fewer than {FEW} cases cannot tell"
    elif suite.clusters is not None and suite.clusters < MIN_CLUSTERS:
        verdict = "undecided"
        why = f"; fewer than {MIN_CLUSTERS} clusters cannot tell"
    elif large and suite.p <= ESCALATE_AT:
        verdict, why = "undecided", "; a drop is likely, and not established"
    elif suite.p <= BLOCK_AT:
        why = f"; below {100 * terms.quality_drop:g} points a drop does not block"
    elif suite.change < -TINY:
        why = ", which may be chance"
    if verdict == "fail" and suite.mistrust:
        verdict, why = "undecided", f"{why}; undecided with {suite.mistrust}"
    reason = f"{_sentence(suite)}{why}."
    return msgspec.structs.replace(suite, verdict=verdict, reason=reason)


def _sentence(suite: Suite) -> str:
    between = ""
    if suite.low is not None:
        between = numbers.points_between(suite.low, suite.high)
        between = f", paired 95 % interval {between}"
    return (
        f"Quality ({suite.title}) went from {numbers.percent(suite.before.value)} to "
        f"{numbers.percent(suite.after.value)} on "
        f"{numbers.count(suite.n, 'case')}: {numbers.points(suite.change)}"
        f"{between}, {p_value(suite.p)}"
    )


def _figure(scores: Sequence[float], clusters: Sequence[Hashable] | None) -> Figure:
    mean, low, high, _ = quality_interval(scores, clusters)
    return Figure(value=mean, low=low, high=high, n=len(scores))


def _discordance(scores: Scores) -> float:
    """Share of cases that changed, or the variance of the change.

    See docs/methods.md §2.3. Where nothing changed, the rule of three says how many may
    have all the same.
    """
    n = len(scores.before)
    least = min(1.0, _RULE_OF_THREE / n)
    changes = scores.differences
    if scores.clusters is None and all(change in (-1, 0, 1) for change in changes):
        return sum(change != 0 for change in changes) / n or least
    return min(1.0, _variance(scores) or least)


def _variance(scores: Scores) -> float | None:
    """Variance of the change of a case, clusters allowed for; None: too few to say."""
    changes = scores.differences
    units: Sequence[Hashable] = scores.clusters or range(len(changes))
    if len(set(units)) < 2:
        return None
    return clustered_se(changes, units) ** 2 * len(changes)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
