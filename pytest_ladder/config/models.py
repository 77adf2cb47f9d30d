"""What models in a configuration must obey beyond the types of their values."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pytest_ladder.config.rules import check_names, check_path, check_ranges
from pytest_ladder.config.source import Place, Source
from pytest_ladder.config.spelling import check_spelling
from pytest_ladder.core.ladder import JudgeConfig
from pytest_ladder.core.params import wrong_param
from pytest_ladder.core.rung import Endpoint, Model

LOCAL = "local/"

ENVIRONMENT_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_SECRET_KEY = re.compile(
    r"(.*[_-])?(api_?-?key|secret|password|secret_access_key|authorization"
    r"|(session|ad|auth|access)_token)",
    re.IGNORECASE,
)
# Prefixes that providers give their keys. The digit keeps words such as
# "sk-learn-compatible-pipeline" from looking like one.
_SECRET_VALUE = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:sk|pk|rk|gsk|hf|xai|ghp|glpat)[-_]|AIza|AKIA|Bearer )"
    r"(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{16,}"
)
_DATABASE = r"(?i)[a-z0-9+]+://|\b(host|user|dbname)\s*="
_NAME_THE_VARIABLE = (
    "name the environment variable that holds the key with `api_key_env` instead, "
    "and if the key was ever committed, revoke it."
)
_RESERVED_PARAMS = {
    "model": "the model's `id` says it",
    "messages": "the strategy makes them",
    "stream": "write `stream` beside `params`",
    "api_base": "write `api_base` beside `params`",
    "base_url": "write `api_base` beside `params`",
    "api_key": "name the variable that holds it with `api_key_env`",
    "extra_headers": "headers may hold keys, and parameters are stored",
    "headers": "headers may hold keys, and parameters are stored",
    "lora": "one server would answer as base and as adapter; write `adapter`",
    "n": "ask for more replies with `samples=` of the ladder marker",
}


def check_secrets(source: Source) -> None:
    """Refuse keys in the file; the messages never repeat them."""
    for place, value in _leaves(source.table, ()):
        key = str(place[-1]) if place else ""
        by_name = _SECRET_KEY.fullmatch(key) and isinstance(value, str)
        if by_name or (isinstance(value, str) and _SECRET_VALUE.search(value)):
            raise source.error(
                place, f"a key does not belong in a file; {_NAME_THE_VARIABLE}"
            )
        in_store = place[:1] == ("store",) and isinstance(value, str)
        if in_store and re.search(_DATABASE, value):
            raise source.error(
                place,
                "the address of a database does not belong in a file; name the "
                "environment variable that holds it with `url_env` instead, and if a "
                "password was ever committed, change it.",
            )


def check_models(
    source: Source, models: Sequence[Model], judge: JudgeConfig | None
) -> None:
    """Check every model, the judge, and that no two of them are one."""
    if not models:
        raise source.error(
            (), "no model is given; add a [[model]] with `name`, `tier` and `id`."
        )
    check_names(source, "model", [model.name for model in models])
    if all(model.planned for model in models):
        raise source.error(
            (),
            "every model is `planned`, so there is nothing to test; add a [[model]] "
            "that can be called.",
        )
    for index, model in enumerate(models):
        _check_model(source, ("model", index), model)
    if judge is not None:
        _check_model(source, ("judge",), judge)
        for index, member in enumerate(judge.jury):
            _check_model(source, ("judge", "jury", index), member)
    _check_identities(source, models, judge)


def _check_model(source: Source, place: Place, model: Endpoint) -> None:
    check_ranges(source, place, model, "model")
    build = model.build if isinstance(model, Model) else None
    if build is not None and build.people_hours and build.usd_per_hour is None:
        raise source.error(
            (*place, "build", "people_hours"),
            "what an hour costs is missing; add `usd_per_hour`.",
        )
    if isinstance(model, Model) and model.planned:
        return _check_planned(source, place, model)
    if source.get((*place, "id")) is None:
        raise source.error(place, "`id` is missing; add it.")
    if not model.id.strip():
        raise source.error(
            (*place, "id"), 'the id is empty; write one such as "openai/gpt-5-nano".'
        )
    _check_payment(source, place, model)
    _check_address(source, place, model)
    check_params(source, place, model.params)
    check_spelling(source, place, model)
    if model.adapter is not None and not model.id.startswith(LOCAL):
        raise source.error(
            (*place, "adapter"),
            f'an adapter needs a local model, and "{model.id}" is not one; use an id '
            "that starts with `local/`, or remove `adapter`.",
        )
    if model.adapter is not None:
        check_path(source, (*place, "adapter"), model.adapter, "file")
    if model.id.startswith(LOCAL) and model.id.endswith(".gguf"):
        check_path(source, (*place, "id"), model.id.removeprefix(LOCAL), "file")
    return None


def _check_planned(source: Source, place: Place, model: Model) -> None:
    """Check the estimates; file, address and parameters need not be there yet."""
    _check_payment(source, place, model)
    keys = ("usd", "people_hours")
    said = [source.get((*place, "build", key)) is not None for key in keys]
    if model.build is not None and not any(said):
        raise source.error(
            (*place, "build"),
            "what building would cost is missing; add `usd`, an estimate in dollars.",
        )


def _check_payment(source: Source, place: Place, model: Endpoint) -> None:
    if model.price is not None and model.serve is not None:
        raise source.error(
            (*place, "serve"),
            "`price` and `serve` exclude each other; keep `price` for a model paid by "
            "the token and `serve` for one paid by the hour.",
        )


def _check_address(source: Source, place: Place, model: Endpoint) -> None:
    base = model.api_base
    if base is not None and not re.match(r"https?://[^/]", base):
        raise source.error(
            (*place, "api_base"), "an address starts with http:// or https://."
        )
    if base is not None and re.match(r"https?://[^/]*@", base):
        raise source.error(
            (*place, "api_base"), f"an address holds no password; {_NAME_THE_VARIABLE}"
        )
    name = model.api_key_env
    if name is not None and not re.fullmatch(ENVIRONMENT_NAME, name):
        # What stands there may be the key itself, so it is not repeated.
        raise source.error(
            (*place, "api_key_env"),
            "this is not the name of an environment variable; write one such as "
            '"OPENAI_API_KEY", without `$`.',
        )


def check_params(source: Source, place: Place, params: dict[str, Any]) -> None:
    """Check the `params` of the table at `place`; secrets were refused before."""
    for name, why in _RESERVED_PARAMS.items():
        if name in params:
            raise source.error(
                (*place, "params", name), f"this is no parameter of a call; {why}."
            )
    for inner, value in _leaves(params, ()):
        dated = isinstance(value, datetime.date | datetime.time)
        if dated or (isinstance(value, float) and not math.isfinite(value)):
            raise source.error(
                (*place, "params", *inner),
                f"{value} cannot be sent as JSON; write a text or a finite number.",
            )
    wrong = wrong_param(params)
    if wrong is not None:
        raise source.error((*place, "params", *wrong.place), wrong.problem)


def _check_identities(
    source: Source, models: Sequence[Model], judge: JudgeConfig | None
) -> None:
    """Refuse models that would share replies although they differ, and duplicates."""
    places: list[tuple[Place, Endpoint]] = [
        (("model", index), model)
        for index, model in enumerate(models)
        if not model.planned
    ]
    if judge is not None:
        places.append((("judge",), judge))
        places += [
            (("judge", "jury", index), member)
            for index, member in enumerate(judge.jury)
        ]
    seen: dict[tuple[str, str | None, Path | None], list[Endpoint]] = {}
    for place, model in places:
        adapter = model.adapter and (source.path.parent / model.adapter).resolve()
        key = (model.id, model.revision, adapter or None)
        for other in seen.setdefault(key, []):
            _check_pair(source, place, model, other)
        seen[key].append(model)


def _check_pair(source: Source, place: Place, model: Endpoint, other: Endpoint) -> None:
    name = getattr(other, "name", "[judge]")
    if (model.api_base or "").rstrip("/") != (other.api_base or "").rstrip("/"):
        raise source.error(
            (*place, "api_base"),
            f'model "{name}" has the same id at another address, and their replies '
            "would be taken for each other's; give each a `revision` of its own.",
        )
    if isinstance(model, Model) and model.params == other.params:
        raise source.error(
            place,
            f'this is a duplicate of model "{name}": same id, revision, adapter and '
            "params; remove one, or give it other `params` or a `revision`.",
        )


def _leaves(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Every value that is neither a table nor a list, with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*place, index))
    else:
        yield place, value
