"""The plan: what a live run would call, with what bounds, and where keys would go."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.lanes.address import base_of, lane_of
from pytest_ladder.calls.one_machine.budget import most_output
from pytest_ladder.calls.prices import PriceTable, cost_of, serve_cost
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.core.reply import BYTES_PER_TOKEN, Usage
from pytest_ladder.core.rung import Model

# Tokens of the message that asks a judge once more, more than it ever has.
_COMPLAINT_TOKENS = 128


class RungPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What one rung, or one judge, would call."""

    rung: str
    """Its id; of a judge its name, in brackets."""
    replies: int
    """Distinct replies that tests need, without those that may be asked for again."""
    stored: int
    """How many of `replies` are stored already."""
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
    open_tests: int
    """Items whose calls are only known when they run: free-form tests and tasks."""
    host: str
    """Where the calls go."""
    key: str | None
    """The environment variable whose value goes there; None: no key."""

    @property
    def calls(self) -> int:
        """Calls that a live run would make."""
        return self.replies - self.stored


def plan_calls(
    name: str,
    model: Model,
    requests: Iterable[Request],
    archive: Archive,
    *,
    open_tests: int = 0,
    repaired: bool = False,
) -> RungPlan:
    """Plan the calls of a rung, or of a judge; looks replies up, and calls no model.

    `repaired` says that each reply may be asked for once more: the other time the
    prompt holds the first reply as well.
    """
    by_key = {archive.key(request): request for request in requests}
    missing = [request for key, request in by_key.items() if archive.find(key) is None]
    prices = PriceTable()
    asked = sum(request.prompt_bytes for request in missing) // BYTES_PER_TOKEN
    answered = _total([most_output(request, prices) for request in missing])
    if repaired:
        asked += asked + (answered or 0) + _COMPLAINT_TOKENS * len(missing)
        answered = None if answered is None else 2 * answered
    usd = 0.0 if not missing else None
    if missing and answered is not None:
        usage = Usage(input=asked, output=answered)
        usd, _ = cost_of(model, usage, None, prices)
    host, key = _destination(model)
    return RungPlan(
        rung=name,
        replies=len(by_key),
        stored=len(by_key) - len(missing),
        input_tokens=asked,
        output_tokens=answered,
        usd=usd,
        usd_per_minute=serve_cost(model.serve, None, 60) if model.serve else None,
        repaired=repaired and bool(missing),
        open_tests=open_tests,
        host=host,
        key=key,
    )


def _total(limits: list[int | None]) -> int | None:
    return None if None in limits else sum(limit for limit in limits if limit)


def _destination(model: Model) -> tuple[str, str | None]:
    """Return where a model's calls go, and which key goes with them."""
    if model.is_local or model.is_scripted:
        return "this machine", None
    if lane_of(model) == "direct":
        base = base_of(model, None) or ""
        default = "OPENAI_API_KEY" if model.api_base is None else None
        return urlsplit(base).netloc or base, model.api_key_env or default
    provider = model.id.split("/")[0] if "/" in model.id else "its provider"
    host = urlsplit(model.api_base).netloc if model.api_base else provider
    return f"{host} (by litellm)", model.api_key_env or "litellm's default"
