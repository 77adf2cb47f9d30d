"""What a check is given: a reply or a text, and a case or what is expected itself."""

from __future__ import annotations

import textwrap
from typing import Any

from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import kind_of

# For pytest: a mistake in a case is not to be read in lines of ours.
__tracebackhide__ = True

_LONGEST_QUOTE = 60


def text_of(reply: Reply | str) -> str:
    """Return the text to check; a reply's is without its thoughts.

    Raises `ConfigError` for what is neither a reply nor a text.
    """
    text: Any = reply if isinstance(reply, str) else getattr(reply, "text", None)
    if not isinstance(text, str):
        raise ConfigError(
            f"The check was given {kind_of(reply)} to look at; give it the reply, or a "
            "text."
        )
    return text


def expected_of(wanted: Any) -> Any:
    """Return what is expected, which a case says. Raises `ConfigError` if it does not.

    Without that a case that lacks it would pass or miss whatever was said.
    """
    expected = wanted.expected if isinstance(wanted, Case) else wanted
    if expected is None or expected in ("", [], ()):
        raise ConfigError(
            f"{name_of(wanted)} expects nothing to check; add `expected`."
        )
    return expected


def texts_of(wanted: Any) -> list[str]:
    """Return the texts that are right, one or several.

    Raises `ConfigError` where something else than texts and numbers is expected.
    """
    expected = expected_of(wanted)
    texts = expected if isinstance(expected, list | tuple) else [expected]
    for text in texts:
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            raise ConfigError(
                f"{name_of(wanted)} expects {quoted(repr(text))}, which is no text; "
                "write a text, or a list of texts of which any is right."
            )
    return [str(text) for text in texts]


def name_of(wanted: Any) -> str:
    """Name the case for a sentence on it; what was given itself has no name."""
    if not isinstance(wanted, Case):
        return "The check"
    return f'case "{wanted.id}" of {wanted.source or "the test"}'


def quoted(text: str) -> str:
    """Shorten a text for a reason, on one line."""
    return textwrap.shorten(text, _LONGEST_QUOTE, placeholder=" …")
