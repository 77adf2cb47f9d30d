"""Text against text: the same words, some of them, shared tokens, or a pattern."""

from __future__ import annotations

import collections
import re
import unicodedata
from typing import Any

from pytest_ladder.checks.asked import expected_of, name_of, quoted, text_of, texts_of
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.score import Score
from pytest_ladder.errors import ConfigError

__tracebackhide__ = True

_ARTICLES = frozenset({"a", "an", "the"})
# Chinese, Japanese and Thai are written without blanks: a character is a token.
_UNSPACED = re.compile(
    r"([\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])"
)

_EDGES = (
    ".,;:!?\"'()[]{}<>*_`~\u2018\u2019\u201c\u201d\u00ab\u00bb\u2026\u3001\u3002\uff0c"
)
"""What stands around words and is no part of them."""
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u2060\ufeff\u00ad"))
"""Where a line may break: what nobody sees makes no other word."""


def exact(reply: Reply | str, case: Case | Any) -> Score:
    """Score 1 if the reply is what is expected, and nothing else.

    Case, punctuation, white space and the articles a, an, the do not count: SQuAD's
    exact match (Rajpurkar et al. 2016, `evaluate-v1.1.py`), with Unicode's letters.
    Raises `ConfigError` for a case that expects no text.
    """
    said = tokens(text_of(reply))
    wanted = texts_of(case)
    if any(said == tokens(text) for text in wanted):
        return Score(value=1.0, reason=f"is {quoted(text_of(reply))!r}")
    return Score(value=0.0, reason=_not_that(reply, wanted))


def contains(reply: Reply | str, case: Case | Any) -> Score:
    """Score 1 if the reply holds what is expected, as whole words in their order.

    It compares as `exact` does, so `Oslo` is in `**Oslo**, Norway.` but not in
    `Osloer`, and `45 days` not in `145 days`. Symbols that are expected have to be
    there: `C` is no `C++`. That a reply denies it is not seen: `not Oslo` holds it.
    Raises `ConfigError` for a case that expects no text.
    """
    said = [(word, _stripped(word)) for word in _words(text_of(reply))]
    wanted = texts_of(case)
    for text in wanted:
        words = _words(text)
        starts = range(len(said) - len(words) + 1)
        if words and any(
            all(map(_is_one_of, words, said[at : at + len(words)])) for at in starts
        ):
            return Score(value=1.0, reason=f"holds {quoted(text)!r}")
    return Score(value=0.0, reason=_not_that(reply, wanted))


def token_f1(reply: Reply | str, case: Case | Any) -> Score:
    """Score the tokens that reply and expected text share, in [0, 1].

    Harmonic mean of precision and recall over tokens, the best of several texts:
    SQuAD's F1 (Rajpurkar et al. 2016, `evaluate-v1.1.py`), with a token for each
    character of unspaced scripts, as MLQA's (Lewis et al. 2020). Raises `ConfigError`
    for a case that expects no text.
    """
    said, scores = tokens(text_of(reply)), []
    for text in texts_of(case):
        wanted = tokens(text)
        both = (collections.Counter(said) & collections.Counter(wanted)).total()
        f1 = 2 * both / (len(said) + len(wanted)) if both else 0.0
        reason = f"{both} of {len(wanted)} expected tokens, {len(said)} said"
        scores.append(Score(value=f1, reason=reason))
    return max(scores, key=lambda score: score.value)


def regex(reply: Reply | str, case: Case | str, *, flags: int = 0) -> Score:
    """Score 1 if the pattern, which the case expects, is found in the reply.

    `flags` are those of `re`. Raises `ConfigError` for what is no pattern.
    """
    pattern = expected_of(case)
    try:
        found = re.search(pattern, text_of(reply), flags)
    except (re.error, TypeError) as error:
        raise ConfigError(
            f"{name_of(case)} expects {quoted(repr(pattern))}, which is no regular "
            f"expression ({error}); escape what is meant as it stands."
        ) from None
    if found is None:
        return Score(value=0.0, reason=f"nothing matches {quoted(str(pattern))!r}")
    return Score(value=1.0, reason=f"{quoted(found[0])!r} matches")


def tokens(text: str) -> list[str]:
    """Cut a text into words as SQuAD compares them: no case, punctuation, articles.

    A text of nothing else, such as `The` or `+`, is a token as it stands.
    """
    plain = [_stripped(word) for word in _words(text)]
    return [word for word in plain if word not in _ARTICLES and word] or _words(text)


def _words(text: str) -> list[str]:
    """Cut a text at blanks, and between characters of scripts that have none."""
    shown = text.translate(_INVISIBLE)
    folded = unicodedata.normalize("NFKC", shown).casefold()
    words = (word.strip(_EDGES) for word in _UNSPACED.sub(r" \1 ", folded).split())
    return [word for word in words if word and word not in _ARTICLES] or folded.split()


def _stripped(word: str) -> str:
    return "".join(each for each in word if not _is_punctuation(each))


def _is_one_of(wanted: str, said: tuple[str, str]) -> bool:
    if wanted in said:
        return True
    # `U.S.` is US, and what's is whats; but C++ is no C, and 5 % is no 5.
    has_symbols = any(
        each in "#%&@" or unicodedata.category(each).startswith("S") for each in wanted
    )
    return not has_symbols and _stripped(wanted) == said[1]


def _is_punctuation(character: str) -> bool:
    # SQuAD takes away string.punctuation, which has ASCII's symbols, too: `$`, `+`.
    category = unicodedata.category(character)
    return category.startswith("P") or (category.startswith("S") and character < "\x7f")


def _not_that(reply: Reply | str, wanted: list[str]) -> str:
    said = quoted(text_of(reply))
    right = " or ".join(repr(quoted(text)) for text in wanted)
    return f"says {said!r}; {right} is expected" if said else f"empty; {right} expected"
