"""A vote: the model answers several times, and what most answers say counts.

Wang et al., *Self-Consistency Improves Chain of Thought Reasoning in Language Models*
(2022), where each vote thinks first: set `extract`.
"""

from __future__ import annotations

import statistics
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from pytest_ladder.cases.choices import chosen_letters, plain_words
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import NO_ANSWER, Reply
from pytest_ladder.core.rung import Model, Strategy
from pytest_ladder.prompting.prompter import Conversation, Estimate, Prompt, at_once
from pytest_ladder.prompting.think import AnswerOptions, Think, out_of_range
from pytest_ladder.text.quantities import Quantity, quantities, whole_quantity

TIED = "tied"
"""What is odd about a reply for which another one has as many votes."""
_MOST_VOTES = 1000
_SYMBOLS = frozenset("%$€£¥₹")
"""Units that make no other answer of a number: many votes go without them."""

Ballot = str | tuple[Decimal, tuple[str, ...]]
"""What two votes have in common that are for the same answer."""


class VoteOptions(AnswerOptions, frozen=True, kw_only=True):
    """What a strategy that votes may set."""

    votes: int = 5
    """Replies to each case, 2 to 1000."""
    pick: Literal["majority", "median"] = "majority"
    """Which counts: the answer that most votes have, of a tie the one that came first;
    or of votes with one number each the middle one, of two the lower."""


class VoteOver(Think):
    """Several calls at once for the same prompt; one of their answers counts."""

    options = VoteOptions
    strategy: VoteOptions
    is_known = True

    @classmethod
    def problem(cls, strategy: Strategy) -> tuple[str, str] | None:
        """Say what is wrong with the options."""
        assert isinstance(strategy, VoteOptions)
        wrong = out_of_range("votes", strategy.votes, 2, _MOST_VOTES)
        return wrong or super().problem(strategy)

    @classmethod
    def doubt(cls, strategy: Strategy, model: Model) -> str:
        """Say that votes hardly differ where a model is not to vary its answers."""
        if (model.params | strategy.params).get("temperature") != 0:
            return ""
        return (
            f'model "{model.name}" votes at temperature = 0, at which votes hardly '
            "differ, and each is paid for; add `params = { temperature = 0.7 }` here."
        )

    @classmethod
    def estimate(cls, strategy: Strategy, folder: Path) -> Estimate:
        """Say what a conversation takes: as many calls as votes."""
        assert isinstance(strategy, VoteOptions)
        tokens = super().estimate(strategy, folder).prompt_tokens * strategy.votes
        return Estimate(prompt_tokens=tokens, calls=strategy.votes)

    def known(self, case: Case) -> list[Prompt]:
        """Return the prompts of all votes."""
        prompt = self.prompt(case)
        draws = range(1, self.strategy.votes + 1)
        return [msgspec.structs.replace(prompt, draw=draw) for draw in draws]

    def converse(self, case: Case) -> Conversation:
        """Ask for all votes at once, and return the reply that wins."""
        replies = yield from at_once(self.known(case))
        answers = [self.answered(reply) for reply in replies]
        if self.strategy.pick == "median":
            return _median(answers)
        return _majority(answers, case.choices)


def _majority(answers: list[Reply], choices: tuple[str, ...]) -> Reply:
    """Return the first reply with the answer that most have; a tie is said."""
    ballots = [_ballot(answer, choices) for answer in answers]
    counts = Counter(ballot for ballot in ballots if ballot is not None)
    if not counts:
        return _without_winner(answers)
    (winner, votes), *others = counts.most_common()
    is_tied = bool(others) and others[0][1] == votes
    reply = answers[ballots.index(winner)]
    return msgspec.structs.replace(
        reply,
        agreement=votes / len(answers),
        odd=TIED if is_tied else reply.odd,
    )


def _median(answers: list[Reply]) -> Reply:
    """Return the first reply with the middle number."""
    found = [{*map(_exact, quantities(answer.text))} for answer in answers]
    # No number, and more than one, is no vote.
    numbers = [some.pop() if len(some) == 1 else None for some in found]
    known = [number for number in numbers if number is not None]
    if not known:
        return _without_winner(answers)
    middle = statistics.median_low(known)
    return msgspec.structs.replace(
        answers[numbers.index(middle)],
        agreement=known.count(middle) / len(answers),
    )


def _without_winner(answers: list[Reply]) -> Reply:
    """Return a reply to stand for votes of which none is for anything."""
    odd = None if answers[0].refusal is not None else NO_ANSWER
    text = answers[0].text if odd is None else ""
    return msgspec.structs.replace(answers[0], text=text, agreement=0.0, odd=odd)


def _ballot(answer: Reply, choices: tuple[str, ...]) -> Ballot | None:
    """Return what an answer is counted under; None: it is no vote.

    Case, white space, marks and punctuation make no other answer; `1,000.0` is 1000,
    `5-day` is 5 days, and where the case has choices a letter is its choice. Refusals
    are one answer.
    """
    if answer.refusal is not None:
        return "\N{REPLACEMENT CHARACTER}refused"
    text = answer.text.strip()
    if choices and (letters := chosen_letters(text, choices)):
        return " ".join(sorted(letters))
    quantity = whole_quantity(text)
    if quantity is not None:
        units = (unit for unit in quantity.units if unit not in _SYMBOLS)
        return _exact(quantity), tuple(units)
    return plain_words(text) or text or None


def _exact(quantity: Quantity) -> Decimal:
    """Return a number to its last digit; one with a power of ten as a float holds it.

    What a model writes behind an `e` may be more than any exact number can hold.
    """
    has_power = "e" in quantity.digits.lower()
    return Decimal(quantity.value if has_power else quantity.digits)
