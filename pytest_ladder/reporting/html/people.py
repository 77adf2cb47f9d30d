"""What the page shows of people: how often they prefer a rung, and to which others.

Places of marks are shares of a picture's width, decided here and only put there by the
page's script.
"""

from __future__ import annotations

from typing import Any

from pytest_ladder.decide.people.preferences import (
    Preferences,
    RungPreferred,
    too_few,
)
from pytest_ladder.decide.people.sums import People
from pytest_ladder.reporting.people import (
    PeopleView,
    graded_rows,
    pair_sentence,
    preferred_rows,
    reliance,
    view_of,
)
from pytest_ladder.text.numbers import count, interval, percent

Table = dict[str, Any]


def people_section(people: People, current: str | None) -> Table | None:
    """Give all that the section on people shows; None where nobody reviewed."""
    if people.is_empty:
        return None
    view = view_of(people, current)
    return {
        "lead": _lead(view),
        "preferred": _preferred(view),
        "graded": _graded(view),
        "grid": _grid(view.preferences) if view.preferences else [],
        "said": [*reliance(view)],
    }


def _lead(view: PeopleView) -> str:
    """Say how much there is, and first of all whether it is too little."""
    people, kinds = view.people, []
    if people.of_pairs is not None:
        kinds.append(f"{count(people.of_pairs.answers, 'choice')} between two replies")
    if people.of_grades is not None:
        given = count(people.of_grades.answers, "verdict")
        kinds.append(f"{given} on single replies")
    given = " and ".join(kinds) or "Nothing that still counts"
    few = too_few(view.preferences.cases) if view.preferences else ""
    short = f" Too little to rank rungs by: {few}." if few else ""
    return f"{given}, by people.{short}"


def _preferred(view: PeopleView) -> list[Table]:
    if view.preferences is None:
        return []
    return [
        {
            "cells": cells,
            "bar": _bar(one),
            "ships": one.rung == view.current,
        }
        for one, cells in zip(view.preferences.rungs, preferred_rows(view), strict=True)
    ]


def _bar(one: RungPreferred) -> list[float] | None:
    if one.low is None or one.high is None:
        return None
    return [round(share, 4) for share in (one.low, one.chance, one.high)]


def _graded(view: PeopleView) -> list[Table]:
    return [
        {
            "cells": cells,
            "bar": (
                None
                if one.low is None or one.high is None
                else [round(share, 4) for share in (one.low, one.score, one.high)]
            ),
            "ships": one.rung == view.current,
        }
        for one, cells in zip(view.grades, graded_rows(view), strict=True)
    ]


def _grid(fit: Preferences) -> list[Table]:
    """Give for each rung its chance against each other one, and that in words."""
    rungs = [one.rung for one in fit.rungs]
    return [
        {"rung": rung, "cells": [_against(fit, rung, other) for other in rungs]}
        for rung in rungs
    ]


def _against(fit: Preferences, rung: str, other: str) -> Table | None:
    if rung == other:
        return None
    pair = fit.between(rung, other)
    if pair is None:
        return {
            "text": "?",
            "note": "",
            "kind": "",
            "words": f"Nobody compared {rung} with {other}, nor both with a third.",
        }
    kind = {True: "pass", False: "fail", None: "undecided"}[pair.better]
    return {
        "text": percent(pair.probability),
        "note": interval(pair.low, pair.high),
        "kind": kind,
        "words": pair_sentence(pair),
    }
