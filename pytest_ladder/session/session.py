"""All that pytest-ladder keeps in one pytest process.

Open ladders, the engine that calls models, collected tests, the test that runs, and
what runs ahead of it. There is one `LadderSession` in a run without xdist, and one in
each worker and one in the controller of a run with it. It is made, and all its methods
are called, on the main thread. Other threads use parts of it that say so: the engine,
`turns` and `cheap_checks`.
"""

from __future__ import annotations

import os
import shutil
from functools import cached_property
from pathlib import Path
from typing import Protocol, cast

import pytest

from pytest_ladder.calls.contract import EngineSettings, Progress
from pytest_ladder.calls.engine import Engine
from pytest_ladder.calls.local.servers import Servers
from pytest_ladder.config.load import find_ladder, load_ladder
from pytest_ladder.session import options
from pytest_ladder.session.cheap_checks import CheapChecks
from pytest_ladder.session.ladder_test import SAMPLE, LadderTest, Record, Shape, rung_of
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.running_test import RunningTest
from pytest_ladder.session.status_line import StatusLine
from pytest_ladder.session.turns import Turns
from pytest_ladder.session.xdist import is_worker, shared_by_processes, workers
from pytest_ladder.text.phrases import shown

# How long the end of a run waits for calls that were sent and that no test of this
# process waits for: they are paid for, and another worker may need them.
_PATIENCE_S = 30.0


class PrefetchHooks(Protocol):
    """What asks for replies before their tests run; called on the main thread."""

    def release(self, indices: list[int]) -> None:
        """Let these collected tests be run ahead, and none beyond them."""

    def start(self) -> None:
        """Begin; called before the first test."""

    def step(self, item: pytest.Item) -> None:
        """Go on; called before each test."""

    def stop(self) -> None:
        """Ask for nothing more; called after the last test."""

    def stuck_rehearsals(self) -> list[str]:
        """Name the tests whose rehearsal does not end; called after `stop`."""


class LadderSession:
    """Everything pytest-ladder knows in one pytest process."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.settings = options.read(config)
        self.tests: dict[str, LadderTest] = {}
        self.shapes: dict[str, Shape] = {}
        """How each test was parametrized."""
        self.turns = Turns()
        self.prefetch: PrefetchHooks | None = None
        """What asks for replies before their tests run; None in a replay."""
        self.extra_samples: list[pytest.Item] = []
        """Further samples of collected tests, which run only if the gate asks."""
        self.stuck_rehearsals: list[str] = []
        """Tests whose rehearsal did not end."""
        self.started: float = shared_by_processes(config)["started"]
        """Unix time."""
        self.problems: list[str] = []
        """Mistakes in configuration found while collecting."""
        self._ladders: dict[Path, OpenLadder] = {}
        self._ladder_of_folder: dict[Path, OpenLadder | None] = {}
        self._module_items: dict[Path, int] = {}
        self._waited_before_s = 0.0
        self.running = RunningTest(self)

    @cached_property
    def progress(self) -> Progress:
        """What the engine did so far."""
        return Progress()

    @cached_property
    def status(self) -> StatusLine:
        """What is shown of it while the main thread waits."""
        return StatusLine(self.config, self.progress, self.turns)

    @cached_property
    def cheap_checks(self) -> CheapChecks:
        """Which cheap checks are over, and missed."""
        folder = Path(shared_by_processes(self.config)["folder"])
        return CheapChecks(folder / "cheap-checks" if is_worker(self.config) else None)

    @cached_property
    def engine(self) -> Engine:
        """The engine, started when first needed."""
        shared = shared_by_processes(self.config)
        settings = EngineSettings(
            live=self.settings.live,
            refresh=self.settings.refresh,
            concurrency=self.settings.concurrency,
            budget_usd=self.settings.budget,
            folder=Path(shared["folder"]),
            owner_pid=shared["owner_pid"],
            workers=workers(self.config),
            started=shared["started"],
        )
        return Engine(settings, self.progress, self.status)

    def ladder_for(self, folder: Path) -> OpenLadder | None:
        """Return the ladder in reach of tests in a folder; raises `ConfigError`."""
        if folder not in self._ladder_of_folder:
            path = self.settings.config or find_ladder(folder)
            opened = None if path is None else self.open(path)
            self._ladder_of_folder[folder] = opened
        return self._ladder_of_folder[folder]

    def open(self, path: Path) -> OpenLadder:
        """Open a ladder by its configuration file, once."""
        if path not in self._ladders:
            ladder = load_ladder(path)
            self._ladders[path] = OpenLadder(ladder, self.settings)
        return self._ladders[path]

    @property
    def opened(self) -> list[OpenLadder]:
        """The ladders of this process."""
        return list(self._ladders.values())

    def tests_of(self, opened: OpenLadder) -> list[LadderTest]:
        """Return the collected tests of one ladder."""
        return [test for test in self.tests.values() if test.opened is opened]

    def module_items(self, path: Path) -> int:
        """Count a file's items on one rung; 0 when it was not collected whole."""
        if path not in self._module_items:
            self._module_items[path] = self._count_items(path)
        return self._module_items[path]

    def _count_items(self, path: Path) -> int:
        picked = any("::" in argument for argument in self.config.args)
        if picked or self.config.getoption("lf", False):
            return 0
        return sum(
            self.shapes[nodeid].items
            for nodeid, test in self.tests.items()
            if test.path == path
        )

    def record_of(self, item: pytest.Item) -> Record | None:
        """Return an empty record of a ladder test, None for any other test."""
        rung = rung_of(item)
        if rung is None or not isinstance(item, pytest.Function):
            return None
        nodeid = f"{item.parent.nodeid}::{item.originalname}" if item.parent else ""
        sample = cast(int, item.callspec.params.get(SAMPLE, 1))
        return Record(test=self.tests[nodeid], item=item, rung=rung, sample=sample)

    def waited_s(self) -> float:
        """Return how long a phase of a test waited, in seconds; called at its end."""
        if "engine" not in self.__dict__:
            return 0.0
        self.status.take_back()
        so_far = self.engine.waited_s + self.running.waited_in_loops_s
        waited = so_far - self._waited_before_s
        self._waited_before_s = so_far
        return waited

    def give_way(self) -> None:
        """Let the engine's thread run first; called between the phases of tests."""
        if "engine" in self.__dict__:
            self.engine.give_way()

    def step(self, item: pytest.Item) -> None:
        """Let the engine and rehearsals run; called before each test."""
        self.give_way()
        if self.prefetch is not None:
            self.prefetch.step(item)

    def header(self) -> list[str]:
        """Say which rungs are tested, and whether models may be called."""
        if self.config.option.verbose < 0:
            return []
        ids = {id(test.opened) for test in self.tests.values()}
        used = [opened for opened in self.opened if id(opened) in ids]
        return [self.header_of(opened, named=len(used) > 1) for opened in used]

    def header_of(self, opened: OpenLadder, *, named: bool = False) -> str:
        """Say which rungs of a ladder are tested."""
        ladder = f"ladder {shown(opened.ladder.path)}" if named else "ladder"
        names = ", ".join(rung.id for rung in opened.rungs)
        spends = "calls models" if self.settings.live else "replays, never calls"
        line = f"{ladder}: {self.settings.mode}: {names} ({spends})"
        if self.settings.mode == "current" and opened.ladder.current is None:
            line += "; `current` is not set, so this is the cheapest rung"
        return line

    def close(self, *, interrupted: bool) -> None:
        """Close the engine, the status line and the stores; called at the end of a run.

        In a run with xdist workers do so, and the controller, which ends last, also
        stops local servers and removes the folder of the run. `interrupted`: after
        Ctrl-C, or an error of pytest's own, calls that were sent are not waited for.
        """
        if self.prefetch is not None:
            self.prefetch.stop()
        if "engine" in self.__dict__:
            self.engine.close(patience_s=0.0 if interrupted else _PATIENCE_S)
        if self.prefetch is not None:
            self.stuck_rehearsals = self.prefetch.stuck_rehearsals()
        if "status" in self.__dict__:
            self.status.close()
        folder = Path(shared_by_processes(self.config)["folder"])
        if not is_worker(self.config) and folder.exists():
            Servers(folder / "servers", os.getpid()).stop_all()
            shutil.rmtree(folder, ignore_errors=True)
        for opened in self._ladders.values():
            opened.archive.close()
