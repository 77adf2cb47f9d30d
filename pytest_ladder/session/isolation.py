"""Isolation: output, logs, warnings and random numbers of a rehearsal stay its own.

A rehearsal runs a test's body on a thread of its own, and much of what a body may
touch belongs to the whole process: `sys.stdout`, file descriptors 1 and 2, logging,
warnings, debuggers and the state of random numbers. `turns.Turns` makes an `Isolation`
on the thread of a rehearsal that gets its turn, and undoes it when the turn ends, on
whichever thread ends it: the main thread's, if the turn is taken away. Both happen
under the lock of `Turns`, and no other code of the user runs meanwhile, so nobody else
sees the replaced values. After Ctrl-C the main thread takes the turn away, and with it
goes the isolation: what pytest then prints is seen.

Replaced are public names (`pdb.set_trace`, `pytest.set_trace`, `sys.breakpointhook`);
`logging.root.manager.disable` is read, for `logging.disable` tells no old value.
"""

from __future__ import annotations

import logging
import os
import pdb
import random
import sys
import warnings
from typing import Any, TextIO

import pytest

from pytest_ladder.errors import Abandoned


class RandomState:
    """The random numbers of one rehearsal, which go on from turn to turn.

    Those of Python, and of numpy where it is loaded.
    """

    def __init__(self) -> None:
        self._python: Any = None
        self._numpy: Any = None

    def swap(self) -> None:
        """Exchange the state in force for the kept one.

        Before the first turn there is none: the rehearsal goes on from the main
        thread's.
        """
        now = random.getstate()
        if self._python is not None:
            random.setstate(self._python)
        self._python = now
        numpy: Any = sys.modules.get("numpy.random")
        if numpy is not None:
            now = numpy.get_state()
            if self._numpy is not None:
                numpy.set_state(self._numpy)
            self._numpy = now


class Isolation:
    """Drops output, warnings and logging, and exchanges the random numbers."""

    def __init__(self, state: RandomState, nowhere: TextIO) -> None:
        """Put it in force; `nowhere` is an open file to which all output goes."""
        self._state = state
        self._streams = sys.stdout, sys.stderr
        self._saved_files = _redirect_output(nowhere.fileno())
        self._logging = logging.root.manager.disable
        self._breakpoints = sys.breakpointhook, pdb.set_trace, pytest.set_trace
        self._warnings = warnings.catch_warnings()
        sys.stdout = sys.stderr = nowhere
        logging.disable(sys.maxsize)
        sys.breakpointhook = pdb.set_trace = pytest.set_trace = _end_rehearsal
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        state.swap()

    def undo(self) -> None:
        """Put everything back, in the opposite order."""
        self._state.swap()
        self._warnings.__exit__(None, None, None)
        sys.breakpointhook, pdb.set_trace, pytest.set_trace = self._breakpoints
        logging.disable(self._logging)
        sys.stdout, sys.stderr = self._streams
        for file, saved in self._saved_files.items():
            os.dup2(saved, file)
            os.close(saved)


def _redirect_output(nowhere: int) -> dict[int, int]:
    """Let file descriptors 1 and 2 lead nowhere: child processes write there.

    Returns copies of the descriptors as they were, by number.
    """
    saved = {}
    for file in (1, 2):
        try:
            saved[file] = os.dup(file)
        except OSError:
            # A daemon may have closed it.
            continue
        os.dup2(nowhere, file)
    return saved


def _end_rehearsal(*_: Any, **__: Any) -> None:
    """Stands in for a debugger: its breakpoint is for the real run of the test."""
    raise Abandoned
