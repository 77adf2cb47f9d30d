"""Images and files of cases, found beside the file of the case and looked at.

Files of a case are part of what is asked, and a case file may come from anybody: only
files below its folder are read, and of kinds that models take, told by their content.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_ladder.core.case import TEXT, Attachment
from pytest_ladder.errors import ConfigError

FIELDS = ("images", "files")
MOST_BYTES = 20 * 1024**2
"""Of one file: more than that no provider takes."""
_MOST_OF_A_CASE = 50 * 1024**2
_HEAD = 16

_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"RIFF....WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"ID3|\xff[\xfb\xf3\xf2]"), "audio/mp3"),
    (re.compile(rb"%PDF-"), "application/pdf"),
)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def is_named(value: Any) -> bool:
    """Whether a value of `images` or `files` names files; else it is metadata."""
    values = (value,) if isinstance(value, str) else value
    return isinstance(values, list | tuple) and all(
        isinstance(each, str) and each for each in values
    )


def attached(
    named: Mapping[str, Any], turns: Any, folder: Path
) -> tuple[Attachment, ...]:
    """Return what a row names as `images` and `files`, and in parts of its messages.

    Raises `ConfigError` for a file that is not there, must not be read or sent.
    """
    found: dict[str, Attachment] = {}
    size = 0
    for field, name in _names(named, turns):
        if name in found:
            continue
        found[name], length = _attachment(field, name, folder)
        size += length
    if size > _MOST_OF_A_CASE:
        raise ConfigError(
            f"its files have {size:,} bytes together, and may have "
            f"{_MOST_OF_A_CASE:,}; make them smaller, or name fewer."
        )
    return tuple(found.values())


def _names(named: Mapping[str, Any], turns: Any) -> Iterator[tuple[str, str]]:
    """Yield paths of fields and of image parts; addresses are left as they are."""
    for field, value in named.items():
        for name in (value,) if isinstance(value, str) else value:
            yield field, name
    for turn in turns if isinstance(turns, list) else ():
        content = turn.get("content")
        for part in content if isinstance(content, list) else ():
            name = path_in(part)
            if name is not None:
                yield "images", name


def path_in(part: Any) -> str | None:
    """Return the path that an image part of a message names; None: it names none."""
    if not isinstance(part, dict) or part.get("type") != "image_url":
        return None
    inner = part.get("image_url")
    url = inner.get("url") if isinstance(inner, dict) else inner
    return url if isinstance(url, str) and url and not _ADDRESS.match(url) else None


def _attachment(field: str, name: str, folder: Path) -> tuple[Attachment, int]:
    where = f"{field}: `{name}`"
    if _ADDRESS.match(name):
        raise ConfigError(
            f"{where} is no file beside the cases; download it, and name its path."
        )
    try:
        path = (folder / name).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{where} is no path ({error}); correct it.") from None
    if not path.is_relative_to(folder.resolve()):
        raise ConfigError(
            f"{where} leads out of the folder of the cases, and is not read; copy the "
            "file beside them."
        )
    try:
        size = path.stat().st_size
        if path.exists() and not path.is_file():
            raise ConfigError(f"{where} is no file; name one.")
        if not size:
            raise ConfigError(f"{where} is empty; put the file there.")
        if size > MOST_BYTES:
            raise ConfigError(
                f"{where} has {size:,} bytes, and may have {MOST_BYTES:,}; make it "
                "smaller."
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{where} cannot be read ({getattr(error, 'strerror', None) or error}); "
            f"put the file there, or name `{field}` otherwise if it names no files."
        ) from None
    media_type = _media_type(data)
    if media_type is None or (field == "images" and media_type[:6] != "image/"):
        kinds = "PNG, JPEG, GIF or WebP"
        if field != "images":
            kinds += ", WAV or MP3, PDF, or text in UTF-8"
        raise ConfigError(
            f"{where} is by its content {media_type or 'of no kind that can be sent'}; "
            f"use {kinds}."
        )
    digest = hashlib.sha256(data).hexdigest()
    return Attachment(
        name=name, path=str(path), media_type=media_type, sha256=digest
    ), size


def _media_type(data: bytes) -> str | None:
    for signature, media_type in _SIGNATURES:
        if signature.match(data[:_HEAD]):
            return media_type
    if not data or b"\0" in data:
        return None
    if data.startswith(b"version https://git-lfs"):
        raise ConfigError(
            "a file of the case is a Git LFS pointer and not the file itself; run "
            "`git lfs pull`."
        )
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return TEXT
