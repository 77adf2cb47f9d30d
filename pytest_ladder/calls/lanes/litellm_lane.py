"""The litellm lane: every provider that does not speak OpenAI's protocol.

litellm answers in OpenAI's form for all of them, so replies are read by the code of
the direct lane. Importing it takes three seconds and changes its process, so it is
imported in a thread, with the first call. What is private to litellm lies in
`litellm_internals.py`.

Everything here runs on one event loop: the engine's, where the user has imported
litellm in pytest's own process, else that of a child process (`litellm_child.py`).
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec

from pytest_ladder import clock
from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.calls.lanes import (
    completions,
    faults,
    litellm_internals,
    quiet_warnings,
    watched_clients,
)
from pytest_ladder.calls.lanes.address import (
    Secret,
    base_of,
    key_of,
    params_of,
    timeout_of,
)
from pytest_ladder.calls.lanes.providers import (
    PROVIDERS,
    place_of,
    provider_of,
    sent_name,
)
from pytest_ladder.core.rung import Model
from pytest_ladder.errors import CallError

# An openai client insists on a key, and would otherwise take OPENAI_API_KEY along
# to whatever host `api_base` names.
_NO_KEY = "none"
_LONGEST_CHAIN = 20
# What litellm sends to these, it sends as it is.
_OPENAI_ITSELF = ("openai/", "hosted_vllm/", "local/")


class LitellmLane:
    """A lane over `litellm.acompletion`, imported with the first call."""

    def __init__(self) -> None:
        self._litellm: Any = None
        self._importing = asyncio.Lock()

    async def open(self) -> None:
        """Import litellm, off the loop: it takes seconds."""
        await self._loaded()

    async def send(self, request: Request, address: str | None) -> Answer:
        """Send one request, once; raises `CallError`."""
        outcome = await self._exchange(request, address)
        # Raised here and without its cause, because a traceback shows locals
        # (`--showlocals`), and those of the frames below hold the key.
        if isinstance(outcome, CallError):
            raise outcome
        return outcome

    async def close(self) -> None:
        """End what litellm left on this loop: clients, sessions, its log worker."""
        if self._litellm is not None:
            await litellm_internals.close_clients(self._litellm)

    async def _exchange(
        self, request: Request, address: str | None
    ) -> Answer | CallError:
        key: Secret | None = None
        name, answer = request.model.name, None
        with watched_clients.watching(name) as watch:
            try:
                # The keys of other providers litellm finds by itself.
                is_known = provider_of(request.model) in (None, PROVIDERS["openai"])
                if is_known or request.model.api_key_env is not None:
                    key = key_of(request.model, address)
                answer = await self._complete(request, address, key)
            except CallError as error:
                fault = error
            except Exception as error:  # noqa: BLE001 - litellm raises all kinds
                fault = _fault(request, error)
        # Whatever litellm made of it, what was seen is what happened.
        if watch.redirects:
            status, headers, url = watch.redirects[0]
            fault = faults.refused(name, status, headers, b"", url=url)
        elif watch.problem is not None:
            fault = watch.problem
        else:
            try:
                seen = watch.completion()
            except CallError as error:
                answer, fault = None, error
            else:
                read = (answer, seen) if _is_rewritten(request) else (seen, answer)
                answer = read[0] or read[1]
            if answer is not None:
                return answer
        return faults.redacted(fault, key)

    async def _complete(
        self, request: Request, address: str | None, key: Secret | None
    ) -> Answer:
        timeout_s = timeout_of(request)
        litellm = await self._loaded()
        async with asyncio.timeout(timeout_s):
            return await quiet_warnings.Quietly(
                _completion(
                    litellm,
                    request.model.name,
                    _arguments(request, address, key, timeout_s),
                )
            )

    async def _loaded(self) -> Any:
        # The lock lets the first call import, and all others wait for it.
        async with self._importing:
            if self._litellm is None:
                self._litellm = await asyncio.to_thread(
                    litellm_internals.import_litellm
                )
        return self._litellm


def _base_of(model: Model, address: str | None) -> str | None:
    """Return the address that litellm must be given; None: it knows it by itself.

    That of a provider it must be told only where the environment names another one:
    litellm does not read all variables that the provider's own clients read.
    """
    provider = provider_of(model)
    if address is not None or provider is None or provider is PROVIDERS["openai"]:
        return base_of(model, address)
    place = place_of(provider)
    return place.base if place is not None and place.variable is not None else None


def _arguments(
    request: Request, address: str | None, key: Secret | None, timeout_s: float
) -> dict[str, Any]:
    """Return the arguments of `acompletion`: ours win over the model's params."""
    model = request.model
    speaks_openai = model.id.startswith(_OPENAI_ITSELF)
    ours = {
        "model": model.id,
        "messages": request.messages,
        "api_base": _base_of(model, address),
        "api_key": key.open() if key else _NO_KEY if speaks_openai else None,
        "timeout": timeout_s,
        # Retries and the store are the engine's.
        "num_retries": 0,
        "max_retries": 0,
        "caching": False,
        "no-log": True,
    }
    if model.is_local:
        ours["model"] = f"hosted_vllm/{sent_name(model)}"
    if "tools" in request.params:
        ours |= litellm_internals.NO_MCP_TOOLS
    if model.stream:
        options = {"include_usage": True} | request.params.get("stream_options", {})
        ours |= {"stream": True, "stream_options": options}
    return params_of(request) | {k: v for k, v in ours.items() if v is not None}


def _is_rewritten(request: Request) -> bool:
    """Tell whether litellm's answer may differ from what the provider sent.

    For providers without JSON schemas it asks for the call of a tool in their place.
    """
    is_json = "response_format" in request.params
    return is_json and not request.model.id.startswith(_OPENAI_ITSELF)


async def _completion(litellm: Any, name: str, arguments: dict[str, Any]) -> Answer:
    response = await litellm.acompletion(**arguments)
    if not arguments.get("stream"):
        return completions.whole(name, _payload(response))
    stream = completions.Stream(name)
    try:
        async for event in response:
            stream.add(_payload(event), clock.monotonic())
    finally:
        await response.aclose()
    answer = stream.answer(complete=litellm_internals.is_finished(response))
    if litellm_internals.has_usage(response):
        return answer
    return msgspec.structs.replace(answer, usage=None)


def _payload(response: Any) -> dict[str, Any]:
    payload: dict[str, Any] = response.model_dump(exclude_none=True, warnings=False)
    return payload


def _fault(request: Request, error: Exception) -> CallError:
    """Return the fault that litellm's exception was raised from.

    litellm gives faults statuses of its own (500 for a broken connection, 408 for a
    time-out); the exceptions it was raised from know what the provider said.
    """
    import httpx

    name = request.model.name
    causes: list[BaseException] = []
    link: BaseException | None = error
    # Chains may be rings.
    while link is not None and len(causes) < _LONGEST_CHAIN:
        causes.append(link)
        link = link.__cause__ or link.__context__
    for cause in reversed(causes):
        answer = _refusal_in(name, cause)
        if answer is not None:
            return answer
    if any(isinstance(c, TimeoutError | httpx.TimeoutException) for c in causes):
        return faults.timed_out(name, timeout_of(request))
    if any(isinstance(c, json.JSONDecodeError) for c in causes):
        return faults.unusable(name, "it is not JSON")
    for cause in reversed(causes):
        if isinstance(cause, httpx.TransportError | OSError):
            return faults.unreachable(name, cause)
    return _unexplained(name, error)


def _unexplained(name: str, error: Exception) -> CallError:
    """Tell of an error without an answer, in litellm's words."""
    status = getattr(error, "status_code", None)
    status = status if isinstance(status, int) else None
    return CallError(
        f"Model {name!r} could not be called: {error}",
        # 500 is what litellm writes where there was no status.
        status=None if status == 500 else status,
        transient=status is not None and faults.is_transient(status),
        # litellm fails over answers as well, and those are billed.
        unsure=status in (None, 500),
    )


def _refusal_in(name: str, cause: BaseException) -> CallError | None:
    """Tell of the answer that an exception holds; None when it holds no real one."""
    import httpx

    response: Any = getattr(cause, "response", None)
    # Newer openai clients have a Response of another package.
    status = getattr(response, "status_code", None)
    if type(status) is not int or status < 300:
        return None
    if not response.headers:  # litellm made it up: every real answer has headers
        return None
    try:
        body, url = response.content, str(response.url)
    except (httpx.ResponseNotRead, RuntimeError):
        return None
    return faults.refused(name, status, response.headers, body, url=url)
