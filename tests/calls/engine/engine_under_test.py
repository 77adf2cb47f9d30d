"""A desk to call from: one engine, one archive, one model; and the same as a process.

    python -m tests.calls.engine.engine_under_test FOLDER API_BASE COUNT

asks for `COUNT` replies ("question 0", …) as a run of its own would, prints what it
got as JSON, and exits with 1 when a reply is missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

from pytest_ladder import clock
from pytest_ladder.calls.asker import Asker
from pytest_ladder.calls.contract import EngineSettings, Progress, Request
from pytest_ladder.calls.engine import Engine
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.calls.store.stored_reply import StoredReply
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Limits, Model, Price, Tier
from pytest_ladder.errors import LadderError

ROOT = Path(__file__).parents[3]
PRICE = Price(input=1.0, output=2.0)


class Desk:
    """An engine that calls one model, and the archive it keeps replies in."""

    def __init__(self, place: Path, api_base: str, **settings: Any) -> None:
        self.folder = place
        self.api_base = api_base
        self._runs = 1
        self.watcher = Unwatched()
        self.archive = Archive(place)
        self.engine = self.another_engine(**settings)

    def another_engine(self, **settings: Any) -> Engine:
        """Make an engine of the same run."""
        defaults: dict[str, Any] = {
            "live": True,
            "folder": self.folder / f"run-{self._runs}",
            "owner_pid": os.getpid(),
        }
        made = EngineSettings(**(defaults | settings))
        return Engine(made, Progress(), self.watcher)

    def start_anew(self, **settings: Any) -> None:
        """Begin another run over the same archive."""
        self.close()
        self._runs += 1
        self.archive = Archive(self.folder)
        self.engine = self.another_engine(**settings)

    def request(
        self,
        text: str = "say blue",
        *,
        model: dict[str, Any] | None = None,
        **params: Any,
    ) -> Request:
        fields: dict[str, Any] = {
            "name": "bot",
            "tier": Tier.OFF_THE_SHELF,
            "id": "openai/bot",
            "api_base": self.api_base,
            "price": PRICE,
        }
        fields |= model or {}
        if "limits" in fields and isinstance(fields["limits"], dict):
            fields["limits"] = Limits(**fields["limits"])
        messages = [{"role": "user", "content": text}]
        params = {"max_tokens": 20, **params}
        return Request(model=Model(**fields), messages=messages, params=params)

    def ask(self, text: str = "say blue", **request: Any) -> Reply:
        return self.engine.ask(self.request(text, **request), self.archive)

    def submit(self, text: str, **request: Any) -> Future[Reply]:
        asked = self.request(text, **request)
        return self.engine.calls.submit(asked, self.archive, ahead=False)

    def ask_many(self, count: int, **request: Any) -> list[Reply | LadderError]:
        """Ask for many replies at once; failures take the place of replies."""
        futures = [self.submit(f"question {n}", **request) for n in range(count)]
        return [outcome_of(future) for future in futures]

    def stored(self, text: str = "say blue", **request: Any) -> StoredReply | None:
        return self.archive.find(self.archive.key(self.request(text, **request)))

    def count_stored(self, count: int) -> int:
        return sum(self.stored(f"question {n}") is not None for n in range(count))

    def close(self) -> None:
        self.engine.close()
        self.archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Unwatched:
    """Nobody to tell that the main thread waits."""

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        yield

    def show(self) -> None: ...

    def ending(self, calls: int, most_s: float) -> None: ...


def asker_of(engine: Engine, archive: Archive) -> Asker:
    """Return what asks an engine; what is asked is on no row."""

    def ask(request: Request) -> Reply:
        return engine.ask(request, archive)

    def ask_async(request: Request) -> Awaitable[Reply]:
        return engine.ask_async(request, archive)

    return Asker(ask, ask_async)


def outcome_of(future: Future[Reply]) -> Reply | LadderError:
    try:
        return future.result(60)
    except LadderError as error:
        return error


def texts(outcomes: list[Reply | LadderError]) -> list[str]:
    return [o.text if isinstance(o, Reply) else str(o) for o in outcomes]


def start_process(
    folder: Path, api_base: str, count: int, **settings: Any
) -> subprocess.Popen[str]:
    """Start a process that asks for replies; `settings` are the engine's, and these.

    `shared`: the folder that the processes of a run share. `largest_file`: in bytes.
    `clock_ahead_s`: by how many seconds its clock is wrong.
    """
    command = [
        sys.executable,
        "-m",
        "tests.calls.engine.engine_under_test",
        str(folder),
        api_base,
    ]
    command += [str(count), json.dumps(settings)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _main(folder: str, api_base: str, count: str, settings: str) -> int:
    given: dict[str, Any] = json.loads(settings)
    largest = given.pop("largest_file", None)
    if largest is not None:
        _fill_disk(largest)
    ahead_s, real_time = given.pop("clock_ahead_s", 0.0), clock.unix
    clock.unix = lambda: real_time() + ahead_s
    if "shared" in given:
        given["folder"] = Path(given.pop("shared"))
    with Desk(Path(folder), api_base, **given) as desk:
        outcomes = desk.ask_many(int(count))
        live = sum(isinstance(o, Reply) and not o.replayed for o in outcomes)
        errors = sorted({str(o) for o in outcomes if not isinstance(o, Reply)})
    told = {"live": live, "errors": errors, "calls": desk.engine.progress.done}
    sys.stdout.write(json.dumps(told) + "\n")
    return 1 if errors else 0


def _fill_disk(largest_file: int) -> None:
    """Let every file end where a full disk would end it."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
