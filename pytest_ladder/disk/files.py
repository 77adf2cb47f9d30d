"""Text files that people write, read with errors that name file, line and fix."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.text.phrases import shown

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_BYTE = r" \(byte (\d+)\)\Z"


def read_text(path: Path, label: str | None = None) -> str:
    """Read a file as UTF-8, with or without a byte order mark.

    `label` names the file in messages. Raises `ConfigError`.
    """
    label = label or shown(path)
    return decoded(read_bytes(path, label), label)


def read_bytes(path: Path, label: str) -> bytes:
    """Read a file that people write; raises `ConfigError`, also for a Git LFS pointer.

    `label` names the file in messages.
    """
    with _readable(path, label):
        data = path.read_bytes()
    _refuse_pointer(data, label)
    return data


def decoded(data: bytes, label: str, first: int = 1) -> str:
    """Decode UTF-8, with or without a byte order mark. Raises `ConfigError`.

    `data` begins in line `first` of its file.
    """
    try:
        return data.decode("utf-8-sig" if first == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line = first + data.count(b"\n", 0, error.start)
        raise ConfigError(
            f"{label}:{line}: the text is not UTF-8 (byte 0x{data[error.start]:02x}); "
            "save the file as UTF-8."
        ) from error


def json_lines(text: str, label: str) -> Iterator[tuple[int, Any]]:
    """Yield (line number, value) of a JSONL text; blank lines are skipped.

    Raises `ConfigError` for a line that is not JSON.
    """
    # Not splitlines: characters such as U+2028 may stand inside a JSON string.
    return _values(text.split("\n"), label)


def read_json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the same of a file, of which one line at a time is in memory.

    Raises `ConfigError` as `read_text` and `json_lines` do.
    """
    label = shown(path)
    with _readable(path, label), path.open("rb") as file:
        yield from _values(_lines(file, label), label)


def _lines(file: Iterable[bytes], label: str) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        if number == 1:
            _refuse_pointer(line, label)
        yield decoded(line, label, number)


def _values(lines: Iterable[str], label: str) -> Iterator[tuple[int, Any]]:
    decode = msgspec.json.Decoder().decode
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            continue
        try:
            yield number, decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ConfigError(
                f"{label}:{number}: the line is not valid JSON "
                f"({json_problem(error)}); every line holds one JSON object."
            ) from error


@contextlib.contextmanager
def _readable(path: Path, label: str) -> Iterator[None]:
    """Say which file cannot be read, and what to do; raises `ConfigError`."""
    try:
        yield
    except FileNotFoundError:
        raise ConfigError(
            f"{label}: there is no such file (looked at {path.absolute()}); "
            "create it or correct the path."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{label}: the file cannot be read ({error.strerror}); name a text file "
            "that you may read."
        ) from error


def _refuse_pointer(data: bytes, label: str) -> None:
    if data.startswith(_LFS_POINTER):
        raise ConfigError(
            f"{label}: this is a Git LFS pointer and not the file itself; run "
            "`git lfs pull`."
        )


def json_problem(error: msgspec.DecodeError | RecursionError) -> str:
    """Say what is wrong with a JSON text, without msgspec's byte offset."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return re.sub(_BYTE, "", str(error)).removeprefix("JSON is malformed: ")


def json_byte(error: Exception) -> int | None:
    """Return the offset of the broken byte; None: the text ends too early."""
    offset = re.search(_BYTE, str(error))
    return int(offset.group(1)) if offset else None


def check_is_new(path: Path) -> None:
    """Raise `ConfigError` where a file would be lost, which nobody asked for."""
    if path.exists():
        raise ConfigError(
            f"{shown(path)} exists already; name another file, or remove it."
        )


@contextlib.contextmanager
def writing(path: Path, advice: str = "") -> Iterator[None]:
    """Raise `LadderError` where a file cannot be written, with advice at its end."""
    try:
        yield
    except OSError as error:
        raise LadderError(
            f"{shown(path)} could not be written: {error.strerror or error}.{advice}"
        ) from error


def is_refused(error: BaseException) -> bool:
    """Tell whether a file could not be written because it must not be.

    As in a read-only checkout, and not because a disk is full or broken.
    """
    cause = error if isinstance(error, OSError) else error.__cause__
    refusals = (errno.EROFS, errno.EACCES, errno.EPERM)
    return isinstance(cause, OSError) and cause.errno in refusals


def inside(folder: Path, *names: str) -> Path:
    """Return the path that names lead to below a folder.

    Raises `ConfigError` where it leads out of the folder, by `..`, by a path from the
    root, or by a link that somebody committed.
    """
    path = folder.joinpath(*names)
    base, real = folder.resolve(), path.resolve()
    if real == base or not real.is_relative_to(base):
        raise ConfigError(
            f"{'/'.join(names)!r} would be a file outside of {shown(folder)} "
            f"({shown(real)}); rename what is called so, or remove the link."
        )
    return path


def write_atomically(path: Path, content: bytes | Iterator[bytes]) -> None:
    """Replace a file in one step: a reader finds the old content or all of the new.

    Content that comes in parts is never in memory as a whole. The temporary file lies
    in the same folder, because a rename works within one disk only. Raises `OSError`;
    the old file is then as it was. For one thread of a process at a time.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
        temporary.replace(path)
    finally:
        # After an error; else there is none any more.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
