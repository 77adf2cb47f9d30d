"""Names in models that are probably misspelt: a word, as nobody knows all names."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_ladder.calls.lanes.address import OWN_PREFIXES
from pytest_ladder.calls.prices import litellm_providers
from pytest_ladder.config.source import Place, Source
from pytest_ladder.core.params import near_param
from pytest_ladder.core.rung import Endpoint
from pytest_ladder.errors import warn
from pytest_ladder.text.phrases import did_you_mean


def check_spelling(source: Source, place: Place, model: Endpoint) -> None:
    """Warn of parameters and providers that look misspelt."""
    check_params_spelling(source, place, model.params)
    problem = provider_problem(model)
    if problem:
        _warn(source, (*place, "id"), problem)


def check_params_spelling(source: Source, place: Place, params: Iterable[str]) -> None:
    """Warn of parameters of the table at `place` that look misspelt."""
    for name in params:
        near = near_param(name)
        if near is not None:
            _warn(
                source,
                (*place, "params", name),
                f"this is no parameter that is known, and is sent as it is; did you "
                f"mean `{near}`?",
            )


def provider_problem(model: Endpoint) -> str:
    """Say what is odd about the provider in a model's id; empty: nothing."""
    prefix, slash, _ = model.id.partition("/")
    # At an address of its own any name will do, and litellm finds some without one.
    if not slash or model.api_base is not None or prefix in OWN_PREFIXES:
        return ""
    theirs = litellm_providers()
    if prefix in theirs:
        return ""
    rest = (
        "the id of a model begins with its provider, as in `openai/gpt-5-nano`; a "
        "server of your own needs `api_base`."
    )
    said = did_you_mean(prefix, [*OWN_PREFIXES, *theirs], rest)
    # Without litellm's list an unknown provider may well be one of litellm's.
    return (
        f"`{prefix}` is no provider that is known; {said}"
        if (theirs or said != rest)
        else ""
    )


def _warn(source: Source, place: Place, problem: str) -> None:
    warn(str(source.error(place, problem)), str(source.path))
