"""Whether cheap and judged scores predict what users did: three separate statements.

Of a proxy's *pick*, of the *order* of all rungs, and of its *record* over past
experiments (docs/methods.md §6). One coefficient for all would hide that a good pick
is easy where rungs are few.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Literal

import msgspec

from pytest_ladder.core.aggregate import Aggregate
from pytest_ladder.core.score import Level
from pytest_ladder.decide.real.measured import moments_of, quality_per_unit
from pytest_ladder.decide.real.record import PastRecord
from pytest_ladder.decide.real.states import OutcomeState
from pytest_ladder.stats.experiments import half_width
from pytest_ladder.stats.proxy import ordered_pairs, regret, tau_b, told_apart
from pytest_ladder.text import numbers

TOLERANCE = 0.03
"""Regret of a pick that does not matter, in quality (0 worst, 1 best)."""

LEAST_RUNGS = 4
"""Rungs below which no order can be established: with 3 no p is below 1/6."""

_SURE = 0.95
_Z95 = NormalDist().inv_cdf(0.975)

Said = Literal["same", "other", "equal"]
PickVerdict = Literal["holds", "misleads", "undecided"]
OrderVerdict = Literal["agrees", "contradicts", "undecided", "too few rungs"]


class Apart(msgspec.Struct, frozen=True, kw_only=True):
    """Two rungs that users tell apart."""

    better: str
    worse: str
    said: Said
    """The proxy's order of the two, against the users'."""


class ProxyPairs(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs of rungs that users tell apart, and what the proxy said of them."""

    of: int
    established: int
    agree: int
    contradict: int
    apart: tuple[Apart, ...] = ()
    """The established ones."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Does the proxy put rungs in the order that users do."""

    tau: float | None
    p: float
    verdict: OrderVerdict


class Pick(msgspec.Struct, frozen=True, kw_only=True):
    """What users lose by the rung that the proxy picks."""

    rung: str
    best: str
    """The rung whose users fared best."""
    regret: float
    """Expected, in quality."""
    p_within: float
    """Probability that it is `TOLERANCE` or less."""
    verdict: PickVerdict


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """One level held against one outcome."""

    level: Level
    outcome: str
    rungs: tuple[str, ...]
    """That are fresh and met users of this outcome; the statements are of these."""
    users: tuple[int, int]
    """Fewest and most units of a rung."""
    days: int | None
    """From the first to the last that is known of them; None: nobody said."""
    pairs: ProxyPairs
    picked: str | None
    """The rung that the level picks; None: it scored none of them."""
    pick: Pick | None
    """None with fewer than two rungs, where the picked one has met no user, and of an
    outcome without worst and best."""
    order: Order | None
    record: PastRecord
    of_range: bool = False
    """Whether a point is a hundredth of the outcome's range, and not of its users."""
    met: int = 0
    """Fresh rungs that met users, also those that the level has not scored."""

    @property
    def sentence(self) -> str:
        """Say in a few sentences what is known."""
        if len(self.rungs) < 2:
            only = numbers.few(self.rungs) or "no rung that it scores"
            if self.met > len(self.rungs) == 1:
                return (
                    f"{self.level}: it scored only {only} of {self.met} that users met."
                )
            return f"{self.level}: only {only} has met users."
        parts = [self._of_pairs(), self._of_order(), self._of_pick(), self._of_record()]
        return " ".join(filter(None, parts))

    def _of_pairs(self) -> str:
        """Say of which rungs and users the statements are, and what they separate."""
        right, wrong, told = (
            self.pairs.agree,
            self.pairs.contradict,
            self.pairs.established,
        )
        users = " to ".join(f"{n:,}" for n in dict.fromkeys(self.users))
        weeks = ""
        if self.days is not None:
            weeks = f", {numbers.count(max(1, round(self.days / 7)), 'week')}"
        of = numbers.count(self.pairs.of, "pair")
        head = f"{self.level}: users ({users} a rung{weeks}) separate"
        if not told:
            return f"{head} none of {of} of these rungs, so nothing tests it."
        if told == 1:
            had = "right" if right else "wrong" if wrong else "no opinion"
            verb = "had it" if right or wrong else "had"
        else:
            had, verb = f"{right:,} of them right and {wrong:,} wrong", "had"
        return f"{head} {told:,} of {of} of these rungs; {self.level} {verb} {had}."

    def _of_order(self) -> str:
        order = self.order
        if order is None or order.verdict == "too few rungs":
            return "Too few rungs to say whether it always does."
        if order.verdict == "undecided":
            return f"Whether its order is theirs is undecided (p {order.p:.2f})."
        verb = "agrees with" if order.verdict == "agrees" else "contradicts"
        return f"Its order {verb} theirs (p {order.p:.3f}), for these rungs."

    def _of_pick(self) -> str:
        pick = self.pick
        if pick is None:
            unmet = self.picked is not None and self.picked not in self.rungs
            return f"Its pick {self.picked} has met no users." if unmet else ""
        unit = " of its range" if self.of_range else ""
        lost = numbers.points(pick.regret).lstrip("+") + unit
        most, sure = numbers.margin(TOLERANCE), f"{100 * pick.p_within:.0f} % sure"
        return {
            "holds": f"Its pick {pick.rung} holds: it costs users {most}{unit} or "
            f"less ({sure}), which says nothing of its next pick.",
            "misleads": f"Its pick {pick.rung} misleads: with {pick.best} users fare "
            f"better, by {lost} as expected.",
            "undecided": f"Whether its pick {pick.rung} is a good one is undecided: it "
            f"costs users {lost} as expected, {most} or less being {sure}.",
        }[pick.verdict]

    def _of_record(self) -> str:
        past = self.record
        if past.p is None:
            return ""
        won = numbers.count(past.of, "experiment")
        return f"Of {won} with a winner it foretold {past.agree:,} (p {past.p:.3f})."


def proxy_of(
    level: Level,
    state: OutcomeState,
    scores: Mapping[str, float],
    pick: str | None,
    past: PastRecord,
) -> Proxy:
    """Hold a level's scores of rungs against what their users did.

    `scores` are the qualities of rungs at that level, the cheapest rung first; `pick`
    is the rung that the objective chooses by them (None: the best score, the cheaper
    one of two that are alike). Rungs that changed take no part. Outcomes where less is
    better are turned round. Validity expires with whatever was scored or met, so that
    all of it is worked out again in every report.
    """
    aggregate = state.aggregate
    per_unit = quality_per_unit(aggregate)
    is_quality = per_unit is not None
    if per_unit is None:
        # Nobody knows what is a little of it: only the order counts.
        per_unit = 1.0 if aggregate.goal == "up" else -1.0
    unsure = state.freshness.unsure
    met = [
        (variant, own)
        for variant in aggregate.variants
        if variant.rung not in unsure
        and (own := moments_of(aggregate, variant)) is not None
    ]
    scored = [(variant, own) for variant, own in met if variant.rung in scores]
    fresh = [variant.rung for variant, _ in scored]
    units = [variant.units for variant, _ in scored]
    values = [own.mean * per_unit for _, own in scored]
    errors = [own.se * abs(per_unit) for _, own in scored]
    ours = [scores[rung] for rung in fresh]
    picked = pick or max(scores, key=scores.__getitem__, default=None)
    order, pairs = _order(aggregate, fresh, ours, values, errors)
    days = None
    if aggregate.first is not None and aggregate.last is not None:
        days = (aggregate.last - aggregate.first).days + 1
    return Proxy(
        level=level,
        outcome=aggregate.name,
        rungs=tuple(fresh),
        users=(min(units, default=0), max(units, default=0)),
        days=days,
        pairs=pairs,
        picked=picked,
        pick=_pick(state, picked, fresh, values, errors)
        if is_quality and picked in fresh and len(fresh) > 1
        else None,
        order=order,
        record=past,
        of_range=abs(per_unit) != 1,
        met=len(met),
    )


def _order(
    aggregate: Aggregate,
    rungs: Sequence[str],
    ours: Sequence[float],
    values: Sequence[float],
    errors: Sequence[float],
) -> tuple[Order | None, ProxyPairs]:
    k = len(ours)
    if k < 2:
        return None, ProxyPairs(of=0, established=0, agree=0, contradict=0)
    wider = errors
    if aggregate.analysis == "sequential":
        # Looked at as it runs: a pair is told apart by the interval that decides.
        arms = len(aggregate.variants)
        of_two = max(2, round(2 * aggregate.units / arms))
        share = (1 - _SURE) / max(1, arms - 1)
        times = half_width(of_two, share) / _Z95
        wider = [error * times for error in errors]
    found = ordered_pairs(ours, values, wider)
    pairs = ProxyPairs(
        of=math.comb(k, 2),
        established=found.established,
        agree=found.agree,
        contradict=found.contradict,
        apart=tuple(
            Apart(
                better=rungs[i],
                worse=rungs[j],
                said="equal"
                if ours[i] == ours[j]
                else ("same" if ours[i] > ours[j] else "other"),
            )
            for i, j in told_apart(values, wider)
        ),
    )
    p = min(found.p_agree, found.p_contradict)
    verdict: OrderVerdict = "undecided"
    if k < LEAST_RUNGS:
        verdict = "too few rungs"
    elif found.p_agree <= 1 - _SURE:
        verdict = "agrees"
    elif found.p_contradict <= 1 - _SURE:
        verdict = "contradicts"
    return Order(tau=tau_b(ours, values), p=p, verdict=verdict), pairs


def _pick(
    state: OutcomeState,
    picked: str,
    fresh: Sequence[str],
    values: Sequence[float],
    errors: Sequence[float],
) -> Pick:
    lost = regret(fresh.index(picked), values, errors, TOLERANCE)
    best = fresh[max(range(len(fresh)), key=values.__getitem__)]
    verdict: PickVerdict = "undecided"
    if lost.p_within >= _SURE:
        verdict = "holds"
    elif lost.p_within <= 1 - _SURE:
        rivals = (state.compare(rung, picked) for rung in fresh if rung != picked)
        if any(found is not None and found.better for found in rivals):
            verdict = "misleads"
    return Pick(
        rung=picked,
        best=best,
        regret=lost.mean,
        p_within=lost.p_within,
        verdict=verdict,
    )
