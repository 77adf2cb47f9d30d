"""Pairwise judging: which of two replies is better, asked in both orders.

See docs/methods.md §5.6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from pytest_ladder.calls.asker import Talk
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Model
from pytest_ladder.judging import prompts
from pytest_ladder.judging.prompts import PREFERENCE
from pytest_ladder.judging.rubrics import Rubric
from pytest_ladder.judging.verdicts import Unusable, ask, judge_id, total
from pytest_ladder.stats.paired import gain_interval


class Preference(msgspec.Struct, frozen=True, kw_only=True):
    """Which of two replies, a and b, a judge preferred."""

    score: int
    """1: a in both orders; -1: b in both; 0: the order decided."""
    favoured_slot: int | None = None
    """1 or 2: the place that won in both orders, where the order decided."""
    reasons: tuple[str, str] = ("", "")
    """With a first, and with b first."""
    judge: str = ""
    rubric: str = ""
    cost_usd: float | None = None

    @property
    def consistent(self) -> bool:
        """Whether both orders had the same winner."""
        return self.score != 0


class PreferenceCount(msgspec.Struct, frozen=True, kw_only=True):
    """What preferences over many cases say of a against b."""

    n: int
    wins: int
    """Pairs in which a won both times."""
    losses: int
    effect: float
    """Mean score, in [-1, 1]; above 0 a is better."""
    low: float | None
    """Lower end of the effect's 95 % interval; None with a single pair."""
    high: float | None
    p: float
    """Two-sided sign test of wins against losses."""
    consistency: float
    """Share of pairs in which the order did not matter, in [0, 1]."""
    first_slot: int
    """Pairs decided by the order in which the first place won."""
    slot_p: float
    """Two-sided sign test of the first place against the second, in those pairs."""


def prefer(
    model: Model,
    rubric: Rubric,
    replies: tuple[Reply, Reply],
    case: Case | None,
    unusable: Unusable,
    is_kept: prompts.IsKept = lambda _: False,
) -> Talk[Preference]:
    """Ask a judge which of two replies is better, in both orders.

    What a rubric needs must come from the case: passages that were retrieved belong to
    one of the replies. Raises `ConfigError` and `JudgeError` as a verdict does.
    """
    known = prompts.background(rubric, case, Reply(text=""))
    subject = f"two replies by {rubric.title}"
    winners, reasons, costs = [], [], []
    for order in ((0, 1), (1, 0)):
        pairs = [
            [replies[index].text for index in order],
            [replies[index].whole_text for index in order],
        ]
        wordings = [
            prompts.make_request(
                model,
                PREFERENCE,
                rubric,
                [*known, ("first reply", first), ("second reply", second)],
            )
            for first, second in pairs
        ]
        wordings = [prompts.with_attachments(each, case) for each in wordings]
        request = prompts.kept_wording(wordings, is_kept)
        answer = yield from ask(request, PREFERENCE, subject, unusable)
        winners.append(order[answer.value == "second"])
        reasons.append(answer.reason)
        costs.append(answer.cost_usd)
    consistent = winners[0] == winners[1]
    return Preference(
        score=1 - 2 * winners[0] if consistent else 0,
        favoured_slot=None if consistent else 1 + winners[0],
        reasons=(reasons[0], reasons[1]),
        judge=judge_id(model),
        rubric=rubric.id,
        cost_usd=total(costs),
    )


def compare(preferences: Sequence[Preference]) -> PreferenceCount:
    """Sum up the preferences between two rungs, one a case.

    Raises ValueError without any.
    """
    if not preferences:
        raise ValueError("A comparison needs 1 or more preferences, got 0.")
    scores = [preference.score for preference in preferences]
    wins, losses = scores.count(1), scores.count(-1)
    slots = [p.favoured_slot for p in preferences if not p.consistent]
    low, high = gain_interval(scores) if len(scores) > 1 else (None, None)
    return PreferenceCount(
        n=len(scores),
        wins=wins,
        losses=losses,
        effect=math.fsum(scores) / len(scores),
        low=low,
        high=high,
        p=_sign_test(wins, losses),
        consistency=(wins + losses) / len(scores),
        first_slot=slots.count(1),
        slot_p=_sign_test(slots.count(1), slots.count(2)),
    )


def _sign_test(ups: int, downs: int) -> float:
    """Exact two-sided binomial test against one half; 1 without any."""
    n = ups + downs
    tail = sum(math.comb(n, k) for k in range(min(ups, downs) + 1))
    return min(1.0, 2 * tail / (1 << n))
