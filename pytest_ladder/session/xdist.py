"""What the processes of a pytest-xdist run share, and what workers are told.

Loaded in every suite, so it imports xdist only where that runs.

A run with `-n` has a controller, which collects nothing and hands out tests by their
indices in the collection, and workers, each a process that collects all tests and runs
those it is handed. They share a folder of the run (`shared_by_processes`): the
controller names it, the process that needs it first makes it, and the controller
removes it. In it lies one file a worker, `batches/gw0`, to which the controller appends
what it hands to that worker, before it sends it; so the worker knows all that it will
run, which xdist itself tells it test by test. The files are written by the controller's
main thread alone, and read by a worker's main thread and the threads of its rehearsals
(`Batch._lock`). After Ctrl-C xdist ends the workers; nothing here waits for anybody.

What reaches into xdist is here: `announce_batches` replaces a method of each worker's
controller, and `config.workerinput` is read, which xdist documents. The scheduler in
`scheduling/xdist_scheduler` uses what `pytest_xdist_make_scheduler` is documented with.
"""

from __future__ import annotations

import os
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder import clock
from pytest_ladder.disk.shared_lines import SharedLines

_PLACEHOLDER = "placeholder"
"""Marks the line of a test that is not to run: see `Batch`."""
_SHARED = pytest.StashKey[dict[str, Any]]()


def shared_by_processes(config: pytest.Config) -> dict[str, Any]:
    """Return what workers share with their controller, as plain values.

    `folder` holds the run's local servers, slots and budget, made by the process that
    needs it first; `owner_pid` the process whose end ends them; `started` a Unix time;
    `run` the name that a shared store knows the run by.
    """
    if _SHARED not in config.stash:
        told = _told(config)
        name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        own = {
            "folder": str(_temporary(name)),
            "owner_pid": os.getpid(),
            "started": clock.unix(),
            "run": uuid.uuid4().hex,
        }
        config.stash[_SHARED] = told or own
        if is_elsewhere(config):
            # The controller's temporary folder may not be one here, its clock may be
            # off, and its number may be that of another process.
            config.stash[_SHARED] = {
                "folder": str(_temporary(told["run"][:16])),
                "owner_pid": os.getpid(),
                "started": clock.unix() - told["age_s"],
                "run": told["run"],
            }
    return config.stash[_SHARED]


def handed_down(node: Any) -> dict[str, Any]:
    """Return what a worker is told; called in the controller, when it is to start."""
    shared = shared_by_processes(node.config)
    is_here = _is_here(_parts(str(node.gateway.spec)), _by_id(node.config))
    age_s = clock.unix() - shared["started"]
    return {**shared, "elsewhere": not is_here, "age_s": age_s}


def is_elsewhere(config: pytest.Config) -> bool:
    """Tell whether this is a worker on another machine than its controller."""
    return bool(_told(config).get("elsewhere"))


def _told(config: pytest.Config) -> dict[str, Any]:
    return dict(getattr(config, "workerinput", {}).get("ladder", {}))


def _temporary(name: str) -> Path:
    return Path(tempfile.gettempdir()) / f"pytest-ladder-{name}"


def workers(config: pytest.Config) -> int:
    """Count the processes that share the limits of the run."""
    count: int = getattr(config, "workerinput", {}).get("workercount", 1)
    return count


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process is a worker."""
    return hasattr(config, "workerinput")


def is_shared(config: pytest.Config) -> bool:
    """Tell whether the run has other processes: this is a worker, or starts some."""
    return is_worker(config) or config.getoption("dist", "no") != "no"


def share_to_begin_with(config: pytest.Config) -> float:
    """Return at which share of all tests this process begins, in [0, 1).

    Another one for each worker; 0 without workers.
    """
    name: str = getattr(config, "workerinput", {}).get("workerid", "gw0")
    # A worker that replaces a dead one counts on.
    return int(name.removeprefix("gw")) % workers(config) / workers(config)


def worker_elsewhere(config: pytest.Config) -> str | None:
    """Return the `--tx` of a worker on another machine; None: all are on this one.

    What is typed decides, and not where an address leads: one of this machine may be
    the near end of a tunnel.
    """
    typed, by_id = _typed(config, "tx"), _by_id(config)
    elsewhere = (s for s, parts in typed.items() if not _is_here(parts, by_id))
    return next(elsewhere, None)


def has_shared_store(config: pytest.Config, ladder: Path | None, choice: str) -> bool:
    """Tell whether workers of other machines share replies, claims and budget.

    That takes a database which all of them reach, named by every configuration in reach
    of what was typed: nothing is collected yet. `ladder` is the file that an option
    names, `choice` is `--ladder-store`. Raises `pytest.UsageError`.
    """
    from pytest_ladder.config.load import find_ladder
    from pytest_ladder.config.store import read_store, shared_store
    from pytest_ladder.errors import ConfigError

    here = config.invocation_params.dir
    places = [here / argument.partition("::")[0] for argument in config.args]
    try:
        files = {ladder} if ladder else set(map(find_ladder, places))
        stores = [file and shared_store(read_store(file), choice) for file in files]
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from None
    return bool(stores) and all(stores)


def worker_with_own_files(config: pytest.Config) -> str | None:
    """Return the `--tx` of a worker in another folder than the first; None: none is."""
    typed = _typed(config, "tx")
    folders = [parts.get("chdir") for parts in typed.values()]
    others = (spec for spec in typed if typed[spec].get("chdir") != folders[0])
    return next(others, None)


def _by_id(config: pytest.Config) -> dict[str, dict[str, str]]:
    """Return the workers and proxies that have an id, by which `via=` names them."""
    specs = {**_typed(config, "px"), **_typed(config, "tx")}.values()
    return {parts["id"]: parts for parts in specs if "id" in parts}


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


def _is_here(parts: dict[str, str], by_id: dict[str, dict[str, str]]) -> bool:
    """Tell whether a worker is a process of this machine, and its proxies are."""
    if "popen" not in parts or "via" not in parts:
        return "popen" in parts
    via = parts["via"]
    # Without the one that was looked at: proxies may name each other in a circle.
    others = {name: proxy for name, proxy in by_id.items() if name != via}
    return _is_here(by_id.get(via, {}), others)


def stay_alone(config: pytest.Config) -> None:
    """Start no workers: where nothing runs there is nothing to hand out."""
    if hasattr(config.option, "dist"):
        config.option.dist = "no"


def make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return a scheduler that hands out all tests at once, and moves them later.

    Instead of `--dist=load`, which hands out a few at a time: these would be too few to
    run ahead, and the model would have pauses.
    """
    from xdist.scheduler import WorkStealingScheduling  # type: ignore[import-untyped]

    return WorkStealingScheduling(config, log)


def announce_batches(node: Any) -> None:
    """Let a worker know what is handed to it; called when it is ready.

    Called in the controller, on its main thread, with xdist's `WorkerController`.
    Replaces its method `send_runtest_some`, by which all schedulers but that of
    `--dist each` hand out tests, and adds a method `send_placeholder` for our own
    scheduler. If xdist sent tests by another method, a worker would run nothing ahead,
    and a run in stages would stop at the first placeholder.
    """
    send = node.send_runtest_some

    def send_and_note(indices: list[int]) -> None:
        _note_batch(node, [str(index) for index in indices])
        send(indices)

    def send_placeholder(index: int) -> None:
        _note_batch(node, [f"{index} {_PLACEHOLDER}"])
        send([index])

    node.send_runtest_some = send_and_note
    node.send_placeholder = send_placeholder


def _note_batch(node: Any, lines: list[str]) -> None:
    folder = Path(shared_by_processes(node.config)["folder"]) / "batches"
    SharedLines(folder / node.gateway.id).append(line.encode() for line in lines)


class Batch:
    """What was handed to this worker, read anew whenever it is asked.

    A worker of xdist runs a test only when it knows the next one. A run in stages has
    to wait for the results of a stage before it hands out more, so it puts a
    placeholder behind each batch: a test that the worker begins and leaves at once,
    without its body, and that is not reported.
    """

    def __init__(self, config: pytest.Config) -> None:
        folder = Path(shared_by_processes(config)["folder"]) / "batches"
        name: str = config.workerinput["workerid"]  # type: ignore[attr-defined]
        self._shared = SharedLines(folder / name)
        self._lines: list[str] = []
        self._yielded = 0
        self._lock = threading.Lock()
        """Guards the lines and how far the file was read."""

    def __iter__(self) -> Iterator[int]:
        """Yield the indices of tests that came since, placeholders left out.

        Called by one thread at a time: the main thread in a climb, else under the lock
        by which threads choose what to rehearse.
        """
        self._read()
        while self._yielded < len(self._lines):
            line = self._lines[self._yielded]
            self._yielded += 1
            if not line.endswith(_PLACEHOLDER):
                yield int(line)

    def is_placeholder(self, number: int) -> bool:
        """Tell whether what came as the `number`th, from 0, is no test to run."""
        self._read()
        in_file = number < len(self._lines)
        return in_file and self._lines[number].endswith(_PLACEHOLDER)

    def _read(self) -> None:
        with self._lock:
            self._lines += [line.decode() for line in self._shared.new()]
