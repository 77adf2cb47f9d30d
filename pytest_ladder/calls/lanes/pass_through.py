"""Calls in the words of a provider's own API: OpenAI's responses, Anthropic's messages.

An app that speaks the API of its rung's provider is not translated, so that its prompt
caching and the thoughts of its model survive. The direct lane sends such a call; here
is where it goes, what is sent, and how its answer is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.calls.contract import Answer, NativeCall, Request
from pytest_ladder.calls.lanes import completions
from pytest_ladder.calls.lanes.address import Secret
from pytest_ladder.calls.lanes.providers import (
    OPENAI,
    PROVIDERS,
    chat_base,
    sent_name,
)
from pytest_ladder.calls.lanes.storable import plain
from pytest_ladder.core.rung import Model

NOT_THERE = frozenset({404, 405, 501})
"""What a server answers that has chat completions, and not this API."""
_VERSION = "2023-06-01"
"""Of Anthropic's API, which each request has to name."""


class _Speaker(NamedTuple):
    provider: str
    """The prefix of the ids of its models."""
    listed: str
    """What its body calls the messages."""
    beside: str
    """What its body calls the prompt that stands beside them: in a request it is their
    first, and this its role."""
    effort: str
    """The object of its body that holds the `effort` of thinking."""
    params: Mapping[str, str]
    """The parameters of chat completions that it has, too, and its names for them."""


_SPEAKERS = MappingProxyType(
    {
        "/responses": _Speaker(
            *("openai", "input", "instructions", "reasoning"),
            {name: name for name in ("temperature", "top_p", "service_tier", "user")}
            | {"max_tokens": "max_output_tokens", "metadata": "metadata"}
            | {"max_completion_tokens": "max_output_tokens"},
        ),
        "/messages": _Speaker(
            *("anthropic", "messages", "system", "output_config"),
            {name: name for name in ("temperature", "top_p", "top_k", "thinking")}
            | {"max_tokens": "max_tokens", "stop": "stop_sequences"}
            | {"max_completion_tokens": "max_tokens"},
        ),
    }
)
"""Whose API is at a route."""


def speaks(model: Model, route: str) -> bool:
    """Tell whether a model's provider has the API at a route itself.

    A server of OpenAI's protocol with an address of its own is asked for chat
    completions, which all of them have. So is what is to go by litellm.
    """
    speaker = _SPEAKERS.get(route)
    if speaker is None or not model.id.startswith(f"{speaker.provider}/"):
        return False
    if model.lane == "litellm":
        return False
    base = (model.api_base or OPENAI).rstrip("/")
    return base == OPENAI


def fitted(params: Mapping[str, Any], route: str) -> dict[str, Any]:
    """Return a model's own parameters in the words of a route, as far as it has any."""
    speaker = _SPEAKERS[route]
    own = {speaker.params[n]: v for n, v in params.items() if n in speaker.params}
    if (effort := params.get("reasoning_effort")) is not None:
        own[speaker.effort] = {"effort": effort}
    if "extra_body" in params:
        own["extra_body"] = params["extra_body"]
    return own


def url_of(native: NativeCall) -> str:
    """Return where a call goes; the environment may name another place."""
    base = chat_base(PROVIDERS[_SPEAKERS[native.route].provider])
    return f"{base}{native.route}"


def headers_of(native: NativeCall, key: Secret | None) -> dict[str, str]:
    """Return what only this API wants in its headers, its key included."""
    secret = "" if key is None else key.open()
    if _SPEAKERS[native.route].provider == "openai":
        return {**native.headers, "Authorization": f"Bearer {secret}"}
    return {"anthropic-version": _VERSION, **native.headers, "x-api-key": secret}


def body_of(request: Request, native: NativeCall) -> dict[str, Any]:
    """Return what is sent: what the app sent, and another name for the model."""
    speaker = _SPEAKERS[native.route]
    params = {name: v for name, v in request.params.items() if name != "timeout"}
    extra: dict[str, Any] = params.pop("extra_body", {})
    messages = list(request.messages)
    body: dict[str, Any] = {"model": sent_name(request.model)}
    if messages[0].get("role") == speaker.beside:
        body[speaker.beside] = messages.pop(0)["content"]
    return body | {speaker.listed: messages} | params | extra


def from_body(name: str, body: bytes, content_type: str) -> Answer:
    """Read an answer, and keep all of it; raises `CallError`."""
    payload = completions.decode(name, body, content_type)
    answer = completions.whole(name, payload)
    return msgspec.structs.replace(answer, native=plain(payload))
