"""Which raw files there are, where they may lie, and their bytes, unpacked."""

from __future__ import annotations

import codecs
import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from pytest_ladder.disk import git
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import shown

MOST_BYTES = 20 * 2**30
"""Of a file that is unpacked while it is read."""

MOST_RATIO = 200
"""How many times a packed file may grow: text by ten, a bomb by a thousand."""

_ALWAYS = 2**22
"""Bytes that a packed file may unpack to, however small it is."""


def matching(folder: Path, glob: str, where: str) -> list[Path]:
    """Return the files of a glob, sorted; none where nothing is there yet.

    Raises `ConfigError` for one outside of `folder`, and for a name without a wildcard
    that is not there. `where` names the key.
    """
    paths = sorted(path for path in folder.glob(glob) if path.is_file())
    if not paths and not any(sign in glob for sign in "*?["):
        raise ConfigError(
            f"{where}: there is no file `{glob}` in {shown(folder)}; export it, or "
            "correct the path."
        )
    inside = folder.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(inside):
            raise ConfigError(
                f"{where}: {shown(path)} leads out of the folder of the configuration "
                "file; put the file itself there."
            )
    return paths


def refuse_tracked(folder: Path, paths: Sequence[Path]) -> None:
    """Refuse rows of persons that git tracks. Raises `ConfigError`."""
    tracked = git.tracked(folder) or set()
    inside = folder.resolve()
    for path in paths:
        # A link may be left alone by git, and what it leads to may not.
        for name in (path.relative_to(folder), path.resolve().relative_to(inside)):
            if name.as_posix() in tracked:
                raise ConfigError(
                    f"{name.as_posix()} is tracked by git; rows of users do not belong "
                    f"in a repository: run git rm --cached {name.as_posix()}, and add "
                    "it to .gitignore."
                )


def opened(path: Path) -> tuple[IO[bytes], IO[bytes]]:
    """Open a file; returns its bytes, unpacked, and the file as it lies on disk.

    Raises `ConfigError` for one that cannot be opened.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise ConfigError(
            f"{shown(path)}: the file could not be read "
            f"({error.strerror or error}); check its path and its rights."
        ) from error
    if raw.peek(2)[:4] == b"PK\x03\x04":
        raw.close()
        raise ConfigError(
            f"{shown(path)}: this is a zip archive, as spreadsheets are; unpack it, or "
            "export it as CSV."
        )
    # What is packed says so by its first bytes, whatever it is called.
    stream = raw
    if raw.peek(2)[:2] == b"\x1f\x8b":
        stream = io.BufferedReader(_Unpacked(raw, path), 2**20)
    try:
        begin = stream.peek(2)[:2]
    except (EOFError, OSError):
        # Who reads it says what is wrong.
        begin = b""
    if begin in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        stream = io.BufferedReader(_AsUtf8(stream), 2**20)
    return stream, raw


class _Unpacked(io.RawIOBase):
    """A gzip file as bytes; refuses one that grows beyond all reason."""

    def __init__(self, raw: IO[bytes], path: Path) -> None:
        import gzip

        super().__init__()
        self._raw = raw
        self._file = gzip.GzipFile(fileobj=raw)
        self._most = min(MOST_BYTES, max(MOST_RATIO * path.stat().st_size, _ALWAYS))
        self._seen = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        import zlib

        try:
            chunk = self._file.read(len(buffer))
        except zlib.error as error:
            raise OSError(str(error)) from error
        self._seen += len(chunk)
        if self._seen > self._most:
            raise OSError("it unpacks to more than any text does")
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._file.close()
        self._raw.close()
        super().close()


class _AsUtf8(io.RawIOBase):
    """A text in UTF-16, as Excel and Qualtrics write it, as bytes of UTF-8."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._left = b""
        """What is read and not yet handed over."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            chunk = self._stream.read(2**16)
            try:
                self._left = self._decoder.decode(chunk, final=not chunk).encode()
            except UnicodeDecodeError as error:
                problem = "it begins as a text in UTF-16, and is none"
                raise OSError(problem) from error
            if not chunk:
                break
        handed, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(handed)] = handed
        return len(handed)

    def close(self) -> None:
        self._stream.close()
        super().close()
