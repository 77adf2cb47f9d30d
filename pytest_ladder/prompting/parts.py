"""Images and files of a case as parts of a message, in OpenAI's form."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from pytest_ladder.cases.attachments import path_in
from pytest_ladder.core.case import Attachment, Case
from pytest_ladder.errors import ConfigError

Part = dict[str, Any]


def parts_of(case: Case) -> list[Part]:
    """Return what stands below the text of a case: its `images`, then its `files`.

    Raises `ConfigError` for a file that is another than when it was loaded.
    """
    by_name = {each.name: each for each in case.attachments}
    return [part_of(by_name[name], case) for name in (*case.images, *case.files)]


def with_images(content: Any, case: Case) -> Any:
    """Put images into a content whose parts name their paths."""
    if not isinstance(content, list):
        return content
    by_name = {each.name: each for each in case.attachments}
    made = []
    for part in content:
        image = by_name.get(path_in(part) or "")
        if image is not None:
            inner = part["image_url"]
            more = inner if isinstance(inner, dict) else {}
            url = {**more, **part_of(image, case)["image_url"]}
            part = {**part, "image_url": url}
        made.append(part)
    return made


def content_of(file: Attachment, case: Case) -> bytes:
    """Return the content of a file of a case.

    Raises `ConfigError` where it is another than when it was loaded.
    """
    try:
        data = Path(file.path).read_bytes()
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise ConfigError(
            f'{case.source}: case "{case.id}": `{file.name}` was changed while the '
            "tests ran; run them again."
        )
    return data


def part_of(file: Attachment, case: Case) -> Part:
    """Return a file of a case as a part of a message. Raises as `content_of` does."""
    encoded = base64.b64encode(content_of(file, case)).decode()
    kind, _, form = file.media_type.partition("/")
    if kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": encoded, "format": form}}
    url = f"data:{file.media_type};base64,{encoded}"
    if kind == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    name = file.name.rpartition("/")[2]
    return {"type": "file", "file": {"filename": name, "file_data": url}}
