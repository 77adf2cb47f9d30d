"""Raw text for continued pretraining: retellings, letters and notes of the team."""

from __future__ import annotations

import random

from .cores import QUEUES, document, shown_documents, variants

_TELLINGS = 8
_LETTERS = 4
_NOTES = 9
_SINGLES = 3

_HEADS = (
    "",
    "",
    "From the handbook of Tanuki Tea. ",
    "For new colleagues. ",
    "Pinned to the wall beside the packing table. ",
    "A short word about {title}. ",
    "{title}, as we tell it on the phone. ",
    "Tanuki Tea, page on {title}. ",
    "What Jun wrote down about {title}. ",
)
_GREETINGS = (
    "Dear Ms Vogel, thank you for your message.",
    "Hello Anton, good that you ask.",
    "Dear Mr Okafor, here is what you wanted to know.",
    "Good day Mrs Lindqvist, with pleasure.",
    "Dear Camille, sorry for the wait.",
    "Hello Kenji, this is how we do it.",
)
_FAREWELLS = (
    "Kind regards, Mira from Tanuki Tea",
    "All the best, Jun, Tanuki Tea",
    "Enjoy your tea! The support team of Tanuki Tea",
    "Write to us any time. Your Tanuki Tea",
)
_NOTE_HEADS = (
    "Note of the support team on {queue}.",
    "Which tickets go to {queue}.",
    "For sorting tickets:",
    "Mira about the queue {queue}:",
    "From the rules of support.",
)
_JOINERS = ("",) * 12 + ("Besides, ", "Also, ", "By the way, ")


def paragraphs(chance: random.Random) -> list[str]:
    """Return all paragraphs, each on one line, in mixed order."""
    found = [*_documents(chance), *_notes(chance), *_other(chance)]
    chance.shuffle(found)
    return found


def _documents(chance: random.Random) -> list[str]:
    told = variants("retellings.txt")
    if sorted(told) != sorted(shown_documents()):
        raise ValueError("the retellings are not those of the shown documents")
    found = []
    for name, statements in told.items():
        title, *body = document(name).removeprefix("# ").split("\n\n")
        found.append(" ".join([f"{title}.", *body]).replace("\n", " "))
        for _ in range(_TELLINGS):
            head = chance.choice(_HEADS).format(title=title)
            found.append(head + _told(statements, len(statements), chance))
        for _ in range(_LETTERS):
            found.append(_letter(statements, chance))
        for _ in range(_SINGLES):
            found.append(f"{title}: {_told(statements, 2, chance)}")
    return found


def _letter(statements: list[list[str]], chance: random.Random) -> str:
    told = _told(statements, min(4, len(statements)), chance)
    return f"{chance.choice(_GREETINGS)} {told} {chance.choice(_FAREWELLS)}"


def _notes(chance: random.Random) -> list[str]:
    notes = variants("notes.txt")
    found = []
    for queue in QUEUES:
        for _ in range(_NOTES):
            head = chance.choice(_NOTE_HEADS).format(queue=queue)
            told = _told(notes[queue], 5, chance)
            found.append(f"{head} {told} {_told(notes['rules'], 1, chance)}")
    return found


def _other(chance: random.Random) -> list[str]:
    notes = variants("notes.txt")
    rules = [_told(notes["rules"], 6, chance) for _ in range(8)]
    words = [f"Glossary. {_told(notes['glossary'], 5, chance)}" for _ in range(14)]
    days = [_told(notes["day"], 5, chance) for _ in range(10)]
    return [*rules, *words, *days]


def _told(statements: list[list[str]], count: int, chance: random.Random) -> str:
    """Word some statements anew, each in one of its ways, in their own order."""
    places = sorted(chance.sample(range(len(statements)), min(count, len(statements))))
    told = [chance.choice(statements[place]) for place in places]
    return " ".join([told[0], *(_joined(one, chance) for one in told[1:])])


def _joined(sentence: str, chance: random.Random) -> str:
    joiner = chance.choice(_JOINERS)
    first = sentence.split(" ")[0]
    # Names keep their capital letter; only small common words are lowered.
    if joiner and first in {"The", "A", "An", "It", "We", "You", "For", "In", "There"}:
        return joiner + sentence[0].lower() + sentence[1:]
    return sentence
