"""The climb: rung by rung, cheapest first, until the objective is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.score import Level
from pytest_ladder.decide.climb.course import Course, Look, Stage, Tally
from pytest_ladder.decide.climb.halving import Halving
from pytest_ladder.decide.climb.hurdle import Hurdle, Risks, cluster_sizes
from pytest_ladder.decide.decision import Verdict
from pytest_ladder.decide.matrix import Unit
from pytest_ladder.errors import ConfigError


class Climb(Course):
    """The climb to a bar: the first rung to pass is the cheapest one that does.

    See docs/methods.md §3.13. Each rung takes its hurdles one after another, the
    deciding level last. A rung that fails one is out. One that passes them all is run
    to its end, so that its verdict is that of the whole suite; if that is a pass, it is
    the winner.
    """

    def __init__(
        self,
        rungs: Sequence[str],
        units: Mapping[Level, Sequence[Unit]],
        hurdles: Sequence[Hurdle],
        *,
        finish_winner: bool = True,
    ) -> None:
        super().__init__(rungs, units, hurdles[-1].level)
        self._hurdles = tuple(hurdles)
        self._finish_winner = finish_winner
        self._cleared = dict.fromkeys(rungs, 0)
        self.stage = self._advance()

    @property
    def winner(self) -> str | None:
        """The rung that passed at the deciding level; None: none so far."""
        for rung in self._left[:1]:
            if self._settled.get(rung) == "pass":
                return rung
        return None

    def reason(self, rung: str) -> str | None:
        """Say why a rung was stopped or not run; None: it was run, or may yet be."""
        if rung in self._out or self.winner is None or self.stage is not None:
            return super().reason(rung)
        if rung != self.winner:
            return f"climb: decided at {self.winner}"
        if self._state(rung) == "run":
            return None
        bar = self._hurdles[-1].bar
        tally = self._tallies[rung][self.level]
        return f"climb: {tally}, enough for the bar of {bar:g}; not completed"

    def _expected(self, stage: Stage) -> float:
        # At its bar a rung is the least likely to be decided by one look.
        hurdle = self._hurdle(stage)
        return hurdle.bar if hurdle else super()._expected(stage)

    def _advance(self) -> Stage | None:
        for rung in self._left[:1]:
            cleared = self._cleared[rung]
            if cleared == len(self._hurdles):
                return self._rest(rung) if self._finish_winner else None
            hurdle = self._hurdles[cleared]
            units = self._tallies[rung][hurdle.level].rest(hurdle.risks.every)
            return Stage(rung=rung, level=hurdle.level, units=units)
        return None

    def _judge(self, stage: Stage) -> None:
        hurdle = self._hurdle(stage)
        if hurdle is None:
            return
        tally = self._tallies[stage.rung][stage.level]
        verdict = hurdle.verdict(tally)
        self._looks.append(self._hurdle_look(stage, hurdle, verdict))
        if verdict == "pass":
            self._pass(stage.rung, hurdle, tally)
        elif verdict is not None:
            self._settled[stage.rung] = verdict
            self._out[stage.rung] = self._why(hurdle, tally, verdict)

    def _hurdle(self, stage: Stage) -> Hurdle | None:
        """Return the hurdle that the stage is about.

        A winner's completion is about the deciding level alone: its cheap bar saved
        calls of judges, and there are none left to save.
        """
        cleared = self._cleared[stage.rung]
        hurdle = self._hurdles[min(cleared, len(self._hurdles) - 1)]
        return hurdle if hurdle.level is stage.level else None

    def _pass(self, rung: str, hurdle: Hurdle, tally: Tally) -> None:
        self._cleared[rung] = self._hurdles.index(hurdle) + 1
        if hurdle is self._hurdles[-1] and not (self._finish_winner and tally.rest()):
            self._settled[rung] = "pass"

    def _why(self, hurdle: Hurdle, tally: Tally, verdict: Verdict) -> str:
        where = "" if hurdle is self._hurdles[-1] else f" at the {hurdle.level} level"
        said = f"climb: {tally}{where}"
        if verdict == "undecided":
            return f"{said}, {tally.shortfall}"
        if tally.rest():
            return f"{said}, bar {hurdle.bar:g} out of reach"
        return f"{said}, below the bar of {hurdle.bar:g}"

    def _hurdle_look(
        self, stage: Stage, hurdle: Hurdle, verdict: Verdict | None
    ) -> Look:
        upper, lower = hurdle.boundaries()
        look = self._look(stage, verdict or "go on")
        return msgspec.structs.replace(
            look, upper=upper.get(look.seen), lower=lower.get(look.seen)
        )


def climb_of(  # noqa: PLR0913 - all that a climb depends on
    objective: Objective,
    rungs: Sequence[str],
    units: Mapping[Level, Sequence[Unit]],
    *,
    graded: Mapping[Level, bool],
    cheap_bar: float | None,
    every: int,
    alpha: float = 0.05,
    beta: float = 0.05,
    finish_winner: bool = True,
    price_cap_ok: Mapping[str, bool | None] | None = None,
    clusters: Mapping[Unit, str] | None = None,
) -> Climb | Halving:
    """Open the climb that an objective asks for over `rungs`, cheapest first.

    `units` are in random order, the same for all rungs; `graded` names the levels whose
    units score anything but 0 and 1; `every` is the units from look to look. `alpha` is
    the chance over the whole ladder of an early false pass, `beta` that of an early
    false fail on each rung. `cheap_bar` is a bar on the way for an objective that
    decides above cheap. `price_cap_ok` says which rungs are within the budget's cap,
    None where the price is unknown. Units that share a name in `clusters` must follow
    each other. Raises ConfigError for an objective that cannot be decided by these
    units, ValueError for repeated rungs or units and `every` below 1.
    """
    _check(objective, rungs, units)
    if every < 1:
        raise ValueError(f"Looks must be 1 or more units apart, got {every}.")
    if objective.kind != "good-enough":
        over = _beyond_cap(objective, rungs, price_cap_ok)
        return Halving(rungs, units, objective.level, over=over)
    bars = {objective.level: objective.quality or 0.0}
    if objective.level is not Level.CHEAP and cheap_bar and units.get(Level.CHEAP):
        bars = {Level.CHEAP: cheap_bar, **bars}
    # A rung may fail at any of its hurdles, but is recommended at the last one only.
    risks = Risks(alpha=alpha / len(rungs), beta=beta / len(bars), every=every)
    hurdles = []
    for level, bar in bars.items():
        sizes = cluster_sizes(units[level], clusters or {})
        bets = graded[level] or max(sizes) > 1
        hurdles.append(
            Hurdle(
                level=level,
                bar=bar,
                n=len(units[level]),
                risks=risks,
                clusters=sizes if bets else None,
            )
        )
    return Climb(rungs, units, hurdles, finish_winner=finish_winner)


def _beyond_cap(
    objective: Objective,
    rungs: Sequence[str],
    price_cap_ok: Mapping[str, bool | None] | None,
) -> dict[str, str]:
    """Return why rungs are left out for their price, by rung."""
    if objective.kind != "budget":
        return {}
    if price_cap_ok is None:
        raise ValueError("A budget needs to know which rungs are within its cap.")
    cap = f"the cap of ${objective.usd_per_1k:g} per 1,000 calls"
    why = {
        False: f"climb: over {cap}",
        None: f"climb: its price is unknown, so not known to be within {cap}",
    }
    return {
        rung: why[within]
        for rung in rungs
        if (within := price_cap_ok.get(rung)) is not True
    }


def _check(
    objective: Objective, rungs: Sequence[str], units: Mapping[Level, Sequence[Unit]]
) -> None:
    if len(set(rungs)) != len(rungs) or not rungs:
        raise ValueError(f"A climb needs rungs that differ, got {list(rungs)}.")
    for level, given in units.items():
        if len(set(given)) != len(given):
            raise ValueError(f"Units at the {level} level are given twice.")
    if not units.get(objective.level):
        selected = ", ".join(level for level in Level if units.get(level)) or "none"
        raise ConfigError(
            f'[objective] level = "{objective.level}" decides the climb, but no test '
            f"that was selected is of that level (selected: {selected}); select such "
            "tests, change `level`, or run `--ladder=matrix`."
        )
    if objective.kind == "good-enough" and not objective.quality:
        raise ConfigError(
            "[objective] quality must be above 0 for a climb: every rung reaches 0, "
            "and the first would win unseen."
        )
