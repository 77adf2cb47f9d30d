"""Digests of weights and adapters: a file of gigabytes is read once, and remembered.

The digests are kept in the user's cache folder, for all runs of all projects. A file
counts as the one that was read while its size and its time of change are the same. Any
thread and process may ask at once: a file lock guards the writing of the digests, and
they are replaced in one step, so that reading them needs no lock.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from pytest_ladder import clock
from pytest_ladder.disk.files import write_atomically
from pytest_ladder.errors import LocalModelError

# A file written twice within one tick of its clock keeps its time and may keep its
# size: a digest is remembered only once the file is older than any file system's tick.
_SETTLED_NS = 2_000_000_000
_NAME = "pytest-ladder"


def file_digest(path: Path) -> str:
    """Return the sha256 of a file; read again only when its size or time changed.

    Raises `LocalModelError` when it cannot be read.
    """
    try:
        real = path.resolve(strict=True)
        status = real.stat()
        remembered = _remembered().get(str(real))
        if remembered is not None and remembered.is_of(status):
            return remembered.sha256
        with real.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise LocalModelError(
            f"Cannot read {path.absolute()} ({error.strerror}); check the path and its "
            "permissions."
        ) from error
    if clock.unix_ns() - status.st_mtime_ns > _SETTLED_NS:
        remember(real, status, digest)
    return digest


def cache_folder() -> Path:
    """Return the folder for what is kept between sessions; it may not exist yet."""
    chosen = os.environ.get("LADDER_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute() / _NAME
    import platformdirs

    folder = platformdirs.user_cache_path(_NAME, appauthor=False)
    if not folder.is_absolute():  # a user without a home, as in a container
        return Path(tempfile.gettempdir()) / _NAME
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    before = Path(base).expanduser().absolute() / _NAME if base else folder
    # What versions without platformdirs downloaded stays where it is: nobody downloads
    # it again.
    return before if before.is_dir() and not folder.is_dir() else folder


class _Digest(msgspec.Struct, frozen=True, kw_only=True):
    """The digest of a file as it was when it was read."""

    size: int
    mtime_ns: int
    sha256: str

    def is_of(self, status: os.stat_result) -> bool:
        """Tell whether a file with that status is the one that was read."""
        return (self.size, self.mtime_ns) == (status.st_size, status.st_mtime_ns)


def _digests_file() -> Path:
    return cache_folder() / "digests.json"


def _remembered() -> dict[str, _Digest]:
    """Return the digests of files by real path; a damaged file is an empty one."""
    try:
        content = _digests_file().read_bytes()
        return msgspec.json.decode(content, type=dict[str, _Digest])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}


def remember(real: Path, status: os.stat_result, digest: str) -> None:
    """Keep a file's digest with the size and the time it had when it was read."""
    from filelock import FileLock

    path = _digests_file()
    # Where the cache folder cannot be written the run goes on: it is only slower.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            digests = {p: d for p, d in _remembered().items() if os.path.exists(p)}
            digests[str(real)] = _Digest(
                size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=digest
            )
            write_atomically(path, msgspec.json.encode(digests, order="sorted"))
