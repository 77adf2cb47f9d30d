"""Local models are served once a session, and never longer than the session."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_ladder.calls.local import llama_server
from pytest_ladder.calls.local import servers as local_servers
from pytest_ladder.calls.local.llama_server import ServerEntry
from pytest_ladder.calls.local.servers import Servers
from pytest_ladder.calls.one_machine import processes
from pytest_ladder.errors import LocalModelError
from tests.calls.local.serving import Child, ask, text, until, write_adapter

PROMPT = "What is the capital of France? One word."
ADDRESS = """
import os, sys
from pathlib import Path
from pytest_ladder.calls.local.servers import Servers
from pytest_ladder.calls.one_machine import processes

directory, gguf, owner = sys.argv[1:]
servers = Servers(Path(directory), int(owner) or os.getpid())
print(servers.address(Path(gguf), None), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers for tests that only ask."""
    own = Servers(tmp_path_factory.mktemp("shared") / "servers", os.getpid())
    yield own
    own.stop_all()


def entries(directory: Path) -> list[ServerEntry]:
    return [
        msgspec.json.decode(path.read_bytes(), type=ServerEntry)
        for path in sorted(directory.glob("*.json"))
    ]


def is_gone(entry: ServerEntry) -> bool:
    return processes.is_alive(entry.pid, entry.start) is False


def memory_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0])


def test_a_server_answers_on_loopback_and_says_nothing_on_the_terminal(
    shared: Servers, smol: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    address = shared.address(smol, None)
    assert address.startswith("http://127.0.0.1:")
    answer = ask(address, PROMPT)
    assert "Paris" in text(answer)
    assert answer["model"] == "SmolLM2-135M-Instruct.Q4_1"
    assert answer["usage"]["prompt_tokens"] > 0
    assert shared.address(smol, None) == address
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="Tried on x86-64 only.")
def test_a_reply_does_not_depend_on_what_was_asked_before(
    shared: Servers, smol: Path
) -> None:
    address = shared.address(smol, None)

    def certainty(words: str, cached: bool) -> float:
        prompt = f"A customer of Tanuki Tea writes: {words} What should we do?"
        answer = ask(address, prompt, max_tokens=1, logprobs=True, cache_prompt=cached)
        cached_tokens = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
        assert (cached_tokens > 0) is cached
        return float(answer["choices"][0]["logprobs"]["content"][0]["logprob"])

    names = ["pot", "refund", "window", "cup", "invoice", "gift card", "order"]
    letters = [" ".join((names * 8)[n : n + 25 + 5 * n]) for n in range(4)]
    ask(address, "A customer of Tanuki Tea writes: Hello.")
    after_others = [certainty(letter, cached=True) for letter in letters]
    assert after_others == [certainty(letter, cached=False) for letter in letters]


def test_a_model_and_its_adapters_never_share_a_server(
    shared: Servers, smol: Path, tmp_path: Path
) -> None:
    """A server that once used an adapter goes on to answer with it (the trap)."""
    first = write_adapter(tmp_path / "first.gguf", seed=1)
    second = write_adapter(tmp_path / "second.gguf", seed=2)
    addresses = [shared.address(smol, adapter) for adapter in (None, first, second)]
    assert len(set(addresses)) == 3
    replies = [text(ask(address, PROMPT)) for address in addresses]
    assert len(set(replies)) == 3
    assert [text(ask(address, PROMPT)) for address in reversed(addresses)] == [
        *reversed(replies)
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="Memory is read from /proc.")
def test_a_server_without_work_gives_its_memory_back_and_wakes_as_itself(
    smol: Path, tmp_path: Path
) -> None:
    adapter = write_adapter(tmp_path / "first.gguf", seed=1)
    servers = Servers(tmp_path / "servers", os.getpid(), idle_s=1)
    try:
        address = servers.address(smol, adapter)
        (entry,) = entries(tmp_path / "servers")
        said = text(ask(address, PROMPT))
        awake = memory_kib(entry.pid)
        until(lambda: memory_kib(entry.pid) < awake / 2, seconds=30.0)
        assert text(ask(address, PROMPT)) == said
        assert servers.address(smol, adapter) == address
    finally:
        servers.stop_all()


def test_the_same_files_under_other_names_share_a_server(
    shared: Servers, smol: Path, tmp_path: Path
) -> None:
    link = tmp_path / "renamed.gguf"
    link.symlink_to(smol)
    assert shared.address(link, None) == shared.address(smol, None)


def test_a_chat_template_of_its_own_takes_a_server_of_its_own(
    servers: Servers, shared: Servers, smol: Path
) -> None:
    template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    plain = ask(shared.address(smol, None), PROMPT)
    own = ask(servers.address(smol, None, template), PROMPT)
    assert own["usage"]["prompt_tokens"] < plain["usage"]["prompt_tokens"]
    assert local_servers._key(smol, None, template) != local_servers._key(
        smol, None, None
    )


def test_processes_that_ask_at_once_get_one_server(
    tmp_path: Path, servers: Servers, smol: Path, child: Callable[..., Child]
) -> None:
    directory = tmp_path / "servers"
    children = [child(ADDRESS, directory, smol, os.getpid()) for _ in range(2)]
    addresses = {servers.address(smol, None), *(each.line() for each in children)}
    assert len(addresses) == 1
    (entry,) = entries(directory)
    assert entry.attempt == 1
    assert entry.address in addresses


def test_a_starter_that_is_killed_leaves_its_server_to_the_others(
    tmp_path: Path, servers: Servers, smol: Path, child: Callable[..., Child]
) -> None:
    directory = tmp_path / "servers"
    starter = child(ADDRESS, directory, smol, os.getpid())
    until(lambda: directory.exists() and entries(directory))
    starter.end()
    (started,) = entries(directory)
    address = servers.address(smol, None)
    (entry,) = entries(directory)
    assert (entry.pid, entry.attempt, entry.address) == (started.pid, 1, address)


def test_a_server_ends_with_a_killed_owner(
    tmp_path: Path, smol: Path, child: Callable[..., Child]
) -> None:
    owner = child(ADDRESS, tmp_path / "servers", smol, 0)
    worker = child(ADDRESS, tmp_path / "servers", smol, owner.pid)
    assert owner.line() == worker.line()
    (entry,) = entries(tmp_path / "servers")
    assert not is_gone(entry)
    os.kill(worker.pid, signal.SIGKILL)
    os.kill(owner.pid, signal.SIGKILL)
    until(lambda: is_gone(entry))


def test_a_server_ends_with_its_folder(
    tmp_path: Path, servers: Servers, smol: Path
) -> None:
    servers.address(smol, None)
    (entry,) = entries(tmp_path / "servers")
    shutil.rmtree(tmp_path / "servers")
    until(lambda: is_gone(entry))


def test_ctrl_c_in_the_terminal_is_not_for_servers(shared: Servers, smol: Path) -> None:
    shared.address(smol, None)
    started = entries(shared._directory)
    assert started
    for entry in started:
        assert os.getsid(entry.pid) == entry.pid


def test_stop_all_ends_servers_that_others_started(
    tmp_path: Path, smol: Path, child: Callable[..., Child]
) -> None:
    directory = tmp_path / "servers"
    child(ADDRESS, directory, smol, os.getpid()).line()
    (entry,) = entries(directory)
    Servers(directory, os.getpid()).stop_all()
    assert is_gone(entry)
    assert not directory.exists()


def test_stop_all_without_servers_does_nothing(tmp_path: Path) -> None:
    Servers(tmp_path / "servers", os.getpid()).stop_all()
    assert not (tmp_path / "servers").exists()


def test_stop_all_kills_a_server_that_does_not_listen_to_reason(
    tmp_path: Path, servers: Servers, smol: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_servers, "_LONGEST_STOP_S", 0.3)
    servers.address(smol, None)
    (entry,) = entries(tmp_path / "servers")
    os.kill(entry.pid, signal.SIGSTOP)
    servers.stop_all()
    assert is_gone(entry)


@pytest.mark.parametrize("same_start", [True, False])
def test_stop_all_spares_a_process_that_took_over_a_number(
    tmp_path: Path, same_start: bool
) -> None:
    directory = tmp_path / "servers"
    directory.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as innocent:
        start = processes.start_of(innocent.pid) if same_start else 5.0
        entry = ServerEntry(pid=innocent.pid, start=start, token="f" * 32, attempt=1)
        llama_server.write_entry(directory / "key.json", entry)
        Servers(directory, os.getpid()).stop_all()
        assert innocent.poll() is None
        innocent.kill()


def test_a_server_that_died_is_started_again_once(
    tmp_path: Path, servers: Servers, smol: Path
) -> None:
    for attempt in (1, 2):
        assert "Paris" in text(ask(servers.address(smol, None), PROMPT))
        (entry,) = entries(tmp_path / "servers")
        assert entry.attempt == attempt
        os.kill(entry.pid, signal.SIGKILL)
        until(lambda entry=entry: is_gone(entry))  # type: ignore[misc]
    with pytest.raises(LocalModelError, match="was started again, and ended; its log"):
        servers.address(smol, None)


@pytest.mark.usefixtures("cache")
def test_a_broken_file_is_told_with_the_end_of_the_log(
    tmp_path: Path, servers: Servers
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    with pytest.raises(LocalModelError) as caught:
        servers.address(broken, None)
    said = str(caught.value)
    assert f"The llama.cpp server of {broken} did not start" in said
    assert "invalid magic characters" in said
    assert "Check that the files are complete" in said
    # Whoever asks next is told the same without another try.
    log = next((tmp_path / "servers").glob("*.log"))
    size = log.stat().st_size
    with pytest.raises(LocalModelError) as caught:
        Servers(tmp_path / "servers", os.getpid()).address(broken, None)
    assert str(caught.value) == said
    assert log.stat().st_size == size


def test_a_broken_adapter_is_named(
    tmp_path: Path, servers: Servers, smol: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not an adapter")
    with pytest.raises(LocalModelError, match=f"with the adapter {broken} did not"):
        servers.address(smol, broken)


def test_whoever_waits_for_a_server_is_told_when_the_session_ends(
    tmp_path: Path, servers: Servers, smol: Path
) -> None:
    directory = tmp_path / "servers"
    told: list[str] = []

    def wait() -> None:
        try:
            servers.address(smol, None)
        except LocalModelError as error:
            told.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    until(lambda: directory.exists() and entries(directory))
    (entry,) = entries(directory)
    Servers(directory, os.getpid()).stop_all()
    waiting.join(timeout=30)
    assert told
    assert is_gone(entry)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, smol: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalModelError, match=r"file/servers .*; set TMPDIR to"):
        Servers(tmp_path / "file" / "servers", os.getpid()).address(smol, None)


def test_without_llama_cpp_the_error_says_what_to_install(
    servers: Servers, smol: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(LocalModelError, match=r"pip install 'pytest-ladder\[local\]'"):
        servers.address(smol, None)
