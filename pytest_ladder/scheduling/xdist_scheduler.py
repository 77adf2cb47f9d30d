"""A run in stages over workers of pytest-xdist: the controller hands out each stage.

xdist makes a `StagedScheduling` in the controller, by the hook
`pytest_xdist_make_scheduler`, and calls its methods on the main thread as workers come,
finish a test or die; nothing here waits. A `Scheduler` (`climb`, `more_samples`)
decides what runs next, when all results of a stage are in. After Ctrl-C xdist calls
nothing more.

Tests are named by their indices in the collection, which is the same in all workers.
For placeholders see `loop` and `session/xdist`, which has `node.send_placeholder`.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from xdist.report import report_collection_diff  # type: ignore[import-untyped]
from xdist.workermanage import parse_tx_spec_config  # type: ignore[import-untyped]

from pytest_ladder.errors import LadderError
from pytest_ladder.results.state import results_of
from pytest_ladder.scheduling.climb import ClimbScheduler
from pytest_ladder.scheduling.climb_plan import read_plan
from pytest_ladder.scheduling.loop import Scheduler, neighbour, payload_at, report_left
from pytest_ladder.scheduling.more_samples import SampleScheduler, read_extra_samples
from pytest_ladder.session.state import session_of
from pytest_ladder.session.xdist import shared_by_processes

_Sent = tuple[int, bool]
"""The index of a test that a worker has, and whether it is a placeholder."""


class StagedScheduling:
    """Hands out the tests of the open stage, and no others, by the user's `--dist`.

    A scheduler of xdist. A worker runs a test only when it has the next one, so each
    batch ends with a placeholder: the last test of a stage would else wait for the next
    stage, which waits for its result.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        self.config = config
        self._expected = len(parse_tx_spec_config(config))
        self._dist: str = config.getoption("dist")
        self._queues: dict[Any, deque[_Sent]] = {}
        self._collections: dict[Any, list[str]] = {}
        self._collection: list[str] = []
        self._names: list[str] = []
        """All node ids: of what was collected, and behind them of extra samples."""
        self._worker_of_scope: dict[str, Any] = {}
        """The worker of each scope."""
        self._waiting: list[int] = []
        """Tests of the open stage that no worker has."""
        self._scheduler: Scheduler | None = None
        self._over = False

    @property
    def nodes(self) -> list[Any]:
        """The workers."""
        return list(self._queues)

    @property
    def collection_is_completed(self) -> bool:
        """Whether all workers have collected."""
        return len(self._collections) >= self._expected

    @property
    def tests_finished(self) -> bool:
        """Whether all stages are over; workers may still have a placeholder."""
        return self._over

    @property
    def has_pending(self) -> bool:
        """Whether tests of the open stage are still to run."""
        return bool(self._waiting) or any(self._tests_on(node) for node in self._queues)

    def add_node(self, node: Any) -> None:
        """Note a new worker."""
        self._queues[node] = deque()

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        """Take what a worker collected; one that differs gets nothing to do."""
        if self._collection and list(collection) != self._collection:
            self._complain(node, self._collection, collection)
            return
        self._collections[node] = list(collection)

    def schedule(self) -> None:
        """Open the first stage, or give a worker that came later its part."""
        if self._scheduler is not None or self._over:
            self._hand_out()
            self._go_on()
            return
        first, *others = self._collections
        self._collection = self._collections[first]
        for node in others:
            if self._collections[node] != self._collection:
                self._complain(node, self._collection, self._collections[node])
                self._over = True
        if not self._collection:
            self._over = True
        if not self._over:
            self._start()

    def mark_test_complete(
        self, node: Any, item_index: int, duration: float = 0
    ) -> None:
        """Note that a test is over; the last one of a stage decides what is next."""
        self._queues[node].popleft()
        self._go_on()

    def mark_test_pending(self, item: str) -> None:
        """Run a test once more; called by plugins that do so after a crash."""
        self._waiting.insert(0, self._names.index(item))
        self._hand_out()

    def remove_pending_tests_from_node(self, node: Any, indices: Sequence[int]) -> None:
        """Never called: nothing is taken back from a worker."""
        raise NotImplementedError

    def remove_node(self, node: Any) -> str | None:
        """Forget a worker that ended; returns the test that it crashed in, if it did.

        Its other tests go to the workers that are left.
        """
        queue = self._queues.pop(node)
        self._collections.pop(node, None)
        self._worker_of_scope = {
            scope: worker
            for scope, worker in self._worker_of_scope.items()
            if worker is not node
        }
        lost = [index for index, placeholder in queue if not placeholder]
        crashed_in = lost.pop(0) if queue and not queue[0][1] else None
        self._waiting += lost
        # Whether the stage is over shows when the worker's successor is there: a plugin
        # may want the test to run once more.
        self._hand_out()
        return None if crashed_in is None else self._names[crashed_in]

    def _start(self) -> None:
        folder = Path(shared_by_processes(self.config)["folder"])
        self._names = list(self._collection)
        if session_of(self.config).settings.escalates:
            extra = read_extra_samples(folder)
            self._names += [sample.nodeid for sample in extra]
            count = len(self._collection)
            self._scheduler = SampleScheduler(results_of(self.config), count, extra)
        else:
            plan = read_plan(folder, len(self._names))
            try:
                climbs = ClimbScheduler(session_of(self.config), plan)
            except LadderError as error:
                raise pytest.UsageError(str(error)) from error
            results_of(self.config).climb_of = climbs.result_of
            self._scheduler = climbs
        self._open(self._scheduler.next())

    def _go_on(self) -> None:
        """Close the stage when all its tests are over, and open the next."""
        if self._scheduler is None or self._over or self.has_pending:
            return
        results = results_of(self.config)
        self._scheduler.close(lambda index: payload_at(results, self._names, index))
        self._open(self._scheduler.next())

    def _open(self, stage: list[int]) -> None:
        if not stage:
            self._over = True
            assert self._scheduler is not None
            report_left(self.config, self._scheduler, self._names)
            return
        self._waiting = list(stage)
        self._hand_out()

    def _hand_out(self) -> None:
        """Send the tests that no worker has to the workers there are."""
        workers = [node for node in self._collections if not node.shutting_down]
        if not workers or not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        shares: dict[Any, list[int]] = defaultdict(list)
        for index in waiting:
            worker = self._worker_for(self._names[index], workers, shares)
            shares[worker].append(index)
        for node, indices in shares.items():
            try:
                node.send_runtest_some(indices)
            except OSError:
                # The worker has died, and xdist is about to call `remove_node`, which
                # hands these out again. None of them ran.
                del self._collections[node]
                self._waiting += indices
                continue
            self._queues[node].extend((index, False) for index in indices)
            beside = neighbour(indices[-1], len(self._names))
            with contextlib.suppress(OSError):  # likewise
                if beside:
                    node.send_placeholder(beside[0])
                    self._queues[node].append((beside[0], True))
                else:
                    node.shutdown()

    def _worker_for(
        self, nodeid: str, workers: list[Any], shares: dict[Any, Any]
    ) -> Any:
        """Return the worker of a test's scope; of a new scope the least busy one."""
        scope = self._scope(nodeid)
        if self._worker_of_scope.get(scope) not in workers:
            self._worker_of_scope[scope] = min(
                workers,
                key=lambda node: len(self._tests_on(node)) + len(shares.get(node, ())),
            )
        worker = self._worker_of_scope[scope]
        if scope == nodeid:
            del self._worker_of_scope[scope]
        return worker

    def _scope(self, nodeid: str) -> str:
        """Return what must stay on one worker, as xdist's own schedulers see it."""
        if self._dist == "loadfile":
            return nodeid.partition("::")[0]
        if self._dist == "loadscope":
            return nodeid.rpartition("::")[0]
        if self._dist == "loadgroup" and nodeid.rfind("@") > nodeid.rfind("]"):
            return nodeid.rpartition("@")[2]
        return nodeid

    def _tests_on(self, node: Any) -> list[int]:
        """Return the tests that a worker has, placeholders left out."""
        return [index for index, placeholder in self._queues[node] if not placeholder]

    def _complain(self, node: Any, here: Sequence[str], there: Sequence[str]) -> None:
        """Report that a worker collected other tests."""
        problem = report_collection_diff(
            list(here), list(there), "the first worker", node.gateway.id
        )
        report = pytest.CollectReport(
            nodeid=node.gateway.id, outcome="failed", longrepr=problem, result=[]
        )
        self.config.hook.pytest_collectreport(report=report)
