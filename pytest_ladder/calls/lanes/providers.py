"""Providers that are reached without litellm: where they are, and where they differ.

Each speaks OpenAI's chat completions at an address of its own. Addresses and variables
are those that litellm uses; a test holds the table against it, so that a model answers
the same on either lane, for the same money. A provider is added with a line here. A
parameter that litellm would refuse is sent: the provider itself says what it takes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.core.rung import Model

OPENAI = "https://api.openai.com/v1"
# What newer clients call `max_tokens`, and most providers know by the older name only.
_OLD_LIMIT: dict[str, str | None] = {"max_completion_tokens": "max_tokens"}


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider is, which key it takes, and what it does otherwise."""

    base: str | None
    """What stands before `/chat/completions`; None: each user has an own one."""
    base_variables: tuple[str, ...]
    """Environment variables with another address; the first that is set counts."""
    key_variables: tuple[str, ...]
    """Environment variables with the key; the first that is set counts."""
    on_request: bool = False
    """Whether litellm calls it in a protocol of its own, so that only `lane` in the
    configuration brings it to the direct lane."""
    path: str = ""
    """What follows an address of the environment, unless it ends so already."""
    sdk_variable: str = ""
    """What the provider's own client reads an address from, after the others."""
    sdk_path: str = ""
    """What that client puts behind it."""
    takes_schemas: bool = False
    """Whether all of its models can be held to a JSON schema."""
    usage_in_streams: bool = True
    """Whether a stream tells its usage on request; if not, it does so by itself."""
    renamed: Mapping[str, str | None] = MappingProxyType({})
    """Parameters that have another name there; None: it refuses them."""
    added: Mapping[str, Any] = MappingProxyType({})
    """Parameters that a request should have."""


PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        "openai": Provider(
            base=OPENAI,
            base_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
            key_variables=("OPENAI_API_KEY",),
            takes_schemas=True,
        ),
        "cerebras": Provider(
            base="https://api.cerebras.ai/v1",
            base_variables=("CEREBRAS_API_BASE",),
            sdk_variable="CEREBRAS_BASE_URL",
            sdk_path="/v1",
            key_variables=("CEREBRAS_API_KEY",),
            usage_in_streams=False,
            renamed=_OLD_LIMIT,
        ),
        "deepinfra": Provider(
            base="https://api.deepinfra.com/v1/openai",
            base_variables=("DEEPINFRA_API_BASE",),
            key_variables=("DEEPINFRA_API_KEY",),
            renamed=_OLD_LIMIT,
        ),
        "deepseek": Provider(
            base="https://api.deepseek.com/beta",
            base_variables=("DEEPSEEK_API_BASE",),
            key_variables=("DEEPSEEK_API_KEY",),
        ),
        "fireworks_ai": Provider(
            base="https://api.fireworks.ai/inference/v1",
            base_variables=("FIREWORKS_API_BASE",),
            sdk_variable="FIREWORKS_BASE_URL",
            sdk_path="/v1",
            key_variables=(
                *("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
                *("FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"),
            ),
            renamed=_OLD_LIMIT,
        ),
        "groq": Provider(
            base="https://api.groq.com/openai/v1",
            base_variables=("GROQ_API_BASE",),
            sdk_variable="GROQ_BASE_URL",
            sdk_path="/openai/v1",
            key_variables=("GROQ_API_KEY",),
            renamed=_OLD_LIMIT,
        ),
        "mistral": Provider(
            base="https://api.mistral.ai/v1",
            base_variables=("MISTRAL_AZURE_API_BASE",),
            key_variables=("MISTRAL_AZURE_API_KEY", "MISTRAL_API_KEY"),
            path="/v1",
            usage_in_streams=False,
            renamed=_OLD_LIMIT | {"seed": "random_seed", "user": None},
        ),
        "moonshot": Provider(
            base="https://api.moonshot.ai/v1",
            base_variables=("MOONSHOT_API_BASE",),
            key_variables=("MOONSHOT_API_KEY",),
            renamed=_OLD_LIMIT,
        ),
        "nebius": Provider(
            base="https://api.studio.nebius.ai/v1",
            base_variables=("NEBIUS_API_BASE",),
            key_variables=("NEBIUS_API_KEY",),
            renamed=_OLD_LIMIT,
        ),
        "nvidia_nim": Provider(
            base="https://integrate.api.nvidia.com/v1",
            base_variables=("NVIDIA_NIM_API_BASE",),
            key_variables=("NVIDIA_NIM_API_KEY",),
            renamed=_OLD_LIMIT,
        ),
        "openrouter": Provider(
            base="https://openrouter.ai/api/v1",
            base_variables=("OPENROUTER_API_BASE",),
            key_variables=("OPENROUTER_API_KEY", "OR_API_KEY"),
            added={"usage": {"include": True}},
        ),
        "sambanova": Provider(
            base="https://api.sambanova.ai/v1",
            base_variables=("SAMBANOVA_API_BASE",),
            sdk_variable="SAMBA_NOVA_BASE_URL",
            key_variables=("SAMBANOVA_API_KEY",),
            renamed=_OLD_LIMIT,
        ),
        "together_ai": Provider(
            base="https://api.together.ai/v1",
            base_variables=("TOGETHER_AI_API_BASE",),
            sdk_variable="TOGETHER_BASE_URL",
            sdk_path="/v1",
            key_variables=(
                *("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY"),
                *("TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"),
            ),
        ),
        "xai": Provider(
            base="https://api.x.ai/v1",
            base_variables=("XAI_API_BASE",),
            key_variables=("XAI_API_KEY",),
            renamed=_OLD_LIMIT,
        ),
        # Their own protocols are litellm's; these are the doors for OpenAI's clients.
        "anthropic": Provider(
            base="https://api.anthropic.com/v1",
            base_variables=("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
            key_variables=("ANTHROPIC_API_KEY",),
            path="/v1",
            on_request=True,
        ),
        "azure": Provider(
            base=None,
            base_variables=("AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT"),
            key_variables=("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
            path="/openai/v1",
            on_request=True,
        ),
        "cohere": Provider(
            base="https://api.cohere.ai/compatibility/v1",
            base_variables=("COHERE_API_BASE",),
            sdk_variable="CO_API_URL",
            # litellm takes all of an address, up to this.
            sdk_path="/v2/chat",
            key_variables=("COHERE_API_KEY", "CO_API_KEY"),
            path="/compatibility/v1",
            on_request=True,
        ),
        "gemini": Provider(
            base="https://generativelanguage.googleapis.com/v1beta/openai",
            base_variables=("GEMINI_API_BASE",),
            sdk_variable="GOOGLE_GEMINI_BASE_URL",
            sdk_path="/v1beta",
            key_variables=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
            path="/v1beta/openai",
            on_request=True,
        ),
    }
)
"""By the prefix of a model's id."""


class FoundAddress(NamedTuple):
    """The address of a provider, and where it was found."""

    base: str
    variable: str | None
    """The environment variable that named it; None: it is the provider's own."""


def provider_of(model: Model) -> Provider | None:
    """Return the provider that a model is called at; None: it has its own address."""
    if model.api_base is not None:
        return PROVIDERS["openai"] if model.api_base.rstrip("/") == OPENAI else None
    prefix, slash, _ = model.id.partition("/")
    return PROVIDERS.get(prefix) if slash else None


def place_of(provider: Provider) -> FoundAddress | None:
    """Return where a provider is by the environment, as it is now, else by the table.

    None: only the user knows where it is, and has not said.
    """
    for variable in (*provider.base_variables, provider.sdk_variable):
        address = os.environ.get(variable, "").strip().rstrip("/") if variable else ""
        if address and variable == provider.sdk_variable:
            address = _followed_by(provider.sdk_path, address)
        if address:
            return FoundAddress(address, variable)
    return None if provider.base is None else FoundAddress(provider.base, None)


def chat_base(provider: Provider) -> str | None:
    """Return what stands before `/chat/completions`; None: nobody has said."""
    place = place_of(provider)
    if place is None or place.variable is None:
        return provider.base
    base = place.base
    # What its own client has behind it is no way to the door for OpenAI's clients.
    base = base.removesuffix(provider.sdk_path) if provider.path else base
    return _followed_by(provider.path, base)


def _followed_by(path: str, address: str) -> str:
    """Put a path behind an address, which may end with it, or with its beginning."""
    begin = path
    while begin and not address.endswith(begin):
        begin = begin.rpartition("/")[0]
    return address.removesuffix(begin) + path


def key_variable(provider: Provider) -> str:
    """Return the variable that holds the key; the first one where none is set."""
    found = (
        name for name in provider.key_variables if os.environ.get(name, "").strip()
    )
    return next(found, provider.key_variables[0])


def fitted(provider: Provider, params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as a provider takes them."""
    named = {provider.renamed.get(name, name): params[name] for name in params}
    named.pop(None, None)
    return {**provider.added, **named}  # type: ignore[dict-item]


def sent_name(model: Model) -> str:
    """Return the id without the prefix, as the provider knows the model."""
    prefix, _, name = model.id.partition("/")
    if prefix != "fireworks_ai" or model.api_base is not None:
        return name or model.id
    if name.startswith("accounts/") or "#" in name:
        return name
    if name.startswith(("routers/", "models/")):
        return f"accounts/fireworks/{name}"
    kind = "routers" if name.endswith("-fast") else "models"
    return f"accounts/fireworks/{kind}/{name}"
