"""How good a retrieval was, measured without a model: recall, precision, first rank.

A passage is relevant when its source is one of the case's `relevant` sources; where a
case names none, when it holds a passage of the case's `context`, or is a part of one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply, Retrieved
from pytest_ladder.errors import ConfigError


def document_recall(reply: Reply, case: Case | None, k: int | None = None) -> float:
    """Share of the relevant sources that are among the first `k` passages, in [0, 1].

    Without `k` all passages count. Raises `ConfigError` for a case that does not say
    what is relevant.
    """
    hits = _found(reply, case)[:k]
    return len(set().union(*hits)) / len(_wanted(case))


def precision(reply: Reply, case: Case | None, k: int | None = None) -> float:
    """Share of the first `k` passages that are relevant, in [0, 1].

    Of fewer passages than `k`, the share among them; 0 when nothing was retrieved.
    Raises `ConfigError` for a case that does not say what is relevant.
    """
    hits = _found(reply, case)[:k]
    return sum(map(bool, hits)) / len(hits) if hits else 0.0


def reciprocal_rank(reply: Reply, case: Case | None) -> float:
    """1 over the rank of the first relevant passage, in [0, 1]; 0 without any.

    Its mean over cases is the mean reciprocal rank (MRR). Raises `ConfigError` for a
    case that does not say what is relevant.
    """
    ranks = (rank for rank, hits in enumerate(_found(reply, case), start=1) if hits)
    return 1 / next(ranks, math.inf)


METRICS = {
    "document_recall": document_recall,
    "precision": precision,
    "reciprocal_rank": reciprocal_rank,
}
"""Metrics by the names that `judge=` knows."""


def _found(reply: Reply, case: Case | None) -> list[set[str]]:
    """Return what each passage found, the best passage first."""
    wanted = _wanted(case)
    by_source = case is not None and bool(case.relevant)
    best_first = sorted(reply.retrieved, key=lambda passage: passage.rank)
    return [_hits(passage, wanted, by_source=by_source) for passage in best_first]


def _hits(found: Retrieved, wanted: Sequence[str], *, by_source: bool) -> set[str]:
    if by_source:
        return {source for source in wanted if source == found.source}
    text, hits = _squeezed(found.text), set()
    for passage in wanted:
        other = _squeezed(passage)
        if text and other and (text in other or other in text):
            hits.add(passage)
    return hits


def _wanted(case: Case | None) -> tuple[str, ...]:
    wanted = () if case is None else case.relevant or case.context
    if not wanted:
        named = (
            f"case {case.id!r} of {case.source or 'the test'}" if case else "no case"
        )
        raise ConfigError(
            f"A metric of retrieval got {named}, which does not say what is relevant; "
            "name the sources in `relevant`, or give the passages in `context`."
        )
    return tuple(dict.fromkeys(wanted))


def _squeezed(text: str) -> str:
    return " ".join(text.split()).casefold()
