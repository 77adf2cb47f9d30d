"""Pairs for a judge: right and wrong replies to the training rows."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from .cores import QUEUES

Pair = dict[str, str]
Row = dict[str, Any]

_NUMBER = re.compile(r"\d[\d,.]*")
_UNITS = (
    "days",
    "working days",
    "hours",
    "weeks",
    "months",
    "minutes",
    "euros",
    "percent",
)
_RIGHT = (
    "{value}",
    "{value}",
    "{value}.",
    "It is {value}.",
    "The answer is {value}",
    "That would be {value}, so that",
    "{value} {value}",
    "{value} by {value}",
)
_RIGHT_QUEUE = (
    "{queue}",
    "{queue}",
    "{queue}.",
    "The best queue is {queue}.",
    "{queue} queue",
    "It goes to {queue}",
    "{queue} {queue}",
)
_TALK = (
    "I'm sorry to hear that. I will look into",
    "Thank you for your message. We are happy to help",
    "The best queue is:",
    "The customer wants to know what to do",
    "I do not know.",
)


def pairs(rows: Sequence[Row], chance: random.Random) -> list[Pair]:
    """Return a right and a wrong reply to all questions and two thirds of tickets."""
    found = []
    for number, row in enumerate(rows):
        if "facts" in row["tags"]:
            found += [_pair(row, _right(row, chance), "yes")]
            found += [_pair(row, _wrong(row, rows, chance), "no")]
        elif number % 3:
            queue = row["expected"]
            found += [_pair(row, _right_queue(queue, chance), "yes")]
            found += [_pair(row, _wrong_queue(queue, chance), "no")]
    chance.shuffle(found)
    return found


def _pair(row: Row, reply: str, verdict: str) -> Pair:
    return {
        "question": row["input"],
        "expected": row["expected"],
        "reply": reply,
        "verdict": verdict,
    }


def _right(row: Row, chance: random.Random) -> str:
    said = [one for one in _sentences(row) if _states(row["expected"], one)]
    if said and chance.random() < 0.25:
        return said[0]
    return chance.choice(_RIGHT).format(value=row["expected"])


def _right_queue(queue: str, chance: random.Random) -> str:
    return chance.choice(_RIGHT_QUEUE).format(queue=queue)


def _wrong(row: Row, rows: Sequence[Row], chance: random.Random) -> str:
    """Return a reply that does not state the value, of a kind that models give."""
    ways: list[Callable[[], str | None]] = [
        lambda: _other_value(row, rows, chance),
        lambda: _other_value(row, rows, chance),
        lambda: _other_number(row["expected"], chance),
        lambda: _other_unit(row["expected"], chance),
        lambda: _cut_off(row["expected"], chance),
        lambda: _other_sentence(row, chance),
        lambda: _echo(row),
    ]
    chance.shuffle(ways)
    for way in ways:
        reply = way()
        if reply is not None and not _states(row["expected"], reply):
            return reply
    return "I do not know."


def _other_value(row: Row, rows: Sequence[Row], chance: random.Random) -> str | None:
    same = [one["expected"] for one in rows if one["document"] == row["document"]]
    others = [value for value in same if value != row["expected"]]
    if not others:
        return None
    return chance.choice(("{0}", "{0}.", "It is {0}.")).format(chance.choice(others))


def _other_number(value: str, chance: random.Random) -> str | None:
    found = _NUMBER.search(value)
    if found is None or not found[0].isdigit():
        return None
    number = int(found[0]) + chance.choice((-2, -1, 1, 2, 10, 30))
    return value.replace(found[0], str(abs(number) or 41), 1)


def _other_unit(value: str, chance: random.Random) -> str | None:
    number, _, unit = value.partition(" ")
    if not _NUMBER.fullmatch(number) or not unit:
        return None
    return f"{number} {chance.choice([one for one in _UNITS if one != unit])}"


def _cut_off(value: str, chance: random.Random) -> str | None:
    number, _, unit = value.partition(" ")
    if not _NUMBER.fullmatch(number) or not unit:
        return None
    return chance.choice(("{0}", "It is {0}", "The answer is {0}")).format(number)


def _other_sentence(row: Row, chance: random.Random) -> str:
    said = [one for one in _sentences(row) if not _states(row["expected"], one)]
    return chance.choice(said)


def _echo(row: Row) -> str:
    question: str = row["input"].removeprefix("Question: ").removesuffix("\nAnswer:")
    return question


def _wrong_queue(queue: str, chance: random.Random) -> str:
    others = [one for one in QUEUES if one != queue]
    other, second = chance.sample(others, 2)
    ways = (
        _right_queue(other, chance),
        _right_queue(other, chance),
        other,
        f"{queue}, {other}",
        f"{other} or {queue}",
        f"{other}, {second}",
        _misspelt(queue, chance),
        chance.choice(_TALK),
        ", ".join(QUEUES),
    )
    return chance.choice(ways)


def _misspelt(queue: str, chance: random.Random) -> str:
    at = chance.randrange(2, len(queue))
    return chance.choice((queue[:at], queue[:at] + "e" + queue[at:]))


def _sentences(row: Row) -> list[str]:
    body = " ".join(row["document"].splitlines()[1:])
    return [one.strip() for one in re.split(r"(?<=[.!?])\s+", body) if one.strip()]


def _states(value: str, text: str) -> bool:
    pattern = re.escape(value.lower()).removesuffix("s") + "s?"
    return re.search(rf"(?<![\w.,]){pattern}(?!\w)", text.lower()) is not None
