"""What people said of replies, as data, tables and sentences for all renderings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.decide.people.grades import GradeGain, RungGraded, grades_of
from pytest_ladder.decide.people.preferences import (
    PairPreferred,
    Preferences,
    RungPreferred,
    preferences_of,
    too_few,
    turned,
)
from pytest_ladder.decide.people.raters import MIN_ITEMS, Raters
from pytest_ladder.decide.people.sums import People
from pytest_ladder.text.numbers import (
    NOT_AVAILABLE,
    count,
    interval,
    percent,
    points,
    points_between,
    seconds,
)

MOST_PAIRS = 6
"""Pairs that sentences tell of; all are in the table of probabilities."""


class PeopleView(NamedTuple):
    """What follows from reviews, worked out once for a rendering."""

    people: People
    preferences: Preferences | None
    grades: tuple[RungGraded, ...]
    current: str | None


def view_of(people: People, current: str | None) -> PeopleView:
    """Work out what reviews say, against the rung that ships where it was reviewed."""
    return PeopleView(
        people, preferences_of(people), grades_of(people, current), current
    )


def people_json(people: People, current: str | None) -> dict[str, Any]:
    """Return the value of `reviews` in `matrix.json`.

    Its first keys are of those who compared replies, where anybody did, else of those
    who graded them; `sums` is what all the rest follows from.
    """
    view = view_of(people, current)
    first = people.of_pairs or people.of_grades
    raters = {
        name: _raters_json(of)
        for name, of in (("pairs", people.of_pairs), ("grades", people.of_grades))
        if of is not None
    }
    return {
        "of": "pairs" if people.of_pairs else "grades",
        **(_raters_json(first) if first else {}),
        "question": people.question,
        "by": raters,
        "preferences": msgspec.to_builtins(view.preferences),
        "groups": view.preferences.groups if view.preferences else [],
        "graded": [msgspec.to_builtins(one) for one in view.grades],
        "sentences": [*people_sentences(view)],
        "sums": msgspec.to_builtins(people),
    }


def _raters_json(raters: Raters) -> dict[str, Any]:
    found = raters.agreeing
    enough = found.raters > 1 and found.shared >= MIN_ITEMS
    return {
        "raters": found.raters,
        "answers": raters.answers,
        "items": found.items,
        "shared": found.shared,
        "alpha": found.alpha if enough else None,
        "ac1": found.ac1 if enough else None,
        "left_rate": raters.left_rate,
        "sided": raters.sided,
        "repeats": raters.repeats,
        "steady": raters.steady,
        "seconds": raters.seconds,
    }


PREFERRED = ("rung", "preferred", "95 % CI", "votes", "against what ships", "95 % CI")
GRADED = ("rung", "score", "95 % CI", "cases", "against what ships", "95 % CI")


def preferred_rows(view: PeopleView) -> list[list[str]]:
    """Return the cells of each rung that was compared, in the order of `PREFERRED`."""
    if view.preferences is None:
        return []
    return [
        [
            one.rung,
            percent(one.chance),
            interval(one.low, one.high),
            f"{one.votes:,}",
            *_against(view, view.preferences, one),
        ]
        for one in view.preferences.rungs
    ]


def _against(view: PeopleView, fit: Preferences, one: RungPreferred) -> list[str]:
    """Say how often a rung is preferred to the one that ships."""
    if one.rung == view.current:
        return ["ships", ""]
    pair = fit.between(one.rung, view.current or "")
    if pair is None:
        return [NOT_AVAILABLE, ""]
    return [percent(pair.probability), interval(pair.low, pair.high)]


def graded_rows(view: PeopleView) -> list[list[str]]:
    """Return the cells of each rung that was graded, in the order of `GRADED`."""
    return [
        [
            one.rung,
            score_text(view.people, one.score),
            _score_ends(view.people, one),
            f"{one.cases:,}",
            *(
                ["ships", ""]
                if one.rung == view.current
                else _gain_cells(view.people, one.gain)
            ),
        ]
        for one in view.grades
    ]


def score_text(people: People, score: float) -> str:
    """Write a score as people gave it: a share of yes, or a mean grade from 1 to 5."""
    return f"{1 + 4 * score:.2f}" if people.graded else percent(score)


def _score_ends(people: People, one: RungGraded) -> str:
    if not people.graded or one.low is None or one.high is None:
        return interval(one.low, one.high)
    return f"{1 + 4 * one.low:.2f}-{1 + 4 * one.high:.2f}"


def _gain_cells(people: People, gain: GradeGain | None) -> list[str]:
    if gain is None:
        return [NOT_AVAILABLE, ""]
    if not people.graded:
        return [points(gain.gain), points_between(gain.low, gain.high)]
    ends = ""
    if gain.low is not None and gain.high is not None:
        ends = f"{4 * gain.low:+.2f} to {4 * gain.high:+.2f}"
    return [f"{4 * gain.gain:+.2f}", ends]


def people_sentences(view: PeopleView) -> Iterator[str]:
    """Say what people prefer, how sure that is, and how far they can be relied on."""
    if view.preferences is not None:
        yield from _pair_sentences(view, view.preferences)
    yield from _grade_sentences(view)
    yield from reliance(view)


def reliance(view: PeopleView) -> Iterator[str]:
    """Say how many said it, how far they can be relied on, and what does not count."""
    people = view.people
    if view.preferences is not None:
        yield from _doubts(view.preferences)
    elif people.of_pairs is not None:
        yield "Of all pairs neither reply was good enough: nobody is preferred."
    for what, raters in (("pairs", people.of_pairs), ("replies", people.of_grades)):
        if raters is not None:
            yield from _rater_sentences(what, raters)
    yield from void_sentences(people)
    yield (
        "Reviewers are no users: what they say decides nothing, but where an "
        "[[outcome]] of kind preference says observed = true."
    )


def _doubts(fit: Preferences) -> Iterator[str]:
    """Say what the votes are, and why they may not rank rungs."""
    neither = f", and {count(fit.neither, 'vote')} for neither" if fit.neither else ""
    yield (
        f"People compared replies of {count(len(fit.rungs), 'rung')}: "
        f"{count(fit.votes, 'vote')} on {count(fit.cases, 'case')}{neither}."
    )
    few = too_few(fit.cases)
    if few:
        yield f"That is too little to rank rungs by: {few}."
    if len(fit.groups) > 1:
        groups = "; ".join(
            (" and " if len(group) == 2 else ", ").join(group) for group in fit.groups
        )
        yield (
            f"Nobody compared these groups of rungs with each other, so they cannot be "
            f"ranked together: {groups}."
        )
    if fit.separated:
        yield (
            "A rung won or lost all its comparisons, so half a win was added each way "
            "to every pair that was compared; else its strength would be infinite."
        )


def _pair_sentences(view: PeopleView, fit: Preferences) -> Iterator[str]:
    own = [p for p in fit.pairs if view.current in (p.rung, p.against)]
    rest = [p for p in fit.pairs if p not in own and p.better is not None]
    # Those of the rung that ships, else the surest.
    told = (own + rest)[:MOST_PAIRS] or fit.pairs[:MOST_PAIRS]
    yield from (pair_sentence(pair) for pair in told)
    more = len(fit.pairs) - len(told)
    if more:
        yield f"{count(more, 'more pair')} in matrix.json."


def pair_sentence(pair: PairPreferred) -> str:
    """Say how often one rung is preferred to another one, and how sure that is."""
    if pair.probability < 0.5:
        pair = turned(pair)
    said = f"{pair.rung} is preferred to {pair.against} with a chance of "
    said += percent(pair.probability)
    own = f"{pair.won:g} of {count(pair.votes, 'vote')} between the two"
    if not pair.votes:
        own = "nobody compared these two, only each with others"
    if pair.neither:
        own += f", {pair.neither:,} more for neither"
    if pair.alike:
        own += f", {count(pair.alike, 'case')} with equal replies that nobody was shown"
    if pair.low is None:
        return f"{said} ({own}): no interval."
    ends = interval(pair.low, pair.high)
    sure = "" if pair.better else ": undecided"
    return f"{said} (95 % interval {ends}; {own}){sure}."


def _grade_sentences(view: PeopleView) -> Iterator[str]:
    people = view.people
    if view.grades:
        asked = "gave grades to" if people.graded else "said yes or no to"
        replies = sum(one.cases for one in view.grades)
        noun = "reply" if replies == 1 else "replies"
        yield f"“{people.question}”: people {asked} {replies:,} {noun}."
    for one in view.grades:
        gain = one.gain
        if gain is None or one.rung == gain.against:
            continue
        if gain.low is None:
            yield (
                f"{one.rung} against {gain.against}: {count(gain.cases, 'case')} in "
                "common, too few to compare them."
            )
            continue
        better = "undecided" if gain.better is None else "people think worse of it"
        if gain.better:
            better = "people think better of it"
        value, ends = _gain_cells(people, gain)
        yield (
            f"{one.rung} against {gain.against}: {value} (paired 95 % interval {ends}, "
            f"{count(gain.cases, 'case')}): {better}."
        )


def _rater_sentences(what: str, raters: Raters) -> Iterator[str]:
    yield f"Raters of {what}: {raters.agreeing.sentence}"
    if raters.repeats >= MIN_ITEMS:
        same = percent(raters.steady / raters.repeats)
        yield f"Asked twice, they said the same in {same} of {raters.repeats:,}."
    elif raters.repeats:
        yield (
            f"{count(raters.repeats, 'item')} asked twice: at least {MIN_ITEMS} are "
            "needed to say how steady answers are."
        )
    rate = raters.left_rate
    if rate is not None and raters.sided >= MIN_ITEMS:
        yield (
            f"The reply on the left was taken in {percent(rate)} of "
            f"{count(raters.sided, 'pair')} that were decided; chance alone takes half."
        )
    for one in raters.one_sided:
        side, n = ("left", one.left) if 2 * one.left > one.of else ("right", 0)
        n = n or one.of - one.left
        yield (
            f"{one.rater} took the reply on the {side} in {n:,} of {one.of:,}, which "
            "is hardly chance: ask whether the replies were read."
        )
    if raters.seconds is not None:
        answer = "choice" if what == "pairs" else "verdict"
        # Whole seconds are kept.
        took = seconds(raters.seconds) if raters.seconds else "less than a second"
        yield f"A {answer} took {took} (median)."


def void_sentences(people: People) -> Iterator[str]:
    """Say which reviews do not count, and why."""
    if people.replies_changed:
        yield (
            f"{_do_not(people.replies_changed)} count: of replies that have changed "
            "since."
        )
    if people.questions_changed:
        yield (
            f"{_do_not(people.questions_changed)} count: of another question than "
            "[review] asks now."
        )
    if people.elsewhere:
        yield (
            f"{count(people.elsewhere, 'more review')} of rungs or cases that are not "
            "in this report."
        )
    if people.untied:
        yield (
            f"{_do_not(people.untied)} say of which text, so that whatever the reply "
            "is now is meant."
        )


def _do_not(reviews: int) -> str:
    return f"{count(reviews, 'review')} {'does' if reviews == 1 else 'do'} not"
