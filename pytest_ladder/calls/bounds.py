"""The bounds of a call: what it can cost at most, before it starts."""

from __future__ import annotations

import msgspec

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.lanes.address import DEFAULT_TIMEOUT_S
from pytest_ladder.calls.lanes.no_litellm import INSTALL
from pytest_ladder.calls.prices import PriceTable, cost_of
from pytest_ladder.core.reply import Usage
from pytest_ladder.errors import BudgetReached

# Tokens that a chat template puts around a message, more than any known one does.
_TEMPLATE_TOKENS = 16
# What an image is billed for at most: of all ways to count, gpt-4o-mini's is the
# dearest, with 2,833 tokens and 8 times 5,667 for one in full detail.
_MOST_IMAGE_TOKENS = 50_000
_COUNTED_PARAMS = frozenset({"tools", "response_format", "functions"})


def worst_usd(request: Request, prices: PriceTable) -> float:
    """Return the most that a call can cost, in USD, before it starts.

    Input tokens: the bytes of the prompt, as no token is shorter than a byte, and those
    of the chat template for each message. Output tokens: `max_tokens`, else the model's
    own limit. Raises `BudgetReached` where no bound is known.
    """
    model = request.model
    counted = {k: v for k, v in request.params.items() if k in _COUNTED_PARAMS}
    tokens = len(msgspec.json.encode([request.messages, counted]))
    tokens += _MOST_IMAGE_TOKENS * request.images
    tokens += _TEMPLATE_TOKENS * (len(request.messages) + 1)
    output, instead = most_output(request, prices), ""
    if prices.is_missing_for(model):
        instead = f", or run {INSTALL}, which brings a list of prices and limits"
    if output is None:
        raise BudgetReached(
            f"nothing bounds the output of model {model.name!r}; set "
            f"params.max_tokens in ladder.toml{instead}."
        )
    busy_s = None
    if model.serve is not None and model.serve.tokens_per_second is None:
        busy_s = float(request.params.get("timeout") or DEFAULT_TIMEOUT_S)
    # Where a prompt is cached, writing the cache may be what costs most.
    bounds = [
        cost_of(model, usage, busy_s, prices, images=request.images)[0]
        for usage in (
            Usage(input=tokens, output=output),
            Usage(input=tokens, cache_write=tokens, output=output),
        )
    ]
    priced = [usd for usd in bounds if usd is not None]
    if not priced:
        raise BudgetReached(
            f"the price of model {model.name!r} is unknown; declare `price` or "
            f"`serve` in ladder.toml{instead}, or drop --ladder-budget."
        )
    return max(priced)


def most_output(request: Request, prices: PriceTable) -> int | None:
    """Return the most tokens that a call can return; None: nothing bounds them."""
    if request.embeds:
        return 0
    params = request.params | request.params.get("extra_body", {})
    limit = request.output_limit or prices.max_output_tokens(request.model)
    return None if limit is None else limit * int(params.get("n") or 1)
