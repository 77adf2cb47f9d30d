"""Cost: what a rung costs to build and to use, and what the run itself spent.

The cost of a call at volume V is c(V) = B / V + s, with B the cost of building and s
that of serving one call; the total cost of ownership is B + V s (docs/methods.md §4.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import msgspec

from pytest_ladder.core.row import Row, UsedReply
from pytest_ladder.core.rung import Model, Price, Rung
from pytest_ladder.stats.checks import TINY
from pytest_ladder.stats.latency import percentile
from pytest_ladder.stats.sums import total

PER = 1000
"""Use cost is given per this many calls."""

DEFAULT_VOLUME = 100_000
"""Calls over which build cost is spread when no objective says."""

# What a reply is taken to be long where `max_tokens` is not set.
_DEFAULT_MAX_TOKENS = 256


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a rung costs, in USD."""

    usd_per_1k: float | None
    """Per 1,000 calls, building spread over the volume; None: not known."""
    serve_usd_per_1k: float | None
    """The part of it that using the rung costs: the mean over its replies."""
    build_usd: float = 0.0
    build_hours: float = 0.0
    """Calendar time."""
    known: bool
    """Whether the cost of every reply is known."""


class Latency(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long replies took, in seconds; None when no reply says."""

    p50_s: float | None
    p95_s: float | None
    n_live: int
    """Live replies behind the percentiles."""
    recorded: bool
    """True when no reply was live and the figures are those of the recordings."""
    tokens_per_second: float | None = None
    """The median of what these replies brought in a second; None: none says."""


class Tokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Mean tokens of a reply."""

    input: float
    output: float
    reasoning: float = 0.0
    """The part of `output` that was spent on reasoning."""


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Distinct calls behind a rung's replies."""

    live: int
    replayed: int


class Spend(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the run itself spent and saved, judges and product kept apart."""

    product_usd: float | None
    """For live replies of known cost; None when there are only unknown ones."""
    evaluation_usd: float | None
    """For live judge calls, likewise."""
    live_calls: int
    replayed_calls: int
    saved_usd: float | None
    """What the replayed calls cost when they were made; None as above."""
    unknown_calls: int
    """Live calls whose cost is unknown, and in no sum."""
    unknown_replayed_calls: int
    """Replayed calls whose cost is unknown, and in no sum."""
    lost_calls: int = 0
    """Calls that brought no reply; they are in no other number."""
    lost_usd: float | None = 0.0
    """What they cost; None where of one nobody knows."""
    lost_at_most: bool = False
    """Whether some told no usage, so that their worst case is in that sum."""


def distinct(bills: Iterable[UsedReply]) -> list[UsedReply]:
    """Keep one bill per reply, whichever order they come in.

    A call that a task's reply already bills is left out. Of several bills of one
    reply the live one counts, then one of known cost.
    """
    kept: dict[str, UsedReply] = {}
    for bill in bills:
        rival = kept.get(bill.key)
        if rival is None or _informed(bill) > _informed(rival):
            kept[bill.key] = bill
    inner = {call for key, bill in kept.items() for call in bill.calls if call != key}
    return [kept[key] for key in sorted(kept) if key not in inner]


def cost_of(model: Model, replies: Sequence[UsedReply], volume: int) -> Cost:
    """Cost of a rung of `model` by its distinct replies, at `volume` calls.

    Raises ValueError for a volume below 1.
    """
    usd = total(usd_of(bill) for bill in replies)
    built = model.build
    served = Cost(
        usd_per_1k=None,
        serve_usd_per_1k=None if usd is None else PER * usd / len(replies),
        build_usd=built.total_usd if built else 0.0,
        build_hours=built.hours if built else 0.0,
        known=usd is not None,
    )
    return spread(served, volume)


def usd_of(bill: UsedReply) -> float | None:
    """Return what a reply cost in USD; None: not known, as is what no price can be."""
    usd = bill.cost_usd
    return usd if usd is not None and 0 <= usd < math.inf else None


def is_over(usd: float, cap: float) -> bool:
    """Whether a cost is above a cap by more than what rounding adds."""
    return usd > cap * (1 + TINY)


def spread(cost: Cost, volume: int) -> Cost:
    """Spread the cost of building over `volume` calls.

    Raises ValueError for a volume below 1.
    """
    if volume < 1:
        raise ValueError(f"A volume must be 1 call or more, got {volume}.")
    serve = cost.serve_usd_per_1k
    usd = None if serve is None else PER * cost.build_usd / volume + serve
    return msgspec.structs.replace(cost, usd_per_1k=usd)


def usd_per_call(cost: Cost, volume: int) -> float | None:
    """c(V) = B / V + s in USD; None: not known.

    Raises ValueError for a volume below 1.
    """
    usd = spread(cost, volume).usd_per_1k
    return None if usd is None else usd / PER


def tco(cost: Cost, volume: float) -> float | None:
    """Total cost of ownership B + V s in USD over `volume` calls; None: not known.

    Raises ValueError for a negative volume.
    """
    if volume < 0:
        raise ValueError(f"A volume must not be negative, got {volume}.")
    if cost.serve_usd_per_1k is None:
        return None
    return cost.build_usd + volume * cost.serve_usd_per_1k / PER


def break_even(first: Cost, second: Cost) -> float | None:
    """Calls from which the one that is dearer to build is the cheaper one.

    In either order. None where it never is, or a cost is not known: a rung that is
    dearer to serve as well must win on quality.
    """
    if first.serve_usd_per_1k is None or second.serve_usd_per_1k is None:
        return None
    built = second.build_usd - first.build_usd
    saved = (first.serve_usd_per_1k - second.serve_usd_per_1k) / PER
    return built / saved if built * saved > 0 else None


def latencies(replies: Iterable[UsedReply], *, live: bool) -> list[float]:
    """Known latencies of live, or of replayed, replies in seconds, sorted."""
    asked = [bill.latency_s for bill in replies if bill.live is live]
    return sorted(seconds for seconds in asked if seconds is not None)


def latency_of(replies: Sequence[UsedReply]) -> Latency:
    """Latency over live replies; over recorded ones when none was live."""
    live, replayed = latencies(replies, live=True), latencies(replies, live=False)
    values = live or replayed
    speeds = sorted(
        bill.usage.output / bill.latency_s
        for bill in replies
        if bill.live is bool(live) and bill.usage is not None and bill.latency_s
    )
    return Latency(
        p50_s=percentile(values, 0.5) if values else None,
        p95_s=percentile(values, 0.95) if values else None,
        n_live=len(live),
        recorded=bool(replayed) and not live,
        tokens_per_second=percentile(speeds, 0.5) if speeds else None,
    )


def tokens_of(replies: Sequence[UsedReply]) -> Tokens | None:
    """Mean tokens of the replies that report any; None when none does."""
    usages = [bill.usage for bill in replies if bill.usage is not None]
    if not usages:
        return None
    return Tokens(
        input=sum(usage.input for usage in usages) / len(usages),
        output=sum(usage.output for usage in usages) / len(usages),
        reasoning=sum(usage.reasoning for usage in usages) / len(usages),
    )


def calls_of(replies: Iterable[UsedReply]) -> Calls:
    """Count distinct calls; those behind a task's reply instead of the reply."""
    live: set[str] = set()
    replayed: set[str] = set()
    for bill in replies:
        (live if bill.live else replayed).update(bill.calls or (bill.key,))
    return Calls(live=len(live), replayed=len(replayed - live))


def spend_of(rows: Iterable[Row]) -> Spend:
    """Sum what the run spent; a reply that several rungs share counts once."""
    rows = list(rows)
    products = [bill for row in rows for bill in row.replies]
    evaluations = [bill for row in rows for bill in row.evaluations]
    lost = {calls.key: calls for row in rows for calls in row.lost}.values()
    lost_usd = [calls.usd for calls in lost]
    product = distinct(products)
    keys = {bill.key for bill in product}
    evaluation = [bill for bill in distinct(evaluations) if bill.key not in keys]
    both = [*product, *evaluation]
    replayed = [bill for bill in both if not bill.live]
    calls = calls_of(both)
    return Spend(
        product_usd=_total([bill for bill in product if bill.live]),
        evaluation_usd=_total([bill for bill in evaluation if bill.live]),
        live_calls=calls.live,
        replayed_calls=calls.replayed,
        saved_usd=_total(replayed),
        unknown_calls=calls_of(_unknown(both)).live,
        unknown_replayed_calls=calls_of(_unknown(replayed)).replayed,
        lost_calls=sum(calls.calls for calls in lost),
        lost_usd=None if None in lost_usd else math.fsum(filter(None, lost_usd)),
        lost_at_most=any(calls.at_most for calls in lost),
    )


def run_order(
    rungs: Sequence[Rung],
    volume: int,
    use_usd_of: Callable[[Rung], float | None],
) -> tuple[Rung, ...]:
    """Sort rungs by expected USD per reply, building spread over `volume` replies.

    Unknown prices come last; ties keep the order of the file.
    """

    def expected(rung: Rung) -> float:
        use = use_usd_of(rung)
        return math.inf if use is None else use + build_usd(rung.model, volume)

    return tuple(sorted(rungs, key=expected))


def build_usd(model: Model, volume: int) -> float:
    """USD of building the model for each of `volume` calls."""
    return model.build.total_usd / volume if model.build else 0.0


def use_usd(
    rung: Rung,
    price: Price | None,
    prompt_tokens: float,
    calls: int = 1,
    reply_tokens: float | None = None,
) -> float | None:
    """Expected USD of one reply; None when its price is unknown.

    `prompt_tokens` is the length of all prompts of its `calls` together,
    `reply_tokens` that of what comes back; None: as much as may come.
    """
    model = rung.model
    output: float = calls * rung.params.get("max_tokens", _DEFAULT_MAX_TOKENS)
    if reply_tokens is not None:
        output = reply_tokens
    if model.serve is not None:
        speed = model.serve.tokens_per_second
        if speed is None:
            return None
        seconds = (prompt_tokens + output) / speed
        return model.serve.usd_per_hour / 3600 * seconds / model.serve.utilisation
    if price is None:
        return None
    by_token = (prompt_tokens * price.input + output * price.output) / 1_000_000
    return by_token + calls * price.request


def _informed(bill: UsedReply) -> tuple[bool, float, float, bytes]:
    """Rank bills of one reply: live before replayed, known before unknown."""
    cost, latency = usd_of(bill), bill.latency_s
    return (
        bill.live,
        -1.0 if cost is None else cost,
        -1.0 if latency is None else latency,
        # Only so that no tie is left to the order of the rows.
        msgspec.json.encode(bill),
    )


def _unknown(bills: Iterable[UsedReply]) -> list[UsedReply]:
    return [bill for bill in bills if usd_of(bill) is None]


def _total(bills: Sequence[UsedReply]) -> float | None:
    """Sum known costs: 0 without bills, None when every cost is unknown."""
    costs = [usd for bill in bills if (usd := usd_of(bill)) is not None]
    return math.fsum(costs) if costs or not bills else None
