"""Multiple choice: options with letters in the prompt, and the letter in a reply."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.score import Score
from pytest_ladder.errors import ConfigError

# For pytest: a mistake in a case is not to be read in lines of ours.
__tracebackhide__ = True

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARKUP = re.compile(
    r"</?[A-Za-z]+>|\\(?:boxed|text|textbf|mathrm)\b"
    r"|[*_`$\\{}<>\"'\u2018\u2019\u201c\u201d\u00ab\u00bb]"
)
# Apostrophes are taken away before: `isnt`.
_NOT = re.compile(
    r"\b(?:not|never|neither|nor|(?:is|are|was|were|do|does|did|ca|wo|would|should)nt)"
    r"(?:\s\w+)?[\s(\[]*\Z",
    re.IGNORECASE,
)
_NOT_AWAY = 40
"""Characters before a letter in which a `not` is about it."""
# `a` and `i` are words, too: a letter by itself is in brackets, or no word follows it.
_LETTER = (
    r"(?:\(([A-Za-z])\)|\[([A-Za-z])\]"
    r"|([A-Za-z])(?=\s?(?:[.,;:!?)\]]|$|\n)|\s[-\u2013\u2014(]))"
)
_NAMED = r"(?:(?:option|choice|letter|number)\s)?"
_SAID = re.compile(
    r"\b(?:answer|choice|option|solution|antwort|respuesta|réponse|risposta|resposta)"
    r"(?:\s(?:is|was|would be|should be|must be|ist|lautet|es|est|è|é))?"
    rf"\s?[:=]?\s?{_NAMED}{_LETTER}",
    re.IGNORECASE | re.MULTILINE,
)
_CHOSEN = re.compile(
    rf"\b(?:choose|chose|pick|select|go with|it is|its|option|choice)\s{_NAMED}"
    r"(?:\(([A-Za-z])\)|([A-Z])\b)"
    r"|(?:\(([A-Za-z])\)|\b([B-HJ-Z]))\sis\s(?:the\s)?(?:correct|right|best)"
)
_MARKED = re.compile(
    r"\(([A-Za-z])\)|(?<=\s)([A-Z])\)(?=\s|$)|^([A-Z])[.):](?=\s|$)", re.MULTILINE
)
# Letters of scripts without blanks between words may stand at either side.
_LATIN = "[A-Za-z0-9_À-ɏ]"
_ALONE = re.compile(
    rf"(?<!{_LATIN})([B-HJ-Z]|[AI](?=\s?(?:[.,;:!?)\]]|$|\s(?:or|and|oder|und)\b)))"
    rf"(?!{_LATIN})"
)
_FINAL = re.compile(r"\bfinal(?:ly)?\b[^.\n]{0,80}?\banswer\b", re.IGNORECASE)
_APART = re.compile(r"[\s,;/&+]+|\b(?:and|or|und|oder)\b", re.IGNORECASE)


def lettered(choices: Sequence[str]) -> str:
    """Write choices as a prompt shows them, a line each: `A. Paris`."""
    return "\n".join(
        f"{letter}. {text}" for letter, text in zip(_LETTERS, choices, strict=False)
    )


def shows_all(text: str, choices: Sequence[str]) -> bool:
    """Tell whether a text lists all choices already, as the questions of some sets do.

    In a list each stands after a letter, a bullet or at the start of a line.
    """
    return all(
        re.search(
            rf"(?:^|\b\w[.):]|[-*•])[ \t]*{re.escape(choice.strip())}",
            text,
            re.MULTILINE,
        )
        for choice in choices
    )


def expected_letters(case: Case) -> frozenset[str]:
    """Return the letters of the right choices: as a rule one.

    What is expected is a letter, an index from 0, or the text of a choice; or a list of
    them, where several are right together. Raises `ConfigError` for anything else.
    """
    if not case.choices:
        raise ConfigError(
            f'case "{case.id}" of {case.source or "the test"} has no `choices`, a list '
            "of 2 to 26 texts; add them."
        )
    several = (
        case.expected if isinstance(case.expected, list | tuple) else [case.expected]
    )
    letters = {_expected(value, case.choices) for value in several}
    if not letters or None in letters:
        raise ConfigError(
            f'case "{case.id}" of {case.source or "the test"} expects '
            f"{case.expected!r}, which is none of its {len(case.choices)} choices; "
            "write its letter, its index from 0, or its text."
        )
    return frozenset(letter for letter in letters if letter is not None)


def score_choice(reply: Reply | str, case: Case) -> Score:
    """Score a multiple-choice reply: 1 if it chooses what the case expects, else 0.

    Understood are a letter in any dress (`B`, `(b)`, `**B.**`, `The answer is B`) and
    the text of a choice. A reply that chooses nothing, or several things, has 0, and
    the reason says so. The case has `choices`, and expects a letter, an index from 0 or
    a text. Raises `ConfigError` for a case that does not.
    """
    right = expected_letters(case)
    text = reply if isinstance(reply, str) else reply.text
    chosen = chosen_letters(text, case.choices)
    wanted = " and ".join(sorted(right))
    if not chosen:
        return Score(value=0.0, reason=f"chooses nothing; {wanted} is right")
    said = " and ".join(sorted(chosen))
    if len(chosen) > 1 and len(right) == 1:
        return Score(value=0.0, reason=f"ambiguous: chooses {said}; {wanted} is right")
    if chosen == right:
        return Score(value=1.0, reason=f"chooses {said}")
    return Score(value=0.0, reason=f"chooses {said}; {wanted} is right")


def chosen_letters(text: str, choices: Sequence[str]) -> frozenset[str]:
    """Return the letters that a reply chooses; several are no clear choice.

    The first way that finds any letter counts: the reply is nothing else; it says which
    is the answer; it marks letters; a letter stands alone; it holds a choice's text.
    """
    known = _LETTERS[: len(choices)]
    # A choice's text comes first where it is all there is: it may be `B` or `(a)`.
    whole = _same_text(text, choices)
    if whole is not None:
        return frozenset({whole})
    # Without runs of blanks no pattern above goes back and forth over a hostile reply.
    lines = (" ".join(line.split()) for line in _MARKUP.sub("", text).splitlines())
    bare = "\n".join(line for line in lines if line)
    for letters in (
        _nothing_else(bare, known),
        _said(bare, known),
        _found(_CHOSEN, bare, known),
        _found(_MARKED, bare, known),
        _found(_ALONE, bare, known),
        _named_texts(text, choices),
    ):
        if letters:
            return letters
    return frozenset()


def _expected(value: object, choices: Sequence[str]) -> str | None:
    known = _LETTERS[: len(choices)]
    if isinstance(value, int) and not isinstance(value, bool):
        return known[value] if 0 <= value < len(known) else None
    if not isinstance(value, str):
        return None
    bare = value.strip().strip("().[] ").upper()
    same = _same_text(value, choices)
    if same is not None and bare not in known:
        return same
    if len(bare) == 1 and bare in known:
        return bare
    if bare.isdecimal() and int(bare) < len(known):
        return known[int(bare)]
    return same


def _same_text(text: str, choices: Sequence[str]) -> str | None:
    """Return the letter of the choice that a text is, also after its letter."""
    plain = plain_words(text)
    same = []
    for letter, choice in zip(_LETTERS, map(plain_words, choices), strict=False):
        if plain in (choice, f"{letter.lower()} {choice}") and choice:
            same.append(letter)
    return same[0] if len(same) == 1 else None


def _nothing_else(bare: str, known: str) -> frozenset[str]:
    alone = bare.strip("()[].,:;!?# \t\n")
    if len(alone) == 1 and alone.upper() in known:
        return frozenset({alone.upper()})
    parts = [part.strip("().[]") for part in _APART.split(alone) if part.strip("().[]")]
    if parts and all(len(p) == 1 and p.upper() in known for p in parts):
        return frozenset(part.upper() for part in parts)
    # `B. Paris`, or `B` and an explanation below.
    first = re.match(r"\(?([A-Z])(?:\)|\.|:)(?=\s)|([A-Z])\s*\n", alone)
    letters = {m for m in first.groups() if m} if first else set()
    others = _found(_MARKED, bare, known)
    return (
        frozenset(letters)
        if letters & set(known) and others <= letters
        else frozenset()
    )


def _said(bare: str, known: str) -> frozenset[str]:
    """Return what a reply calls its answer; a final one beats those before it."""
    final = list(_FINAL.finditer(bare))
    if final:
        letters = _found(_SAID, bare[final[-1].start() :], known)
        if letters:
            return letters
    return _found(_SAID, bare, known)


def _found(form: re.Pattern[str], text: str, known: str) -> frozenset[str]:
    letters = set()
    for match in form.finditer(text):
        letter = next(group for group in match.groups() if group).upper()
        if letter in known and not _is_negated(text, match.start()):
            letters.add(letter)
    return frozenset(letters)


def _named_texts(text: str, choices: Sequence[str]) -> frozenset[str]:
    """Return the letters of the choices whose text a reply holds; the longest first."""
    plain = plain_words(text)
    letters = set()
    pairs = zip(_LETTERS, map(plain_words, choices), strict=False)
    for letter, choice in sorted(pairs, key=lambda pair: -len(pair[1])):
        if choice:
            form = rf"(?<!\w){re.escape(choice)}(?!\w)"
            starts = [found.start() for found in re.finditer(form, plain)]
            if not all(_is_negated(plain, start) for start in starts):
                letters.add(letter)
            # `Paris` inside of `Paris and London` is no second choice.
            plain = re.sub(form, "…", plain)
    return frozenset(letters)


def _is_negated(text: str, start: int) -> bool:
    return _NOT.search(text[max(0, start - _NOT_AWAY) : start]) is not None


def plain_words(text: str) -> str:
    """Write a text without case, markup and what stands between words."""
    words = re.sub(r"[^\w%°€$£+./-]+", " ", _MARKUP.sub("", text).casefold())
    return " ".join(word.strip(".") or word for word in words.split())
