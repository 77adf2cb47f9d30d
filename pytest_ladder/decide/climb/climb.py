"""The climb to a bar: rung by rung, cheapest first, until one passes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import msgspec

from pytest_ladder.core.score import Level
from pytest_ladder.decide.climb.course import Course, Decided, Stage
from pytest_ladder.decide.climb.hurdle import Hurdle, hurdles_of
from pytest_ladder.decide.climb.tally import Tally
from pytest_ladder.decide.climb.terms import Terms
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.text import numbers

_MOST = 4
"""How many times the average chance of a false fail that of a dear rung may be."""


class Climb(Course):
    """The climb to a bar: the cheapest rung that passes, found for as little as can be.

    See docs/methods.md §3.13. Each rung takes its hurdles one after another, the
    deciding level last. One that fails a hurdle is out, the sooner the dearer it is.
    Once a rung has passed, cheaper ones whose fail is not beyond doubt are taken up
    again, and those that only now prove cheaper are tried. The cheapest that passes is
    run to its end, so that its verdict is that of the whole suite.
    """

    def __init__(self, terms: Terms, bars: Mapping[Level, float]) -> None:
        """Open it; `bars` are above 0, at most 1, the deciding level last."""
        self._hurdles = hurdles_of(terms, bars)
        self._bar = next(hurdle for hurdle in self._hurdles if hurdle.decides)
        super().__init__(terms.rungs, terms.units, self._bar.level, terms.criteria)
        self._finish_winner = terms.finish_winner
        self._cleared: dict[str, set[int]] = {rung: set() for rung in terms.rungs}
        """Places of the hurdles that each rung has passed, if only early."""
        shares = _shares(terms)
        self._first = self._held(shares, terms.beta)
        """Hurdles of each rung on the way up."""
        self._again = self._held(shares, min(terms.again, terms.beta))
        """Hurdles of each rung that is taken up again."""
        self._aside: dict[str, str] = {}
        """Why rungs failed that may be taken up again, if for good."""
        self._barred: set[str] = set()
        """Rungs that errors on the way keep from passing, but not from failing."""
        self._usd = dict(terms.usd)
        self.stage = self._advance()

    def reprice(self, usd: Mapping[str, float | None]) -> None:
        """Order what is left by these costs once a rung has passed."""
        self._usd = dict(usd)

    @property
    def winner(self) -> str | None:
        """The cheapest rung that passed at the deciding level; None: none so far."""
        passed = [r for r in self._left if self._settled.get(r) == "pass"]
        return min(passed, key=self._price, default=None)

    @property
    def settled(self) -> dict[str, Verdict]:
        """Verdicts that were decided on the way, by rung."""
        failed = [r for r in self._aside if not self._cleared_all(r)]
        return {**dict.fromkeys(failed, "fail"), **self._settled}

    def reason(self, rung: str) -> str | None:
        """Say why a rung was stopped or not run; None: it was run, or may yet be."""
        winner = self.winner
        if rung in self._aside and rung not in self._out and rung != winner:
            return self._aside[rung]
        if rung in self._out or winner is None or self.stage is not None:
            return super().reason(rung)
        state, tally = self._state(rung), self._tally(rung, self._at(rung))
        if rung != winner and state == "not run":
            return f"decided at {winner}"
        if rung != winner:
            return f"{tally}, decided at {winner}, which is cheaper"
        if state == "run":
            return None
        bar = numbers.bar(self._bar.bar)
        return f"{tally}, enough for the bar of {bar}; not completed"

    def _at(self, rung: str) -> Hurdle:
        """Return the hurdle that a rung is at; the bar itself if it cleared all."""
        held = enumerate(self._hurdles_of(rung))
        left = [hurdle for at, hurdle in held if at not in self._cleared[rung]]
        return left[0] if left else self._bar

    def _price(self, rung: str) -> tuple[float, int]:
        """Return what rungs are sorted by: cost, unknown last, then the run order."""
        usd = self._usd.get(rung)
        return math.inf if usd is None else usd, self.rungs.index(rung)

    @property
    def _standing(self) -> str | None:
        """The cheapest rung that cleared all hurdles, if only early; None: none."""
        cleared = [
            rung
            for rung in self._left
            if self._cleared_all(rung) and rung not in self._barred
        ]
        return min(cleared, key=self._price, default=None)

    def _cleared_all(self, rung: str) -> bool:
        return len(self._cleared[rung]) == len(self._hurdles)

    def _to_try(self, standing: str | None) -> Iterator[str]:
        """Yield what must be tried before the rung that stands is the winner.

        Rungs without a verdict come first: one of them may make the rest too dear.
        """
        left = [rung for rung in self._left if not self._cleared_all(rung)]
        if standing is None:
            left = [rung for rung in left if rung not in self._aside]
            yield from (rung for rung in left if rung not in self._barred)
            # Whether these fail makes a difference only where nothing passes.
            yield from (rung for rung in left if rung in self._barred)
            return
        most = self._price(standing)
        cheaper = [
            rung
            for rung in sorted(left, key=self._price)
            if self._price(rung) < most and rung not in self._barred
        ]
        yield from (rung for rung in cheaper if rung not in self._aside)
        yield from (rung for rung in cheaper if rung in self._aside)

    def _expected(self, stage: Stage) -> float:
        # At its bar a rung is the least likely to be decided by one look.
        bars = (h.bar for h in self._hurdles if h.level is stage.level)
        return next(bars, super()._expected(stage))

    def _advance(self) -> Stage | None:
        standing = self._standing
        for rung in self._to_try(standing):
            hurdle = self._at(rung)
            tally = self._tally(rung, hurdle)
            units = tally.rest(hurdle.until_next_look(tally))
            if hurdle.criterion is not None:
                # On the way to them other cases of the level run.
                rest = self._tallies[rung][hurdle.level].rest()
                units = rest[: rest.index(units[-1]) + 1]
            return Stage(rung=rung, level=hurdle.level, units=units)
        if standing is None or not self._finish_winner:
            return None
        return self._rest(standing)

    def _held(
        self, shares: Mapping[str, float], beta: float
    ) -> dict[str, tuple[Hurdle, ...]]:
        """Return the hurdles of each rung, where the average one may err by `beta`."""
        each = beta / len(self._hurdles)
        return {
            rung: tuple(hurdle.at(min(share * each, 0.5)) for hurdle in self._hurdles)
            for rung, share in shares.items()
        }

    def _hurdles_of(self, rung: str) -> tuple[Hurdle, ...]:
        """Return the hurdles of a rung as they are held against it now."""
        return (self._again if rung in self._aside else self._first)[rung]

    def _judge(self, stage: Stage) -> None:
        for place, hurdle in enumerate(self._hurdles):
            if stage.rung not in self._out and self._is_told(stage, hurdle):
                self._hold(stage, place)

    def _hold(self, stage: Stage, place: int) -> None:
        """Hold a rung against one of its hurdles."""
        rung = stage.rung
        hurdle = self._hurdles_of(rung)[place]
        tally = self._tally(rung, hurdle)
        cleared = place in self._cleared[rung]
        if cleared and tally.rest():
            # An early pass stands until all of it is known.
            return
        verdict = hurdle.verdict(tally)
        said: Decided = verdict or "go on"
        if verdict == "fail" and self._again[rung][place].verdict(tally) is None:
            verdict, said = None, "set aside"
            self._aside[rung] = hurdle.why(tally, "fail")
            self._dropped_at[rung] = hurdle.name
        upper, lower = hurdle.boundaries()
        look = self._look(stage, said, hurdle)
        seen = msgspec.structs.replace(
            look, upper=upper.get(look.seen), lower=lower.get(look.seen)
        )
        self._looks.append(seen)
        if verdict == "fail":
            self._settle(rung, hurdle, tally, verdict)
        elif verdict is not None:
            if verdict == "undecided":
                # It cannot pass, but another hurdle may yet fail it.
                self._barred.add(rung)
            self._pass(rung, place)

    def _settle(
        self, rung: str, hurdle: Hurdle, tally: Tally, verdict: Verdict
    ) -> None:
        self._settled[rung] = verdict
        self._out[rung] = hurdle.why(tally, verdict)
        self._dropped_at[rung] = hurdle.name if verdict == "fail" else ""

    def _pass(self, rung: str, place: int) -> None:
        self._cleared[rung].add(place)
        if not self._cleared_all(rung):
            return
        tallies = [self._tally(rung, hurdle) for hurdle in self._hurdles]
        if rung in self._barred:
            self._settle(rung, self._bar, self._tally(rung, self._bar), "undecided")
        elif not self._finish_winner or not any(tally.rest() for tally in tallies):
            self._settled[rung] = "pass"

    def _levels(self, units: Mapping[Level, object]) -> list[Level]:
        """Order the levels as they are completed: those with a bar, then the rest."""
        barred = list(dict.fromkeys(hurdle.level for hurdle in self._hurdles))
        rest = [level for level in Level if units.get(level) and level not in barred]
        return [*barred, *rest]


def _shares(terms: Terms) -> dict[str, float]:
    """Share out the chance of a false fail, by the root of what a call costs; mean 1.

    Cases of a dear rung are where the money goes, and a good rung that is missed there
    costs no more than one that is missed below.
    """
    roots = {
        rung: math.sqrt(usd) for rung in terms.rungs if (usd := terms.usd.get(rung))
    }
    mean = math.fsum(roots.values()) / len(roots) if roots else 1.0
    return {rung: min(roots.get(rung, mean) / mean, _MOST) for rung in terms.rungs}
