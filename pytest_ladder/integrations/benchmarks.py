"""Latency benchmarks in ladder tests: `benchmark(llm, "…")`, by pytest-benchmark.

In a conftest, or in a test file:

    from pytest_ladder.integrations.benchmarks import benchmark  # noqa: F401

Tests outside a ladder keep pytest-benchmark's own fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import msgspec
import pytest

from pytest_ladder import clock
from pytest_ladder.core.why import Why
from pytest_ladder.errors import ConfigError
from pytest_ladder.session.ladder_test import Record, rung_of
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.state import session_of
from pytest_ladder.text.phrases import listed

try:
    from pytest_benchmark.fixture import BenchmarkFixture
except ModuleNotFoundError:
    raise ConfigError(
        "Latency benchmarks need pytest-benchmark; run "
        "pip install 'pytest-ladder[benchmark]'."
    ) from None

T = TypeVar("T")

ROUNDS = 5


class LadderBenchmark(BenchmarkFixture):
    """Times calls of a model: each round is one call, of which no reply is stored.

    Only in a live run; in a replay the function runs once and nothing is timed,
    because the store would answer in microseconds.
    """

    def __init__(
        self, inner: BenchmarkFixture, session: LadderSession, record: Record
    ) -> None:
        # One state for both objects: pytest-benchmark closes the one that it made, and
        # demands that the one a test gets is a `BenchmarkFixture`, too. This reaches
        # into its attributes; so do `disabled`, `_mode` and `has_error` below.
        self.__dict__ = inner.__dict__
        self._session = session
        self._record = record
        self._fresh = 0
        """Rounds that were begun."""

    def __call__(  # type: ignore[override]
        self, target: Callable[..., T], *args: Any, **kwargs: Any
    ) -> T:
        """Time `target(*args, **kwargs)` in 5 rounds, and return the first result."""
        return self.pedantic(target, args, kwargs)

    def pedantic(  # type: ignore[override]
        self,
        target: Callable[..., T],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        rounds: int = ROUNDS,
        **options: Any,
    ) -> T:
        """Do the same with other `rounds`; where the budget ends, with fewer.

        Raises `ConfigError` for pytest-benchmark's other options.
        """
        __tracebackhide__ = True
        if options:
            self._refuse(options, rounds)
        self.disabled = self.disabled or not self._session.settings.live
        if self.disabled:
            once: T = super().pedantic(target, args, kwargs)  # type: ignore[no-untyped-call]
            return once
        record = self._record
        # The first reply is the one that is recorded, and it warms the connection up.
        first = target(*args, **(kwargs or {}))
        billed = len(record.replies)
        try:
            super().pedantic(  # type: ignore[no-untyped-call]
                target, args, dict(kwargs or {}), self._freshen, rounds=rounds
            )
        except pytest.skip.Exception:
            if record.why is not Why.BUDGET or self._fresh < 2:
                raise
            record.why = None
        finally:
            record.fresh_sample = None
            record.replies[billed:] = [
                msgspec.structs.replace(bill, key=f"{record.item.nodeid}#round{number}")
                for number, bill in enumerate(record.replies[billed:], 1)
            ]
        return first

    def _refuse(self, options: Mapping[str, Any], rounds: int) -> NoReturn:
        __tracebackhide__ = True
        # As its own `pedantic` does: else pytest-benchmark warns of an unused fixture.
        self._mode, self.has_error = "benchmark.pedantic(...)", True
        raise ConfigError(
            f"{self._record.item.nodeid}: benchmark.pedantic has no {listed(options)} "
            "in a ladder test, where each round is one call, after one that warms up; "
            f"write benchmark.pedantic(llm, (…,), rounds={rounds}), with more rounds "
            "for more calls, and prepare what the call needs before it."
        )

    def _freshen(self) -> None:
        """Let the next call be for a sample of which no reply can be stored."""
        self._fresh += 1
        self._record.fresh_sample = clock.unix_ns()


@pytest.fixture
def benchmark(
    benchmark: BenchmarkFixture, request: pytest.FixtureRequest
) -> BenchmarkFixture | LadderBenchmark:
    """Time a function; in a ladder test calls of a model, and no quality comes of it.

    The row weighs 0: its latencies and costs count, its outcome does not.
    """
    session = session_of(request.config)
    record = session.running.record
    if rung_of(request.node) is None or record is None:
        return benchmark
    record.is_timed = True
    return LadderBenchmark(benchmark, session, record)
