"""What the benchmarks share: processes with their time and memory, and tables."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER = Path(__file__).parents[1] / "tests/scripted_server.py"
_NOT_CACHING = ("PYTHONDONTWRITEBYTECODE",)
LADDER = """\
[[model]]
name = "bot"
tier = "off-the-shelf"
id = "{model}"
api_base = "{url}/v1"
{lane}
price = {{ input = 1.0, output = 2.0 }}
params = {{ max_tokens = 20 }}

[[strategy]]
name = "plain"
"""
REPLY = """
import pytest

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    assert case.expected in reply.text
"""


@dataclass(frozen=True)
class Measured:
    """One process."""

    seconds: float
    """From start to end."""
    cpu_s: float
    """Computing, of the process and of those that it waited for."""
    peak_mb: float
    output: str


@dataclass(frozen=True)
class Line:
    """A line of a table: a figure, and the most it may be."""

    what: str
    figure: float
    target: float | None = None
    unit: str = "x"
    note: str = ""


def pytest_command(*arguments: str, ladder: bool = True) -> list[str]:
    """Return the command for a pytest that loads no plugin but those named here."""
    plugins = ["-p", "pytest_ladder.plugin"] if ladder else []
    return [sys.executable, "-m", "pytest", "-q", *plugins, *arguments]


def run(command: Sequence[str], folder: Path, **variables: str) -> Measured:
    """Run a process; raises `RuntimeError` with its output when it fails."""
    # An installed package has its bytecode beside it.
    environment = {k: v for k, v in os.environ.items() if k not in _NOT_CACHING}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables}
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode != 0:
        raise RuntimeError(f"{command} failed:\n{text[-3000:]}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return Measured(seconds, cpu_s, usage.ru_maxrss / 1024, text)


@contextlib.contextmanager
def server(latency_s: float) -> Iterator[str]:
    """Serve in a process of its own; yields the address."""
    command = [sys.executable, str(SERVER), "--port=0", f"--latency={latency_s}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=10)


def stats(url: str) -> dict[str, Any]:
    """Return what the server counted."""
    with urllib.request.urlopen(f"{url}/stats", timeout=10) as response:
        counted: dict[str, Any] = json.load(response)
    return counted


@contextlib.contextmanager
def suite(
    source: str,
    cases: int,
    url: str = "http://127.0.0.1:9",
    lane: str = "",
    model: str = "openai/bot",
) -> Iterator[Path]:
    """Write a suite with that many cases into a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="ladder-bench-") as name:
        folder = Path(name)
        lane = f'lane = "{lane}"' if lane else ""
        (folder / "ladder.toml").write_text(
            LADDER.format(url=url, lane=lane, model=model)
        )
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_bench.py").write_text(source)
        lines = (
            json.dumps({"id": f"c{n}", "input": f"say {n}", "expected": str(n)})
            for n in range(cases)
        )
        (folder / "cases.jsonl").write_text("\n".join(lines) + "\n")
        yield folder


def median(measure: Callable[[], float], rounds: int) -> float:
    """Return the median of some rounds."""
    return statistics.median(measure() for _ in range(rounds))


def say(text: str) -> None:
    """Print at once: a benchmark takes its time."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def table(title: str, lines: Sequence[Line]) -> int:
    """Print figures against their targets; returns the number that miss them."""
    say(f"\n{title}  (load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores)")
    missed = 0
    for line in lines:
        verdict = ""
        if line.target is not None:
            kept = line.figure <= line.target
            missed += not kept
            mark = "ok" if kept else "MISSED"
            verdict = f"  <= {line.target:g} {line.unit}  {mark}"
        say(
            f"  {line.what:<58}{line.figure:>9.2f} {line.unit:<3}{verdict}  {line.note}"
        )
    return missed
