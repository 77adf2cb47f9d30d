"""Muting: while a rehearsal is on stage, nobody hears what it says."""

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
    """The state of the random numbers that a rehearsal sees between its stays."""

    def __init__(self) -> None:
        self._python: Any = None
        self._numpy: Any = None

    def swap(self) -> None:
        """Put the kept state in place, and keep the one that was."""
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
    """Swallows output, warnings and logging, and keeps random numbers in place."""

    def __init__(self, state: RandomState, nowhere: TextIO) -> None:
        self._state = state
        self._streams = sys.stdout, sys.stderr
        self._files = _point_output_to(nowhere.fileno())
        self._logging = logging.root.manager.disable
        self._breakpoints = sys.breakpointhook, pdb.set_trace, pytest.set_trace
        self._warnings = warnings.catch_warnings()
        sys.stdout = sys.stderr = nowhere
        logging.disable(sys.maxsize)
        sys.breakpointhook = pdb.set_trace = pytest.set_trace = _no_debugger
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        state.swap()

    def undo(self) -> None:
        """Make everything heard again."""
        self._state.swap()
        self._warnings.__exit__(None, None, None)
        sys.breakpointhook, pdb.set_trace, pytest.set_trace = self._breakpoints
        logging.disable(self._logging)
        sys.stdout, sys.stderr = self._streams
        for file, saved in self._files.items():
            os.dup2(saved, file)
            os.close(saved)


def _point_output_to(nowhere: int) -> dict[int, int]:
    """Swallow what is written past Python, by child processes most of all.

    Returns copies of the files that were there before.
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


def _no_debugger(*_: Any, **__: Any) -> None:
    raise Abandoned
