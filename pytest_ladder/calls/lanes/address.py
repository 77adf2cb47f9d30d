"""Where a model is called, by which lane, with which key and for how long."""

from __future__ import annotations

import os

from pytest_ladder.calls.contract import Request
from pytest_ladder.core.rung import Model
from pytest_ladder.errors import CallError

OPENAI = "https://api.openai.com/v1"
DEFAULT_TIMEOUT_S = 600.0

_DIRECT_PREFIXES = ("openai/", "hosted_vllm/", "local/")
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


def lane_of(model: Model) -> str:
    """Return the name of a model's lane, a key of `table.LANES`.

    `lane` in the configuration decides; else a model that speaks OpenAI's protocol, by
    the prefix of its id or an `api_base`, takes the direct lane.
    """
    if model.is_scripted:
        return "scripted"
    if model.lane is not None:
        return model.lane
    if model.id.startswith(_OTHER_PROTOCOLS):
        return "litellm"
    direct = model.id.startswith(_DIRECT_PREFIXES) or model.api_base is not None
    return "direct" if direct else "litellm"


def base_of(model: Model, address: str | None) -> str | None:
    """Return the URL that ends in `/v1`; None: only litellm knows it."""
    if address is not None:
        return address.rstrip("/").removesuffix("/v1") + "/v1"
    if model.api_base is not None:
        return model.api_base.rstrip("/")
    return OPENAI if model.id.startswith("openai/") else None


def key_of(model: Model, address: str | None) -> Secret | None:
    """Read the model's key from the environment, now; None: it needs none.

    A server that this session started gets no key, and another host than OpenAI's
    gets OpenAI's key only if `api_key_env` says so. Raises `CallError`, with the
    name of the variable, when it is not set.
    """
    if address is not None:
        return None
    variable = model.api_key_env
    if variable is None and base_of(model, None) == OPENAI:
        variable = "OPENAI_API_KEY"
    if variable is None:
        return None
    key = Secret(os.environ.get(variable, "").strip())
    if not key.open():
        raise CallError(
            f"Model {model.name!r} needs its key in the environment variable "
            f"{variable}, which is not set; set it, or correct `api_key_env`."
        )
    return key


def sent_name(model: Model) -> str:
    """Return the id without the prefix that names the provider."""
    return model.id.partition("/")[2] or model.id


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
