"""The training data: what is read from `data/`, and what its digests are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec

BUILD = Path(__file__).parent
EXAMPLE = BUILD.parent
DATA = BUILD / "data"
DEV = EXAMPLE / "dev.jsonl"
TRAIN, TEXT, JUDGE = DATA / "train.jsonl", DATA / "shop.txt", DATA / "judge.jsonl"


class Row(msgspec.Struct, frozen=True):
    """A prompt with its answer."""

    id: str
    input: str
    expected: str
    tags: list[str]
    document: str | None = None
    """The passage that retrieval would find; None: whatever it finds."""


class Pair(msgspec.Struct, frozen=True):
    """A reply with the verdict on it."""

    question: str
    expected: str
    reply: str
    verdict: str
    """`yes` or `no`."""


def training_rows() -> list[Row]:
    """Read the prompts with their answers."""
    return [msgspec.convert(one, Row) for one in _lines(TRAIN)]


def dev_rows() -> list[Row]:
    """Read the dev split, which no model is trained on."""
    rows = [json.loads(line) for line in DEV.read_text("utf-8").splitlines()]
    return [Row(r["id"], r["input"], r["expected"], r["tags"]) for r in rows]


def judged_pairs() -> list[Pair]:
    """Read the replies with their verdicts."""
    return [msgspec.convert(one, Pair) for one in _lines(JUDGE)]


def shop_text() -> list[str]:
    """Read the paragraphs of raw text."""
    return [line for line in TEXT.read_text("utf-8").splitlines() if line.strip()]


def digest(path: Path) -> str:
    """Return the first 12 digits of a file's sha256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _lines(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
