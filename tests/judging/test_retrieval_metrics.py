"""Metrics of retrieval need no model, only what the case says is relevant."""

from __future__ import annotations

import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply, Retrieved
from pytest_ladder.errors import ConfigError
from pytest_ladder.judging.retrieval_metrics import (
    METRICS,
    document_recall,
    precision,
    reciprocal_rank,
)

BY_SOURCE = Case(id="a", input="?", relevant=("a.md", "b.md"), context=("not used",))
BY_TEXT = Case(id="a", input="?", context=("The window is 45 days.", "Tea is green."))


def reply(*sources: str, texts: tuple[str, ...] = ()) -> Reply:
    texts = texts or ("…",) * len(sources)
    passages = [
        Retrieved(source=source, rank=rank, text=text)
        for rank, (source, text) in enumerate(zip(sources, texts, strict=True), start=1)
    ]
    # The rank counts, not the place in the tuple.
    return Reply(text="", retrieved=tuple(reversed(passages)))


@pytest.mark.parametrize(
    ("sources", "recall", "precise", "rank"),
    [
        (("a.md", "b.md"), 1.0, 1.0, 1.0),
        (("x.md", "a.md"), 0.5, 0.5, 0.5),
        (("x.md", "y.md", "b.md", "a.md"), 1.0, 0.5, 1 / 3),
        (("a.md", "a.md", "a.md"), 0.5, 1.0, 1.0),
        (("x.md",), 0.0, 0.0, 0.0),
        ((), 0.0, 0.0, 0.0),
    ],
)
def test_sources_are_compared(
    sources: tuple[str, ...], recall: float, precise: float, rank: float
) -> None:
    found = reply(*sources)
    assert document_recall(found, BY_SOURCE) == recall
    assert precision(found, BY_SOURCE) == precise
    assert reciprocal_rank(found, BY_SOURCE) == pytest.approx(rank)


def test_k_looks_at_the_first_passages_only() -> None:
    found = reply("a.md", "x.md", "b.md")
    assert document_recall(found, BY_SOURCE, k=2) == 0.5
    assert precision(found, BY_SOURCE, k=1) == 1.0
    assert precision(found, BY_SOURCE, k=9) == pytest.approx(2 / 3)


def test_without_sources_the_texts_are_compared() -> None:
    whole = "# Refunds\n\nThe window\nis 45 days. Ask us."
    part = "tea is green"
    assert document_recall(reply("x", texts=(whole,)), BY_TEXT) == 0.5
    assert document_recall(reply("x", "y", texts=(part, whole)), BY_TEXT) == 1.0
    assert precision(reply("x", "y", texts=("…?", whole)), BY_TEXT) == 0.5
    assert reciprocal_rank(reply("x", "y", texts=("", whole)), BY_TEXT) == 0.5


@pytest.mark.parametrize("name", METRICS)
def test_a_case_must_say_what_is_relevant(name: str) -> None:
    case = Case(id="x", input="?", source="cases.jsonl")
    with pytest.raises(ConfigError, match=r"case 'x' of cases\.jsonl, which does not"):
        METRICS[name](reply("a.md"), case)
    with pytest.raises(ConfigError, match="got no case"):
        METRICS[name](reply("a.md"), None)
