"""The scripted server as a process of its own, as the benchmarks use it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "scripted_server.py"
HELLO = {"model": "x", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def url() -> Iterator[str]:
    options = ["--latency", "0.2", "--fail-every", "5", "--fail-status", "503"]
    command = [sys.executable, str(SCRIPT), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def fetch(url: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_it_answers_late_and_fails_every_nth_request(url: str) -> None:
    before = time.monotonic()
    with ThreadPoolExecutor(10) as pool:
        place = f"{url}/v1/chat/completions"
        answers = list(pool.map(lambda _: fetch(place, HELLO), range(10)))
    assert time.monotonic() - before >= 0.2
    assert sorted(status for status, _ in answers) == [200] * 8 + [503] * 2
    texts = [a["choices"][0]["message"]["content"] for s, a in answers if s == 200]
    assert texts == ["hello"] * 8
    _, stats = fetch(f"{url}/stats")
    assert stats["requests"] == 10
    assert stats["peak"] > 1
    assert stats["in_flight"] == 0
