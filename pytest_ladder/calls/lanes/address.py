"""Where a model is called, by which lane, with which key and for how long."""

from __future__ import annotations

import os
from typing import Any

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.lanes.providers import (
    PROVIDERS,
    chat_base,
    key_variable,
    provider_of,
)
from pytest_ladder.core.rung import Model
from pytest_ladder.errors import CallError

DEFAULT_TIMEOUT_S = 600.0

_DIRECT_PREFIXES = ("hosted_vllm/", "local/")
# A user may set the address of these, too, but each has a protocol of its own.
_OTHER_PROTOCOLS = (
    "anthropic/",
    "azure/",
    "azure_ai/",
    "bedrock/",
    "cohere/",
    "gemini/",
    "huggingface/",
    "ollama/",
    "ollama_chat/",
    "sagemaker/",
    "vertex_ai/",
    "watsonx/",
)
OWN_PREFIXES = frozenset(
    {prefix.rstrip("/") for prefix in (*_DIRECT_PREFIXES, *_OTHER_PROTOCOLS)}
    | {"scripted", *PROVIDERS}
)
"""Prefixes of ids that are known without litellm."""


def lane_of(model: Model) -> str:
    """Return the name of a model's lane, a key of `table.LANES`.

    `lane` in the configuration decides; else a model that speaks OpenAI's protocol, by
    an `api_base` or as one of `PROVIDERS`, takes the direct lane.
    """
    if model.is_scripted:
        return "scripted"
    if model.lane is not None:
        return model.lane
    if model.id.startswith(_OTHER_PROTOCOLS):
        return "litellm"
    if model.id.startswith(_DIRECT_PREFIXES) or model.api_base is not None:
        return "direct"
    provider = provider_of(model)
    return "litellm" if provider is None or provider.on_request else "direct"


def base_of(model: Model, address: str | None) -> str | None:
    """Return what stands before `/chat/completions`; None: nobody has said."""
    if address is not None:
        return address.rstrip("/").removesuffix("/v1") + "/v1"
    if model.api_base is not None:
        return model.api_base.rstrip("/")
    provider = provider_of(model)
    return None if provider is None else chat_base(provider)


def key_of(model: Model, address: str | None) -> Secret | None:
    """Read the model's key from the environment, now; None: it needs none.

    A server that this session started gets no key, and an `api_base` gets one only if
    `api_key_env` says so, or if it is OpenAI's own. Raises `CallError`, with the name
    of the variable, when it is not set.
    """
    if address is not None:
        return None
    variable, others = model.api_key_env, ""
    if variable is None and (provider := provider_of(model)) is not None:
        variable = key_variable(provider)
        others = " or ".join(provider.key_variables[1:])
    if variable is None:
        return None
    key = Secret(os.environ.get(variable, "").strip())
    if not key.open():
        fix = f"set it, or {others}" if others else "set it"
        missing = CallError(
            f"Model {model.name!r} needs its key in the environment variable "
            f"{variable}, which is not set; {fix}, or correct `api_key_env`."
        )
        missing.refused_key = f"key of {model.name!r} ({variable})"
        raise missing
    return key


def params_of(request: Request) -> dict[str, Any]:
    """Return the parameters to send: the request's own, and those of a local server.

    llama.cpp computes a single token by other kernels than several at once, which round
    otherwise. So a cached prompt changes what follows where it lacks but its last token
    (the same prompt again), or holds tokens of an earlier answer, which were computed
    one by one; on x86-64 every other length of it gave the very same logprobs. No
    option of the server keeps these two out of the cache. So where a reply is meant to
    be the same each time, by its temperature or its seed, the whole prompt is computed
    anew. It is no part of the reply's key, and `extra_body` can ask for the cache
    nevertheless.
    """
    params = request.params
    repeatable = params.get("temperature") == 0 or params.get("seed") is not None
    if not (request.model.is_local and repeatable):
        return params
    return params | {
        "extra_body": {"cache_prompt": False} | params.get("extra_body", {})
    }


def timeout_of(request: Request) -> float:
    """Return the seconds that `params.timeout` allows for the whole call.

    Raises `CallError` for a time-out that is no number above 0.
    """
    seconds = request.params.get("timeout")
    if seconds is None:
        return DEFAULT_TIMEOUT_S
    if isinstance(seconds, int | float) and seconds > 0:
        return float(seconds)
    raise CallError(
        f"Model {request.model.name!r} has the timeout {seconds!r} in its params; "
        "give a number of seconds above 0."
    )


class Secret:
    """A key whose `repr` and `str` do not show it: a traceback may show all locals.

    `open` is called in two places: where the key is written into a request, and where
    it is removed from the messages of others.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        # `str` gives this as well.
        return "<a key>"

    def open(self) -> str:
        """Return the text."""
        return self._text
