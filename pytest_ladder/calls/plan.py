"""The plan: what a live run would call, with what bounds, and where keys would go."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from pytest_ladder.calls import direct
from pytest_ladder.calls.archive import Archive
from pytest_ladder.calls.lane import Request
from pytest_ladder.calls.prices import PriceTable, cost_of
from pytest_ladder.prompting.estimate import BYTES_PER_TOKEN
from pytest_ladder.words.reply import Usage
from pytest_ladder.words.rung import Model


class RungPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What one rung, or one judge, would call."""

    rung: str
    """Its id; of a judge its name, in brackets."""
    replies: int
    """Distinct replies that tests need."""
    stored: int
    """Those that are stored already."""
    input_tokens: int
    """Of the calls to make, estimated from the length of their prompts."""
    output_tokens: int | None
    """At most, by `max_tokens`; None where a model has no limit."""
    usd: float | None
    """At most; None where a price or a limit is unknown."""
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
    open_tests: int,
    archive: Archive,
    prices: PriceTable,
) -> RungPlan:
    """Plan the calls of a rung, or of a judge; looks replies up, and calls nobody."""
    by_key = {archive.key(request): request for request in requests}
    missing = [request for key, request in by_key.items() if archive.find(key) is None]
    limit = model.params.get("max_tokens") or prices.max_output_tokens(model)
    input_tokens = sum(_prompt_bytes(r) for r in missing) // BYTES_PER_TOKEN
    output_tokens = None if limit is None else limit * len(missing)
    usd = 0.0 if not missing else None
    if missing and output_tokens is not None:
        usage = Usage(input=input_tokens, output=output_tokens)
        usd, _ = cost_of(model, usage, None, prices)
    host, key = _destination(model)
    return RungPlan(
        rung=name,
        replies=len(by_key),
        stored=len(by_key) - len(missing),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        usd=usd,
        open_tests=open_tests,
        host=host,
        key=key,
    )


def _prompt_bytes(request: Request) -> int:
    return sum(
        len(str(message.get("content", "")).encode()) for message in request.messages
    )


def _destination(model: Model) -> tuple[str, str | None]:
    """Return where a model's calls go, and which key goes with them."""
    if model.id.startswith(("local/", "scripted/")):
        return "this machine", None
    if direct.speaks_directly(model):
        base = direct.base_of(model, None) or ""
        default = "OPENAI_API_KEY" if model.api_base is None else None
        return urlsplit(base).netloc or base, model.api_key_env or default
    provider = model.id.split("/")[0] if "/" in model.id else "its provider"
    host = urlsplit(model.api_base).netloc if model.api_base else provider
    return f"{host} (by litellm)", model.api_key_env or "litellm's default"
