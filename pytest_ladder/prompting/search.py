"""BM25 over short texts in any script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import bm25s

# Scripts that are written without spaces: Thai, Lao, Burmese, Khmer, kana, Han, Hangul
# (whose particles stick to the words).
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)

_WORD = re.compile(rf"[{UNSPACED}]+|[^\W_{UNSPACED}]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")


class Index:
    """Texts that can be searched; built once, read by any number of threads."""

    def __init__(self, texts: Sequence[str]) -> None:
        tokens = [tokenize(text) for text in texts]
        self._count = len(texts)
        self._vocabulary: dict[str, int] = {}
        for token in (token for document in tokens for token in document):
            self._vocabulary.setdefault(token, len(self._vocabulary))
        self._bm25 = self._built(tokens) if self._vocabulary else None

    def best(self, query: str, top_k: int) -> list[int]:
        """Positions of up to `top_k` texts that share a word with `query`.

        The best comes first; equally good ones keep their order.
        """
        scores = self._scores(query)
        found = sorted(
            (n for n, score in enumerate(scores) if score > 0),
            key=lambda n: -scores[n],
        )
        return found[:top_k]

    def _scores(self, query: str) -> list[float]:
        # A word counts once: tickets that repeat one are not more about it.
        tokens = dict.fromkeys(tokenize(query))
        known = [self._vocabulary[t] for t in tokens if t in self._vocabulary]
        if self._bm25 is None or not known:
            return []
        scores: list[float] = self._bm25.get_scores_from_ids(known).tolist()
        return scores

    def _built(self, tokens: list[list[str]]) -> bm25s.BM25:
        import logging

        import bm25s

        # On import it turns its debug messages on, and pytest would show them below
        # every failing test.
        logging.getLogger("bm25s").setLevel(logging.WARNING)
        # Lucene's idf is positive for every word, so that in a corpus of two
        # documents a word that both hold still counts.
        bm25 = bm25s.BM25(method="lucene")
        ids = [[self._vocabulary[t] for t in document] for document in tokens]
        # Numbered here, in order of appearance: bm25s numbers words in the order of
        # a set, which differs between processes.
        bm25.index(
            (ids, self._vocabulary), create_empty_token=False, show_progress=False
        )
        return bm25


def tokenize(text: str) -> list[str]:
    """Split a text into words, and unspaced scripts into pairs of characters."""
    text = unicodedata.normalize("NFKC", text).casefold()
    if not text.isascii():
        # Vowel signs are no letters to `re` and would cut Hindi words to pieces.
        text = "".join(c for c in text if unicodedata.category(c)[0] != "M")
    tokens = []
    for word in _WORD.findall(text):
        if len(word) > 1 and _UNSPACED.match(word):
            tokens += [word[n : n + 2] for n in range(len(word) - 1)]
        else:
            tokens.append(word)
    return tokens
