"""Supervised rows: tickets with their queue, questions with their value."""

from __future__ import annotations

import random
import re
from typing import Any

from .cores import QUEUES, Fact, Ticket, document, facts, shown_documents, tickets

Row = dict[str, Any]

_FRAME = (
    f"Choose one queue for the message: {', '.join(QUEUES)}.\n"
    "Message: {text}\nThe best queue is:"
)
_TEAS = (
    "Moss Lantern",
    "Snow Tail",
    "Ember Paw",
    "River Stone",
    "Night Burrow",
    "Golden Field",
)
_WARE = ("teapot", "gaiwan", "mug", "jug", "cup", "sugar bowl", "side pot", "tray")
_OPENINGS = (
    "Hi,",
    "Hello there,",
    "Good morning,",
    "Dear Tanuki team,",
    "Hey,",
    "Good evening from Leiden.",
    "I am a new customer.",
    "Sorry to bother you.",
    "Quick question:",
    "I write for my neighbour, who has no computer.",
)
_CLOSINGS = (
    "Thanks!",
    "Thank you, Odile",
    "Best wishes, R. Brandt",
    "Order TT-81930246.",
    "Please let me know soon.",
    "Cheers",
    "Waiting for your answer.",
    "Kind regards from Ghent",
)
_NAMES = ("I", "TANUKI", "Tracking", "Grandma", "Burrow")
_ENDINGS = ("!!", "...", " ??", " please", "")


def routing_rows(chance: random.Random) -> list[Row]:
    """Return a row of each ticket; a fifth of them bring a distracting document."""
    rows = []
    for number, ticket in enumerate(tickets(), start=1):
        text = _worded(ticket, chance)
        shown = _distraction(text, chance) if chance.random() < 0.2 else None
        rows.append(
            {
                "id": f"train-route-{number:03}",
                "input": _FRAME.format(text=text),
                "expected": ticket.queue,
                "tags": ["routing", ticket.queue],
                "document": shown,
            }
        )
    return rows


def fact_rows(chance: random.Random) -> list[Row]:
    """Return a row of each question about another shop, with its passage."""
    return [
        {
            "id": f"train-fact-{number:03}",
            "input": f"Question: {_asked(fact, chance)}\nAnswer:",
            "expected": fact.value,
            "tags": ["facts"],
            "document": fact.passage,
        }
        for number, fact in enumerate(facts(), start=1)
    ]


def _worded(ticket: Ticket, chance: random.Random) -> str:
    text = ticket.text.replace("{tea}", chance.choice(_TEAS))
    text = text.replace("{ware}", chance.choice(_WARE))
    if ticket.language != "en":
        return text
    if chance.random() < 0.12:
        text = _mistyped(text, chance)
    if chance.random() < 0.12:
        text = text.lower().rstrip(".?!") + chance.choice(_ENDINGS)
    if chance.random() < 0.22:
        text = _opened(chance.choice(_OPENINGS), text)
    if chance.random() < 0.18:
        text = f"{text} {chance.choice(_CLOSINGS)}"
    return text


def _opened(opening: str, text: str) -> str:
    # After a comma a sentence goes on in small letters, "I" and names aside.
    first = text.split(" ")[0]
    goes_on = opening.endswith(",") and first.isalpha() and first not in _NAMES
    return f"{opening} {text[0].lower() if goes_on else text[0]}{text[1:]}"


def _asked(fact: Fact, chance: random.Random) -> str:
    text = fact.question
    if chance.random() < 0.08:
        text = _mistyped(text, chance)
    if chance.random() < 0.12:
        text = text[0].lower() + text[1:].rstrip("?")
    return text


def _mistyped(text: str, chance: random.Random) -> str:
    """Swap two letters in the middle of one or two long words."""
    words = text.split(" ")
    long = [at for at, word in enumerate(words) if word.isalpha() and len(word) > 5]
    for at in chance.sample(long, min(len(long), chance.choice((1, 2)))):
        word, cut = words[at], chance.randrange(1, len(words[at]) - 2)
        words[at] = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
    return " ".join(words)


def _distraction(text: str, chance: random.Random) -> str:
    """Return one of the three shown documents that share most words with a ticket."""
    words = _words(text)
    documents = [document(name) for name in shown_documents()]
    documents.sort(key=lambda one: -len(words & _words(one)))
    return chance.choice(documents[:3])


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}
