"""Quality before and after: paired tests over suites, Holm-adjusted.

See docs/methods.md §2.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from statistics import NormalDist

import msgspec

from pytest_ladder.core.ladder import Gate
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import MoreSamples, Verdict
from pytest_ladder.decide.evidence import comparison
from pytest_ladder.decide.gate.judged import Lens, lens_of
from pytest_ladder.decide.gate.pairs import Pairs, Scores, scores_of
from pytest_ladder.decide.gate.parts import FEW, About, levels_of, parts_of
from pytest_ladder.decide.gate.power import Rule, detectable
from pytest_ladder.decide.gate.result import Check, Figure, Suite
from pytest_ladder.decide.gate.within import all_binary, apply_test
from pytest_ladder.decide.judge_errors import ErrorsOf
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.clusters import clustered_se
from pytest_ladder.stats.intervals import (
    MIN_CLUSTERS,
    quality_interval,
)
from pytest_ladder.stats.paired import gain_interval, holm
from pytest_ladder.text import numbers

BLOCK_AT = 0.05
"""Holm-adjusted p-value at which a drop blocks."""
ESCALATE_AT = 0.20
"""Up to here a drop may be one: two more samples tell (docs/methods.md §2.5)."""
_BOTH_SIDES = 0.9
"""Confidence of an interval each of whose ends is a one-sided 95 % bound."""
_Z95, _Z80 = NormalDist().inv_cdf(0.95), NormalDist().inv_cdf(0.80)


def suites_of(
    pairs: Pairs,
    terms: Gate,
    errors: ErrorsOf | None = None,
    escalation: MoreSamples | None = None,
) -> tuple[Suite, ...]:
    """Test every suite; one that has no case in common is left out.

    `errors` are those of the judges, as labels tell them. `escalation`: whether two
    more samples were taken, or would be where they tell; None: neither.
    """
    parts = list(parts_of(pairs))
    rule = Rule(
        drop=terms.quality_drop,
        # Holm holds the first of the suites to that.
        block_at=BLOCK_AT / max(1, len(parts)),
        escalate_at=ESCALATE_AT / max(1, len(parts)),
        escalation=escalation,
        cases=sum(len(part.before) for *_, part in parts),
    )
    measured = [
        _seen(about, part, _lens(about.level, part, errors or {}), rule)
        for about, part in parts
    ]
    adjusted = holm([suite.p for suite in measured])
    return tuple(
        _judged(
            msgspec.structs.replace(suite, p=p),
            terms,
            among=len(measured) if suite.p <= BLOCK_AT < p else 1,
        )
        for suite, p in zip(measured, adjusted, strict=True)
    )


def non_inferiority(
    pairs: Pairs, margin: float | None, errors: ErrorsOf | None = None
) -> Iterator[Check]:
    """Ask of each level that it is shown to have lost less than `margin`.

    See docs/methods.md §2.8. A judge that labels do not measure shows nothing.
    """
    if margin is None:
        return
    for level in levels_of(pairs):
        lens = _lens(level, pairs.at(level), errors or {})
        scores = scores_of(lens.pairs)
        changes = scores.differences
        n, variance = len(changes), _variance(scores)
        mean = math.fsum(changes) / n
        shown = False
        if variance is not None:
            variance = lens.scale**2 * variance + n * lens.variance
            if n >= FEW and not lens.mistrust:
                seen = gain_interval(changes, scores.clusters, _BOTH_SIDES)
                shown = lens.bounds(mean, seen, _Z95).low > -margin
        reason = f"{level}: a drop of {numbers.margin(margin)} or more is "
        reason += (
            "ruled out" if shown else f"not ruled out by {numbers.count(n, 'case')}"
        )
        if variance and margin and not shown:
            cases = math.ceil((_Z95 + _Z80) ** 2 * variance / margin**2)
            if cases > n:
                reason += f"; about {cases:,} would be needed"
            elif not lens.mistrust:
                reason += f", which show {numbers.points(lens.scale * mean)}"
        yield Check(
            kind="non-inferiority",
            name=f"non-inferiority, {level}",
            verdict="pass" if shown else "undecided",
            reason=f"{reason}.",
        )


def p_value(p: float) -> str:
    """Write a p-value: `p = 0.018`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _lens(level: Level, part: Pairs, errors: ErrorsOf) -> Lens:
    return lens_of(part, errors) if level is Level.JUDGED else Lens(part)


def _seen(about: About, part: Pairs, lens: Lens, rule: Rule) -> Suite:
    """Measure a suite as people would see it; before and after as it was judged."""
    if not lens.corrects:
        said = _measured(about, part, rule)
        return msgspec.structs.replace(said, mistrust=lens.mistrust)
    said = _measured(about, part, None)
    # A drop of people's scores is `scale` times as large as one of these.
    shrunk = rule._replace(drop=rule.drop / lens.scale)
    seen = lens.read(_measured(about, lens.pairs, shrunk, corrected=True))
    return msgspec.structs.replace(
        seen, before=said.before, after=said.after, said=said.change
    )


def _measured(
    about: About, part: Pairs, rule: Rule | None, *, corrected: bool = False
) -> Suite:
    """Measure a suite; `p` is not adjusted yet, and nothing is judged.

    Without a `rule` nobody asks which drop it would see.
    """
    scores = scores_of(part)
    found = apply_test(part, scores, corrected=corrected)
    compared = comparison(scores.differences, scores.clusters)
    alike = None
    if rule and not corrected and not all_binary(part):
        alike = detectable(part, scores, found, rule, alike=True)
    return Suite(
        name=about.name,
        level=about.level,
        file=about.file,
        tag=about.tag,
        n=len(scores.before),
        before=_figure(scores.before, scores.clusters),
        after=_figure(scores.after, scores.clusters),
        change=compared.mean,
        low=compared.low,
        high=compared.high,
        p=found.p,
        test=found.kind,
        detectable=detectable(part, scores, found, rule) if rule else 1.0,
        detectable_alike=alike,
        samples=scores.samples[1],
        samples_before=scores.samples[0],
        clusters=None if scores.clusters is None else len(set(scores.clusters)),
        verdict="undecided",
        reason="",
    )


def _judged(suite: Suite, terms: Gate, among: int) -> Suite:
    """Judge a suite, which `among` so many suites may be low by chance alone."""
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
        least = numbers.margin(terms.quality_drop)
        why = f"; below {least} a drop does not block"
    elif suite.change < -TINY:
        why = ", which may be chance"
    if among > 1 and verdict != "fail" and suite.change < -TINY:
        why += f", for one of {among} suites may drop so far without a cause"
    if verdict == "fail" and suite.mistrust:
        verdict, why = "undecided", f"{why}; undecided with {suite.mistrust}"
    reason = f"{_sentence(suite)}{why}."
    return msgspec.structs.replace(suite, verdict=verdict, reason=reason)


def _sentence(suite: Suite) -> str:
    between = ""
    if suite.low is not None:
        between = numbers.points_between(suite.low, suite.high)
        between = f"paired 95 % interval {between}"
    change = numbers.points(suite.change)
    if suite.said is not None:
        said = numbers.points(suite.said)
        change = f"{said}, corrected for the judge's errors {change}"
    # Of a gain the p-value of "worse" says nothing that anybody would look for.
    p = p_value(suite.p) if suite.change < -TINY else ""
    if suite.is_of_these_cases and p:
        # What is beyond doubt on these cases may be open on others.
        between = f"{p} on these cases (others like them: {between})"
        p = ""
    figures = "".join(f", {said}" for said in (between, p) if said)
    return (
        f"Quality ({suite.title}) went from {numbers.percent(suite.before.value)} to "
        f"{numbers.percent(suite.after.value)} on "
        f"{numbers.count(suite.n, 'case')}{' as judged' if suite.said else ''}: "
        f"{change}{figures}"
    )


def _figure(scores: Sequence[float], clusters: Sequence[Hashable] | None) -> Figure:
    mean, low, high, _ = quality_interval(scores, clusters)
    return Figure(value=mean, low=low, high=high, n=len(scores))


def _variance(scores: Scores) -> float | None:
    """Variance of the change of a case, clusters allowed for; None: too few to say."""
    changes = scores.differences
    units: Sequence[Hashable] = scores.clusters or range(len(changes))
    if len(set(units)) < 2:
        return None
    return clustered_se(changes, units) ** 2 * len(changes)
