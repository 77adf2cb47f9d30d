"""What users did, as data and as sentences: for matrix.json, terminal and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_ladder.decide.real.compare import UserDifference
from pytest_ladder.decide.real.soundness import freshness_sentence, missing_sentence
from pytest_ladder.decide.real.states import OutcomeState, RungOutcome
from pytest_ladder.decide.real.users import Users
from pytest_ladder.text import numbers
from pytest_ladder.text.untrusted import csv_cell

if TYPE_CHECKING:
    from pytest_ladder.stats.proxy import Superiority

NPS_GRADES = 11
"""From 0 to 10: a net promoter score counts 9 and 10 as promoters, up to 6 against."""

_Z95 = NormalDist().inv_cdf(0.975)

CSV_COLUMNS = (
    *("outcome", "kind", "goal", "experiment", "rung", "variant"),
    *("value", "low", "high", "n", "quality", "stale", "problems"),
)


def users_json(users: Users) -> dict[str, Any]:
    """Return the keys of `matrix.json` that tell of users."""
    return {
        "experiments": [
            {
                "name": one.name,
                "variants": one.variants,
                "units": one.units,
                "shares": one.shares,
                "control": one.control,
                "sample_ratio": {
                    "chi2": one.chi2,
                    "p": one.p,
                    "verdict": "broken" if one.is_broken else "sound",
                },
                "leaks": one.leaks,
                "several": one.several,
                "looks": msgspec.to_builtins(one.looks),
                "from": str(one.first) if one.first else None,
                "to": str(one.last) if one.last else None,
            }
            for one in users.experiments
        ],
        "comparisons": [
            {
                "outcome": state.name,
                **msgspec.to_builtins(found),
                "established": found.better is not None,
                "superiority": better._asdict() if better else None,
            }
            for state in users.outcomes
            for found in state.comparisons
            for better in [_superiority(state, found)]
        ],
        "proxies": [
            {**msgspec.to_builtins(proxy), "sentence": proxy.sentence}
            for proxy in users.proxies
        ],
        "replies": [
            {**msgspec.to_builtins(one), "sentence": one.sentence}
            for one in users.replies
        ],
    }


def outcomes_json(users: Users, rung: str) -> dict[str, Any]:
    """Return what the users of a rung did, by outcome."""
    return {
        state.name: _as_json(state, one)
        for state in users.outcomes
        if (one := state.of(rung)) is not None
    }


def outcomes_csv(users: Users) -> str:
    """Write one line for each outcome and rung."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for state in users.outcomes:
        for one in state.rungs:
            own, variant = one.value, state.aggregate.of_rung(one.rung)
            writer.writerow(
                [
                    *(state.name, state.kind, state.goal, state.aggregate.experiment),
                    *(csv_cell(one.rung), csv_cell(variant.variant if variant else "")),
                    *map(_csv, (own.value, own.low, own.high) if own else [None] * 3),
                    one.units,
                    _csv(own.quality) if own else "",
                    str(one.is_stale).lower(),
                    csv_cell(" ".join(state.problems)),
                ]
            )
    return text.getvalue()


def user_sentences(users: Users) -> Iterator[str]:
    """Say what users of the rungs did, what that decides, and what predicts it."""
    for outcome in users.missing:
        yield missing_sentence(outcome)
    yield from users.notes
    told: set[str] = set()
    for state in users.outcomes:
        stale = freshness_sentence(state.name, state.freshness)
        for problem in filter(None, (*state.problems, stale)):
            if problem not in told:
                told.add(problem)
                yield problem
        if state.kind == "rating":
            yield from rating_sentences(state)
        yield from response_sentences(state)
        for found in state.comparisons:
            yield difference_sentence(state, found)
    if users.proxies or users.replies:
        yield "Do the checks predict users?"
        yield from (f"{proxy.outcome}: {proxy.sentence}" for proxy in users.proxies)
        yield from (one.sentence for one in users.replies)


def difference_sentence(state: OutcomeState, found: UserDifference) -> str:
    """Say by how much users of one rung fare better or worse than those of another."""
    if state.kind == "preference":
        return _preference_sentence(state, found)
    where = f" ({state.aggregate.experiment})" if state.aggregate.experiment else ""
    said = (
        f"{state.name}{where}: {found.rung} {state.difference(found.difference)} "
        f"against {found.against}, {found.sure} "
        f"{state.between(found.low, found.high)}, {found.n:,} users"
    )
    if found.problems:
        few = found.problems[-1].removeprefix(f"{state.name}: ")
        why = f", for {few}" if few.startswith("there are") else "."
        return f"{said}: nothing is decided{why}"
    if found.better is None:
        return f"{said}: undecided."
    return f"{said}: users fare {'better' if found.better else 'worse'}."


def _preference_sentence(state: OutcomeState, found: UserDifference) -> str:
    ends = numbers.interval((1 + found.low) / 2, (1 + found.high) / 2)
    said = (
        f"{state.name}: people prefer {found.rung} to {found.against} with a chance of "
        f"{numbers.percent((1 + found.difference) / 2)} ({ends}, "
        f"{numbers.count(found.n, state.unit)})"
    )
    if found.problems:
        return f"{said}; nothing is decided by it."
    return f"{said}{': undecided' if found.better is None else ''}."


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
        better = _superiority(state, found)
        if better is not None:
            beats = numbers.percent(better.superiority)
            yield (
                f"{state.name}: an answer of {found.rung} is higher than one of "
                f"{found.against} with a chance of {beats} "
                f"({numbers.interval(better.low, better.high)}, looked at once; ties "
                "count half)."
            )


def response_sentences(state: OutcomeState) -> Iterator[str]:
    """Say how many of those who could have said something did; ratings say so alone.

    Who answers is not drawn by chance, and fewer answers of one rung can be a bias.
    """
    of_asked, of_replies = [], []
    for variant in state.aggregate.variants:
        if variant.asked and variant.asked > variant.units:
            share = numbers.percent(variant.units / variant.asked)
            of_asked.append(f"{share} of {variant.asked:,} ({variant.rung})")
        if variant.replies and variant.per_sum:
            share = numbers.percent(min(1.0, variant.per_sum / variant.replies))
            of_replies.append(f"{share} of {variant.replies:,} ({variant.rung})")
    if of_asked and state.kind != "rating":
        what = "gave a thumb" if state.kind == "thumbs" else "have a value"
        yield f"{state.name}: of those who were exposed {', '.join(of_asked)} {what}."
    if of_replies:
        yield f"{state.name}: of the replies {', '.join(of_replies)} got a thumb."


def _promoters(counts: Sequence[int]) -> str:
    """Write the net promoter score with its interval, -100 to 100."""
    # Few outcomes are ratings, here and below.
    from pytest_ladder.stats.proxy import promoter_score

    detractors, passives = sum(counts[:7]), sum(counts[7:9])
    score, se = promoter_score(sum(counts[9:]), passives, detractors)
    ends = (100 * (score - _Z95 * se), 100 * (score + _Z95 * se))
    low, high = max(-100.0, ends[0]), min(100.0, ends[1])
    return f"{100 * score:+.0f} ({low:+.0f} to {high:+.0f})"


def interval_text(state: OutcomeState, one: RungOutcome) -> str:
    """Write a rung's interval in the outcome's unit: `9.8-12.3`, or `3.1-3.9`."""
    own = one.value
    if own is None:
        return numbers.NOT_AVAILABLE
    if state.is_share:
        return numbers.interval(max(0.0, own.low), min(1.0, own.high))
    dash = " to " if own.low < 0 else "-"
    return f"{state.text(own.low)}{dash}{state.text(own.high)}"


def _as_json(state: OutcomeState, one: RungOutcome) -> dict[str, Any]:
    own = one.value
    return {
        "value": own.value if own else None,
        "low": own.low if own else None,
        "high": own.high if own else None,
        "n": one.units,
        "quality": own.quality if own else None,
        "experiment": state.aggregate.experiment,
        "stale": one.is_stale,
        "problems": list(state.problems),
    }


def _superiority(state: OutcomeState, found: UserDifference) -> Superiority | None:
    """Return the chance that an answer of one rung beats one of the other's.

    None of outcomes that have no grades.
    """
    sides = [state.aggregate.of_rung(one) for one in (found.rung, found.against)]
    counts = [variant.counts for variant in sides if variant and sum(variant.counts)]
    if len(counts) < 2 or len({*map(len, counts)}) > 1:
        return None
    from pytest_ladder.stats.proxy import superiority_of

    return superiority_of(*counts)


def _csv(value: float | None) -> float | str:
    return "" if value is None else float(f"{value:.6g}")
