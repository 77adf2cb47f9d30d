"""A file of lines that people's answers are added to: nothing is lost or torn.

Each line is on the disk before the call returns. Whoever adds holds a lock on the file
itself, so that two processes neither mix lines nor decide by what is out of date.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_ladder.disk.files import writing
from pytest_ladder.disk.locks import inheritable_lock

_ADVICE = " The answer is not kept; free the place, or name another file."


@contextmanager
def growing(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Hold the file, which is made if need be; yields what adds a line to it.

    The line comes without its end. If the last line of the file has none, it gets one
    first. Raises `LadderError` where a line cannot be written; the file is then as it
    was.
    """
    with writing(path, _ADVICE):
        path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with writing(path, _ADVICE), inheritable_lock(path) as descriptor:
            if _is_still(path, descriptor):
                yield lambda line: _add(descriptor, line)
                return


def _is_still(path: Path, descriptor: int) -> bool:
    """Tell whether nobody replaced the file, as `git pull` does, during the wait."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _add(descriptor: int, line: bytes) -> None:
    end = os.lseek(descriptor, 0, os.SEEK_END)
    whole = not end or os.pread(descriptor, 1, end - 1) == b"\n"
    data = line + b"\n" if whole else b"\n" + line + b"\n"
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    except OSError:
        # As on a full disk: half a line would be a damaged one.
        os.ftruncate(descriptor, end)
        raise
