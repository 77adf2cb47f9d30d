"""Bills: what the attempts of a call cost, those that brought no reply included."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from pytest_ladder import clock
from pytest_ladder.calls import retries
from pytest_ladder.calls.bounds import worst_usd
from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.calls.prices import PriceTable, cost_of
from pytest_ladder.calls.store.stored_reply import Attempt, StoredReply
from pytest_ladder.core.reply import Timing, Usage
from pytest_ladder.core.row import LostCalls
from pytest_ladder.errors import BudgetReached, CallError


class Bills:
    """Says what was paid for; used on the engine's loop only."""

    def __init__(self, prices: PriceTable) -> None:
        self._prices = prices

    def failure(self, request: Request, error: CallError, took_s: float) -> Attempt:
        """Return a failed attempt with what it cost in USD, None if nobody knows."""
        cost: float | None = None if retries.may_be_billed(error) else 0.0
        if error.usage is not None:
            cost, _ = self._cost(request, error.usage, took_s)
        return Attempt(
            problem=str(error), status=error.status, took_s=took_s, cost_usd=cost
        )

    def price(
        self, request: Request, answer: Answer, timing: Timing
    ) -> tuple[float | None, str | None]:
        """Return what an attempt cost in USD, and where the price came from."""
        busy_s = answer.server_s or timing.took_s
        return self._cost(request, answer.usage, busy_s)

    def _cost(
        self, request: Request, usage: Usage | None, busy_s: float
    ) -> tuple[float | None, str | None]:
        return cost_of(
            request.model, usage, busy_s, self._prices, images=request.images
        )

    def lost_calls(
        self, request: Request, key: str, failed: Sequence[Attempt]
    ) -> LostCalls | None:
        """Add up attempts that brought no reply; None: none was sent."""
        sent = [a for a in failed if a.status is not None or a.cost_usd != 0.0]
        if not sent or request.model.is_scripted:
            return None
        unknown = sum(attempt.cost_usd is None for attempt in sent)
        worst: float | None = 0.0
        if unknown:
            try:
                worst = worst_usd(request, self._prices)
            except BudgetReached:
                worst = None  # it has no bound
        known = math.fsum(attempt.cost_usd or 0.0 for attempt in sent)
        return LostCalls(
            key=f"{key}#{clock.unix_ns()}",
            calls=len(sent),
            usd=None if worst is None else known + unknown * worst,
            at_most=unknown > 0,
        )


def reply_of(
    answer: Answer,
    timing: Timing,
    price: tuple[float | None, str | None],
    failed: tuple[Attempt, ...],
) -> StoredReply:
    """Return the reply to store, with the cost of all its attempts.

    `price` is what `Bills.price` says of the last one.
    """
    cost, source = price
    if cost is not None:
        # All attempts count; those that nobody billed are in the budget only.
        cost += math.fsum(attempt.cost_usd or 0.0 for attempt in failed)
    return StoredReply(
        text=answer.text,
        reasoning=answer.reasoning,
        refusal=answer.refusal,
        model=answer.model,
        finish_reason=answer.finish_reason,
        tool_calls=answer.tool_calls,
        usage=answer.usage,
        native=answer.native,
        response_format=answer.response_format,
        cost_usd=cost,
        price_source=source,
        timing=msgspec.structs.replace(timing, attempts=len(failed) + 1),
        failed=failed,
    )
