"""The end of an engine: soon, without leftovers, and with all that was paid."""

from __future__ import annotations

import gc
import signal
import threading
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import CancelledError

import pytest

from pytest_ladder.calls.store.stored_reply import StoreRow
from pytest_ladder.errors import Abandoned, MissingReply
from tests.calls.engine.engine_under_test import Desk
from tests.calls.engine.test_never_twice import wait_until
from tests.scripted_server import ScriptedServer, fails, hangs


@pytest.mark.parametrize(("concurrency", "under_way"), [(1, 1), (64, 64)])
def test_it_ends_at_once_with_calls_under_way(
    desk: Desk, server: ScriptedServer, concurrency: int, under_way: int
) -> None:
    server.reply = lambda _: hangs()
    desk.start_anew(concurrency=concurrency)
    futures = [desk.submit(f"question {n}") for n in range(100)]
    jobs = [(desk.request(f"ahead {n}"), desk.archive) for n in range(700)]
    desk.engine.ahead(jobs)
    wait_until(lambda: server.in_flight == under_way)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        begun = time.monotonic()
        desk.close()
        assert time.monotonic() - begun < 30, "a call hangs for 60 s"
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(10)
    assert "ladder-engine" not in {thread.name for thread in threading.enumerate()}


def test_threads_that_wait_are_let_go(desk: Desk, server: ScriptedServer) -> None:
    server.reply = lambda _: hangs()
    ended: list[type[BaseException]] = []

    def wait() -> None:
        try:
            desk.ask()
        except CancelledError as error:
            ended.append(type(error))

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: server.in_flight == 1)
    desk.close()
    thread.join(20)
    assert ended == [CancelledError]


def test_who_asks_after_the_end_is_sent_home(
    desk: Desk, server: ScriptedServer
) -> None:
    desk.ask()
    desk.engine.close()
    with pytest.raises(Abandoned):
        desk.submit("something new")
    assert server.count == 1


def test_replies_that_arrived_are_kept_at_the_end(
    desk: Desk, server: ScriptedServer
) -> None:
    slow = threading.Event()
    store = desk.archive.store
    put = store.put

    def put_slowly(rows: Sequence[StoreRow]) -> None:
        slow.wait(5)
        put(rows)

    store.put = put_slowly  # type: ignore[method-assign, assignment]
    for n in range(10):
        desk.submit(f"question {n}")
    progress = desk.engine.progress
    wait_until(lambda: server.count == 10 and progress.in_flight == 0)
    threading.Timer(0.2, slow.set).start()
    desk.engine.close()
    assert desk.count_stored(10) == 10


def test_an_engine_that_never_called_has_nothing_to_close(desk: Desk) -> None:
    desk.start_anew(live=False)
    with pytest.raises(MissingReply):
        desk.ask()
    threads = {thread.name for thread in threading.enumerate()}
    assert "ladder-engine" not in threads
    desk.close()
    desk.close()


def test_with_patience_what_was_sent_is_kept_and_nothing_else_is_sent(
    desk: Desk, server: ScriptedServer
) -> None:
    # So long that none of the first four ends before the engine is told to.
    server.latency_s = 1.0
    desk.start_anew(concurrency=4)
    futures = [desk.submit(f"question {n}") for n in range(50)]
    jobs = [(desk.request(f"ahead {n}"), desk.archive) for n in range(50)]
    desk.engine.ahead(jobs)
    wait_until(lambda: server.in_flight == 4)
    begun = time.monotonic()
    desk.engine.close(patience_s=20)
    assert time.monotonic() - begun < 10
    assert (server.count, desk.count_stored(50)) == (4, 4)
    assert all(future.done() for future in futures)


def test_patience_ends(desk: Desk, server: ScriptedServer) -> None:
    server.reply = lambda _: hangs()
    desk.submit("say blue")
    wait_until(lambda: server.in_flight == 1)
    begun = time.monotonic()
    desk.engine.close(patience_s=0.3)
    assert 0.2 < time.monotonic() - begun < 30, "a call hangs for 60 s"


def test_a_call_that_fails_at_the_end_is_not_tried_again(
    desk: Desk, server: ScriptedServer
) -> None:
    server.latency_s, server.reply = 0.1, lambda _: fails(500)
    desk.submit("say blue")
    wait_until(lambda: server.in_flight == 1)
    desk.engine.close(patience_s=10)
    assert server.count == 1


def test_a_long_wait_is_told_once_and_ctrl_c_ends_it(
    desk: Desk, server: ScriptedServer
) -> None:
    server.reply = lambda _: hangs()
    told: list[tuple[int, float]] = []
    main = threading.main_thread().ident
    assert main is not None

    def tell(calls: int, most_s: float) -> None:
        told.append((calls, most_s))
        threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()

    desk.watcher.ending = tell  # type: ignore[method-assign]
    futures = [desk.submit("say blue"), desk.submit("say red")]
    wait_until(lambda: server.in_flight == 2)
    begun = time.monotonic()
    desk.engine.close(patience_s=40)
    assert time.monotonic() - begun < 30, "a call hangs for 60 s"
    assert told == [(2, 40)]
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(10)


def test_what_takes_too_long_at_the_end_is_cancelled_and_not_dropped(
    desk: Desk, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    is_seen, store = threading.Event(), desk.archive.store
    put = store.put

    def put_slowly(rows: Sequence[StoreRow]) -> None:
        is_seen.wait(20)
        put(rows)

    store.put = put_slowly  # type: ignore[method-assign, assignment]
    future = desk.submit("question 0")
    progress = desk.engine.progress
    wait_until(lambda: server.count == 1 and progress.in_flight == 0)
    desk.engine.close()
    is_seen.set()
    with pytest.raises(CancelledError):
        future.result(10)
    # The thread that writes is none of the loop's, and what was paid for is kept.
    wait_until(lambda: desk.count_stored(1) == 1)
    del future
    desk.start_anew()
    gc.collect()
    assert "Task was destroyed" not in caplog.text
