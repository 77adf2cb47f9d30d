"""Placeholder until helper-3's module lands (replace this file)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def weights_digest(model_id: str, folder: Path) -> str:
    return "0"


def file_digest(path: Path) -> str:
    return "0"


def weights_path(
    model_id: str, folder: Path, progress: Callable[[str], None] | None
) -> Path:
    raise NotImplementedError


class Servers:
    def __init__(self, directory: Path, owner_pid: int) -> None: ...
    def address(
        self, gguf: Path, adapter: Path | None, chat_template: str | None = None
    ) -> str:
        raise NotImplementedError

    def stop_all(self) -> None: ...
