"""One llama.cpp server as a process of its own: what runs in it.

`Servers` starts it with the path of its settings. It ends with its owner, the session's
controller, however that ends, also when it is killed.

Threads: llama.cpp serves in threads of its own; the main thread loads the model, writes
the address into the entry, and then sleeps for ever; a daemon thread looks every half
second whether the owner still runs, and ends the process if not. They share nothing
that is changed, so there is no lock. Only the main thread writes the entry. Ctrl-C does
not arrive here, as the process has a session of its own; the controller's `stop_all`
sends SIGTERM, which ends it at once.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.calls.one_machine.processes import is_alive, start_of

LONGEST_CONTEXT = 8192
"""Tokens; llama.cpp lowers it to what a model was trained for."""

_LOOPBACK = "127.0.0.1"
_MOST_THREADS = 8
_PROMPT_CACHE_MIB = 256
_WATCH_S = 0.5


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the process that starts a server writes down for it."""

    gguf: str
    adapter: str | None
    chat_template: str | None
    """None: the model's own."""
    entry: str
    """Path of its `ServerEntry`."""
    token: str
    """Stands on its command line, too: identifies the process."""
    attempt: int
    """1 for the first server of a model in a session."""
    lock: int
    """Descriptor of the file lock that it holds together with its starter, until it
    listens: if the starter is killed, others still wait."""
    idle_s: int
    """Seconds without a request after which the model leaves memory."""
    owner_pid: int
    owner_start: float | None
    """As `start_of` returns it; None: the owner had ended already."""


class ServerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a server writes about itself, for the processes that call it."""

    pid: int
    start: float | None
    """When the process started: a number may be given to another process later."""
    token: str
    attempt: int
    """1 for the first server of a model in a session."""
    address: str | None = None
    """None until it listens."""
    error: str | None = None
    """Why it never will listen; None: it may."""


def write_entry(path: Path, entry: ServerEntry) -> None:
    """Write an entry in one step, so that readers never see half of it.

    For one process at a time.
    """
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(msgspec.json.encode(entry))
    os.replace(new, path)


def main(arguments: list[str]) -> None:
    """Serve until the owner has ended; `arguments[0]` is the path of its settings."""
    settings = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=ServerSettings)
    path = Path(settings.entry)
    entry = ServerEntry(
        pid=os.getpid(),
        start=start_of(os.getpid()),
        token=settings.token,
        attempt=settings.attempt,
    )
    write_entry(path, entry)
    threading.Thread(target=_end_with_owner, args=(settings,), daemon=True).start()
    server = _serve(settings)
    address = server.listening_address
    write_entry(path, msgspec.structs.replace(entry, address=address))
    os.close(settings.lock)
    threading.Event().wait()


def _serve(settings: ServerSettings) -> Any:
    """Load the model and listen; an error ends the process, and stands in its log."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings.gguf
    if settings.adapter is not None:
        adapter = xllamacpp.CommonAdapterLoraInfo(settings.adapter, 1.0)
        params.lora_adapters = [adapter]
    if settings.chat_template is not None:
        params.chat_template = settings.chat_template
    for name, value in _options(settings).items():
        if hasattr(params, name):
            setattr(params, name, value)
    cpus = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    threads = min(cpus or 1, _MOST_THREADS)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    # With flash attention the numbers depend on how much of a prompt was cached: in
    # trials 8 to 50 % of greedy replies changed with what had been asked before.
    flash = xllamacpp.llama_flash_attn_type
    params.flash_attn_type = flash.LLAMA_FLASH_ATTN_TYPE_DISABLED
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        sys.exit(str(error))


def _options(settings: ServerSettings) -> dict[str, Any]:
    """Return the options of a server; their names differ between releases."""
    name = Path(settings.gguf).stem
    if settings.adapter is not None:
        name += f"+{Path(settings.adapter).stem}"
    return {
        "hostname": _LOOPBACK,
        "hostnames": [_LOOPBACK],
        "port": 0,
        "n_ctx": LONGEST_CONTEXT,
        # More slots gain nothing here and weaken the cache of shared prefixes.
        "n_parallel": 1,
        "cache_ram_mib": _PROMPT_CACHE_MIB,
        # An idle server frees the memory of its model; the next request loads it again.
        "sleep_idle_seconds": settings.idle_s,
        # Replies name the model so; it must not be a path of this machine.
        "model_alias": {name},
        # Errors only. With 0 not even the reason why a file is unusable is logged.
        "verbosity": 1,
        "offline": True,
        "ui": False,
        "webui": False,
        "endpoint_slots": False,
        # No web page may call it.
        "cors_origins": "",
    }


def _end_with_owner(settings: ServerSettings) -> None:
    """End the process when its owner has ended, or the session's folder is gone."""
    folder = Path(settings.entry).parent
    while (
        settings.owner_start is not None
        and is_alive(settings.owner_pid, settings.owner_start)
        and folder.is_dir()
    ):
        time.sleep(_WATCH_S)
    # There is nothing to save, and a busy server could hang in an orderly end.
    os._exit(0)
