"""Messages of parts, with images and files: their length, and how people read them.

Few suites have any: whoever has a text needs nothing of this file.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pytest_ladder.core.case import Message

_IMAGE_BYTES = 4_000
"""What an image is taken to be long in a prompt: about 1,000 tokens."""
_HASH_SHOWN = 12
_NAMES = ("filename", "format", "media_type")
"""What an attachment is called in a line of text, the best first."""
_DATA = {
    "image_url": ("image_url", "url"),
    "input_audio": ("input_audio", "data"),
    "file": ("file", "file_data"),
    "input_image": ("image_url",),
    "input_file": ("file_data",),
    "image": ("source", "data"),
    "document": ("source", "data"),
}
"""Where parts of each type hold what is attached: those of OpenAI's chat completions,
then of its responses, then Anthropic's, which apps send that are passed through."""
_IMAGES = frozenset({"image_url", "input_image", "image"})


def spoken(content: Any) -> str:
    """Return the content of a message as people read it, without what is attached."""
    if not isinstance(content, list):
        return str(content or "")
    return "\n".join(map(_told, content))


def shortened(messages: Iterable[Message]) -> list[Message]:
    """Return messages with a line of text in place of each attachment.

    The line holds the start of the content's sha256, which tells attachments apart as a
    megabyte of base64 does.
    """
    return [
        {**message, "content": list(map(_short, message["content"]))}
        if isinstance(message.get("content"), list)
        else message
        for message in messages
    ]


def estimated_bytes(content: Any) -> int:
    """Say how long the content of a message is, for estimates of tokens."""
    if not isinstance(content, list):
        return len(str(content).encode())
    lengths = 0
    for part in content:
        kind, data = _attached(part)
        if data is None:
            lengths += len(_told(part).encode())
        else:
            lengths += _IMAGE_BYTES if kind in _IMAGES else len(data) * 3 // 4
    return lengths


def images_in(messages: Iterable[Message]) -> int:
    """Count the images of messages."""
    contents = [message.get("content") for message in messages]
    parts = [part for each in contents if isinstance(each, list) for part in each]
    images = [p for p in parts if isinstance(p, dict) and p.get("type") in _IMAGES]
    return len(images)


def _told(part: Any) -> str:
    part = _short(part)
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return str(part["text"])
    return json.dumps(part, ensure_ascii=False, default=str)


def _short(part: Any) -> Any:
    kind, data = _attached(part)
    if data is None:
        return part
    encoded = data.rpartition(",")[2]
    try:
        content = base64.b64decode(encoded)
    except ValueError:
        # A test may send what is no base64.
        content = encoded.encode()
    digest = hashlib.sha256(content).hexdigest()[:_HASH_SHOWN]
    inner = part.get(_DATA[kind][0])
    named = {**part, **inner} if isinstance(inner, dict) else part
    called = next(filter(None, map(named.get, _NAMES)), None)
    called = called or data[5:].partition(";")[0]  # its media type
    told = f"[{called}, {len(content):,} bytes, sha256 {digest}]"
    return {"type": "text", "text": told}


def _attached(part: Any) -> tuple[str, str | None]:
    """Return the type of a part with what is attached in it; None: nothing is."""
    kind = str(part.get("type")) if isinstance(part, dict) else ""
    data = part if kind in _DATA else None
    for name in _DATA.get(kind, ()):
        data = data.get(name) if isinstance(data, dict) else None
    is_address = kind in ("image_url", "input_image") and str(data)[:5] != "data:"
    return kind, data if isinstance(data, str) and not is_address else None
