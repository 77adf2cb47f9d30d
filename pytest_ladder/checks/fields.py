"""JSON against JSON: the share of expected values that a reply has in their places."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from pytest_ladder.checks.asked import expected_of, name_of, quoted, text_of
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.score import Score
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.json_in_text import value_in

__tracebackhide__ = True

_MOST_NAMED = 3
_NOTHING = object()


def json_fields(
    reply: Reply | str,
    case: Case | Any,
    *,
    fold: bool = False,
    tolerance: float = 0.0,
    only: bool = False,
) -> Score:
    """Score the share of expected values that the reply's JSON has, in [0, 1].

    Expected is an object or a list, or JSON as text. Each value in it that is neither
    counts once, by its path (`order.items[0].sku`); lists are compared in their order.
    Numbers are equal within `tolerance`, and true is not 1. With `fold` texts are
    compared without case and outer blanks. With `only` each value that is not expected
    counts against it, as one more that is wrong. A reply without JSON has 0.
    Raises `ConfigError` for a case that expects no object and no list.
    """
    wanted = dict(_leaves(_expected(case)))
    try:
        said = dict(_leaves(value_in(text_of(reply))))
    except (ValueError, RecursionError):
        return Score(value=0.0, reason=f"no JSON in {quoted(text_of(reply))!r}")
    wrong = [
        f"{path} is {_shown(said.get(path, _NOTHING))}, not {_shown(value)}"
        for path, value in wanted.items()
        if not _same(said.get(path, _NOTHING), value, fold, tolerance)
    ]
    if only:
        wrong += [f"{path} is not expected" for path in said if path not in wanted]
    count = len(wanted) + (len(said.keys() - wanted.keys()) if only else 0)
    right = count - len(wrong)
    if not wrong:
        return Score(value=1.0, reason=f"all {count} values are right")
    named = "; ".join(wrong[:_MOST_NAMED])
    more = f"; {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
    reason = f"{right} of {count} values are right: {named}{more}"
    return Score(value=right / count, reason=reason)


def _expected(case: Case | Any) -> Any:
    expected = expected_of(case)
    if isinstance(expected, str):
        try:
            expected = value_in(expected)
        except ValueError:
            expected = None
    if not isinstance(expected, dict | list | tuple) or not expected:
        raise ConfigError(
            f"{name_of(case)} expects no JSON object or list; write one as `expected`."
        )
    return expected


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield values that are no object and no list, or empty ones, by their paths."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple) and value:
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path or "the value", value


def _same(said: Any, wanted: Any, fold: bool, tolerance: float) -> bool:
    if isinstance(wanted, bool) or isinstance(said, bool):
        return said is wanted
    if isinstance(wanted, int | float) and isinstance(said, int | float):
        return math.isclose(said, wanted, rel_tol=0.0, abs_tol=tolerance)
    if fold and isinstance(wanted, str) and isinstance(said, str):
        return said.strip().casefold() == wanted.strip().casefold()
    return bool(said == (list(wanted) if isinstance(wanted, tuple) else wanted))


def _shown(value: Any) -> str:
    return "missing" if value is _NOTHING else quoted(repr(value))
