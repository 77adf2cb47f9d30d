"""Families of models: a judge prefers what its own family writes (section 5.7)."""

from __future__ import annotations

import functools
import re

_FAMILIES = {
    "amazon": r"nova|titan",
    "anthropic": r"claude",
    "cohere": r"command|aya",
    "deepseek": r"deepseek",
    "google": r"gemini|gemma",
    "ibm": r"granite",
    "meta": r"(code)?llama",
    "microsoft": r"phi",
    "mistral": r"mistral|mixtral|\w+stral",
    "moonshot": r"kimi",
    "nvidia": r"nemotron",
    "openai": r"(chat)?gpt|o\d",
    "qwen": r"qwen|qwq",
    "smollm": r"smollm",
    "xai": r"grok",
    "zhipu": r"(chat)?glm",
}


def same_family(judge_id: str, model_id: str) -> bool:
    """Tell whether two models are related, as far as their ids show it.

    A model that was distilled from one family into another belongs to both.
    """
    ours, theirs = _name(judge_id), _name(model_id)
    return ours == theirs or not _families(ours).isdisjoint(_families(theirs))


def _name(model_id: str) -> str:
    """Return what follows the provider: `azure/gpt-5` is a GPT, `ollama/phi` a Phi."""
    return model_id.lower().removesuffix(".gguf").rpartition("/")[2]


def _families(name: str) -> frozenset[str]:
    return frozenset(
        family for family, names in _patterns().items() if names.search(name)
    )


@functools.cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {
        family: re.compile(rf"(?<![a-z0-9])(?:{names})(?![a-z])", re.IGNORECASE)
        for family, names in _FAMILIES.items()
    }
