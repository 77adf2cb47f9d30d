"""The stage: one at a time, muted, and nobody waits for ever."""

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
from pytest_ladder.session.turns import (
    Rehearsal,
    Turns,
    on_loop_of_its_own,
    run_off_stage,
    wait_off_stage,
)

WAIT_S = 10.0
"""Nothing in these tests takes as long; a thread that does is a failure."""


class Troupe:
    """Threads that rehearse on one stage."""

    def __init__(self) -> None:
        self.stage = Turns()
        self.threads: list[threading.Thread] = []
        self.abandoned = 0

    def rehearse(self, play: Callable[[Rehearsal], object]) -> None:
        def run() -> None:
            try:
                code = (play.__code__,)
                with Rehearsal(self.stage, code) as rehearsal:
                    play(rehearsal)
                    self.stage.finished += 1
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
            with self.stage.offered():
                time.sleep(0.001)


@pytest.fixture
def troupe() -> Iterator[Troupe]:
    troupe = Troupe()
    yield troupe
    troupe.stage.close()
    for thread in troupe.threads:
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


def test_never_two_at_once_under_stress(troupe: Troupe) -> None:
    on_stage: list[int] = []
    most = 0

    def play(rehearsal: Rehearsal) -> None:
        nonlocal most
        for _ in range(20):
            on_stage.append(1)
            most = max(most, len(on_stage))
            pause_s = random.random() / 1000
            on_stage.pop()
            with rehearsal.off():
                time.sleep(pause_s)

    before = world()
    for _ in range(24):
        troupe.rehearse(play)
    deadline = time.monotonic() + WAIT_S
    while any(thread.is_alive() for thread in troupe.threads):
        assert time.monotonic() < deadline
        assert not on_stage, "the main thread has the stage"
        assert world() == before
        troupe.stage.take_turns()
        with troupe.stage.offered():
            time.sleep(0.0005)
    assert most == 1
    assert troupe.stage.finished == 24
    assert world() == before


def test_what_a_rehearsal_says_goes_nowhere(
    troupe: Troupe,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    def play(rehearsal: Rehearsal) -> None:
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
    troupe.rehearse(play)
    troupe.wait()
    assert troupe.stage.finished == 1
    assert world() == before
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not recwarn


def test_random_numbers_go_on_where_each_one_left(troupe: Troupe) -> None:
    drawn: dict[int, list[float]] = {}

    def play(rehearsal: Rehearsal) -> None:
        number = len(drawn)
        drawn[number] = []
        random.seed(number)
        for _ in range(5):
            drawn[number].append(random.random())
            with rehearsal.off():
                time.sleep(0.001)

    random.seed(99)
    expected = random.Random(99)
    for _ in range(6):
        troupe.rehearse(play)
    for _ in range(20):
        troupe.stage.take_turns()
        assert random.random() == expected.random()
    troupe.wait()
    for number, values in drawn.items():
        own = random.Random(number)
        assert values == [own.random() for _ in range(5)]


def test_who_holds_the_stage_is_left_behind_and_ends(troupe: Troupe) -> None:
    went_on = threading.Event()
    started = threading.Event()

    def play(rehearsal: Rehearsal) -> None:
        started.set()
        time.sleep(0.4)
        went_on.set()

    before = world()
    troupe.rehearse(play)
    with troupe.stage.offered():
        assert started.wait(WAIT_S)
    assert world() == before
    troupe.threads[0].join(WAIT_S)
    assert not went_on.is_set()
    assert troupe.abandoned == 1


def test_in_the_midst_of_other_code_it_ends_with_its_next_request(
    troupe: Troupe,
) -> None:
    started, may_go, went_on = threading.Event(), threading.Event(), threading.Event()

    def play(rehearsal: Rehearsal) -> None:
        started.set()
        assert may_go.wait(WAIT_S)
        went_on.set()
        with rehearsal.off():
            raise AssertionError("never")

    troupe.rehearse(play)
    with troupe.stage.offered():
        assert started.wait(WAIT_S)
    before = world()
    may_go.set()
    troupe.threads[0].join(WAIT_S)
    assert went_on.is_set()
    assert troupe.abandoned == 1
    assert world() == before


def test_where_many_are_left_behind_the_stage_closes(troupe: Troupe) -> None:
    may_end = threading.Event()

    def play(rehearsal: Rehearsal) -> None:
        may_end.wait(WAIT_S)

    for _ in range(8):
        troupe.rehearse(play)
    begun = time.monotonic()
    while not troupe.stage.closed:
        assert time.monotonic() < begun + WAIT_S
        troupe.stage.take_turns()
    may_end.set()
    assert time.monotonic() - begun < 3


def test_an_interrupt_gets_the_stage_at_once(troupe: Troupe) -> None:
    started, may_end = threading.Event(), threading.Event()

    def play(rehearsal: Rehearsal) -> None:
        started.set()
        may_end.wait(WAIT_S)

    before = world()
    troupe.rehearse(play)
    stage = troupe.stage
    # What Ctrl-C does while the main thread waits to go on.
    stage._wait_for = _interrupted  # type: ignore[assignment, method-assign]
    with pytest.raises(KeyboardInterrupt), stage.offered():
        assert started.wait(WAIT_S)
    assert world() == before
    may_end.set()


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_closing_sends_home_whoever_waits(troupe: Troupe) -> None:
    waiting = threading.Event()

    def play(rehearsal: Rehearsal) -> None:
        with rehearsal.off():
            waiting.set()
            deadline = time.monotonic() + WAIT_S
            while not troupe.stage.closed and time.monotonic() < deadline:
                time.sleep(0.001)

    troupe.rehearse(play)
    with troupe.stage.offered():
        assert waiting.wait(WAIT_S)
    troupe.rehearse(play)
    troupe.stage.close()
    for thread in troupe.threads:
        thread.join(WAIT_S)
    assert troupe.abandoned == 2
    with pytest.raises(Abandoned), Rehearsal(troupe.stage):
        pass


def test_threads_of_a_body_share_its_place(troupe: Troupe) -> None:
    done: list[int] = []

    def play(rehearsal: Rehearsal) -> None:
        def ask() -> None:
            with rehearsal.off():
                time.sleep(0.01)
            done.append(1)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)

    for _ in range(4):
        troupe.rehearse(play)
    troupe.wait()
    assert len(done) == 16
    assert troupe.stage.finished == 4


async def _sleeps(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


@pytest.mark.parametrize("way", ["own loop", "task", "loop of the user's"])
def test_event_loops_wait_side_by_side(troupe: Troupe, way: str) -> None:
    results: list[str] = []

    async def of_the_user(rehearsal: Rehearsal) -> str:
        wait_off_stage(rehearsal.off)
        return await _sleeps(0.2)

    def play(rehearsal: Rehearsal) -> None:
        if way == "own loop":
            results.append(run_off_stage(_sleeps(0.2), rehearsal.off))
        elif way == "task":
            results.append(on_loop_of_its_own(_sleeps, rehearsal.off)(0.2))
        else:
            results.append(asyncio.run(of_the_user(rehearsal)))

    for _ in range(8):
        troupe.rehearse(play)
    begun = time.monotonic()
    troupe.wait()
    assert results == ["done"] * 8
    assert time.monotonic() - begun < 1.4


def test_a_loop_that_is_left_behind_ends_without_complaint(
    troupe: Troupe, caplog: pytest.LogCaptureFixture
) -> None:
    async def blocks() -> None:
        other = asyncio.create_task(_sleeps(5))
        await asyncio.sleep(0)
        with contextlib.suppress(asyncio.CancelledError):
            time.sleep(0.4)
            await other

    def play(rehearsal: Rehearsal) -> None:
        run_off_stage(blocks(), rehearsal.off)

    troupe.rehearse(play)
    time.sleep(0.05)
    troupe.stage.take_turns()
    with troupe.stage.offered():
        time.sleep(0.05)
    troupe.threads[0].join(WAIT_S)
    assert troupe.abandoned == 1
    assert not caplog.records
