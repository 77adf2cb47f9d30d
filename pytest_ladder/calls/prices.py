"""Prices and limits of models, from ladder.toml or litellm's price file.

The file is read without importing litellm, which may not be installed; an unknown price
is None, never 0.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import math
import re
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.core.reply import Usage
from pytest_ladder.core.rung import Model, Price, Serve

DECLARED = "ladder.toml"

_PROVIDERS_FILE = "provider_endpoints_support_backup.json"
_FILE = "model_prices_and_context_window_backup.json"
# Providers that the file splits further: `vertex_ai-language-models` and the like.
_FAMILIES = ("vertex_ai", "fireworks_ai", "bedrock", "cohere")
_NEVER_LISTED = ("local/", "scripted/")
# Its rule for all models; the file names cached prices of some.
_HALF_IF_CACHED = "fireworks_ai"
_TIER = r"input_cost_per_token_above_(\d+)k_tokens"
_MILLION = 1_000_000


class _Providers(msgspec.Struct):
    providers: dict[str, msgspec.Raw]


class PriceTable:
    """litellm's price file, read when first asked."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        """None: the file of the installed litellm."""

    def price_of(
        self, model: Model, *, prompt_tokens: int = 0
    ) -> tuple[Price, str] | None:
        """Return the prices per token and where they come from; None: unknown.

        Some providers charge more for all tokens of a call once its prompt is longer
        than a limit, hence `prompt_tokens`. 0 for both input and output stands in the
        file for free tiers and for machines of one's own: such a price counts as
        unknown, and can be declared in ladder.toml.
        """
        if model.price is not None:
            return model.price, DECLARED
        entry = self._entry(model.id)
        base = _prices(entry, "")
        if base is None or not (base.input or base.output):
            return None
        limits = [int(m[1]) for key in entry if (m := re.fullmatch(_TIER, key))]
        passed = [limit for limit in limits if prompt_tokens > limit * 1000]
        tier = f"_above_{max(passed)}k_tokens" if passed else ""
        return _prices(entry, tier) or base, self.source

    def max_output_tokens(self, model: Model) -> int | None:
        """Return the most tokens a reply of the model can have; None: unknown."""
        entry = self._entry(model.id)
        # `max_tokens` is the older name, and never below the true limit.
        for limit in (entry.get("max_output_tokens"), entry.get("max_tokens")):
            if isinstance(limit, int | float) and limit > 0:
                return int(limit)
        return None

    def is_missing_for(self, model: Model) -> bool:
        """Tell whether there is no file, although it might know the model."""
        return self._file is None and not model.id.startswith(_NEVER_LISTED)

    @functools.cached_property
    def source(self) -> str:
        """The table's name and version, for reports."""
        return f"litellm {importlib.metadata.version('litellm')}"

    @functools.cached_property
    def _file(self) -> Path | None:
        return self._path or _installed_file()

    @functools.cached_property
    def _entries(self) -> dict[str, msgspec.Raw]:
        """The file's entries, each decoded only when it is looked up."""
        if self._file is None:
            return {}
        return msgspec.json.decode(self._file.read_bytes(), type=dict[str, msgspec.Raw])

    def _entry(self, model_id: str) -> dict[str, Any]:
        """Find an entry by id, or by the id without a prefix that names its provider.

        This is litellm's own order (`get_model_info`). The provider must be the same,
        so that a self-hosted model never gets the price of a model of that name.
        """
        if model_id.startswith(_NEVER_LISTED):
            return {}
        provider, _, rest = model_id.partition("/")
        for name in (model_id, rest):
            raw = self._entries.get(name)
            entry: dict[str, Any] = {} if raw is None else msgspec.json.decode(raw)
            listed = str(entry.get("litellm_provider", provider))
            is_kin = provider in _FAMILIES and listed.startswith(provider)
            if entry and (not rest or listed == provider or is_kin):
                return entry
        return {}


def cost_of(
    model: Model,
    usage: Usage | None,
    busy_s: float | None,
    table: PriceTable,
    *,
    requests: int = 1,
    images: int = 0,
) -> tuple[float | None, str | None]:
    """Return what a call cost in USD and where the price comes from, or None twice.

    Of several `requests` together `usage` and `images` are their sums.

    `busy_s` is how long it kept the server busy: as the server says, else the
    latency. It counts only for self-hosted models without `tokens_per_second`.
    """
    if model.price is None and model.serve is not None:
        spent = serve_cost(model.serve, usage, busy_s)
        return spent, None if spent is None else DECLARED
    if usage is None:
        return None, None
    listed = table.price_of(model, prompt_tokens=usage.input)
    if listed is None:
        return None, None
    price, source = listed
    usd = cost(price, usage) + requests * price.request + images * price.image
    # Tokens that no answer can have make a cost that is none, and would rank first.
    return (usd, source) if 0 <= usd < math.inf else (None, None)


def cost(price: Price, usage: Usage) -> float:
    """Return the USD of a call by its tokens (docs/methods.md §4.1)."""
    cached = price.input if price.cached_input is None else price.cached_input
    written = price.input if price.cache_write is None else price.cache_write
    plain = max(0, usage.input - usage.cached_input - usage.cache_write)
    millionths = (
        plain * price.input
        + usage.cached_input * cached
        + usage.cache_write * written
        + usage.output * price.output
    )
    return millionths / _MILLION


def serve_cost(serve: Serve, usage: Usage | None, busy_s: float | None) -> float | None:
    """Return the USD of a call by the machine's time (docs/methods.md §4.1).

    The time is that of all tokens at the declared throughput, else `busy_s`; None when
    neither is known.
    """
    seconds = busy_s
    if serve.tokens_per_second is not None and usage is not None:
        seconds = (usage.input + usage.output) / serve.tokens_per_second
    if seconds is None:
        return None
    return serve.usd_per_hour / 3600 * seconds / serve.utilisation


def litellm_providers() -> frozenset[str]:
    """Return the providers that an installed litellm knows; empty: it is missing."""
    path = _installed_file(_PROVIDERS_FILE)
    if path is None:
        return frozenset()
    try:
        listed = msgspec.json.decode(path.read_bytes(), type=_Providers)
    except msgspec.MsgspecError:
        return frozenset()
    return frozenset(name.partition("/")[0] for name in listed.providers)


def _installed_file(name: str = _FILE) -> Path | None:
    """Return litellm's price file, or another; None where litellm is missing."""
    spec = importlib.util.find_spec("litellm")
    folders = (spec and spec.submodule_search_locations) or []
    files = (Path(folder) / name for folder in folders)
    return next((file for file in files if file.is_file()), None)


def _prices(entry: dict[str, Any], tier: str) -> Price | None:
    """Read one tier's prices; None when input or output has none."""
    per_token = {
        "input": entry.get(f"input_cost_per_token{tier}"),
        "output": entry.get(f"output_cost_per_token{tier}"),
        "cached_input": entry.get(f"cache_read_input_token_cost{tier}"),
        "cache_write": entry.get(f"cache_creation_input_token_cost{tier}"),
    }
    # Rounded, because 2.5e-06 times a million is not quite 2.5.
    prices = {
        name: round(value * _MILLION, 9)
        for name, value in per_token.items()
        if isinstance(value, int | float)
    }
    if not {"input", "output"} <= prices.keys():
        return None
    if str(entry.get("litellm_provider", "")).startswith(_HALF_IF_CACHED):
        prices.setdefault("cached_input", prices["input"] / 2)
    return Price(**prices)
