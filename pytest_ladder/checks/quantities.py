"""Numbers in a reply: the one that answers, with its unit, within a tolerance."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pytest_ladder.checks.asked import expected_of, name_of, quoted, text_of
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.score import Score
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import ANSWER_WORDS
from pytest_ladder.text.quantities import Quantity, plain_unit, quantities

__tracebackhide__ = True

# Where a reply says that this is the answer: GSM8K's mark, LaTeX's box, words.
_ANSWERS = re.compile(
    rf"####|\\boxed\{{|(?<![a-z])(?:final\s)?(?:{ANSWER_WORDS})(?:\sis|\s?[:=\uff1a])"
    r"|\btherefore\b|\bso\sthe\b",
    re.IGNORECASE,
)


def number(  # noqa: PLR0913 - each option is one word of the question
    reply: Reply | str,
    case: Case | Any,
    *,
    unit: str | Mapping[str, float] = "",
    tolerance: float = 0.0,
    relative: float = 0.0,
    decimal: str = ".",
    only: bool = False,
) -> Score:
    r"""Score 1 if the number that the reply answers with is the expected one.

    Expected is a number, or a text with one and perhaps its unit (`45 days`). With a
    unit only numbers that have it count. `unit` says it, or several of them with what
    each is in one of them: `{"kg": 1, "g": 0.001}`; an expected number without a unit
    is in that one. Units are words or symbols (plural and singular are the same);
    nothing else is converted.

    The answer is the first number after the last `####`, `\boxed{`, "answer is" or
    `Answer:`, also in some other languages (`Antwort:`);
    else the last number, as in GSM8K (Cobbe et al. 2021) and lm-evaluation-harness's
    `flexible-extract`. With `only` a reply that says several numbers says none.

    It may be off by `tolerance`, in units of the expected number, or by the share
    `relative` of it, as `math.isclose` has it. A point comes before decimals and a
    comma groups thousands; with `decimal=","` it is the other way round. Raises
    `ConfigError` for a case that expects no number.
    """
    if decimal not in (".", ","):
        raise ConfigError(f'decimal={decimal!r} is neither "." nor ","; write one.')
    wanted = _expected(case, decimal)
    factors = _factors(unit, wanted)
    text = text_of(reply)
    said = _in_units(text, factors, decimal)
    in_unit = f" in {' or '.join(factors)}" if factors else ""
    if not said:
        return Score(value=0.0, reason=f"no number{in_unit} in {quoted(text)!r}")
    if only and len({value for _, value in said}) > 1:
        shown = quoted(", ".join(each.text for each, _ in said))
        return Score(value=0.0, reason=f"several numbers: {shown}")
    answer, value = _announced(text, factors, decimal) or said[-1]
    right = math.isclose(value, wanted.value, rel_tol=relative, abs_tol=tolerance)
    # 0.1 + 0.2 is 0.3 to people, and so is 300 g as kg.
    right = right or math.isclose(value, wanted.value, rel_tol=1e-9)
    if right:
        return Score(value=1.0, reason=f"says {answer.text}")
    return Score(value=0.0, reason=f"says {answer.text}; {wanted.text} is expected")


def _in_units(
    text: str, factors: Mapping[str, float], decimal: str
) -> list[tuple[Quantity, float]]:
    """Return numbers in one of the units, with what each is in the expected one."""
    return [
        (each, each.value * factor)
        for each in quantities(text, decimal)
        if (factor := _factor(each, factors)) is not None
    ]


def _announced(
    text: str, factors: Mapping[str, float], decimal: str
) -> tuple[Quantity, float] | None:
    """Return the first number after the last words that announce the answer."""
    for mark in reversed(list(_ANSWERS.finditer(text))):
        if found := _in_units(text[mark.end() :], factors, decimal):
            return found[0]
    return None


def _expected(case: Case | Any, decimal: str) -> Quantity:
    expected = expected_of(case)
    is_number = isinstance(expected, int | float) and not isinstance(expected, bool)
    if is_number and math.isfinite(expected):
        return Quantity(float(expected), (), f"{expected:,}")
    found = quantities(expected, decimal) if isinstance(expected, str) else []
    if len(found) != 1 or not math.isfinite(found[0].value):
        fix = "write a number, with its unit if it has one"
        other = "," if decimal == "." else "."
        if isinstance(expected, str) and len(quantities(expected, other)) == 1:
            fix = f'for numbers written like this say `decimal="{other}"`'
        raise ConfigError(
            f"{name_of(case)} expects {quoted(repr(expected))}, which is not one "
            f"number; {fix}."
        )
    return found[0]._replace(text=expected.strip())


def _factors(unit: str | Mapping[str, float], wanted: Quantity) -> dict[str, float]:
    """Return the units that count and what each is in the expected one; {}: any."""
    if isinstance(unit, str):
        units = [plain_unit(unit)] if unit else list(wanted.units)
        return dict.fromkeys(units, 1.0)
    factors = {plain_unit(name): factor for name, factor in unit.items()}
    # The table may say what units are in another one than the expected number has.
    own = _factor(wanted, factors) if wanted.units else None
    return {name: factor / (own or 1.0) for name, factor in factors.items()}


def _factor(quantity: Quantity, factors: Mapping[str, float]) -> float | None:
    if not factors:
        return 1.0
    known = [factors[unit] for unit in quantity.units if unit in factors]
    return known[0] if known else None
