"""What people said of rungs: votes joined with traces and exposures."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from pytest_ladder.core.aggregate import SEVERAL, VariantSums
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.errors import ConfigError
from pytest_ladder.real.sources.exposures import Exposed
from pytest_ladder.real.sources.ratings import (
    NO_RUNG,
    REPLACED,
    SEVERAL_ANSWERS,
    Trace,
    Traces,
    Vote,
    grade_of,
    read_votes,
    sums_of_grades,
    sums_of_thumbs,
    thumb_of,
)
from pytest_ladder.real.sources.reading import RawFile
from pytest_ladder.real.sources.variants import Variants
from pytest_ladder.text import numbers

_MANY = 0.1
"""Share of answers of no known rung that is worth a word."""


class _Answer(msgspec.Struct, frozen=True):
    time: float | None
    variant: str
    grade: float


class Votes:
    """The answers of one outcome, later files adding to earlier ones."""

    def __init__(
        self,
        outcome: RealOutcome,
        variants: Variants,
        traces: Traces,
        exposed: Exposed | None,
    ) -> None:
        self._outcome = outcome
        self._variants = variants
        self._traces = traces
        self._exposed = exposed
        self._is_thumb = outcome.kind == "thumbs"
        self._latest: dict[tuple[str, str, str], _Answer] = {}
        """By who said it, of what, and of which rung."""
        self._met: defaultdict[str, set[str]] = defaultdict(set)
        """Variants of each unit."""
        self._taken = 0
        """Answers of a known rung, those that a later one replaced among them."""
        self._unknown_traces = 0
        self.dropped: Counter[str] = Counter()
        self.notes: list[str] = []

    @property
    def times(self) -> list[float]:
        """Unix times of the answers that count."""
        times = (answer.time for answer in self._latest.values())
        return [time for time in times if time is not None]

    def read(self, file: RawFile) -> None:
        """Take a file in. Raises `ConfigError` for a row that cannot be."""
        unknown_before, known_before = self.dropped[NO_RUNG], self._taken
        assigned = None if self._exposed is None else self._exposed.experiment.unit
        for vote in read_votes(file, self._outcome, self.dropped, assigned):
            self._take(file, vote)
        unknown = self.dropped[NO_RUNG] - unknown_before
        known = self._taken - known_before
        if unknown and not known:
            raise ConfigError(
                f"{file.label}: of none of its {numbers.count(unknown, 'answer')} the "
                f"rung is known; {self._fix()}."
            )
        if unknown > _MANY * (unknown + known):
            share = numbers.percent(unknown / (unknown + known))
            self.notes.append(
                f"{file.label}: of {share} of its answers no rung is known; "
                f"{self._fix()}"
            )

    def sums(self) -> list[tuple[str, VariantSums]]:
        """Return (variant, its sums); who met several in an experiment is left out."""
        several = set()
        if self._outcome.experiment is not None and self._exposed is None:
            several = {who for who, met in self._met.items() if len(met) > 1}
            self.dropped[SEVERAL] += len(several)
        by_variant: dict[str, list[tuple[str, float]]] = {}
        for (who, *_), answer in self._latest.items():
            if who not in several:
                own = by_variant.setdefault(answer.variant, [])
                own.append((who, answer.grade))
        # Whose votes are left out, theirs are too: the share with a vote is of both.
        traces = (self._traces.by_id[name] for name in self._traces.whole)
        names = (
            self._variants.known(trace.variant)
            for trace in traces
            if trace.unit not in several and not self._met_several(trace.unit)
        )
        replies = Counter(name for name in names if name is not None)
        sums = []
        for variant, grades in by_variant.items():
            if self._is_thumb:
                told = sums_of_thumbs(grades)
            else:
                told = sums_of_grades(grades, self._outcome)
            asked = None
            if self._exposed is not None:
                asked = max(self._exposed.units_of(variant), told.units)
            told = msgspec.structs.replace(
                told, asked=asked, replies=replies.get(variant)
            )
            sums.append((variant, told))
        return sums

    def _take(self, file: RawFile, vote: Vote) -> None:
        known_trace = self._traces.by_id.get(vote.trace)
        self._unknown_traces += known_trace is None
        trace = known_trace or Trace("", "")
        who = vote.unit or trace.unit
        written = vote.variant or trace.variant
        if written:
            variant = self._variants.named(
                file, vote.line, written, by_trace=not vote.variant
            )
            if self._met_several(who):
                self.dropped[SEVERAL_ANSWERS] += 1
                return
        else:
            variant, why_not = self._exposure_of(who)
            if why_not:
                self.dropped[why_not] += 1
                return
        if self._is_thumb:
            grade = thumb_of(file, vote)
        else:
            grade = grade_of(file, vote, self._outcome)
        self._taken += 1
        if who:
            self._met[who].add(variant)
        about = self._about(vote, file, who, variant)
        known = self._latest.get(about)
        self.dropped[REPLACED] += known is not None
        if known is None or vote.time is None or vote.time >= (known.time or 0):
            self._latest[about] = _Answer(vote.time, variant, grade)

    def _met_several(self, who: str) -> bool:
        return bool(who) and (
            self._exposed is not None and self._exposed.variant_of(who) is None
        )

    def _exposure_of(self, who: str) -> tuple[str, str]:
        """Return the variant that a person met, or why it is not known which."""
        if self._exposed is None or not who:
            return "", NO_RUNG
        met = self._exposed.variant_of(who)
        if met:
            return met, ""
        return "", "unknown unit" if met == "" else SEVERAL_ANSWERS

    def _about(
        self, vote: Vote, file: RawFile, who: str, variant: str
    ) -> tuple[str, str, str]:
        """Return who said it and of what: a later word of the same replaces it.

        A person who is not known counts by himself, or by the reply that he spoke of.
        An answer about no reply is the person's only one of a rung; thumbs are many.
        """
        own = f"{file.label}:{vote.line}"
        who = who or vote.trace or own
        return who, vote.trace or (own if self._is_thumb else ""), variant

    def _fix(self) -> str:
        """Say what could tell of the rungs."""
        head = f"in [[outcome]] {self._outcome.name}"
        if self._outcome.traces is None:
            return (
                "name it in a column `variant` or `rung`, or say which traces they "
                f'are of (traces = "…", rung_from = "metadata.rung") {head}'
            )
        if self._unknown_traces:
            return (
                f"{numbers.count(self._unknown_traces, 'answer')} name a trace that is "
                f"not in {self._outcome.traces}: export both of the same days"
            )
        path = self._outcome.rung_from or "rung"
        return (
            f'the traces say nothing under "{path}"; say rung_from = "…", the path of '
            f"the rung in a trace, {head}"
        )
