"""What answers on a scale say beyond their mean: shares, promoters, who is higher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist

from pytest_ladder.decide.real.measured import UserDifference
from pytest_ladder.decide.real.states import OutcomeState
from pytest_ladder.stats.proxy import Superiority, promoter_score, superiority_of
from pytest_ladder.text import numbers

NPS_GRADES = 11
"""From 0 to 10: a net promoter score counts 9 and 10 as promoters, up to 6 against."""

_Z95 = NormalDist().inv_cdf(0.975)


def rating_sentences(state: OutcomeState) -> Iterator[str]:
    """Give the share of each grade, and the chance that one answer beats another."""
    for variant in state.aggregate.variants:
        answers = sum(variant.counts)
        if not answers:
            continue
        shares = ", ".join(f"{100 * of / answers:.0f}" for of in variant.counts)
        rate = ""
        if variant.asked is not None and variant.asked > variant.units:
            share = numbers.percent(variant.units / variant.asked)
            rate = f", {share} of those who were asked"
        score = ""
        if state.nps and len(variant.counts) == NPS_GRADES and answers > 1:
            score = f"; net promoter score {_promoters(variant.counts)}"
        yield (
            f"{state.name}, {variant.rung}: {shares} % of "
            f"{numbers.count(answers, 'answer')} from the lowest grade to the highest"
            f"{rate}{score}."
        )
    for found in state.comparisons:
        better = superiority(state, found)
        if better is not None:
            beats = numbers.percent(better.superiority)
            yield (
                f"{state.name}: an answer of {found.rung} is higher than one of "
                f"{found.against} with a chance of {beats} "
                f"({numbers.interval(better.low, better.high)}, looked at once; ties "
                "count half)."
            )


def superiority(state: OutcomeState, found: UserDifference) -> Superiority | None:
    """Return the chance that an answer of one rung beats one of the other's.

    None where one of them has no answer.
    """
    sides = [state.aggregate.of_rung(one) for one in (found.rung, found.against)]
    counts = [variant.counts for variant in sides if variant and sum(variant.counts)]
    if len(counts) < 2 or len({*map(len, counts)}) > 1:
        return None
    return superiority_of(*counts)


def _promoters(counts: Sequence[int]) -> str:
    """Write the net promoter score with its interval, -100 to 100."""
    detractors, passives = sum(counts[:7]), sum(counts[7:9])
    score, se = promoter_score(sum(counts[9:]), passives, detractors)
    ends = (100 * (score - _Z95 * se), 100 * (score + _Z95 * se))
    low, high = max(-100.0, ends[0]), min(100.0, ends[1])
    return f"{100 * score:+.0f} ({low:+.0f} to {high:+.0f})"
