"""Tickets of Tanuki Tea: routed to the right queue, answered with the right fact.

The checks are strict: exactly one queue, and a value with its unit. The judge is the
same small model, asked whether the reply is correct; README.md says what that is worth.
"""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.ladder(cases="cases.jsonl")

QUEUES = ("returns", "delivery", "billing", "warranty", "account", "workshop", "stock")


def queues_named(text: str) -> set[str]:
    return {queue for queue in QUEUES if re.search(rf"\b{queue}\b", text.lower())}


def states(value: str, text: str) -> bool:
    """Tell whether the text holds the value: the whole number, and then its unit."""
    words = [re.escape(word) for word in value.lower().split()]
    # "45 days" also as "45-day", but neither "145 days" nor "45." cut off.
    pattern = r"[\s-]*".join(words).removesuffix("s") + "s?"
    return re.search(rf"(?<![\w.,]){pattern}(?!\w)", text.lower()) is not None


@pytest.mark.cheap(at_least=0.12)
def test_reply(reply, case):
    if "routing" in case.tags:
        assert queues_named(reply.text) == {case.expected}
    else:
        assert states(case.expected, reply.text), f"{case.expected} is not stated"


@pytest.mark.judged(at_least=0.12, judge="correctness")
def test_correct(verdict):
    assert verdict, verdict.reason
