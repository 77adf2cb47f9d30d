"""APIs whose requests are passed through: the provider of the rung speaks them itself.

Nothing is translated, so that prompt caching, thoughts and what is new in an API
survive. Refused is what has a price or a memory that no budget knows of.
"""

from __future__ import annotations

from typing import Any

from pytest_ladder.calls.contract import NativeCall
from pytest_ladder.core.case import Message
from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import AppError
from pytest_ladder.gateway.api import (
    Body,
    Memory,
    messages_of,
    refuse,
    text_of,
    without,
)
from pytest_ladder.gateway.app_request import AppRequest
from pytest_ladder.gateway.messages import Messages, in_thread
from pytest_ladder.gateway.responses import Responses, before, items_of, keep

# Tools that run in the app, by how their types begin.
_IN_THE_APP = {
    "/responses": ("function", "custom", "local_shell", "apply_patch"),
    "/messages": ("custom", "bash_", "text_editor_", "computer_", "memory_"),
}
_ELSEWHERE = ("mcp_servers", "container", "background", "conversation", "prompt")
"""Parameters that bring in what lies, or runs, at the provider."""


class NativeMessages(Messages):
    """`/messages`, for rungs of Anthropic."""

    def asked(self, body: Body, memory: Memory) -> AppRequest:
        """Read a request; raises `AppError`."""
        body = in_thread(body, memory)
        _check(body, "/messages")
        head: list[Message] = []
        if body.get("system"):
            head = [{"role": "system", "content": body["system"]}]
        return AppRequest(
            model=text_of(body, "model"),
            messages=[*head, *messages_of(body)],
            params=without(body, {"model", "messages", "system", "stream"}),
            stream=body.get("stream") is True,
            native=NativeCall(route="/messages"),
            extra=(memory, body),
        )


class NativeResponses(Responses):
    """`/responses`, for rungs of OpenAI.

    What was said before goes along in full: budget and key are to know of it.
    """

    def asked(self, body: Body, memory: Memory) -> AppRequest:
        """Read a request; raises `AppError`."""
        _check(body, "/responses")
        said = [*before(body, memory), *items_of(body, memory)]
        head: list[Message] = []
        if body.get("instructions"):
            head = [{"role": "instructions", "content": body["instructions"]}]
        read = {"model", "input", "instructions", "stream", "stream_options"}
        return AppRequest(
            model=text_of(body, "model"),
            messages=[*head, *said],
            params=without(body, read | {"previous_response_id"}),
            stream=body.get("stream") is True,
            native=NativeCall(route="/responses"),
            extra=(memory, said, body.get("previous_response_id")),
        )

    def whole(self, asked: AppRequest, reply: Reply) -> Body:
        """Write the response as it came."""
        if reply.native is None:
            return super().whole(asked, reply)
        memory, said, previous = asked.extra
        response = {**reply.native, "previous_response_id": previous}
        keep(memory, response, [*said, *response["output"]])
        return response


def _check(body: Body, route: str) -> None:
    """Refuse what the provider would run, or has stored; raises `AppError`."""
    for name in _ELSEWHERE:
        if body.get(name):
            raise refuse(f"`{name}` of {route[1:]}")
    tools: Any = body.get("tools") or ()
    for tool in tools:
        kind = tool.get("type") or "custom"
        if not kind.startswith(_IN_THE_APP[route]):
            raise AppError(
                f"The tool {kind!r} runs at the provider, at a price that no budget "
                "knows of; give the model one that runs in your app.",
                status=400,
            )
