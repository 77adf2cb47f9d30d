"""What the processes of a pytest-xdist run share; loaded in every suite."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_STOPGAP = "stopgap"
_SHARED = pytest.StashKey[dict[str, Any]]()


def shared_by_processes(config: pytest.Config) -> dict[str, Any]:
    """Return what workers share with their controller, as plain values.

    `folder` holds the run's local servers, slots and budget, made by whoever needs it
    first; `owner_pid` the process whose end ends them; `started` a Unix time.
    """
    handed_down = getattr(config, "workerinput", {}).get("ladder")
    if handed_down is not None:
        return dict(handed_down)
    if _SHARED not in config.stash:
        name = f"pytest-ladder-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        config.stash[_SHARED] = {
            "folder": str(Path(tempfile.gettempdir()) / name),
            "owner_pid": os.getpid(),
            "started": time.time(),
        }
    return config.stash[_SHARED]


def workers(config: pytest.Config) -> int:
    """Count the processes that share the limits of the run."""
    count: int = getattr(config, "workerinput", {}).get("workercount", 1)
    return count


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process is a worker."""
    return hasattr(config, "workerinput")


def place_among_workers(config: pytest.Config) -> float:
    """Return where this process stands among its like, in [0, 1)."""
    name: str = getattr(config, "workerinput", {}).get("workerid", "gw0")
    # A worker that replaces a dead one counts on.
    return int(name.removeprefix("gw")) % workers(config) / workers(config)


def worker_elsewhere(config: pytest.Config) -> str | None:
    """Return the `--tx` of a worker on another machine; None: all are on this one.

    What is typed decides, and not where an address leads: one of this machine may be
    the near end of a tunnel.
    """
    typed = _typed(config, "tx")
    every = {**_typed(config, "px"), **typed}.values()
    named = {parts["id"]: parts for parts in every if "id" in parts}
    there = (spec for spec, parts in typed.items() if not _is_here(parts, named))
    return next(there, None)


def worker_with_own_files(config: pytest.Config) -> str | None:
    """Return the `--tx` of a worker in another folder than the first; None: none is."""
    typed = _typed(config, "tx")
    folders = [parts.get("chdir") for parts in typed.values()]
    others = (spec for spec in typed if typed[spec].get("chdir") != folders[0])
    return next(others, None)


def _typed(config: pytest.Config, option: str) -> dict[str, dict[str, str]]:
    """Return what `--tx` or `--px` say, in parts; nothing if nothing is handed out."""
    if config.getoption("dist", "no") == "no" or config.option.collectonly:
        return {}
    specs: list[str] = config.getoption(option)
    return {spec: _parts(spec) for spec in specs}


def _parts(spec: str) -> dict[str, str]:
    """Read how a worker is reached, such as `2*ssh=host//chdir=there`."""
    number, star, rest = spec.partition("*")
    single = rest if star and number.isdecimal() else spec
    return dict(part.partition("=")[::2] for part in single.split("//"))


def _is_here(parts: dict[str, str], named: dict[str, dict[str, str]]) -> bool:
    """Tell whether a worker is a process of this machine, and its proxies are."""
    if "popen" not in parts or "via" not in parts:
        return "popen" in parts
    via = parts["via"]
    others = {name: one for name, one in named.items() if name != via}
    return _is_here(named.get(via, {}), others)


def stay_alone(config: pytest.Config) -> None:
    """Start no workers: where nothing runs there is nothing to hand out."""
    if hasattr(config.option, "dist"):
        config.option.dist = "no"


def make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return a scheduler that hands out all tests at once, and moves them later.

    Instead of `--dist=load`, which hands out a few at a time: what a worker may
    rehearse would be too little to keep the model busy.
    """
    from xdist.scheduler import WorkStealingScheduling  # type: ignore[import-untyped]

    return WorkStealingScheduling(config, log)


def announce_batches(node: Any) -> None:
    """Let a worker know what is handed to it; called when it is ready.

    Schedulers hand tests out by `send_runtest_some`; the worker reads what passes
    through it from a file. (`--dist each` hands out everything by another way.)
    """
    send = node.send_runtest_some

    def send_and_note(indices: list[int]) -> None:
        _note_batch(node, [str(index) for index in indices])
        send(indices)

    def send_stopgap(index: int) -> None:
        _note_batch(node, [f"{index} {_STOPGAP}"])
        send([index])

    node.send_runtest_some = send_and_note
    node.send_stopgap = send_stopgap


def _note_batch(node: Any, lines: list[str]) -> None:
    folder = Path(shared_by_processes(node.config)["folder"]) / "batches"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / node.gateway.id).open("a", encoding="ascii") as file:
        file.write("".join(f"{line}\n" for line in lines))


class Batch:
    """What was handed to this worker, as it comes in.

    A worker of xdist runs a test only when it knows the next one. So a climb, which
    has to wait for a verdict before it hands out more, puts a stopgap behind each
    batch: a test that is taken up only to be left again.
    """

    def __init__(self, config: pytest.Config) -> None:
        folder = Path(shared_by_processes(config)["folder"]) / "batches"
        name: str = config.workerinput["workerid"]  # type: ignore[attr-defined]
        self._path = folder / name
        self._read_to = 0
        self._lines: list[str] = []
        self._given = 0
        self._reading = threading.Lock()

    def __iter__(self) -> Iterator[int]:
        """Yield the places of new tests, stopgaps left out; ask again for more."""
        self._read()
        while self._given < len(self._lines):
            line = self._lines[self._given]
            self._given += 1
            if not line.endswith(_STOPGAP):
                yield int(line)

    def is_stopgap(self, number: int) -> bool:
        """Tell whether what came as the `number`th, from 0, is no test to run."""
        self._read()
        return number < len(self._lines) and self._lines[number].endswith(_STOPGAP)

    def _read(self) -> None:
        with self._reading, contextlib.suppress(FileNotFoundError):
            with self._path.open(encoding="ascii") as file:
                file.seek(self._read_to)
                text = file.read()
            whole = text[: text.rfind("\n") + 1]
            self._read_to += len(whole)
            self._lines += whole.splitlines()
