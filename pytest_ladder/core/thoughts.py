"""Thoughts: what a reasoning model says to itself in front of its answer.

Most replies have none that stand in their text. They are told apart here; the patterns
of all the tags that models write, which take longer to compile than a look-up of a
reply, are in `tagged_thoughts.py` and loaded where a text may hold some.
"""

import msgspec

_FIRST = ("<", "[", "◁")
_FIRST_WORDS = ("here", "analysis", "commentary", "assistant", "final")
_LONGEST_FIRST = max(map(len, _FIRST_WORDS))
"""How thoughts begin: a text without any of these, as most are, is all answer."""


class Thoughts(msgspec.Struct, frozen=True, kw_only=True):
    """A model's text, taken apart."""

    reasoning: str
    """The thoughts without their tags; empty: there are none."""
    answer: str
    """All that follows, the whole text where there are no thoughts."""


def split_thoughts(text: str) -> Thoughts:
    """Take thoughts from the beginning of a text; without any it stays as it is.

    Thoughts that never end leave no answer: the model was cut off, or lost its way.
    """
    begins = text.lstrip()[:_LONGEST_FIRST].lower().startswith(_FIRST_WORDS)
    if not begins and not any(first in text for first in _FIRST):
        return Thoughts(reasoning="", answer=text)
    from pytest_ladder.core.tagged_thoughts import split_tagged

    thoughts, answer = split_tagged(text)
    return Thoughts(reasoning=joined(thoughts), answer=answer)


def joined(thoughts: list[str]) -> str:
    """Return several thoughts as one text, a blank line between them."""
    return "\n\n".join(filter(None, map(str.strip, thoughts)))
