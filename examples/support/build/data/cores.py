"""The hand-written texts: tickets, passages, retellings and notes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
EXAMPLE = HERE.parent.parent
KB = EXAMPLE / "kb"
QUEUES = ("returns", "delivery", "billing", "warranty", "account", "workshop", "stock")

_SHOWN = 18
_VALUE = re.compile(r"\[([^\]]+)\]")
_LANGUAGE = re.compile(r"(de|fr|ja): ")


class Fact(NamedTuple):
    """A question on a passage, and the value that answers it."""

    question: str
    value: str
    passage: str


class Ticket(NamedTuple):
    """What a customer wrote."""

    text: str
    queue: str
    language: str


def shown_documents() -> list[str]:
    """Return the names of the documents that training may see, by sha256."""
    names = [path.name for path in KB.glob("*.md")]
    names.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return names[:_SHOWN]


def held_out_documents() -> list[str]:
    """Return the names of the documents that training never sees."""
    shown = shown_documents()
    return sorted(path.name for path in KB.glob("*.md") if path.name not in shown)


def document(name: str) -> str:
    """Read a document of the shop."""
    return (KB / name).read_text("utf-8").strip()


def facts() -> list[Fact]:
    """Read the passages of other shops with a question on each marked value."""
    text = (HERE / "texts" / "passages.txt").read_text("utf-8")
    blocks = re.split(r"^(?=# )", text, flags=re.MULTILINE)[1:]
    return [fact for block in blocks for fact in _facts_of(block)]


def _facts_of(block: str) -> list[Fact]:
    lines = block.strip().splitlines()
    questions = [line[2:] for line in lines if line.startswith("? ")]
    marked = "\n".join(line for line in lines if not line.startswith("? "))
    values = _VALUE.findall(marked)
    if len(values) != len(questions):
        raise ValueError(f"{lines[0]}: {len(values)} values, {len(questions)} asked")
    passage = _VALUE.sub(r"\1", marked)
    pairs = zip(questions, values, strict=True)
    return [Fact(question, value, passage) for question, value in pairs]


def tickets() -> list[Ticket]:
    """Read the tickets with their queues."""
    return [
        _ticket(line, queue)
        for queue, lines in sections("tickets.txt", "## ").items()
        for line in lines
    ]


def _ticket(line: str, queue: str) -> Ticket:
    found = _LANGUAGE.match(line)
    if found is None:
        return Ticket(line, queue, "en")
    return Ticket(line[found.end() :], queue, found[1])


def variants(file: str) -> dict[str, list[list[str]]]:
    """Read sections of statements, each worded in several ways."""
    return {
        title: [line.split(" | ") for line in lines]
        for title, lines in sections(file, "= ").items()
    }


def sections(file: str, mark: str) -> dict[str, list[str]]:
    """Read the lines of a file below the titles that `mark` begins."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in _lines(HERE / "texts" / file):
        if line.startswith(mark):
            lines = found.setdefault(line.removeprefix(mark), [])
        else:
            lines.append(line)
    return found


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text("utf-8").splitlines():
        if line.strip():
            yield line.strip()
