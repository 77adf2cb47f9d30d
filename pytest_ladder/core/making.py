"""What makes a rung beside its names: settings, and hashes of its texts.

It is for reports and whoever reads them: prompts stay where they are, and still two
runs show whether they asked by the same ones.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import msgspec

from pytest_ladder.core.rung import Rung

Making = dict[str, Any]

_PLAIN = frozenset(
    {
        *("use", "select", "extract", "pick", "stopwords", "stemmer"),
        *("system_file", "prompt_file", "examples", "corpus", "retriever"),
        *("response_format", "tools"),
    }
)
"""Settings that are words of ours, names of files or of functions. Every other text may
be a prompt, also one of somebody's own strategy."""
_ELSEWHERE = ("name", "models", "params")
_DIGITS = 12


@functools.cache
def settings_of(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return what may be set of a kind of strategy.

    Kept, for msgspec compiles the annotations of a class each time that it is asked.
    """
    return msgspec.structs.fields(kind)


def making_of(rung: Rung) -> Making:
    """Return the parameters of a rung's calls, and what its strategy sets.

    Numbers and names stand there as they are, other texts as `sha256:` with the first
    digits of their hash. Of what is as it is by default only `use` and `prompt` do.
    """
    strategy = rung.strategy
    told: Making = {}
    for field in settings_of(type(strategy)):
        name, value = field.name, getattr(strategy, field.name)
        if name in _ELSEWHERE:
            continue
        if name in ("use", "prompt") or value != field.default:
            told[name] = _told(name, value)
    if rung.params:
        told["params"] = msgspec.to_builtins(rung.params)
    return told


def _told(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    plain = msgspec.to_builtins(value)
    if name in _PLAIN:
        return plain
    text = value if isinstance(value, str) else msgspec.json.encode(plain).decode()
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return f"sha256:{digest[:_DIGITS]}"
