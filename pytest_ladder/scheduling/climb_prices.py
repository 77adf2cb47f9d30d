"""What rungs cost, as far as a climb knows: as measured, or by measured lengths.

Before the first call nothing is known but prices, and how long a prompt is without its
case. After it, the lengths that were measured say more of rungs that are still to come:
the cases are the same for all, so that prompts of one strategy are as long whatever the
model, and models do not differ endlessly in how much they say.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from pytest_ladder.core.row import UsedReply
from pytest_ladder.core.rung import Rung
from pytest_ladder.decide.cost import (
    PER,
    build_usd,
    cost_of,
    distinct,
    is_over,
    tokens_of,
)
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.text import numbers

# How many times less a call may cost than is expected of it before any was made.
_GUESS_MAY_BE_OFF = 20
# How many times less a model may say than the tersest that was tried.
_TERSER = 2


class Prices:
    """What calls of each rung of a climb cost, in USD."""

    def __init__(
        self, opened: OpenLadder, rungs: Sequence[Rung], cap: float | None
    ) -> None:
        """Begin with what is declared; `cap` is in USD per 1,000 calls, None: none."""
        self._opened = opened
        self._rungs = {rung.id: rung for rung in rungs}
        self._cap = cap
        self._bills: defaultdict[str, list[UsedReply]] = defaultdict(list)

    def add(self, rung: str, bills: Iterable[UsedReply]) -> None:
        """Take in the bills of replies of a rung, repeated ones too."""
        self._bills[rung] += bills

    def bills(self, rung: str) -> list[UsedReply]:
        """Return one bill per reply."""
        return distinct(self._bills[rung])

    def declared(self) -> dict[str, float | None]:
        """USD of a call by prices and prompts alone, building included; None: unknown.

        This is what the order of the run is made of.
        """
        return {
            name: self._opened.total_usd(rung) for name, rung in self._rungs.items()
        }

    def by_now(self) -> dict[str, float | None]:
        """USD of a call as known by now, building included; None: unknown.

        As measured where calls were made. Elsewhere it is what they cost at the least,
        if prompts are as long and replies half as long as they were so far.
        """
        known: dict[str, float | None] = {}
        for name, rung in self._rungs.items():
            usd = self._served(name)
            if usd is None and not self._bills[name]:
                usd = self._by_lengths(rung, lambda said: min(said) / _TERSER)
            building = build_usd(rung.model, self._opened.volume)
            known[name] = None if usd is None else usd + building
        return known

    def untried(self) -> dict[str, float | None]:
        """USD of 1,000 calls, likewise, of rungs on which no call was made."""
        usd = self.by_now()
        return {
            name: None if usd[name] is None else PER * (usd[name] or 0.0)
            for name in self._rungs
            if not self._bills[name]
        }

    def serving_usd(self, rung: Rung) -> float | None:
        """USD of serving a reply, as measured; None: unknown.

        Elsewhere it is what one is expected to cost, by the lengths that were measured.
        """
        served = self._served(rung.id)
        return self._by_lengths(rung, _mean) if served is None else served

    def may_be_within_cap(self) -> dict[str, bool | None]:
        """Tell which rungs may cost as little as the cap; None: no price.

        How long cases and replies are is a guess before the first call.
        """
        return {name: self._may_be_within(rung) for name, rung in self._rungs.items()}

    def doubtful(self) -> set[str]:
        """Return rungs of which a few calls tell whether they are within the cap."""
        cap = self._cap
        if cap is None:
            return set()
        return {
            name for name, usd in self.declared().items() if usd and PER * usd > cap
        }

    def over_cap(self, name: str) -> str | None:
        """Say that a rung is dearer than the budget allows; a few calls show it."""
        replies = self.bills(name)
        volume = self._opened.volume
        usd = cost_of(self._rungs[name].model, replies, volume).usd_per_1k
        if self._cap is None or usd is None or not is_over(usd, self._cap):
            return None
        cost, most = numbers.dollars(usd), numbers.dollars(self._cap)
        return f"{cost} per 1,000 calls, over the cap of {most}"

    def _may_be_within(self, rung: Rung) -> bool | None:
        cap = self._cap
        if cap is None:
            return True
        usd = self._opened.expected_usd(rung)
        if usd is None:
            return None
        built = build_usd(rung.model, self._opened.volume)
        return PER * (built + usd / _GUESS_MAY_BE_OFF) <= cap

    def _served(self, name: str) -> float | None:
        cost = cost_of(self._rungs[name].model, self.bills(name), self._opened.volume)
        usd = cost.serve_usd_per_1k
        return None if usd is None else usd / PER

    def _by_lengths(
        self, rung: Rung, reply_of: Callable[[Sequence[float]], float]
    ) -> float | None:
        """USD of a reply as long as `reply_of` makes it of those of other rungs."""
        estimate = self._opened.strategies.estimate
        declared = estimate(rung.strategy)
        alike, longer, said = [], [], []
        for name, tried in self._rungs.items():
            tokens = tokens_of(self.bills(name)) if self._bills[name] else None
            if tokens is None:
                continue
            expected = estimate(tried.strategy)
            if tried.strategy == rung.strategy:
                alike.append(tokens.input)
            longer.append(tokens.input - expected.prompt_tokens)
            said.append(tokens.output / expected.calls)
        if not said:
            return self._opened.expected_usd(rung)
        prompt = _mean(alike) if alike else declared.prompt_tokens + _mean(longer)
        reply = reply_of(said)
        most = rung.params.get("max_tokens", math.inf)
        return self._opened.expected_usd(
            rung, max(1.0, prompt), declared.calls * min(reply, most)
        )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
