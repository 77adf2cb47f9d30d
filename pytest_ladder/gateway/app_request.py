"""What an app asked for, whatever API it spoke, as a call of a model.

The model in a request is overridden by the rung's, its parameters are not: where the
request is silent, those of the rung hold, so that `max_tokens` bounds the budget.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from pytest_ladder.calls.chat import REFUSED_PARAMS
from pytest_ladder.calls.contract import NativeCall, Request
from pytest_ladder.calls.lanes import pass_through
from pytest_ladder.calls.lanes.address import lane_of
from pytest_ladder.core.case import Message
from pytest_ladder.core.params import overlaid, wrong_param
from pytest_ladder.core.rung import Model, Tier
from pytest_ladder.errors import AppError
from pytest_ladder.session.app_link import Visit
from pytest_ladder.text.phrases import did_you_mean, listed

# They say who is called, with which key or by which code, which is not for an app.
_NOT_FOR_APPS = REFUSED_PARAMS | frozenset(
    {"allowed_openai_params", "api_version", "azure_ad_token", "client", "callbacks"}
    | {"custom_llm_provider", "fallbacks", "mock_response", "num_retries", "timeout"}
    | {"organization", "proxies", "success_callback", "failure_callback", "ssl_verify"}
    | {"vertex_credentials", "max_retries", "extra_query", "cache", "input_callback"}
)
_CREDENTIALS = ("aws_", "azure_", "vertex_", "watsonx_")
BLANK = "…"
"""What stands in a key for what `ignore` fits."""


class AppRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request of an app, in the words of chat completions, or of a native API."""

    model: str
    messages: list[Message]
    params: dict[str, Any]
    embeds: bool = False
    """Whether vectors are asked for, and no reply."""
    native: NativeCall | None = None
    """The API in whose words it is passed through; None: chat completions."""
    stream: bool = False
    wants_usage: bool = False
    """Whether a stream is to end with the usage."""
    extra: Any = None
    """What the API needs again for its answer."""

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools that are offered."""
        return tuple(tool_names(self.params.get("tools")))


def tool_names(tools: Any) -> Iterable[str]:
    """Yield the names of tools, or of calls of them, of whatever API."""
    for tool in tools if isinstance(tools, list | tuple) else ():
        named = tool.get("function", tool) if isinstance(tool, dict) else None
        if isinstance(named, dict) and isinstance(named.get("name"), str):
            yield named["name"]


def request_of(asked: AppRequest, visit: Visit) -> Request:
    """Return the call that an app's request stands for; raises `AppError`."""
    model = model_meant(asked.model, visit, embeds=asked.embeds)
    sent = {name: value for name, value in asked.params.items() if value is not None}
    _check(sent)
    own: Mapping[str, Any] = {} if asked.embeds else model.params
    if asked.native is not None:
        own = pass_through.fitted(own, asked.native.route)
    return Request(
        model=model,
        messages=asked.messages,
        params=overlaid(own, sent),
        sample=visit.sample(),
        keyed=keyed(asked.messages, visit.opened.ladder.gateway.ignore),
        asked_by=visit.asked_by,
        embeds=asked.embeds,
        native=asked.native,
    )


def model_meant(name: str, visit: Visit, *, embeds: bool = False) -> Model:
    """Return the model that a name in a request means; raises `AppError`."""
    ladder = visit.opened.ladder
    gateway = ladder.gateway
    by_name = {model.id: model for model in ladder.models}
    by_name |= {model.name: model for model in ladder.models}
    if name in gateway.passes:
        # Clients leave out whose model it is, and mean OpenAI's.
        whole = name if "/" in name else f"openai/{name}"
        helper = Model(name=name, id=whole, tier=Tier.OFF_THE_SHELF)
        return _helper(by_name.get(name, helper), embeds=embeds)
    patterns = () if embeds else gateway.override
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
        return visit.rung.model
    if name in by_name:
        return _helper(by_name[name], embeds=embeds)
    known = [*patterns, *gateway.passes, *(m.name for m in ladder.models)]
    known = list(dict.fromkeys(known))
    fix = f"known are {listed(known)}; add it to `override` or `pass` of [gateway]."
    raise AppError(
        f"The app asks for the model {name!r}, which is unknown here; "
        + did_you_mean(name, known, fix),
        status=404,
    )


def _helper(model: Model, *, embeds: bool) -> Model:
    """Return a model that is not overridden, if what is asked of it can be had."""
    if embeds and lane_of(model) != "direct":
        raise AppError(
            f"Embeddings of {model.name!r} cannot be had: it is not called directly; "
            'set lane = "direct" for it in ladder.toml, if it has OpenAI\'s protocol.',
            status=501,
        )
    return model


def _check(params: Mapping[str, Any]) -> None:
    for name in params:
        if name in _NOT_FOR_APPS or name.startswith(_CREDENTIALS):
            raise AppError(
                f"The app sends {name!r}, which does not belong to what is asked; set "
                "it for the model in ladder.toml.",
                status=400,
            )
    extra = params.get("extra_body")
    if isinstance(extra, dict):
        _check(extra)
    if any(table.get("n") not in (None, 1) for table in (params, extra or {})):
        raise AppError(
            "The app asks for several replies at once (n); ask once for each.",
            status=400,
        )
    wrong = wrong_param(params)
    if wrong is not None:
        place = ".".join(wrong.place)
        raise AppError(f"The app sends {place}: {wrong.problem}", status=400)


def keyed(messages: list[Message], ignore: tuple[str, ...]) -> list[Message] | None:
    """Return messages without what means nothing; None: nothing of them is ignored."""
    if not ignore:
        return None
    # Each by itself: numbers of groups, and flags, hold within one.
    patterns = [re.compile(pattern) for pattern in ignore]
    blanked: list[Message] = _blanked(messages, patterns)
    return None if blanked == messages else blanked


def _blanked(value: Any, patterns: list[re.Pattern[str]]) -> Any:
    if isinstance(value, str):
        for pattern in patterns:
            value = pattern.sub(BLANK, value)
        return value
    if isinstance(value, list):
        return [_blanked(each, patterns) for each in value]
    if isinstance(value, dict):
        return {name: _blanked(each, patterns) for name, each in value.items()}
    return value
