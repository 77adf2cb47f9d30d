"""What lies in a case file on disk: unpacked, decoded, and what is no case file."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pytest_ladder.disk.files import decoded, read_bytes
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import listed


class FileRow(NamedTuple):
    """One row of a file, not yet a case."""

    number: int
    """Its line; in a file without lines its place, the first is 1."""
    value: Any
    before: Any = None
    """What the first release read here, where that differs; None: the same."""


Rows = Iterator[FileRow]

PACKED = (".gz", ".bz2", ".xz")
"""Suffixes after that of the format, such as `.jsonl.gz`."""
MOST_BYTES = 256 * 2**20
"""Of an unpacked file: a few bytes can unpack to more than fits into memory."""

# The longer ones first: UTF-32's mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# How files begin that are no text, what they are, and what to do about it.
_NO_TEXT = (
    (b"PK\x03\x04", "a ZIP file, as Excel's are", "save it as CSV in UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", "save it as CSV in UTF-8"),
    (b"PAR1", "Parquet", "name it `.parquet`"),
    (b"\x1f\x8b", "packed by gzip", "put `.gz` behind its name"),
    (b"BZh", "packed by bzip2", "put `.bz2` behind its name"),
    (b"\xfd7zXZ\x00", "packed by xz", "put `.xz` behind its name"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd", "unpack it"),
)
_CONFLICT = r"(?m)^(?:[<>]{7} .*|={7}\r?)$"


def suffixes(path: Path) -> tuple[str, str]:
    """Return the suffix of a file's format and that of its packing, `""` for none."""
    last = path.suffix.lower()
    if last in PACKED:
        return Path(path.stem).suffix.lower(), last
    return last, ""


def read_unpacked(path: Path, label: str) -> bytes:
    """Read a file's bytes, unpacked where its name says so. Raises `ConfigError`."""
    data = read_bytes(path, label)
    packing = suffixes(path)[1]
    return _unpacked(path, packing, label) if packing else data


def text_of(data: bytes, label: str) -> str:
    """Decode UTF-8, or what Excel calls Unicode: UTF-16 with its mark."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                raise ConfigError(
                    f"{label}: the text begins as {encoding.upper()} and goes on "
                    f"otherwise ({error.reason}); save the file as UTF-8."
                ) from error
    for begin, what, fix in _NO_TEXT:
        if data.startswith(begin):
            raise ConfigError(f"{label}: the file is no text but {what}; {fix}.")
    if b"\0" in data[:2]:
        raise ConfigError(
            f"{label}: the file begins with a zero byte, as UTF-16 without its mark "
            "does; save it as UTF-8."
        )
    return decoded(data, label)


def conflict_line(text: str) -> int | None:
    """Return the line of the first conflict marker of git in a text, or None."""
    marker = re.search(_CONFLICT, text)
    return marker and text.count("\n", 0, marker.start()) + 1


def conflict(label: str, line: int) -> ConfigError:
    """Say that a file holds both sides of a merge that git could not join."""
    return ConfigError(
        f"{label}:{line}: git left a conflict marker here; keep one of the two sides, "
        "and remove the lines that begin with <<<<<<<, ======= and >>>>>>>."
    )


def _unpacked(path: Path, packing: str, label: str) -> bytes:
    import bz2
    import gzip
    import lzma
    import zlib

    openers: dict[str, Callable[..., Any]] = {
        ".gz": gzip.open,
        ".bz2": bz2.open,
        ".xz": lzma.open,
    }
    try:
        with openers[packing](path) as file:
            data: bytes = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise ConfigError(
            f"{label}: the file cannot be unpacked ({error}); pack it anew, or name it "
            f"without `{packing}` if it is not packed."
        ) from error
    if len(data) > MOST_BYTES:
        raise too_large(label)
    return data


def too_large(label: str) -> ConfigError:
    """Say that a packed file holds more than is read."""
    return ConfigError(
        f"{label}: unpacked the file is larger than {MOST_BYTES // 2**20} MiB, which "
        f"is not read; unpack it yourself ({listed(PACKED)} left out), or split it."
    )


def not_a_list(label: str, kind: str) -> ConfigError:
    """Say that a file holds something else than a list of cases."""
    return ConfigError(
        f"{label}: the file holds {kind} where a list of cases is needed; put the "
        "cases in [ … ] or write one `- ` for each."
    )
