"""The shared store that a command is about, and the checkout that it is called in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.store.bulk import BulkStore
from pytest_ladder.calls.store.recordings import read
from pytest_ladder.cli.reach import go_where
from pytest_ladder.config.load import FILE, find_ladder
from pytest_ladder.config.source import PYPROJECT
from pytest_ladder.config.store import read_store, shared_store
from pytest_ladder.core.ladder import StoreConfig
from pytest_ladder.disk import git
from pytest_ladder.errors import ConfigError

_ELSEWHERE = ("node_modules", "site-packages", "__pycache__")


class ReachedStore(NamedTuple):
    """A shared store, as the nearest `ladder.toml` names it."""

    address: SharedAddress
    config: StoreConfig
    file: Path | None
    """The configuration file; None: there is none, and defaults hold."""
    is_named: bool
    """Whether it has `[store]`: else no run uses the store."""

    @property
    def folder(self) -> Path:
        """The folder of the ladder. Raises `ConfigError` where there is none."""
        if self.file is None:
            raise ConfigError(f"there is no ladder.toml here or above; {go_where()}.")
        return self.file.parent

    @property
    def local(self) -> BulkStore:
        """This machine's own store of the ladder, opened; raises `LadderError`."""
        return BulkStore(self.folder / ".ladder" / "store.sqlite")

    def recorded(self) -> set[str]:
        """Return the keys of all recordings of this checkout.

        Of every ladder in it. Raises `ConfigError` where one cannot be read.
        """
        root = git.checkout_of(self.folder) or self.folder
        return {
            recording.key
            for folder in _ladders(root)
            for path in sorted((folder / "recordings").rglob("*.jsonl"))
            for recording in read(path)
        }


def reached() -> ReachedStore:
    """Return the store that `[store]` names; raises `ConfigError`."""
    file = find_ladder(Path.cwd())
    named = None if file is None else read_store(file)
    config = named or StoreConfig()
    address = shared_store(config, "auto")
    if address is None:
        raise ConfigError(
            f"The variable {config.url_env} is not set, so there is no shared store; "
            "set it to postgresql://user@host:port/database."
        )
    return ReachedStore(address, config, file, named is not None)


def _ladders(root: Path) -> Iterator[Path]:
    """Yield the folders below that may be those of a ladder."""
    for place, folders, files in os.walk(root):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and name not in _ELSEWHERE
        ]
        if FILE in files or PYPROJECT in files:
            yield Path(place)
