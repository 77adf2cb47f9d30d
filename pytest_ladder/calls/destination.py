"""Where a model's calls go, with which key, and what a live run should know of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from pytest_ladder.calls.lanes import no_litellm
from pytest_ladder.calls.lanes.address import base_of, lane_of
from pytest_ladder.calls.lanes.providers import key_variable, place_of, provider_of
from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.core.rung import Model


class Destination(NamedTuple):
    """Where calls go, as people read it."""

    host: str
    key: str | None
    """The environment variable whose value goes there; None: no key."""
    variable: str | None = None
    """The environment variable that names the address; None: none does."""


def destination_of(model: Model) -> Destination:
    """Return where a model's calls go, and which key goes with them."""
    if model.is_local or model.is_scripted:
        return Destination("this machine", None)
    provider = provider_of(model)
    key, place = model.api_key_env, None
    if provider is not None:
        key, place = key or key_variable(provider), place_of(provider)
    variable = None if place is None else place.variable
    if lane_of(model) == "direct":
        return Destination(_host(base_of(model, None) or ""), key, variable)
    # litellm's own protocols have addresses of their own.
    address = model.api_base or (place.base if place and variable else None)
    named = model.id.split("/")[0] if "/" in model.id else "its provider"
    host = _host(address) if address else named
    return Destination(f"{host} (by litellm)", key or "litellm's default", variable)


def notes_on(models: Iterable[Model]) -> list[str]:
    """Say what a live run of these models should know: a sentence a line.

    Which environment variables send calls elsewhere, which models need litellm, and
    whose price only litellm could know where it is not installed.
    """
    prices = PriceTable()
    unpriced: list[str] = []
    sent: defaultdict[Destination, list[str]] = defaultdict(list)
    by_litellm: list[str] = []
    for model in {model.name: model for model in models}.values():
        destination = destination_of(model)
        if destination.variable is not None:
            sent[destination].append(model.name)
        if not model.is_scripted and lane_of(model) == "litellm":
            by_litellm.append(model.name)
        declared = model.price is not None or model.serve is not None
        if not declared and prices.is_missing_for(model):
            unpriced.append(model.name)
    notes = [
        f"{to.variable} sends the calls of {', '.join(names)} to {to.host}"
        f"{f' with {to.key}' if to.key else ''}."
        for to, names in sent.items()
    ]
    if by_litellm:
        why = (
            "called by litellm, which takes seconds to load; where the provider speaks "
            'OpenAI\'s protocol, lane = "direct" with its `api_base` is faster.'
        )
        if not no_litellm.is_installed():
            why = f"needs litellm, which is not installed; {no_litellm.FIX}"
        notes.append(f"{', '.join(by_litellm)}: {why}")
    if unpriced:
        notes.append(
            f"{', '.join(unpriced)}: cost unknown, as litellm and its price list are "
            "not installed; declare `price` or `serve` in ladder.toml, or run "
            f"{no_litellm.INSTALL}."
        )
    return notes


def _host(address: str) -> str:
    # Without name and password, which an address may hold.
    return urlsplit(address).netloc.rpartition("@")[2] or address
