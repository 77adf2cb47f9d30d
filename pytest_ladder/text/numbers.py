"""Numbers as people read them: shares, money, durations; every function is pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

UNKNOWN = "unknown"
"""Stands for a cost that is not known, which is never 0."""
NOT_AVAILABLE = "n/a"
"""Stands for a number that does not exist."""
SIGNIFICANT = 3
"""Significant digits of small amounts of money."""
WHOLE_DOLLARS = 100
"""From this amount on cents are not shown."""
SMALLEST_DOLLARS = 1e-6
"""Smaller amounts are shown as `<$0.000001`."""
TINY_DOLLARS = 0.001
"""Prices below this are written for 1,000 times as many."""
MINUTE_S, HOUR_S = 60, 3600

# (below so many seconds, seconds of the unit, form): each limit is where rounding would
# reach the next unit.
_DURATIONS = (
    (0.0995, 1e-3, "{:.0f} ms"),
    (0.995, 1, "{:.2f} s"),
    (9.95, 1, "{:.1f} s"),
    (59.5, 1, "{:.0f} s"),
    (9.95 * MINUTE_S, MINUTE_S, "{:.1f} min"),
    (59.5 * MINUTE_S, MINUTE_S, "{:.0f} min"),
    (math.inf, HOUR_S, "{:,.1f} h"),
)


_SMALL_P, _NO_P = 1e-3, 1e-99


def percent(share: float | None) -> str:
    """Write a share in [0, 1]: `84.0 %`; only 1 is `100.0 %`, and only 0 is `0.0 %`."""
    return NOT_AVAILABLE if share is None else f"{_percent(share)} %"


def interval(low: float | None, high: float | None) -> str:
    """Write bounds in [0, 1] in per cent: `75.3-90.1`."""
    if low is None or high is None:
        return NOT_AVAILABLE
    return f"{_percent(low)}-{_percent(high)}"


def quality(
    share: float | None,
    low: float | None,
    high: float | None,
    n: int,
    noun: str = "case",
) -> str:
    """Write a quality with its interval and n: `84.0 % (75.3-90.1, n=100)`.

    What is no case is named: `12.0 % (10.8-13.4, 2,478 users)`.
    """
    if share is None:
        return NOT_AVAILABLE
    of = f"n={n:,}" if noun == "case" else count(n, noun)
    return f"{percent(share)} ({interval(low, high)}, {of})"


def dollars(usd: float | None) -> str:
    """Write USD: `$0.0312`, `$1.20`, `$12,300`, or `unknown`."""
    if usd is None or not math.isfinite(usd):
        return UNKNOWN
    if usd < 0:
        return "-" + dollars(-usd)
    if usd == 0:
        return "$0"
    if usd < SMALLEST_DOLLARS:
        return f"<${SMALLEST_DOLLARS:f}"
    if usd >= WHOLE_DOLLARS:
        return f"${usd:,.0f}"
    decimals = max(2, SIGNIFICANT - 1 - math.floor(math.log10(usd)))
    whole, _, cents = f"{usd:.{decimals}f}".partition(".")
    return f"${whole}.{cents[:2]}{cents[2:].rstrip('0')}"


def per_calls(usd_per_1k: float | None) -> str:
    """Write a price: `$0.02 per 1,000 calls`, or `$0.42 per million calls`."""
    if usd_per_1k is not None and 0 < abs(usd_per_1k) < TINY_DOLLARS:
        return f"{dollars(1000 * usd_per_1k)} per million calls"
    return f"{dollars(usd_per_1k)} per 1,000 calls"


def per_answer(usd: float | None) -> str:
    """Write what one costs, as `$0.81 per extra good answer`, or what many do."""
    if usd is None or not 0 < abs(usd) < TINY_DOLLARS:
        return f"{dollars(usd)} per extra good answer"
    if abs(usd) < TINY_DOLLARS / 1000:
        return f"{dollars(1e6 * usd)} per million extra good answers"
    return f"{dollars(1000 * usd)} per 1,000 extra good answers"


def calls_of_prices(usd_per_1k: Iterable[float | None]) -> tuple[str, int]:
    """Say for how many calls a column gives prices, and how often 1,000 that is.

    For a million where one would else begin with zeros.
    """
    tiny = any(usd is not None and 0 < usd < TINY_DOLLARS for usd in usd_per_1k)
    return ("million", 1000) if tiny else ("1,000", 1)


def times(usd: float | None, by: int) -> float | None:
    """Multiply what may be unknown."""
    return None if usd is None else by * usd


def seconds(duration: float | None) -> str:
    """Write seconds: `12 ms`, `0.12 s`, `1.3 s`, `13 s`, `2 min`, `1.5 h`, or `n/a`."""
    if duration is None or not math.isfinite(duration):
        return NOT_AVAILABLE
    if duration < 0.0005:
        return "0 ms" if duration == 0 else "<1 ms"
    scale, form = next(
        (scale, form) for limit, scale, form in _DURATIONS if duration < limit
    )
    text = form.format(duration / scale)
    return text.replace(".0 min", " min").replace(".0 h", " h")


def count(number: int, noun: str) -> str:
    """Write a number with its noun: `1 call`, `1,200 calls`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def few(names: Sequence[str], most: int = 3) -> str:
    """Write names, and how many more there are: `a, b, c and 4 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def p_value(p: float) -> str:
    """Write a small p: `0.012`, `6e-89`, `below 1e-99`."""
    if p >= _SMALL_P:
        return f"{p:.3f}"
    return f"{p:.0e}" if p > _NO_P else f"below {_NO_P:.0e}"


def bar(share: float) -> str:
    """Write a required quality in [0, 1] as it was set: `85 %`, `92.5 %`."""
    return f"{100 * share:.6g} %"


def margin(share: float) -> str:
    """Write a share as points, as it was set: `3 points`, `1 point`, `2.5 points`."""
    text = f"{100 * share:.6g}"
    return f"{text} point{'' if text == '1' else 's'}"


def points(difference: float) -> str:
    """Write a difference of shares in points: `+2.5 points`, `-1.0 points`."""
    text = f"{100 * difference:+.1f}"
    return f"{'+0.0' if text == '-0.0' else text} points"


def points_between(low: float | None, high: float | None) -> str:
    """Write an interval for a difference of shares: `-4.0 to +0.2`, or `n/a`."""
    if low is None or high is None:
        return NOT_AVAILABLE
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def _percent(share: float) -> str:
    text = f"{100 * share:.1f}"
    if text == "100.0" and share < 1:
        return "99.9"
    if text == "0.0" and share > 0:
        return "0.1"
    return text
