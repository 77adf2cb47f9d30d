"""Which values the parameters of a call may have.

Only those are checked that this package reads itself, for prices, limits and requests;
all others are for the provider to judge.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec


class WrongParam(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter with a value that it cannot have."""

    place: tuple[str, ...]
    """Its keys within the parameters, such as `("extra_body", "n")`."""
    problem: str
    """A sentence without its subject, with the fix."""


def wrong_param(params: Mapping[str, Any]) -> WrongParam | None:
    """Return the first parameter that would break a price, a limit or a request.

    A number may be None, which counts as not set.
    """
    extra = params.get("extra_body")
    extra = extra if isinstance(extra, dict) else {}
    for keys, table in (((), params), (("extra_body",), extra)):
        for name, (is_valid, wanted) in _RULES.items():
            if name in table and not is_valid(table[name]):
                problem = f"{table[name]!r} does not fit here; write {wanted}."
                return WrongParam(place=(*keys, name), problem=problem)
    return None


def overlaid(params: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `own` over parameters; a limit of tokens replaces one by its other name."""
    replaced = _LIMITS if _LIMITS & own.keys() else frozenset[str]()
    return {**{k: v for k, v in params.items() if k not in replaced}, **own}


def near_param(name: str) -> str | None:
    """Return the parameter that a name probably misspells; None: nothing says so.

    Servers have parameters of their own, so only what is hardly another name counts.
    """
    if name in _KNOWN or len(name) < _SHORT:
        return None
    import difflib

    plain = name.casefold().replace("-", "_")
    near = difflib.get_close_matches(plain, sorted(_KNOWN), n=1, cutoff=_NEAR)
    return near[0] if near else None


def _is_number(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value < math.inf)


_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
_NEAR = 0.8
"""Of difflib's ratio: `temprature` is at .95 to `temperature`."""
_SHORT = 5
"""Shorter names, as `top_a`, are near to others by chance."""
# OpenAI's, then litellm's and those of other providers and servers.
_NAMES = (
    "audio frequency_penalty function_call functions logit_bias logprobs "
    "max_completion_tokens max_tokens metadata modalities n parallel_tool_calls "
    "prediction presence_penalty prompt_cache_key prompt_cache_retention "
    "reasoning_effort response_format safety_identifier seed service_tier stop store "
    "stream_options temperature tool_choice tools top_logprobs top_p user verbosity "
    "web_search_options "
    "allowed_openai_params best_of drop_params enable_thinking extra_body "
    "fallbacks guided_choice guided_json guided_regex length_penalty max_retries "
    "max_output_tokens max_tokens_to_sample min_p min_tokens mirostat num_ctx "
    "num_predict num_retries prefix random_seed reasoning repeat_penalty "
    "repetition_penalty request_timeout safe_prompt safety_settings "
    "skip_special_tokens stop_sequences stop_token_ids system thinking thinking_budget "
    "timeout top_a top_k typical_p use_beam_search"
)
_KNOWN = frozenset(_NAMES.split())
_COUNT = (
    lambda value: value is None or (type(value) is int and value >= 1),
    "a whole number from 1 on",
)
_TABLE = (lambda value: isinstance(value, dict), "a table, such as { … }")
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "max_tokens": _COUNT,
    "max_completion_tokens": _COUNT,
    "n": _COUNT,
    "temperature": (_is_number, "a number that is 0 or more"),
    "timeout": (
        lambda value: _is_number(value) and value != 0,
        "a number of seconds above 0",
    ),
    "extra_body": _TABLE,
    "stream_options": _TABLE,
}
