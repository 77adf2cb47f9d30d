"""Text files that people write, read with errors that name file, line and fix."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import shown

_BYTE = re.compile(r" \(byte (\d+)\)\Z")


def read_text(path: Path, label: str | None = None) -> str:
    """Read a file as UTF-8, with or without a byte order mark.

    `label` names the file in messages. Raises `ConfigError`.
    """
    label = label or shown(path)
    try:
        data = path.read_bytes()
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
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{label}:{line}: the text is not UTF-8 (byte 0x{data[error.start]:02x}); "
            "save the file as UTF-8."
        ) from error


def json_lines(text: str, label: str) -> Iterator[tuple[int, Any]]:
    """Yield (line number, value) of a JSONL text; blank lines are skipped.

    Raises `ConfigError` for a line that is not JSON.
    """
    decode = msgspec.json.Decoder().decode
    # Not splitlines: characters such as U+2028 may stand inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            yield number, decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ConfigError(
                f"{label}:{number}: the line is not valid JSON "
                f"({json_problem(error)}); every line holds one JSON object."
            ) from error


def json_problem(error: msgspec.DecodeError | RecursionError) -> str:
    """Say what is wrong with a JSON text, without msgspec's byte offset."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return _BYTE.sub("", str(error)).removeprefix("JSON is malformed: ")


def json_byte(error: Exception) -> int | None:
    """Return the offset of the broken byte; None: the text ends too early."""
    offset = _BYTE.search(str(error))
    return int(offset.group(1)) if offset else None


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step: a reader finds the old content or all of the new.

    The temporary file lies in the same folder, because a rename works within one disk
    only. Raises `OSError`; the old file is then as it was. For one thread of a process
    at a time.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
