"""The litellm lane: every provider that does not speak OpenAI's protocol.

litellm answers in OpenAI's form for all of them, so replies are read by the code of
the direct lane. Importing it takes three seconds and changes its process; this file
keeps both away from everyone else.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import inspect
import json
import logging
import os
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from pytest_ladder.calls.contract import Answer, Request
from pytest_ladder.calls.lanes import (
    completions,
    faults,
    quiet_warnings,
    redirects,
)
from pytest_ladder.calls.lanes.address import (
    Secret,
    base_of,
    key_of,
    sent_name,
    timeout_of,
)
from pytest_ladder.errors import CallError

# Without the first litellm fetches a price list from the network on import; without
# the second it loads a `.env` file of the working directory into the environment.
_IMPORT_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
}
# An openai client insists on a key, and would otherwise take OPENAI_API_KEY along
# to whatever host `api_base` names.
_NO_KEY = "none"
# A filter holds for a logger itself, not for those below it.
_CLIENT_LOGGERS = (
    *("httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy"),
    *("httpx", "openai._base_client"),
)
_CLOSING_S = 1.0
_IMPORT_TRIES = 5
_LONGEST_CHAIN = 20


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
        if self._litellm is None:
            return
        cache = self._litellm.in_memory_llm_clients_cache
        # The cache's keys end with the loop, written in a way that changes from version
        # to version; clients of other loops are not ours.
        loop = cache.update_cache_key_with_event_loop("")
        clients = cache.cache_dict
        for key in [key for key in clients if loop and str(key).endswith(loop)]:
            close = getattr(clients.pop(key), "close", None)
            closing = close() if callable(close) else None
            if inspect.isawaitable(closing):
                await closing
        await _end_log_worker()

    async def _exchange(
        self, request: Request, address: str | None
    ) -> Answer | CallError:
        key: Secret | None = None
        with redirects.refused() as refused:
            try:
                key = key_of(request.model, address)
                answer = await self._complete(request, address, key)
            except CallError as error:
                fault = error
            except Exception as error:  # noqa: BLE001 - litellm raises all kinds
                fault = _fault(request, error)
            else:
                if not refused:
                    return answer
        if refused:
            # Whatever litellm made of it.
            fault = faults.refused(request.model.name, *refused[0], b"")
        return faults.redacted(fault, key)

    async def _complete(
        self, request: Request, address: str | None, key: Secret | None
    ) -> Answer:
        timeout_s = timeout_of(request)
        litellm = await self._loaded()
        async with asyncio.timeout(timeout_s):
            return await quiet_warnings.Quietly(
                _complete(
                    litellm,
                    request.model.name,
                    _arguments(request, address, key, timeout_s),
                )
            )

    async def _loaded(self) -> Any:
        async with self._importing:
            if self._litellm is None:
                self._litellm = await asyncio.to_thread(_import_litellm)
        return self._litellm


def _import_litellm() -> Any:
    litellm: Any = None
    with _import_environment(), _no_garbage():
        # A test that begins meanwhile brings its own filters, and under `-W error`
        # a warning then ends the import; the next try goes on where it ended.
        for _ in range(_IMPORT_TRIES):
            with contextlib.suppress(Warning), quiet_warnings.ignored_warnings():
                litellm = importlib.import_module("litellm")
                break
        else:
            litellm = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    redirects.watch_clients()
    for name in _CLIENT_LOGGERS:
        logging.getLogger(name).addFilter(quiet_warnings.is_not_for_us)
    return litellm


@contextlib.contextmanager
def _import_environment() -> Iterator[None]:
    """Set the variables that are not set, and take exactly these away again."""
    added = _IMPORT_ENVIRONMENT.keys() - os.environ.keys()
    os.environ.update({name: _IMPORT_ENVIRONMENT[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """Keep the collector from looking through an import: a third of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _arguments(
    request: Request, address: str | None, key: Secret | None, timeout_s: float
) -> dict[str, Any]:
    """Return the arguments of `acompletion`: ours win over the model's params."""
    model = request.model
    speaks_openai = model.id.startswith(("openai/", "hosted_vllm/", "local/"))
    ours = {
        "model": model.id,
        "messages": request.messages,
        "api_base": base_of(model, address),
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
        # litellm looks for MCP tools first, which fails without its `mcp` extra.
        ours["_skip_mcp_handler"] = True
    if model.stream:
        options = {"include_usage": True} | request.params.get("stream_options", {})
        ours |= {"stream": True, "stream_options": options}
    return request.params | {k: v for k, v in ours.items() if v is not None}


async def _complete(litellm: Any, name: str, arguments: dict[str, Any]) -> Answer:
    response = await litellm.acompletion(**arguments)
    if not arguments.get("stream"):
        return completions.whole(name, _payload(response))
    stream = completions.Stream(name)
    try:
        async for event in response:
            stream.add(_payload(event), time.monotonic())
    finally:
        await response.aclose()
    # litellm makes up a finish reason and a usage where the provider sent none.
    finished = getattr(response, "received_finish_reason", "unknown") is not None
    answer = stream.answer(complete=finished)
    if _reported_usage(response):
        return answer
    return msgspec.structs.replace(answer, usage=None)


def _payload(response: Any) -> dict[str, Any]:
    payload: dict[str, Any] = response.model_dump(exclude_none=True, warnings=False)
    return payload


def _reported_usage(stream: Any) -> bool:
    chunks = getattr(stream, "chunks", None)
    return chunks is None or any(getattr(chunk, "usage", None) for chunk in chunks)


def _fault(request: Request, error: Exception) -> CallError:
    """Find out what really happened below litellm's exception.

    litellm gives faults statuses of its own (500 for a broken connection, 408 for a
    time-out); the exceptions it was raised from know what the provider said.
    """
    import httpx

    name = request.model.name
    causes = list(_causes(error))
    for cause in reversed(causes):
        answer = _answer_of(cause)
        if answer is not None:
            return faults.refused(name, *answer)
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


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from; chains may be rings."""
    seen: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def _answer_of(cause: BaseException) -> tuple[int, Any, bytes] | None:
    """Return status, headers and body of a refusal; None when it holds no real one."""
    import httpx

    response = getattr(cause, "response", None)
    if not isinstance(response, httpx.Response) or response.status_code < 300:
        return None
    if not response.headers:  # one of litellm's stand-ins
        return None
    try:
        return response.status_code, response.headers, response.content
    except httpx.ResponseNotRead:
        return None


async def _end_log_worker() -> None:
    """Cancel litellm's background tasks on this loop, so that none outlives it."""
    tasks = [
        task
        for task in asyncio.all_tasks()
        if getattr(task.get_coro(), "__qualname__", "").startswith("LoggingWorker.")
    ]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CLOSING_S)
