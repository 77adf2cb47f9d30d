"""The plan: what a live run would call, with what bounds, and where keys would go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from pytest_ladder.calls.bounds import most_output
from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.destination import destination_of
from pytest_ladder.calls.prices import PriceTable, cost_of, serve_cost
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.core.reply import BYTES_PER_TOKEN, Usage
from pytest_ladder.core.rung import Model

# Tokens of the message that asks a judge once more, more than it ever has.
_COMPLAINT_TOKENS = 128


class LaterCalls(NamedTuple):
    """Calls that depend on replies which are not stored yet, as a strategy expects."""

    calls: int
    """At most."""
    input_tokens: int
    """Of all of them together."""


class RungPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What one rung, or one judge, would call."""

    rung: str
    """Its id; of a judge its name, in brackets."""
    replies: int
    """Distinct replies that tests need, without those that may be asked for again."""
    stored: int
    """How many of `replies` are stored already."""
    later: int
    """Calls, at most, that depend on replies which are not stored."""
    input_tokens: int
    """Of all calls that may be made, estimated from the length of the prompts."""
    output_tokens: int | None
    """At most, by `max_tokens`; None where a model has no limit."""
    usd: float | None
    """At most; None where a price or a limit is unknown."""
    usd_per_minute: float | None
    """Of a machine whose time is paid for, where tokens do not tell the time."""
    repaired: bool
    """Whether replies may be asked for once more, which tokens and USD include."""
    open_tests: int = 0
    """Items whose calls are only known when they run: free-form tests and tasks."""
    host: str
    """Where the calls go."""
    key: str | None
    """The environment variable whose value goes there; None: no key."""

    @property
    def calls(self) -> int:
        """Calls that a live run would make, at most."""
        return self.replies - self.stored + self.later


def plan_calls(
    name: str,
    model: Model,
    requests: Iterable[Request],
    archive: Archive,
    *,
    later: Sequence[LaterCalls] = (),
    unusable: Collection[str] | None = None,
) -> RungPlan:
    """Plan the calls of a rung, or of a judge; looks replies up, and calls no model.

    `unusable`, of a judge only, are keys of stored replies that a live run would ask
    for again. A judge may be asked for each reply once more: the other time the prompt
    holds the first reply as well.
    """
    repaired, unusable = unusable is not None, unusable or ()
    by_key = {archive.key(request): request for request in requests}
    missing = [
        request
        for key, request in by_key.items()
        if key in unusable or archive.find(key) is None
    ]
    prices, unknown = PriceTable(), sum(each.calls for each in later)
    asked, answered = _most_tokens(model, missing, later, prices)
    if repaired:
        asked += asked + (answered or 0) + _COMPLAINT_TOKENS * len(missing)
        answered = None if answered is None else 2 * answered
    usd = None if missing or unknown else 0.0
    if usd is None and answered is not None:
        usage = Usage(input=asked, output=answered)
        calls = (len(missing) + unknown) * (2 if repaired else 1)
        images = sum(request.images for request in missing)
        usd, _ = cost_of(model, usage, None, prices, requests=calls, images=images)
    host, key, variable = destination_of(model)
    return RungPlan(
        rung=name,
        replies=len(by_key),
        stored=len(by_key) - len(missing),
        later=unknown,
        input_tokens=asked,
        output_tokens=answered,
        usd=usd,
        usd_per_minute=serve_cost(model.serve, None, 60) if model.serve else None,
        repaired=repaired and bool(missing),
        host=f"{host} ({variable})" if variable else host,
        key=key,
    )


def _most_tokens(
    model: Model,
    requests: Sequence[Request],
    later: Sequence[LaterCalls],
    prices: PriceTable,
) -> tuple[int, int | None]:
    """Return the tokens of all prompts, and of all answers at most; None: no limit."""
    asked = sum(request.prompt_bytes for request in requests) // BYTES_PER_TOKEN
    asked += sum(each.input_tokens for each in later)
    outputs = [most_output(request, prices) for request in requests]
    # Of calls that depend on replies nothing is known but who is asked, and how: as in
    # the calls before them, where these are not stored.
    params = requests[0].params if requests else model.params
    any_call = Request(model=model, messages=[], params=params)
    outputs += [most_output(any_call, prices)] * sum(each.calls for each in later)
    return asked, None if None in outputs else sum(filter(None, outputs))
