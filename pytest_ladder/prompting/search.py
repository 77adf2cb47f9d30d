"""BM25 over short texts in any script."""

from __future__ import annotations

import importlib.util
import re
import threading
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_ladder.errors import ConfigError

if TYPE_CHECKING:
    import bm25s

# Scripts that are written without spaces: Thai, Lao, Burmese, Khmer, kana, Han, Hangul
# (whose particles stick to the words).
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)

_WORD = re.compile(rf"[{UNSPACED}]+|[^\W_{UNSPACED}]+")
_ENGLISH = {"en": "english", "en_plus": "english_plus"}
"""What bm25s abbreviates."""
_UNSPACED = re.compile(f"[{UNSPACED}]")


class Words:
    """How texts are cut into the words that are compared.

    `stopwords` and `stemmer` name languages, as `unknown_language` allows them.
    """

    def __init__(
        self, *, stopwords: str | None = None, stemmer: str | None = None
    ) -> None:
        self._stopwords: frozenset[str] = frozenset()
        if stopwords is not None:
            told = " ".join(_stopword_lists()[stopwords])
            self._stopwords = frozenset(tokenize(told))
        self._stemmer: Any = None
        if stemmer is not None:
            import Stemmer

            self._stemmer = Stemmer.Stemmer(stemmer)
        # A stemmer keeps what it works on in itself.
        self._lock = threading.Lock()

    def of(self, text: str) -> list[str]:
        """Return the words of a text; called on any thread."""
        words = [word for word in tokenize(text) if word not in self._stopwords]
        if self._stemmer is None:
            return words
        with self._lock:
            stems: list[str] = self._stemmer.stemWords(words)
        return stems


def languages_of(option: str) -> list[str]:
    """Return the languages that `stopwords` or `stemmer` can name.

    Raises `ImportError` without the library that knows them.
    """
    if option == "stopwords":
        return sorted(_stopword_lists())
    import Stemmer

    names: list[str] = Stemmer.algorithms()
    return names


def _stopword_lists() -> dict[str, Sequence[str]]:
    """Return bm25s' lists by language."""
    from bm25s import stopwords

    lists = {
        name.removeprefix("STOPWORDS_").lower(): words
        for name, words in vars(stopwords).items()
        if name.startswith("STOPWORDS_")
    }
    return {_ENGLISH.get(name, name): words for name, words in lists.items()}


class Index:
    """Texts that can be searched; built once, read by any number of threads."""

    def __init__(self, texts: Sequence[str], words: Words | None = None) -> None:
        self._words = words or Words()
        tokens = [self._words.of(text) for text in texts]
        self._count = len(texts)
        self._vocabulary: dict[str, int] = {}
        for token in (token for document in tokens for token in document):
            self._vocabulary.setdefault(token, len(self._vocabulary))
        self._bm25 = self._built(tokens) if self._vocabulary else None

    def best(self, query: str, top_k: int) -> list[int]:
        """Positions of up to `top_k` texts that share a word with `query`.

        The best comes first; equally good ones keep their order.
        """
        # A word counts once: tickets that repeat one are not more about it.
        tokens = dict.fromkeys(self._words.of(query))
        known = [self._vocabulary[t] for t in tokens if t in self._vocabulary]
        if self._bm25 is None or not known:
            return []
        scores: list[float] = self._bm25.get_scores_from_ids(known).tolist()
        found = sorted(
            (n for n, score in enumerate(scores) if score > 0),
            key=lambda n: -scores[n],
        )
        return found[:top_k]

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


def check_installed(where: str) -> None:
    """Raise `ConfigError` where the library that searches is missing."""
    if importlib.util.find_spec("bm25s") is None:
        raise ConfigError(
            f'{where}: a corpus, and select = "similar", are searched by bm25s, '
            "which is not installed; run pip install 'pytest-ladder[rag]'."
        )


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
