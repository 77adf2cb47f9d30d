"""What the data must hold, checked before they are written."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from .cores import EXAMPLE, KB, QUEUES, document, held_out_documents
from .cores import shown_documents as shown

Row = dict[str, Any]

NEAR = 0.9
"""Inputs whose `difflib` ratio is above this are too much alike."""


def check(rows: Sequence[Row], text: Sequence[str], judged: Sequence[Row]) -> None:
    """Raise `ValueError` with all that is wrong with the data."""
    wrong = [
        *_unbalanced(rows, judged),
        *_without_answer(rows),
        *_repeated(rows),
        *_alike(rows),
        *_of_the_shop(rows),
        *_leaked(text),
    ]
    if wrong:
        raise ValueError("\n".join(wrong))


def plain(row: Row) -> str:
    """Return the ticket or question itself, in lower case and single spaces."""
    text = str(row["input"]).partition("Message: ")[2] or str(row["input"])
    text = text.removeprefix("Question: ").rpartition("\n")[0]
    return " ".join(re.findall(r"\w+", text.lower()))


def _unbalanced(rows: Sequence[Row], judged: Sequence[Row]) -> list[str]:
    queues = Counter(row["expected"] for row in rows if "routing" in row["tags"])
    verdicts = Counter(row["verdict"] for row in judged)
    wrong = []
    if sorted(queues) != sorted(QUEUES) or len(set(queues.values())) > 1:
        wrong.append(f"the queues are not balanced: {dict(queues)}")
    if verdicts["yes"] != verdicts["no"]:
        wrong.append(f"the verdicts are not balanced: {dict(verdicts)}")
    return wrong


def _without_answer(rows: Sequence[Row]) -> list[str]:
    return [
        f"{row['id']}: {row['expected']} occurs {count} times in its document"
        for row in rows
        if "facts" in row["tags"]
        and (count := len(_found(row["expected"], row["document"]))) != 1
    ]


def _repeated(rows: Sequence[Row]) -> list[str]:
    counts = Counter(plain(row) for row in rows)
    return [f"asked {n} times: {text}" for text, n in counts.items() if n > 1]


def _alike(rows: Sequence[Row]) -> list[str]:
    """Compare with the files that whoever writes training data may know."""
    other = [
        json.loads(line)
        for name in ("dev.jsonl", "examples.jsonl")
        for line in (EXAMPLE / name).read_text("utf-8").splitlines()
    ]
    return [
        f"{row['id']} is too much like {one['id']}: {plain(row)}"
        for one in other
        for row in rows
        if _ratio(plain(one), plain(row)) > NEAR
    ]


def _ratio(one: str, other: str) -> float:
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    if min(matcher.real_quick_ratio(), matcher.quick_ratio()) <= NEAR:
        return 0.0
    return matcher.ratio()


def _of_the_shop(rows: Sequence[Row]) -> list[str]:
    """Find values of training that are also values of the shop's documents."""
    shop = " ".join(document(path.name) for path in sorted(KB.glob("*.md")))
    return [
        f"{row['id']}: the shop itself says {row['expected']}"
        for row in rows
        if "facts" in row["tags"] and _found(row["expected"], shop)
    ]


def _leaked(text: Sequence[str]) -> list[str]:
    """Find numbers with a unit that only the held-out documents have."""
    known = " ".join(document(name) for name in shown())
    secret = {value for name in held_out_documents() for value in _values(name)}
    return [
        f"shop.txt says {value}, which only held-out documents know"
        for value in sorted(secret)
        if not _found(value, known) and any(_found(value, line) for line in text)
    ]


def _values(name: str) -> list[str]:
    return re.findall(r"\d[\d.,:]* [a-z]+(?: days)?", document(name))


def _found(value: str, text: str) -> list[str]:
    pattern = re.escape(value.lower()).removesuffix("s") + "s?"
    return re.findall(rf"(?<![\w.,]){pattern}(?!\w)", text.lower())
