"""What the litellm lane knows of litellm's inside, and a new litellm may change.

After an upgrade of litellm this file is what to check, with the tests of the lanes:

- its import fetches a price list and reads a `.env` file, unless variables forbid it;
- it keeps clients in a cache whose keys end with the event loop they belong to;
- it logs in a task of its own, `LoggingWorker`, on the loop of the call;
- it looks for MCP tools before it calls, unless an argument forbids it;
- a stream tells in `received_finish_reason` and `chunks` what the provider really sent.

Its price file is read by `calls/prices.py`, without importing litellm. The HTTP clients
that it uses are wrapped by `watched_clients.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import logging
import os
from collections.abc import Iterator
from typing import Any

from pytest_ladder.calls.lanes import quiet_warnings, watched_clients
from pytest_ladder.disk.loading import no_garbage_collection

NO_MCP_TOOLS = {"_skip_mcp_handler": True}
"""Argument of a call with tools: the look for MCP tools fails without an extra."""

# Without the first litellm fetches a price list from the network on import; without
# the second it loads a `.env` file of the working directory into the environment.
_IMPORT_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
}
# A filter holds for a logger itself, not for those below it.
_CLIENT_LOGGERS = (
    *("httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy"),
    *("httpx", "openai._base_client"),
)
_CLOSING_S = 1.0
_IMPORT_TRIES = 5


def import_litellm() -> Any:
    """Return litellm, imported and made quiet; takes about three seconds.

    Called in a thread beside the tests, which go on meanwhile: what it changes of the
    process for the import (environment, warnings, garbage collector) it changes back.
    """
    litellm: Any = None
    with _import_environment(), no_garbage_collection():
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
    watched_clients.watch_clients()
    for name in _CLIENT_LOGGERS:
        logging.getLogger(name).addFilter(quiet_warnings.is_not_for_us)
    return litellm


async def close_clients(litellm: Any) -> None:
    """Close the clients that litellm keeps for this event loop, and its log worker.

    Clients of other loops are the user's own and stay open.
    """
    cache = litellm.in_memory_llm_clients_cache
    # How a key names its loop changes from version to version.
    loop = cache.update_cache_key_with_event_loop("")
    clients = cache.cache_dict
    for key in [key for key in clients if loop and str(key).endswith(loop)]:
        close = getattr(clients.pop(key), "close", None)
        closing = close() if callable(close) else None
        if inspect.isawaitable(closing):
            await closing
    await watched_clients.close_sessions()
    await _end_log_worker()


def is_finished(stream: Any) -> bool:
    """Tell whether the provider sent a finish reason: litellm makes one up."""
    return getattr(stream, "received_finish_reason", "unknown") is not None


def has_usage(stream: Any) -> bool:
    """Tell whether the provider sent a usage: litellm makes one up."""
    chunks = getattr(stream, "chunks", None)
    return chunks is None or any(getattr(chunk, "usage", None) for chunk in chunks)


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
