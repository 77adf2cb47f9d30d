"""Response formats: which of those that a request allows its server takes.

A judge asks for JSON of a schema, and DeepSeek, older vLLM, TGI and others refuse that;
some refuse any response format. So a request names what to ask for instead, in order
(`Request.fallbacks`). A refusal is free. It is met once: the first call of a model to
which it matters goes alone, and all later ones ask for what was taken. The other
processes of the run read it in the run's folder.

What a strategy asks for is part of what is measured: nothing takes its place, and the
error of a refusal says which line asks for it (`Request.form_from`).

The key of a reply is made of the format that was asked for first, so that a replay
need not know what a server takes; what was really sent is kept with the reply.

Used on the engine's loop only, except for `notices`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.calls.contract import Answer, Lane, Request
from pytest_ladder.disk.files import write_atomically
from pytest_ladder.errors import CallError

# How long calls wait for the first one to find out what its server takes.
_PATIENCE_S = 10.0
_REFUSALS = frozenset({400, 404, 415, 422, 501})
# Of a server that fails over what nobody has built: another format may do.
_BROKEN = 500
_NOT_BUILT = re.compile(
    r"not\b.{0,20}\b(?:implemented|supported|available|allowed)"
    r"|un(?:implemented|supported|known|recognized)|NotImplemented",
    re.IGNORECASE,
)
_ABOUT_FORMATS = re.compile(
    r"response[ _]?(?:format|schema)|json[ _-]?(?:schema|object|mode)"
    r"|structured[ _-]?outputs?|guided[ _-](?:json|decoding)|\bgrammars?\b",
    re.IGNORECASE,
)
# Servers that quote the request would else be taken to refuse its format.
_ABOUT_LENGTH = re.compile(r"context (?:length|window|size)|too (?:long|large)", re.I)
_FOLDER = "response-formats"
_NAMES = {"json_object": "a JSON object without a schema", "text": "plain text"}


class _Refused(msgspec.Struct):
    """What the processes of a run tell each other of one model."""

    number: int
    """How many formats were refused."""
    notice: str
    """For the user, in a sentence."""


class ResponseFormats:
    """What the servers of a run take."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER
        self._refused: dict[str, int] = {}
        """How many formats each model refused, as far as this process knows."""
        self._first: dict[str, asyncio.Event] = {}
        """Set when the first call of a model is over."""

    async def wait_for_first(self, model: str) -> None:
        """Let one call of a model find out what is taken; others wait 10 s at most."""
        first = self._first.get(model)
        if first is None:
            self._first[model] = asyncio.Event()
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(first.wait(), _PATIENCE_S)

    async def send(
        self, lane: Lane, request: Request, address: str | None, model: str
    ) -> Answer:
        """Send a request, again with the next format whenever one is refused.

        Raises `CallError`. `model` names what has formats of its own.
        """
        refusals, first = list[CallError](), self._refused.get(model, 0)
        # Each process asks the others as long as it has met no refusal itself.
        with contextlib.suppress(OSError, msgspec.DecodeError):
            first = max(first, _read(self._path(model)).number)
        self._refused[model] = first
        try:
            for number in range(first, len(request.fallbacks) + 1):
                try:
                    answer = await lane.send(_asking(request, number), address)
                except CallError as error:
                    if not _is_refusal(error, request):
                        self._note(request, number, refusals, model)
                        raise
                    refusals.append(error)
                else:
                    self._note(request, number, refusals, model)
                    name = _name(request, number)
                    return msgspec.structs.replace(answer, response_format=name)
        finally:
            self._first.setdefault(model, asyncio.Event()).set()
        # It refuses with and without a format: that was not the reason.
        raise refusals[0]

    def _note(
        self, request: Request, number: int, refusals: list[CallError], model: str
    ) -> None:
        """Note how many formats were refused, if there were refusals just now."""
        if not refusals:
            return
        self._refused[model] = number
        told = str(refusals[-1])
        instead = _NAMES[_name(request, number) or "text"]
        notice = (
            f"{told.rstrip('.')}. It is asked for {instead} instead, and its "
            "verdicts are read and kept all the same."
        )
        refused = msgspec.json.encode(_Refused(number=number, notice=notice))
        # Only other processes and the notice need it.
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path(model), refused)

    def _path(self, model: str) -> Path:
        return self._folder / f"{model}.json"


async def send_as_declared(lane: Lane, request: Request, address: str | None) -> Answer:
    """Send a request with a `form_from`, whose format nothing replaces.

    Raises `CallError`.
    """
    try:
        return await lane.send(request, address)
    except CallError as error:
        if not _is_refusal(error, request):
            raise
        told = error
    form = request.params["response_format"]
    refused, less = "response format", ""
    if form.get("type") == "json_schema":
        refused = "JSON schema"
        less = 'name a file that holds {"type": "json_object"}, or '
        if form["json_schema"]["schema"].get("type") != "object":
            refused = "JSON schema without an object at its top level"
            less = f"put this one under a key of an object, or {less}"
    raise told.saying(
        f"{str(told).rstrip('.')}. Its server takes no {refused}, which "
        f"{request.form_from} asks for; {less}leave that key out, and let the prompt "
        "ask for JSON. Nothing takes its place: what is measured is what is declared."
    )


def notices(folder: Path) -> list[str]:
    """Return a sentence on each model of a run that refused a format.

    `folder` is what the processes of the run share.
    """
    found = []
    for path in sorted((folder / _FOLDER).glob("*.json")):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            found.append(_read(path).notice)
    return found


def _read(path: Path) -> _Refused:
    return msgspec.json.decode(path.read_bytes(), type=_Refused)


def _asking(request: Request, number: int) -> Request:
    """Return the request with the format that is left after `number` refusals."""
    if number == 0:
        return request
    params = {k: v for k, v in request.params.items() if k != "response_format"}
    instead = _fallback(request, number)
    if instead is not None:
        params["response_format"] = instead
    return msgspec.structs.replace(request, params=params)


def _fallback(request: Request, number: int) -> dict[str, Any] | None:
    return request.fallbacks[min(number, len(request.fallbacks)) - 1]


def _name(request: Request, number: int) -> str | None:
    """Return how a stored reply names the format; None: the one of the key."""
    if number == 0:
        return None
    instead = _fallback(request, number)
    return "text" if instead is None else str(instead["type"])


def _is_refusal(error: CallError, request: Request) -> bool:
    """Tell whether a server refused the format, and not the request for another reason.

    A call that was billed is not made again: it may have been answered.
    """
    told = str(error).replace(repr(request.model.name), "")
    is_broken = error.status == _BROKEN and _NOT_BUILT.search(told) is not None
    return (
        (error.status in _REFUSALS or is_broken)
        and error.usage is None
        and _ABOUT_FORMATS.search(told) is not None
        and _ABOUT_LENGTH.search(told) is None
    )
