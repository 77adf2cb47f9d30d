"""What raters are told when all of them are done: how far they agree."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_ladder.core.review import ADJUDICATOR, Review
from pytest_ladder.decide.people.raters import Answered, agreeing
from pytest_ladder.judging.calibration.labels import Label
from pytest_ladder.review.queue import item_id


def agreement_of(answers: Iterable[Review | Label]) -> str:
    """Say how far raters agree; empty where there is only one."""
    found = agreeing(
        Answered(item_id(one), one.rater, one.verdict)
        for one in answers
        if one.rater != ADJUDICATOR and (isinstance(one, Label) or not one.repeat)
    )
    return found.sentence if found.raters > 1 else ""
