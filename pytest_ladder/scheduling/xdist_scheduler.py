"""Stages over workers of pytest-xdist: one at a time, from the controller."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from xdist.report import report_collection_diff  # type: ignore[import-untyped]
from xdist.workermanage import parse_tx_spec_config  # type: ignore[import-untyped]

from pytest_ladder.errors import LadderError
from pytest_ladder.results.state import results_of
from pytest_ladder.scheduling.climb import Ascent
from pytest_ladder.scheduling.climb_plan import read_plan
from pytest_ladder.scheduling.loop import Scheduler, neighbours, payload_at, report_left
from pytest_ladder.scheduling.more_samples import Escalation, read_held_back
from pytest_ladder.session.state import session_of
from pytest_ladder.session.xdist import shared_by_processes

_Handed = tuple[int, bool]


class StagedScheduling:
    """Hands out the tests of the open stage, and no others, by the user's scope.

    A scheduler of xdist. A worker runs a test only when it has the next one, so each
    batch ends with a stopgap; else the last tests of a stage, whose verdict decides
    what comes next, would wait for it for ever.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        self.config = config
        self._expected = len(parse_tx_spec_config(config))
        self._dist: str = config.getoption("dist")
        self._queues: dict[Any, deque[_Handed]] = {}
        self._collections: dict[Any, list[str]] = {}
        self._collection: list[str] = []
        self._names: list[str] = []
        """All node ids: what was collected, and what is held back behind it."""
        self._homes: dict[str, Any] = {}
        """The worker of each scope."""
        self._waiting: list[int] = []
        """Tests of the open stage that no worker has."""
        self._stages: Scheduler | None = None
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
        """Whether the climb is over; workers may still hold a stopgap."""
        return self._over

    @property
    def has_pending(self) -> bool:
        """Whether tests of the open stage are still to run."""
        return bool(self._waiting) or any(self._real(node) for node in self._queues)

    def add_node(self, node: Any) -> None:
        """Take up a worker."""
        self._queues[node] = deque()

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        """Take what a worker collected; one that differs gets nothing to do."""
        if self._collection and list(collection) != self._collection:
            self._complain(node, self._collection, collection)
            return
        self._collections[node] = list(collection)

    def schedule(self) -> None:
        """Open the first stage, or give a worker that came later its part."""
        if self._stages is not None or self._over:
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
        """Run a test once more: whoever has lost it says so."""
        self._waiting.insert(0, self._names.index(item))
        self._hand_out()

    def remove_pending_tests_from_node(self, node: Any, indices: Sequence[int]) -> None:
        """Never called: nothing is taken back from a worker."""
        raise NotImplementedError

    def remove_node(self, node: Any) -> str | None:
        """Let go of a worker; returns the test that it died of, if it did."""
        queue = self._queues.pop(node)
        self._collections.pop(node, None)
        self._homes = {k: home for k, home in self._homes.items() if home is not node}
        lost = [place for place, stopgap in queue if not stopgap]
        died_of = lost.pop(0) if queue and not queue[0][1] else None
        self._waiting += lost
        # Whether the stage is over shows when the worker's successor is there: somebody
        # may want the lost test to run once more.
        self._hand_out()
        return None if died_of is None else self._names[died_of]

    def _start(self) -> None:
        folder = Path(shared_by_processes(self.config)["folder"])
        self._names = list(self._collection)
        if session_of(self.config).settings.escalates:
            held_back = read_held_back(folder)
            self._names += [one.nodeid for one in held_back]
            count = len(self._collection)
            self._stages = Escalation(results_of(self.config), count, held_back)
        else:
            self._stages = self._ascent(folder)
        self._open(self._stages.next())

    def _ascent(self, folder: Path) -> Ascent:
        results, plan = results_of(self.config), read_plan(folder, len(self._names))
        try:
            ascent = Ascent(session_of(self.config), plan)
        except LadderError as error:
            raise pytest.UsageError(str(error)) from error
        results.climb_of = ascent.result_of
        return ascent

    def _go_on(self) -> None:
        """Close the stage when all its tests are over, and open the next."""
        if self._stages is None or self._over or self.has_pending:
            return
        results = results_of(self.config)
        self._stages.close(lambda place: payload_at(results, self._names, place))
        self._open(self._stages.next())

    def _open(self, stage: list[int]) -> None:
        if not stage:
            self._over = True
            assert self._stages is not None
            report_left(self.config, self._stages, self._names)
            return
        self._waiting = list(stage)
        self._hand_out()

    def _hand_out(self) -> None:
        """Give what waits to the workers there are."""
        workers = [node for node in self._collections if not node.shutting_down]
        if not workers or not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        shares: dict[Any, list[int]] = defaultdict(list)
        for place in waiting:
            home = self._home(self._names[place], workers, shares)
            shares[home].append(place)
        for node, places in shares.items():
            node.send_runtest_some(places)
            self._queues[node].extend((place, False) for place in places)
            self._send_stopgap(node, places[-1])

    def _send_stopgap(self, node: Any, last: int) -> None:
        near = neighbours(last, len(self._names))
        if not near:
            node.shutdown()
            return
        node.send_stopgap(near[0])
        self._queues[node].append((near[0], True))

    def _home(self, nodeid: str, workers: list[Any], shares: dict[Any, Any]) -> Any:
        """Return the worker of a test's scope; of a new scope the least busy one."""
        scope = self._scope(nodeid)
        if self._homes.get(scope) not in workers:
            self._homes[scope] = min(
                workers,
                key=lambda node: len(self._real(node)) + len(shares.get(node, ())),
            )
        home = self._homes[scope]
        if scope == nodeid:
            del self._homes[scope]
        return home

    def _scope(self, nodeid: str) -> str:
        """Return what must stay on one worker, as xdist's own schedulers see it."""
        if self._dist == "loadfile":
            return nodeid.partition("::")[0]
        if self._dist == "loadscope":
            return nodeid.rpartition("::")[0]
        if self._dist == "loadgroup" and nodeid.rfind("@") > nodeid.rfind("]"):
            return nodeid.rpartition("@")[2]
        return nodeid

    def _real(self, node: Any) -> list[int]:
        return [place for place, stopgap in self._queues[node] if not stopgap]

    def _complain(self, node: Any, here: Sequence[str], there: Sequence[str]) -> None:
        """Report that a worker collected other tests."""
        told = report_collection_diff(
            list(here), list(there), "the first worker", node.gateway.id
        )
        report = pytest.CollectReport(
            nodeid=node.gateway.id, outcome="failed", longrepr=told, result=[]
        )
        self.config.hook.pytest_collectreport(report=report)
