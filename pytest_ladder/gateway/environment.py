"""The environment of an app: addresses and a made-up key in, real keys out."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_ladder.calls.lanes.providers import PROVIDERS
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.rung import Rung

# Of providers that litellm calls, and of clouds.
_OTHER_KEYS = frozenset(
    (
        *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
        *("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"),
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AWS_BEARER_TOKEN_BEDROCK", "AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
        *("AZURE_AD_TOKEN", "AZURE_CLIENT_SECRET", "OPENAI_ADMIN_KEY"),
        *("COHERE_API_KEY", "CO_API_KEY", "VOYAGE_API_KEY", "JINA_API_KEY"),
        *("HF_TOKEN", "HUGGINGFACE_API_KEY", "HUGGING_FACE_HUB_TOKEN"),
        *("REPLICATE_API_TOKEN", "REPLICATE_API_KEY", "WATSONX_APIKEY"),
        *("WATSONX_API_KEY", "WATSONX_TOKEN", "DATABRICKS_TOKEN", "LITELLM_API_KEY"),
        *("AI_GATEWAY_API_KEY", "VERTEX_API_KEY", "OPENROUTER_API_KEY"),
    )
)
_SHORTEST = 8
"""Of a key: a shorter value may be that of other variables by chance."""
_UNLIKE_OTHERS = 16
"""Of a key: a shorter one may be a part of other values by chance."""
_NOT_BY_PROXY = ("127.0.0.1", "localhost")


def app_environment(
    base: Mapping[str, str], ladder: Ladder, rung: Rung, root: str, token: str
) -> dict[str, str]:
    """Return `base` for an app that asks at `root`, by a token.

    Every variable that holds a key is taken out: those that the ladder or a provider
    names, and those with the same value under another name, or in an address or a
    header.
    """
    names = key_variables(ladder)
    secret = {base[name] for name in names if len(base.get(name, "")) >= _SHORTEST}
    long = [key for key in secret if len(key) >= _UNLIKE_OTHERS]
    kept = {
        name: value
        for name, value in base.items()
        if not (name in names or value in secret or any(key in value for key in long))
    }
    key = f"ladder-{token}"
    kept |= {
        "OPENAI_BASE_URL": f"{root}/v1",
        "OPENAI_API_BASE": f"{root}/v1",
        "AZURE_OPENAI_ENDPOINT": root,
        "ANTHROPIC_BASE_URL": root,
        "GOOGLE_GEMINI_BASE_URL": root,
        "OPENAI_API_KEY": key,
        "AZURE_OPENAI_API_KEY": key,
        "ANTHROPIC_API_KEY": key,
        "GEMINI_API_KEY": key,
        "LADDER_RUNG": rung.id,
        "LADDER_STRATEGY": rung.strategy.name,
    }
    # It would send what the app says, with its key, to OpenAI.
    kept.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")
    # What is on this machine is not to be asked for through a proxy.
    for name in ("NO_PROXY", "no_proxy"):
        others = [part for part in kept.get(name, "").split(",") if part.strip()]
        kept[name] = ",".join([*others, *_NOT_BY_PROXY])
    return kept


def key_variables(ladder: Ladder) -> frozenset[str]:
    """Return the names of all variables that are known to hold keys."""
    endpoints = [*ladder.models]
    named = {model.api_key_env for model in endpoints if model.api_key_env}
    if ladder.judge is not None:
        judges = (ladder.judge, *ladder.judge.jury)
        named |= {judge.api_key_env for judge in judges if judge.api_key_env}
    of_providers = {
        variable
        for provider in PROVIDERS.values()
        for variable in provider.key_variables
    }
    return _OTHER_KEYS | named | of_providers
