"""Lines that the processes of one run append to a file, each reading what is new to it.

What one process writes at once is one small write at the end of the file, which the
system does not mix with those of others. A line that is half written is left for the
next time. Of one process one thread at a time may use a `SharedLines`: its owner holds
a lock.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class SharedLines:
    """A file of lines that grows; the first to write makes it, and its folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_to = 0
        """Bytes of the file that were read."""

    def append(self, lines: Iterable[bytes]) -> None:
        """Write lines, at once; raises `OSError`."""
        text = b"".join(line + b"\n" for line in lines)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(text)

    def new(self) -> list[bytes]:
        """Return the lines that came since the last time, also by this process.

        Nothing where there is no file yet. Raises `OSError` where it cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_to)
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._read_to += len(whole)
        return whole.splitlines()
