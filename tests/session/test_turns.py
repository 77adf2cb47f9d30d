"""Turns: one at a time, without output, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pdb
import random
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator

import pytest

from pytest_ladder.errors import Abandoned
from pytest_ladder.session.event_loops import (
    as_plain_function,
    let_others_run_when_idle,
    run_coroutine,
)
from pytest_ladder.session.turns import Rehearsal, Turns

WAIT_S = 10.0
"""Nothing in these tests takes as long; a thread that does is a failure."""


class Rehearsals:
    """Threads that rehearse, and take turns."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.threads: list[threading.Thread] = []
        self.abandoned = 0

    def rehearse(self, body: Callable[[Rehearsal], object]) -> None:
        def run() -> None:
            try:
                code = (body.__code__,)
                with Rehearsal(self.turns, code) as rehearsal:
                    body(rehearsal)
                    self.turns.finished += 1
            except Abandoned:
                self.abandoned += 1

        thread = threading.Thread(target=run, daemon=True)
        self.threads.append(thread)
        thread.start()

    def wait(self) -> None:
        """Give everybody their turns until all are done."""
        deadline = time.monotonic() + WAIT_S
        while any(thread.is_alive() for thread in self.threads):
            assert time.monotonic() < deadline, "a rehearsal does not end"
            with self.turns.others_run():
                time.sleep(0.001)


@pytest.fixture
def rehearsals() -> Iterator[Rehearsals]:
    rehearsals = Rehearsals()
    yield rehearsals
    rehearsals.turns.close()
    for thread in rehearsals.threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()


def world() -> list[object]:
    """Return all that a rehearsal must leave as it was."""
    return [
        sys.stdout,
        sys.stderr,
        sys.breakpointhook,
        pdb.set_trace,
        pytest.set_trace,
        logging.root.manager.disable,
        list(warnings.filters),
        warnings.showwarning,
        random.getstate(),
        [os.fstat(file)[:3] for file in (1, 2)],
    ]


def test_never_two_at_once_under_stress(rehearsals: Rehearsals) -> None:
    running: list[int] = []
    most = 0

    def body(rehearsal: Rehearsal) -> None:
        nonlocal most
        for _ in range(20):
            running.append(1)
            most = max(most, len(running))
            pause_s = random.random() / 1000
            running.pop()
            with rehearsal.others_run():
                time.sleep(pause_s)

    before = world()
    for _ in range(24):
        rehearsals.rehearse(body)
    deadline = time.monotonic() + WAIT_S
    while any(thread.is_alive() for thread in rehearsals.threads):
        assert time.monotonic() < deadline
        assert not running, "the main thread has the turn"
        assert world() == before
        rehearsals.turns.let_others_run_once()
        with rehearsals.turns.others_run():
            time.sleep(0.0005)
    assert most == 1
    assert rehearsals.turns.finished == 24
    assert world() == before


def test_what_a_rehearsal_prints_goes_nowhere(
    rehearsals: Rehearsals,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    def body(rehearsal: Rehearsal) -> None:
        print("loud", file=sys.stderr)  # noqa: T201
        os.write(1, b"loud")
        os.system("echo loud")
        sys.stdout.buffer.write(b"loud")
        logging.getLogger("own").critical("loud")
        warnings.warn("loud", stacklevel=1)
        with pytest.raises(Abandoned):
            breakpoint()
        with pytest.raises(Abandoned):
            pytest.set_trace()

    before = world()
    rehearsals.rehearse(body)
    rehearsals.wait()
    assert rehearsals.turns.finished == 1
    assert world() == before
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not recwarn


def test_random_numbers_go_on_where_each_one_left(rehearsals: Rehearsals) -> None:
    drawn: dict[int, list[float]] = {}

    def body(rehearsal: Rehearsal) -> None:
        number = len(drawn)
        drawn[number] = []
        random.seed(number)
        for _ in range(5):
            drawn[number].append(random.random())
            with rehearsal.others_run():
                time.sleep(0.001)

    random.seed(99)
    expected = random.Random(99)
    for _ in range(6):
        rehearsals.rehearse(body)
    for _ in range(20):
        rehearsals.turns.let_others_run_once()
        assert random.random() == expected.random()
    rehearsals.wait()
    for number, values in drawn.items():
        own = random.Random(number)
        assert values == [own.random() for _ in range(5)]


def test_a_body_that_keeps_its_turn_loses_it_and_ends(rehearsals: Rehearsals) -> None:
    went_on = threading.Event()
    started = threading.Event()

    def body(rehearsal: Rehearsal) -> None:
        started.set()
        time.sleep(1.0)
        went_on.set()

    before = world()
    rehearsals.rehearse(body)
    with rehearsals.turns.others_run():
        assert started.wait(WAIT_S)
    assert world() == before
    rehearsals.threads[0].join(WAIT_S)
    assert not went_on.is_set()
    assert rehearsals.abandoned == 1


def test_in_the_midst_of_other_code_it_ends_with_its_next_request(
    rehearsals: Rehearsals,
) -> None:
    started, may_go, went_on = threading.Event(), threading.Event(), threading.Event()

    def body(rehearsal: Rehearsal) -> None:
        started.set()
        assert may_go.wait(WAIT_S)
        went_on.set()
        with rehearsal.others_run():
            raise AssertionError("never")

    rehearsals.rehearse(body)
    with rehearsals.turns.others_run():
        assert started.wait(WAIT_S)
    before = world()
    may_go.set()
    rehearsals.threads[0].join(WAIT_S)
    assert went_on.is_set()
    assert rehearsals.abandoned == 1
    assert world() == before


def test_where_many_lose_their_turn_rehearsals_end(rehearsals: Rehearsals) -> None:
    may_end = threading.Event()

    def body(rehearsal: Rehearsal) -> None:
        may_end.wait(WAIT_S)

    for _ in range(8):
        rehearsals.rehearse(body)
    begun = time.monotonic()
    while not rehearsals.turns.closed:
        assert time.monotonic() < begun + WAIT_S
        rehearsals.turns.let_others_run_once()
    may_end.set()
    assert time.monotonic() - begun < WAIT_S


def test_after_an_interrupt_the_main_thread_goes_on_at_once(
    rehearsals: Rehearsals,
) -> None:
    started, may_end = threading.Event(), threading.Event()

    def body(rehearsal: Rehearsal) -> None:
        started.set()
        may_end.wait(WAIT_S)

    before = world()
    rehearsals.rehearse(body)
    turns = rehearsals.turns
    # What Ctrl-C does while the main thread waits to go on.
    turns._wait_for = _interrupted  # type: ignore[assignment, method-assign]
    with pytest.raises(KeyboardInterrupt), turns.others_run():
        assert started.wait(WAIT_S)
    assert world() == before
    may_end.set()


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_closing_ends_all_rehearsals_that_wait(rehearsals: Rehearsals) -> None:
    waiting = threading.Event()

    def body(rehearsal: Rehearsal) -> None:
        with rehearsal.others_run():
            waiting.set()
            deadline = time.monotonic() + WAIT_S
            while not rehearsals.turns.closed and time.monotonic() < deadline:
                time.sleep(0.001)

    rehearsals.rehearse(body)
    with rehearsals.turns.others_run():
        assert waiting.wait(WAIT_S)
    rehearsals.rehearse(body)
    rehearsals.turns.close()
    for thread in rehearsals.threads:
        thread.join(WAIT_S)
    assert rehearsals.abandoned == 2
    with pytest.raises(Abandoned), Rehearsal(rehearsals.turns):
        pass


def test_threads_of_a_body_share_its_turn(rehearsals: Rehearsals) -> None:
    done: list[int] = []

    def body(rehearsal: Rehearsal) -> None:
        def ask() -> None:
            with rehearsal.others_run():
                time.sleep(0.01)
            done.append(1)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)

    for _ in range(4):
        rehearsals.rehearse(body)
    rehearsals.wait()
    assert len(done) == 16
    assert rehearsals.turns.finished == 4


async def _sleeps(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


@pytest.mark.parametrize("way", ["own loop", "task", "loop of the user's"])
def test_event_loops_wait_side_by_side(rehearsals: Rehearsals, way: str) -> None:
    results: list[str] = []

    async def of_the_user(rehearsal: Rehearsal) -> str:
        let_others_run_when_idle(rehearsal.others_run)
        return await _sleeps(0.5)

    def body(rehearsal: Rehearsal) -> None:
        if way == "own loop":
            results.append(run_coroutine(_sleeps(0.5), rehearsal.others_run))
        elif way == "task":
            results.append(as_plain_function(_sleeps, rehearsal.others_run)(0.5))
        else:
            results.append(asyncio.run(of_the_user(rehearsal)))

    for _ in range(16):
        rehearsals.rehearse(body)
    begun = time.monotonic()
    rehearsals.wait()
    assert results == ["done"] * 16
    assert time.monotonic() - begun < 7, "one after another takes 8 s"


def test_a_loop_that_loses_its_turn_ends_without_complaint(
    rehearsals: Rehearsals, caplog: pytest.LogCaptureFixture
) -> None:
    started = threading.Event()

    async def blocks() -> None:
        other = asyncio.create_task(_sleeps(5))
        await asyncio.sleep(0)
        with contextlib.suppress(asyncio.CancelledError):
            started.set()
            time.sleep(1.0)
            await other

    def body(rehearsal: Rehearsal) -> None:
        run_coroutine(blocks(), rehearsal.others_run)

    rehearsals.rehearse(body)
    with rehearsals.turns.others_run():
        assert started.wait(WAIT_S)
    rehearsals.threads[0].join(WAIT_S)
    assert rehearsals.abandoned == 1
    assert not caplog.records
