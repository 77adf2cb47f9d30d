"""OpenAI's embeddings, as a server, for the helpers that `[gateway]` lets pass.

A vector of another model is of no use to an index, so these are never overridden.
"""

from __future__ import annotations

import array
import base64
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from pytest_ladder.core.reply import Reply
from pytest_ladder.gateway.api import Body, Memory, malformed, refuse, text_of, without
from pytest_ladder.gateway.app_request import AppRequest
from pytest_ladder.gateway.chat_completions import openai_problem

_OWN = frozenset({"model", "input", "encoding_format"})
_FORMATS = ("float", "base64")


class Embeddings:
    """`/embeddings`."""

    def asked(self, body: Body, memory: Memory) -> AppRequest:
        """Read a request; raises `AppError`."""
        form = body.get("encoding_format") or "float"
        if form not in _FORMATS:
            raise refuse(f"the encoding_format {form!r}")
        return AppRequest(
            model=text_of(body, "model"),
            messages=[{"role": "user", "content": each} for each in _inputs(body)],
            params=without(body, _OWN),
            embeds=True,
            extra=form,
        )

    def whole(self, asked: AppRequest, reply: Reply) -> Body:
        """Write the vectors, as numbers or as bytes."""
        vectors: list[list[float]] = msgspec.json.decode(reply.text)
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _packed(vector) if asked.extra == "base64" else vector,
            }
            for index, vector in enumerate(vectors)
        ]
        tokens = reply.usage.input if reply.usage else 0
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        model = reply.model or asked.model
        return {"object": "list", "data": data, "model": model, "usage": usage}

    def events(self, asked: AppRequest, reply: Reply) -> Iterator[bytes]:
        """Raise `AppError`: vectors are not streamed."""
        raise refuse("streams of embeddings")

    def problem(self, status: int, message: str) -> Body:
        """Write an error."""
        return openai_problem(status, message)

    def problem_event(self, status: int, message: str) -> bytes:
        """Write nothing: there is no stream."""
        return b""


def _inputs(body: Body) -> list[Any]:
    """Return the texts of a request, or the tokens that stand for them."""
    given = body.get("input")
    if isinstance(given, str) and given:
        return [given]
    if not isinstance(given, list) or not given:
        raise malformed("`input` has to be a text or a list")
    if all(isinstance(each, str) for each in given):
        return given
    if all(type(each) is int for each in given):
        return [given]
    if all(isinstance(each, list) and each for each in given):
        return given
    raise malformed("`input` has to be texts, or lists of tokens")


def _packed(vector: list[float]) -> str:
    numbers = array.array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()
