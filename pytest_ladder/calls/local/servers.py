"""Local models: where their weights are, and one llama.cpp server for each.

A base model and its adapters never share a server. A server that answered a prompt with
an adapter takes the same prompt from its cache the next time, with that adapter's
results, whatever the request asks for; one rung's score would be reported as another's.

Threads and processes: `address` blocks, so the engine calls it in a thread of
`asyncio.to_thread`; any number of threads and processes may call it at once. All of
them share the session's folder: a file lock for each model lets one start its server,
and the others wait and then find its entry. The server inherits that lock until it
listens, so that nobody starts a second one when its starter is killed.

`stop_all` is called by the controller only, in its main thread, at the end of the
session, also after Ctrl-C. A terminal's Ctrl-C does not reach the servers themselves:
each is in a session of its own. A thread that waits in `address` when the session ends
sees that the folder is gone, and raises.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from pytest_ladder import clock
from pytest_ladder.calls.local import llama_server, weights
from pytest_ladder.calls.local.digests import file_digest
from pytest_ladder.calls.local.llama_server import ServerEntry, ServerSettings
from pytest_ladder.calls.one_machine import processes
from pytest_ladder.disk.locks import inheritable_lock
from pytest_ladder.errors import LocalModelError

__all__ = ["Servers", "file_digest", "split_id", "weights_digest", "weights_path"]

PREFIX = "local/"
LONGEST_IDLE_S = 20
"""Seconds without a request after which a server frees the memory of its model."""

# The child runs this same package, wherever it is installed, and without the current
# folder on the path (-P), as also litellm's children do.
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from pytest_ladder.calls.local import llama_server; "
    "del sys.path[0]; llama_server.main(sys.argv[1:])"
)
_PACKAGE = os.fspath(Path(__file__).absolute().parents[3])
_MOST_ATTEMPTS = 2
# Loading is limited by the disk: 40 GB at 100 MB/s.
_LONGEST_START_S = 400.0
_LONGEST_STOP_S = 2.0
_POLL_S = 0.02
_TAIL_LINES = 8
_STAMP = re.compile(r"^[\d.]+ [A-Z] +")


def split_id(model_id: str) -> tuple[Literal["name", "path"], str]:
    """Tell whether `local/…` is a model of the catalogue or a GGUF file, and which.

    Raises `LocalModelError` for an id that is neither.
    """
    rest = model_id.removeprefix(PREFIX)
    if rest == model_id or not rest:
        raise LocalModelError(
            f'"{model_id}" is not the id of a local model; write local/<name> or '
            "local/<path>.gguf."
        )
    if rest.lower().endswith(".gguf"):
        return "path", rest
    weights.known_digest(rest)
    return "name", rest


def weights_path(
    model_id: str, folder: Path, progress: weights.ShowProgress | None = None
) -> Path:
    """Return the GGUF file of a model, downloading a named one if need be.

    Paths start at `folder`, the folder of the configuration file. Raises
    `LocalModelError`.
    """
    kind, rest = split_id(model_id)
    if kind == "name":
        return weights.fetch(rest, progress)
    return _own_file(model_id, rest, folder)


def weights_digest(model_id: str, folder: Path) -> str:
    """Return the sha256 of a model's weights; for a named one without any file.

    Raises `LocalModelError` for an unknown name and a missing file.
    """
    kind, rest = split_id(model_id)
    if kind == "name":
        return weights.known_digest(rest)
    return file_digest(_own_file(model_id, rest, folder))


def _own_file(model_id: str, rest: str, folder: Path) -> Path:
    path = (folder / Path(rest).expanduser()).resolve()
    if not os.path.isfile(path):
        raise LocalModelError(
            f'The weights of "{model_id}" are not at {path}; put the file there, or '
            "correct the id (its path starts at the folder of the configuration file)."
        )
    return path


class Servers:
    """The llama.cpp servers of one session, shared by all its processes.

    Every process has an object of its own; what they share is the folder. For each
    pair of weights and adapter there are a lock, the server's settings, its entry and
    its log.
    """

    def __init__(
        self, directory: Path, owner_pid: int, idle_s: int = LONGEST_IDLE_S
    ) -> None:
        self._directory = directory
        self._idle_s = idle_s
        self._owner_pid = owner_pid

    def address(
        self, gguf: Path, adapter: Path | None, chat_template: str | None = None
    ) -> str:
        """Return the address of a model's server, starting it if none runs.

        Blocks while the model loads. `chat_template` replaces the model's own. A
        server that died is started again once. Raises `LocalModelError`.
        """
        key = _key(gguf, adapter, chat_template)
        running = self._running(key)
        if running is not None:
            return running
        _check_installed()
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with inheritable_lock(self._path(key, "lock")) as lock:
                running = self._running(key)  # the last holder may have started it
                if running is not None:
                    return running
                return self._start(
                    key, self._settings(key, gguf, adapter, chat_template, lock)
                )
        except OSError as error:
            raise LocalModelError(
                f"Cannot start a local model from {self._directory} "
                f"({error.strerror}); set TMPDIR to a folder that can be written."
            ) from error

    def stop_all(self) -> None:
        """End every server of the session and remove the folder.

        Called by the controller when the session ends.
        """
        entries = [self._entry(path.stem) for path in self._directory.glob("*.json")]
        ours = [entry for entry in entries if entry is not None and _is_ours(entry)]
        _signal(ours, signal.SIGTERM)
        if not _wait_until_gone(ours):
            _signal([e for e in ours if _is_ours(e)], signal.SIGKILL)
            _wait_until_gone(ours)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _path(self, key: str, kind: str) -> Path:
        return self._directory / f"{key}.{kind}"

    def _entry(self, key: str) -> ServerEntry | None:
        try:
            content = self._path(key, "json").read_bytes()
        except OSError:
            return None
        return msgspec.json.decode(content, type=ServerEntry)

    def _running(self, key: str) -> str | None:
        """Return the address of a server that runs, None if none does.

        Raises `LocalModelError` when it could not be started before: nor can it now.
        """
        entry = self._entry(key)
        if entry is not None and entry.error:
            raise LocalModelError(entry.error)
        return entry.address if entry is not None and _runs(entry) else None

    def _settings(
        self,
        key: str,
        gguf: Path,
        adapter: Path | None,
        chat_template: str | None,
        lock: int,
    ) -> ServerSettings:
        before = self._entry(key)
        return ServerSettings(
            gguf=str(gguf.resolve()),
            adapter=None if adapter is None else str(adapter.resolve()),
            chat_template=chat_template,
            entry=str(self._path(key, "json").absolute()),
            token=secrets.token_hex(16),
            attempt=1 if before is None else before.attempt + 1,
            lock=lock,
            idle_s=self._idle_s,
            owner_pid=self._owner_pid,
            owner_start=processes.start_of(self._owner_pid),
        )

    def _start(self, key: str, settings: ServerSettings) -> str:
        """Start a server and wait until it listens; the caller holds its lock."""
        if settings.attempt > _MOST_ATTEMPTS:
            raise self._failed(key, settings, "ended, was started again, and ended")
        process = self._spawn(key, settings)
        try:
            return self._listening(key, settings, process)
        finally:
            # The server may outlive this process, and nobody here waits for its end:
            # with a return code Python does not warn of that.
            if process.returncode is None:
                process.returncode = 0

    def _spawn(self, key: str, settings: ServerSettings) -> subprocess.Popen[bytes]:
        path = self._path(key, "settings")
        path.write_bytes(msgspec.json.encode(settings))
        command = [sys.executable, "-P", "-c", _START, _PACKAGE, str(path.absolute())]
        with self._path(key, "log").open("ab") as log:
            return subprocess.Popen(
                [*command, settings.token],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                # Threads must sleep while they wait for each other. By default they
                # spin, and one other busy process made replies up to 70 times slower.
                env={"OMP_WAIT_POLICY": "passive", **os.environ},
                pass_fds=[settings.lock],
                start_new_session=True,  # Ctrl-C in the terminal is not for it
            )

    def _listening(
        self, key: str, settings: ServerSettings, process: subprocess.Popen[bytes]
    ) -> str:
        """Wait until a server listens, and return its address.

        Raises `LocalModelError` when it ended, took too long, or the session ended.
        """
        deadline = clock.monotonic() + _LONGEST_START_S
        while True:
            entry = self._entry(key)
            if entry is not None and entry.token == settings.token and entry.address:
                return entry.address
            if (status := process.poll()) is not None:
                how = f"it ended with status {status}"
                if status < 0:
                    how = f"it was ended by {signal.Signals(-status).name}"
                raise self._failed(key, settings, f"did not start ({how})")
            if not self._directory.is_dir():
                _kill(process)
                raise LocalModelError("The session ended while a local model loaded.")
            if clock.monotonic() > deadline:
                _kill(process)
                late = f"did not start within {_LONGEST_START_S:.0f} s"
                raise self._failed(key, settings, late)
            time.sleep(_POLL_S)

    def _failed(self, key: str, settings: ServerSettings, what: str) -> LocalModelError:
        """Return the error, and write it into the entry: later callers get it, too."""
        model = settings.gguf
        if settings.adapter is not None:
            model += f" with the adapter {settings.adapter}"
        error = (
            f"The llama.cpp server of {model} {what}; its log ends with:\n"
            f"{_tail(self._path(key, 'log'))}\n"
            "Check that the files are complete and fit each other, and that there is "
            "memory for them."
        )
        entry = ServerEntry(
            pid=0, start=None, token="", attempt=settings.attempt, error=error
        )
        with suppress(OSError):
            llama_server.write_entry(self._path(key, "json"), entry)
        return LocalModelError(error)


def _check_installed() -> None:
    if sys.platform == "win32":
        raise LocalModelError(
            "Local models run on Linux and macOS only; use WSL, or an id of a model "
            "that another server offers."
        )
    if importlib.util.find_spec("xllamacpp") is None:
        raise LocalModelError(
            "A local model needs llama.cpp; run pip install 'pytest-ladder[local]'."
        )


def _runs(entry: ServerEntry) -> bool:
    return entry.start is not None and bool(processes.is_alive(entry.pid, entry.start))


def _is_ours(entry: ServerEntry) -> bool:
    """Tell whether a process is still the one that wrote the entry.

    Only then it may be ended: its number may belong to another process by now.
    """
    return _runs(entry) and entry.token in processes.command_line(entry.pid)


def _signal(entries: list[ServerEntry], number: signal.Signals) -> None:
    for entry in entries:
        with suppress(ProcessLookupError):
            os.kill(entry.pid, number)


def _wait_until_gone(entries: list[ServerEntry]) -> bool:
    """Wait until all servers have ended; False: some still run after two seconds."""
    deadline = clock.monotonic() + _LONGEST_STOP_S
    while any(_runs(entry) for entry in entries):
        if clock.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    for entry in entries:
        with suppress(ChildProcessError):  # another process started it
            os.waitpid(entry.pid, os.WNOHANG)
    return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _key(gguf: Path, adapter: Path | None, chat_template: str | None) -> str:
    """Return a server's name: a hash of all that decides what it answers."""
    parts = [file_digest(gguf), adapter and file_digest(adapter), chat_template]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:24]


def _tail(log: Path) -> str:
    """Return the last lines of a log, each once and without its time stamp."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"(no log: {error.strerror})"
    lines = dict.fromkeys(_STAMP.sub("", line) for line in text.splitlines())
    return "\n".join([*lines][-_TAIL_LINES:]) or "(nothing)"
