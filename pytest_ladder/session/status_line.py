"""The status line: calls, dollars and time left, while a run on a terminal waits.

Where there is none (in a log, in a worker of xdist) a line says of the first long wait
what it is for. Likewise of a wait at the end of any run.

All of it runs on the main thread: the engine calls `show` again and again while it
waits there for a reply, and `RunningTest` when a loop has waited. What it reads of
`Progress` the engine's thread writes, and a number of a moment ago does no harm: no
lock is needed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

import pytest

from pytest_ladder import clock
from pytest_ladder.calls.contract import Progress
from pytest_ladder.session.turns import Turns
from pytest_ladder.session.xdist import is_worker
from pytest_ladder.text.numbers import count, dollars

_REDRAW_S = 0.5
_LONG_S = 60.0
"""A single wait without a status line that is worth a line in the log."""
_BELOW = "\x1bD\x1b[A\x1b7\x1b[B\r\x1b[K"
"""Down a line and back, which makes one where there is none at the end of the screen;
then the place is saved, and the line below cleared. `\\x1b8` goes back to it."""


class StatusLine:
    """Shows progress below the current line while the main thread waits.

    The text has the next line for itself, and is taken back before pytest goes on, so
    that the finished output is pytest's own.
    """

    def __init__(self, config: pytest.Config, progress: Progress, turns: Turns) -> None:
        self._config = config
        self._progress = progress
        self._turns = turns
        self._started = clock.monotonic()
        self._drawn_at = 0.0
        self._shown = False
        self._waits_since: float | None = None
        """When the wait began, until a long one is told: once a run is enough."""
        self._said_long = False
        self._done_before = 0
        """Calls of the run that had come to their end when the wait began."""
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._quiet = (
            type(reporter) is not pytest.TerminalReporter
            or not reporter.isatty
            or config.option.verbose < 0
            or bool(os.environ.get("CI"))
        )

    def show(self) -> None:
        """Draw the line anew; called again and again while the main thread waits."""
        now = clock.monotonic()
        if self._quiet:
            self._say_if_long(now)
        if self._quiet or now - self._drawn_at < _REDRAW_S:
            return
        self._drawn_at = now
        self._write(self._text(now - self._started))

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Let rehearsals run while the main thread waits, then clear the line.

        Called by the engine around each wait.
        """
        if not self._said_long:
            self._waits_since = clock.monotonic()
            self._done_before = self._progress.done
        try:
            with self._turns.others_run():
                yield
        finally:
            self._waits_since = None
            self.take_back()

    def take_back(self) -> None:
        """Clear the line, so that the terminal is as pytest left it."""
        if self._shown:
            self._write("")
            self._shown = False

    def ending(self, calls: int, most_s: float) -> None:
        """Say what the end of the run waits for; called once, where it takes long."""
        it = "it was" if calls == 1 else "they were"
        line = (
            f"{most_s:g} s at most for {count(calls, 'call')} under way: "
            f"{it} sent and may be billed"
        )
        ends = "" if is_worker(self._config) else "; Ctrl-C ends the wait"
        self._say(line + ends)

    def _say_if_long(self, now: float) -> None:
        """Say once that a test waits: for all that a log shows, the run hangs.

        pytest shows 100 % before the last test is rerun, say, and pytest-timeout does
        not end a rerun.
        """
        if self._waits_since is not None and now - self._waits_since > _LONG_S:
            self._waits_since, self._said_long = None, True
            test = os.environ.get("PYTEST_CURRENT_TEST", "a test")
            others = self._progress.done - self._done_before
            so = "`timeout` in the `params` of its model, in seconds, ends an attempt"
            if others:
                so = f"{count(others, 'call')} of other tests came back meanwhile"
            self._say(f"{test} has waited {_LONG_S:g} s for a reply; {so}")

    def _say(self, line: str) -> None:
        """Print a line that stays.

        What a worker of xdist writes to its terminal, or to standard output, goes
        nowhere; its standard error is that of the controller.
        """
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        if is_worker(self._config):
            name = self._config.workerinput["workerid"]  # type: ignore[attr-defined]
            with self._uncaptured():
                os.write(2, f"\nladder {name}: {line}\n".encode())
        elif reporter is not None:
            with self._uncaptured():
                reporter.ensure_newline()
                reporter.write_line(f"ladder: {line}")

    def close(self) -> None:
        """Close the file that leads to the terminal."""
        if "_terminal" in self.__dict__:
            os.close(self._terminal)
            self._quiet = True

    @cached_property
    def _terminal(self) -> int:
        """A file that leads to the terminal, whatever happens to other output."""
        with self._uncaptured():
            return os.dup(1)

    def _uncaptured(self) -> AbstractContextManager[None]:
        """Return a context in which files 1 and 2 are what pytest was started with."""
        capture: Any = self._config.pluginmanager.get_plugin("capturemanager")
        if capture is None:
            return contextlib.nullcontext()
        uncaptured: AbstractContextManager[None] = capture.global_and_fixture_disabled()
        return uncaptured

    def _text(self, elapsed_s: float) -> str:
        progress = self._progress
        if progress.note:
            return progress.note
        rate = progress.done / elapsed_s if elapsed_s > 0 else 0.0
        of_all, left = "", ""
        left_s = progress.left_s(elapsed_s)
        if left_s is not None:
            more = "+" if progress.feeds else ""
            of_all = f"/{progress.expected}{more}"
            left = f", {round(left_s) // 60}:{round(left_s) % 60:02}{more} left"
        usd = dollars(progress.spent_usd)
        return f"{progress.done}{of_all} calls, {usd}, {rate:.1f}/s{left}"

    def _write(self, text: str) -> None:
        room = self._config.get_terminal_writer().fullwidth - 1
        shown = f"\x1b[2m{text[:room]}\x1b[0m" if text else ""
        self._shown = True
        os.write(self._terminal, f"{_BELOW}{shown}\x1b8".encode())
