"""What the processes of a pytest-xdist run share; loaded in every suite."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
    folder = Path(shared_by_processes(node.config)["folder"]) / "batches"
    send = node.send_runtest_some

    def send_and_note(indices: list[int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / node.gateway.id).open("a", encoding="ascii") as file:
            file.write("".join(f"{index}\n" for index in indices))
        send(indices)

    node.send_runtest_some = send_and_note


class Batch:
    """The places of the tests that were handed to this worker, as they come in."""

    def __init__(self, config: pytest.Config) -> None:
        folder = Path(shared_by_processes(config)["folder"]) / "batches"
        name: str = config.workerinput["workerid"]  # type: ignore[attr-defined]
        self._path = folder / name
        self._read = 0

    def __iter__(self) -> Iterator[int]:
        """Yield what is new; it may be asked again for more."""
        while True:
            try:
                with self._path.open(encoding="ascii") as file:
                    file.seek(self._read)
                    line = file.readline()
                    if not line.endswith("\n"):
                        return
                    self._read = file.tell()
            except FileNotFoundError:
                return
            yield int(line)
