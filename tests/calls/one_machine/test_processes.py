"""A process is known by its number and its start, and a dead one is seen to be dead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_ladder.calls.one_machine import processes
from tests.calls.local.serving import until


def test_a_process_is_known_by_its_start() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()", "mark"], stdin=-1) as one:
        start = processes.start_of(one.pid)
        assert start is not None
        assert processes.is_alive(one.pid)
        assert processes.is_alive(one.pid, start)
        assert processes.is_alive(one.pid, start - 60) is False
        # A moment after its start it has no command line yet.
        until(lambda: "mark" in processes.command_line(one.pid))
        one.kill()
        # It is gone before its parent collects it.
        until(lambda: processes.start_of(one.pid) is None)
        assert processes.is_alive(one.pid) is False
    assert processes.start_of(one.pid) is None
    assert processes.is_alive(one.pid, start) is False
    assert processes.command_line(one.pid) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere it is kept as it was.")
def test_a_start_stays_the_same_when_the_clock_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux tells starts by the time of its own start, which moves with the clock."""
    import psutil

    start = processes.start_of(os.getpid())
    booted = int(psutil.boot_time())
    stat = Path("/proc/stat").read_text().replace(str(booted), str(booted + 86_400))
    (tmp_path / "stat").write_text(stat)
    (tmp_path / str(os.getpid())).symlink_to(f"/proc/{os.getpid()}")
    monkeypatch.setattr(psutil, "PROCFS_PATH", os.fspath(tmp_path))
    assert processes.is_alive(os.getpid(), start)
    assert psutil.boot_time() == booted + 86_400


@pytest.mark.parametrize("pid", [2**40, -1, 4194303])
def test_a_number_that_no_process_has_is_none_that_lives(pid: int) -> None:
    assert processes.is_alive(pid) is False
    assert processes.start_of(pid) is None
