"""Which rung people prefer: strengths of all, and the win rate of each pair.

By Bradley and Terry's model (docs/methods.md §6.12). Rungs that no comparison links say
nothing of each other.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from pytest_ladder.decide.people.sums import People
from pytest_ladder.stats.distributions import student_tails
from pytest_ladder.stats.preferences import (
    MIN_CASES,
    PairVote,
    Strengths,
    beats,
    bradley_terry,
    mean_chance,
    wins_of,
)


class RungPreferred(msgspec.Struct, frozen=True, kw_only=True):
    """How often people prefer one rung to the others."""

    rung: str
    chance: float
    """That its reply is preferred to that of another rung, on average over those that
    it is linked with."""
    low: float | None = None
    """Lower end of the 95 % interval; None with fewer than 6 cases."""
    high: float | None = None
    votes: int = 0
    """Without those for neither."""
    cases: int = 0
    """Cases (or clusters of them) with such votes."""
    group: int = 0
    """Rungs with the same number are linked by comparisons."""


class PairPreferred(msgspec.Struct, frozen=True, kw_only=True):
    """How often people prefer one rung to another one."""

    rung: str
    against: str
    probability: float
    """By the votes of all rungs that are linked."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    """Two-sided, of no difference; None with fewer than 6 cases."""
    won: float = 0.0
    """Votes of just these two that were won, a tie as half."""
    votes: int = 0
    """Of just these two; 0: they are compared through others."""
    neither: int = 0
    cases: int = 0
    """Cases (or clusters) on which these two were compared."""
    alike: int = 0
    """Cases on which their replies are equal, which nobody was asked about."""

    @property
    def better(self) -> bool | None:
        """Whether people prefer the first; None: not established either way."""
        if self.low is None or self.high is None or self.low <= 0.5 <= self.high:
            return None
        return self.low > 0.5


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """What votes say of all rungs that were compared."""

    rungs: tuple[RungPreferred, ...]
    """The most preferred first, group by group."""
    pairs: tuple[PairPreferred, ...]
    """Each two rungs of a group, in the order of `rungs`."""
    cases: int
    votes: int
    neither: int
    separated: bool
    """Whether half a win was added each way, because a rung only won or only lost."""

    @property
    def groups(self) -> list[list[str]]:
        """Rungs that are linked; more than one group tell nothing of each other."""
        groups: defaultdict[int, list[str]] = defaultdict(list)
        for one in self.rungs:
            groups[one.group].append(one.rung)
        return list(groups.values())

    def of(self, rung: str) -> RungPreferred | None:
        """Return what is known of a rung; None: it was not compared."""
        return next((one for one in self.rungs if one.rung == rung), None)

    def between(self, rung: str, against: str) -> PairPreferred | None:
        """Return two rungs compared, either way round; None: nothing links them."""
        for pair in self.pairs:
            if (pair.rung, pair.against) == (rung, against):
                return pair
            if (pair.against, pair.rung) == (rung, against):
                return turned(pair)
        return None


def preferences_of(people: People, confidence: float = 0.95) -> Preferences | None:
    """Fit the votes of reviews; None where no vote is for a rung."""
    votes = [vote for vote in people.votes if vote.votes]
    if not votes:
        return None
    places = sorted({place for v in votes for place in (v.first, v.second)})
    row = {place: n for n, place in enumerate(places)}
    cast = [
        PairVote(row[v.first], row[v.second], v.won / v.votes, v.case, v.votes)
        for v in votes
    ]
    fit = bradley_terry(wins_of(cast, len(places)), cast)
    names = [people.rungs[place] for place in places]
    rungs = sorted(
        _rungs(fit, names, cast, confidence),
        key=lambda one: (one.group, -one.chance, one.rung),
    )
    sums = _by_pair(people)
    return Preferences(
        rungs=tuple(rungs),
        pairs=tuple(
            _pair(fit, (one.rung, other.rung), names, sums, confidence)
            for one, other in itertools.combinations(rungs, 2)
            if one.group == other.group
        ),
        cases=fit.cases or 0,
        votes=sum(vote.votes for vote in votes),
        neither=sum(vote.neither for vote in people.votes),
        separated=fit.separated,
    )


def turned(pair: PairPreferred) -> PairPreferred:
    """Return the same with the other rung first."""
    return msgspec.structs.replace(
        pair,
        rung=pair.against,
        against=pair.rung,
        probability=1 - pair.probability,
        low=None if pair.high is None else 1 - pair.high,
        high=None if pair.low is None else 1 - pair.low,
        won=pair.votes - pair.won,
    )


def too_few(cases: int) -> str:
    """Say that so many cases give no interval; empty: they do."""
    if cases >= MIN_CASES:
        return ""
    plural = "case" if cases == 1 else "cases"
    return f"{cases} {plural}, and fewer than {MIN_CASES} give no interval"


def _rungs(
    fit: Strengths, names: Sequence[str], cast: Sequence[PairVote], confidence: float
) -> Iterator[RungPreferred]:
    votes, cases = [0.0] * len(names), [set[object]() for _ in names]
    for vote in cast:
        for place in (vote.first, vote.second):
            votes[place] += vote.votes
            cases[place].add(vote.case)
    for place, name in enumerate(names):
        # Each was compared, so that there is another one in its group.
        found = mean_chance(fit, place, confidence)
        assert found is not None
        yield RungPreferred(
            rung=name,
            chance=found.chance,
            low=found.low,
            high=found.high,
            votes=round(votes[place]),
            cases=len(cases[place]),
            group=fit.groups[place],
        )


class _Sums(msgspec.Struct):
    won: float = 0.0
    votes: int = 0
    neither: int = 0
    cases: int = 0
    alike: int = 0


def _by_pair(people: People) -> dict[tuple[str, str], _Sums]:
    sums: defaultdict[tuple[str, str], _Sums] = defaultdict(_Sums)
    for vote in people.votes:
        of = sums[_names(people, vote.first, vote.second)]
        of.won += vote.won
        of.votes += vote.votes
        of.neither += vote.neither
        of.cases += bool(vote.votes)
    for first, second, alike in people.alike:
        sums[_names(people, first, second)].alike = alike
    return sums


def _names(people: People, first: int, second: int) -> tuple[str, str]:
    return people.rungs[first], people.rungs[second]


def _pair(
    fit: Strengths,
    pair: tuple[str, str],
    names: Sequence[str],
    sums: dict[tuple[str, str], _Sums],
    confidence: float,
) -> PairPreferred:
    rung, against = pair
    found = beats(fit, names.index(rung), names.index(against), confidence)
    assert found is not None
    own = sums.get(pair)
    if own is None and (turn := sums.get((against, rung))) is not None:
        own = _Sums(
            turn.votes - turn.won, turn.votes, turn.neither, turn.cases, turn.alike
        )
    own = own or _Sums()
    p = None
    if found.low is not None:
        p = 0.0 if found.difference else 1.0
        if found.se:
            p = student_tails(found.difference / found.se, (fit.cases or 2) - 1)
    return PairPreferred(
        rung=rung,
        against=against,
        probability=found.probability,
        low=found.p_low,
        high=found.p_high,
        p=p,
        won=own.won,
        votes=own.votes,
        neither=own.neither,
        cases=own.cases,
        alike=own.alike,
    )
