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
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import pytest

from pytest_ladder.calls.contract import EngineSettings, Progress
from pytest_ladder.calls.engine import Engine
from pytest_ladder.config.load import find_ladder, load_ladder
from pytest_ladder.core.case import Case
from pytest_ladder.disk.shared_lines import SharedLines
from pytest_ladder.session.app_link import AppGateway
from pytest_ladder.session.apps import Apps
from pytest_ladder.session.cheap_checks import CheapChecks
from pytest_ladder.session.ladder_test import (
    SAMPLE,
    LadderItem,
    LadderTest,
    Shape,
    rung_of,
)
from pytest_ladder.session.open_ladder import OpenLadder, folder_name
from pytest_ladder.session.options import REPORT_FOLDER
from pytest_ladder.session.running_test import RunningTest
from pytest_ladder.session.settings import read_settings
from pytest_ladder.session.status_line import StatusLine
from pytest_ladder.session.suite import SuiteSize, hand_over, handed_over
from pytest_ladder.session.turns import Turns
from pytest_ladder.session.xdist import (
    is_shared,
    is_worker,
    shared_by_processes,
    workers,
)
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown
from pytest_ladder.text.table import wrapped

if TYPE_CHECKING:
    from pytest_ladder.session.shared_store import UsedStore

# How long the end of a run waits for calls that were sent and that no test of this
# process waits for: they are paid for, and another worker may need them.
_PATIENCE_S = 30.0
# How long calls under way may go first: before a test its own time does not run yet;
# between its phases it is Python's own switch interval.
_BETWEEN_TESTS_S, _WITHIN_TEST_S = 0.5, 0.005
_ITEM: pytest.StashKey[LadderItem] = pytest.StashKey()


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
        self.settings = read_settings(config)
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
        self.told_cases: set[tuple[str, str, str]] = set()
        """Cases that a row has told of already: configuration, source and id."""
        self.problems: list[str] = []
        """Mistakes in configuration found while collecting."""
        self._ladders: dict[Path, OpenLadder] = {}
        self._ladder_of_folder: dict[Path, OpenLadder | None] = {}
        self._module_items: dict[Path, int] = {}
        self._suites: dict[str, SuiteSize] = {}
        self._waited_before_s = 0.0
        self._are_calls_over = False
        self.running = RunningTest(self)
        self.open_gateway: Callable[[LadderSession], AppGateway] | None = None
        """Starts what serves apps; the plugin hands it in before the first test."""

    @cached_property
    def progress(self) -> Progress:
        """What the engine did so far."""
        return Progress()

    @cached_property
    def status(self) -> StatusLine:
        """What is shown of it while the main thread waits."""
        return StatusLine(self.config, self.progress, self.turns)

    @cached_property
    def apps(self) -> Apps:
        """Who asks for the running test over HTTP."""
        return Apps(self, self._start_gateway)

    def _start_gateway(self) -> AppGateway:
        assert self.open_gateway is not None
        return self.open_gateway(self)

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
            is_shared=is_shared(self.config),
            machines=self.store.machines if self.names_store else None,
        )
        return Engine(settings, self.progress, self.status)

    @property
    def names_store(self) -> bool:
        """Whether a ladder names a store that machines share."""
        return any(opened.ladder.store for opened in self.opened)

    @cached_property
    def store(self) -> UsedStore:
        """That store, as this process uses it; only where one is named."""
        from pytest_ladder.session.shared_store import UsedStore

        return UsedStore(self.config, self.settings, self._ladders)

    @property
    def store_lines(self) -> list[str]:
        """What a header says of that store."""
        return [*self.store.lines()] if self.names_store else []

    @property
    def store_name(self) -> str:
        """What reports call it; empty: this machine is alone."""
        return self.store.name if self.names_store else ""

    @property
    def store_notices(self) -> list[str]:
        """What is to be told of it at the end of the run."""
        return self.store.notices if self.names_store else []

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
            root = self.config.rootpath
            report = self.settings.report or root / REPORT_FOLDER
            # Where its report lies: first as the only ladder of a run.
            reports = [report, report / folder_name(path.parent, root)]
            ladder = load_ladder(path)
            if self.settings.tried:
                from pytest_ladder.session.tried import with_tried

                ladder = with_tried(ladder, self.settings.tried)
            self._ladders[path] = OpenLadder(ladder, self.settings, reports)
        return self._ladders[path]

    @property
    def opened(self) -> list[OpenLadder]:
        """The ladders of this process."""
        return list(self._ladders.values())

    def tests_of(self, opened: OpenLadder) -> list[LadderTest]:
        """Return the collected tests of one ladder."""
        return [test for test in self.tests.values() if test.opened is opened]

    @property
    def suites(self) -> dict[str, SuiteSize]:
        """What there is to run of each ladder, by its configuration file.

        The controller of xdist has it from its workers.
        """
        folder = Path(shared_by_processes(self.config)["folder"])
        return self._suites or handed_over(folder)

    @suites.setter
    def suites(self, suites: dict[str, SuiteSize]) -> None:
        """Keep it, and hand it over in a worker; called at the end of collection."""
        self._suites = suites
        if is_worker(self.config):
            hand_over(suites, Path(shared_by_processes(self.config)["folder"]))

    def module_items(self, path: Path) -> int:
        """Count a file's items on one rung; 0 when it was not collected whole."""
        counted = self._module_items.get(path)
        if counted is None:
            counted = self._module_items[path] = self._count_items(path)
        return counted

    def _count_items(self, path: Path) -> int:
        picked = any("::" in argument for argument in self.config.args)
        narrowed = any(opened.chosen is not None for opened in self.opened)
        narrowed = narrowed or self.settings.shard is not None
        if picked or narrowed or self.config.getoption("lf", False):
            return 0
        return sum(
            self.shapes[nodeid].items
            for nodeid, test in self.tests.items()
            if test.path == path
        )

    def item_of(self, item: pytest.Item) -> LadderItem | None:
        """Return what is to run of a ladder test, None for any other test.

        Made when it is first asked for, of all tests at the end of collection.
        """
        made = item.stash.get(_ITEM, None)
        if made is not None:
            return made
        rung = rung_of(item)
        if rung is None or not isinstance(item, pytest.Function):
            return None
        nodeid = f"{item.parent.nodeid}::{item.originalname}" if item.parent else ""
        parameters = item.callspec.params
        case = parameters.get("case")
        made = item.stash[_ITEM] = LadderItem(
            test=self.tests[nodeid],
            function=item,
            rung=rung,
            case=case if isinstance(case, Case) else None,
            sample=cast(int, parameters.get(SAMPLE, 1)),
        )
        return made

    def items_of(self, items: Iterable[pytest.Item]) -> list[LadderItem]:
        """Return what is to run of those that are ladder tests."""
        return [made for item in items if (made := self.item_of(item)) is not None]

    def waited_s(self) -> float:
        """Return how long a phase of a test waited, in seconds; called at its end."""
        if not self.settings.live or "engine" not in self.__dict__:
            return 0.0
        self.status.take_back()
        so_far = self.engine.waited_s + self.running.waited_in_loops_s
        waited = so_far - self._waited_before_s
        self._waited_before_s = so_far
        return waited

    def give_way(self, most_s: float = _WITHIN_TEST_S) -> None:
        """Let the engine's thread run first; called between the phases of tests."""
        if self.settings.live and "engine" in self.__dict__:
            self.engine.give_way(most_s)

    def step(self, item: pytest.Item) -> None:
        """Let the engine and rehearsals run; called before each test."""
        self.give_way(_BETWEEN_TESTS_S)
        if self.prefetch is not None:
            self.prefetch.step(item)

    def header(self) -> list[str]:
        """Say which rungs are tested, and whether models may be called."""
        if self.config.option.verbose < 0:
            return []
        ids = {id(test.opened) for test in self.tests.values()}
        used = [opened for opened in self.opened if id(opened) in ids]
        width = self.config.get_terminal_writer().fullwidth
        return [line for text in self.headers_of(used) for line in wrapped(text, width)]

    def headers_of(self, ladders: Sequence[OpenLadder]) -> list[str]:
        """Say of each ladder which rungs are tested, and where live calls go."""
        several = len(ladders) > 1
        lines = [self._header_of(opened, named=several) for opened in ladders]
        lines += self.store_lines
        return lines + (self.notes(ladders) if self.settings.live else [])

    def notes(self, ladders: Iterable[OpenLadder]) -> list[str]:
        """Say what a live run of ladders should know of where its calls go."""
        models = []
        for opened in ladders:
            models += [rung.model for rung in opened.rungs]
            tests = self.tests_of(opened)
            # The controller of xdist does not know which tests there are.
            if not tests or any(test.uses_judge for test in tests):
                models += opened.judges
        from pytest_ladder.calls.destination import notes_on

        return [f"ladder: {note}" for note in notes_on(models)]

    def _header_of(self, opened: OpenLadder, *, named: bool) -> str:
        """Say which rungs of a ladder are tested."""
        ladder = f"ladder {shown(opened.ladder.path)}" if named else "ladder"
        names = ", ".join(rung.id for rung in opened.rungs)
        spends = "calls models" if self.settings.live else "replays, never calls"
        line = f"{ladder}: {self.settings.mode}: {names} ({spends})"
        if opened.ladder.tried:
            line += f"; held against {opened.current.id}, which ships"
        if self.settings.shard is not None:
            line += f"; {self.shard_of(opened)}"
        elif opened.chosen is not None:
            line += f"; {count(len(opened.chosen), 'case')} drawn by --ladder-cases"
        if opened.litmus is not None:
            line += f"; model {opened.litmus.rung.model.name} is {opened.litmus.why}"
        if self.settings.mode == "current" and opened.ladder.current is None:
            line += f"; `current` is not set, so this is {opened.why_current}"
        return line

    def shard_of(self, opened: OpenLadder) -> str:
        """Say which shard of a ladder this run is; empty: it is none."""
        if self.settings.shard is None:
            return ""
        suite = self.suites.get(str(opened.ladder.path))
        if suite is None:
            return str(self.settings.shard)
        of = f"{suite.selected:,} of {count(suite.rows, 'item')}"
        return f"{self.settings.shard}: {of}"

    def end_calls(self, *, interrupted: bool) -> None:
        """End all calls, once, before the report that tells of them is written.

        `interrupted` (Ctrl-C, or pytest's own error): nothing sent is waited for.
        """
        if self._are_calls_over:
            return
        if self.prefetch is not None:
            self.prefetch.stop()
        self.apps.close()
        # Workers tell the controller of calls that came too late.
        late = SharedLines(Path(shared_by_processes(self.config)["folder"]) / "late")
        if not is_worker(self.config):
            self.apps.late += sum(map(int, late.new()))
        elif self.apps.late:
            late.append([str(self.apps.late).encode()])
        if "engine" in self.__dict__:
            self.engine.end(patience_s=0.0 if interrupted else _PATIENCE_S)
        if self.prefetch is not None:
            self.stuck_rehearsals = self.prefetch.stuck_rehearsals()
        self._are_calls_over = True

    def close(self) -> None:
        """Close engine, status line and stores, at the end of a run, in each process.

        The controller of xdist, which ends last, also stops local servers and removes
        the folder of the run.
        """
        if "engine" in self.__dict__:
            self.engine.close()
        if "status" in self.__dict__:
            self.status.close()
        if self.settings.live and self.names_store:
            self.store.leave()
        folder = Path(shared_by_processes(self.config)["folder"])
        if not is_worker(self.config) and folder.exists():
            from pytest_ladder.calls.local.servers import Servers

            Servers(folder / "servers", os.getpid()).stop_all()
            shutil.rmtree(folder, ignore_errors=True)
        for opened in self._ladders.values():
            opened.archive.close()
