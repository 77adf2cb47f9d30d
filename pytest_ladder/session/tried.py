"""Models of `--ladder-try`: beside those that are configured, and in no file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.config.rules import suits
from pytest_ladder.config.spelling import provider_problem
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.rung import Model, Rung, Tier
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import did_you_mean, listed, shown

_LOCAL = "local/"
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_FOR_ANY_MODEL = ("temperature", "max_tokens", "max_completion_tokens", "top_p", "stop")
"""Parameters of what ships that any model takes: others are those of its family."""


def with_tried(ladder: Ladder, ids: Sequence[str]) -> Ladder:
    """Add the models of `ids`, with the strategies of the current rung's model.

    Raises `ConfigError` for an id that nobody knows, for one that is there already, and
    where no current rung is named.
    """
    if ladder.current is None:
        known = listed(rung.id for rung in ladder.rungs)
        raise ConfigError(
            f"--ladder-try holds a model against what ships, and {shown(ladder.path)} "
            f"does not name it; add `current = …` at its top: one of {known}."
        )
    models: list[Model] = []
    for id_ in ids:
        _check(ladder, id_, models)
        models.append(_model(ladder.current.model, id_))
    shipped = ladder.current.model
    strategies = [each for each in ladder.strategies if suits(each, shipped)]
    rungs = tuple(
        Rung(model=model, strategy=strategy)
        for model in models
        for strategy in strategies
    )
    return msgspec.structs.replace(
        ladder,
        models=(*ladder.models, *models),
        rungs=(*ladder.rungs, *rungs),
        tried=rungs,
    )


def _model(shipped: Model, id_: str) -> Model:
    """Return a model with what it shares with the one that ships.

    Sampling and the length of replies, so that both are asked the same way; and address
    and key where the same provider, or server, has both.
    """
    params = {k: v for k, v in shipped.params.items() if k in _FOR_ANY_MODEL}
    model = Model(name=_name(id_), tier=Tier.OFF_THE_SHELF, id=id_, params=params)
    if _provider(id_) != _provider(shipped.id) or model.is_local:
        return model
    return msgspec.structs.replace(
        model,
        api_base=shipped.api_base,
        api_key_env=shipped.api_key_env,
        lane=shipped.lane,
        limits=shipped.limits,
    )


def _check(ladder: Ladder, id_: str, tried: Sequence[Model]) -> None:
    where = f"--ladder-try={id_}"
    for model in (*ladder.models, *tried):
        if model.id == id_ and model.adapter is None and model.revision is None:
            if model in tried:
                raise ConfigError(f"{where} is given twice; leave one out.")
            raise ConfigError(
                f"{where} is model `{model.name}` of {shown(ladder.path)} already; run "
                f"--ladder=matrix --ladder-rungs='{model.name}/*' instead."
            )
        if model.name == _name(id_):
            fix = f"rename that in {shown(ladder.path)}"
            if model in tried:
                fix = "try one at a time"
            raise ConfigError(
                f"{where} would be called `{model.name}`, as {model.id} is; {fix}."
            )
    if problem := _unknown(ladder, id_):
        raise ConfigError(f"{where}: {problem}")


def _unknown(ladder: Ladder, id_: str) -> str:
    """Say why nobody knows an id; empty: somebody may."""
    if id_.startswith(_LOCAL):
        return _unknown_local(ladder.folder, id_.removeprefix(_LOCAL))
    model = Model(name="tried", tier=Tier.OFF_THE_SHELF, id=id_)
    assert ladder.current is not None
    if "/" not in id_:
        prices = PriceTable()
        if prices.price_of(model) or prices.max_output_tokens(model):
            return ""
        return (
            f"`{id_}` is no model that is known; begin with its provider, as in "
            "`openai/gpt-5-nano`."
        )
    if not all(id_.partition("/")[::2]):
        return "it names no model; write one as `openai/gpt-5-nano`."
    known = {_provider(each.id) for each in ladder.models}
    return "" if _provider(id_) in known else provider_problem(model)


def _unknown_local(folder: Path, name: str) -> str:
    from pytest_ladder.calls.local.weights import CATALOGUE

    if name.endswith(".gguf"):
        path = folder / name
        missing = f"there is no file {shown(path)}; correct the path."
        return "" if path.is_file() else missing
    if name in CATALOGUE:
        return ""
    rest = f"known are {listed(CATALOGUE)}, and paths that end in .gguf."
    return f"`{name}` is no model here; {did_you_mean(name, CATALOGUE, rest)}"


def _provider(id_: str) -> str:
    return id_.partition("/")[0]


def _name(id_: str) -> str:
    """Return the slug of an id, which is a name."""
    return _NO_NAME.sub("-", id_).strip("-.") or "tried"
