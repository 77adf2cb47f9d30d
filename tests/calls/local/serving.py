"""Processes that ask, what they ask, and adapters that change the answer."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
import time
import urllib.request
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


class Child:
    """A Python process that runs a few lines and tells what it finds."""

    def __init__(self, code: str, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something to become true; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.01)


def ask(address: str, prompt: str, **params: Any) -> dict[str, Any]:
    """Ask a server; returns its answer as JSON."""
    body = {
        "messages": [
            {"role": "system", "content": "You are helpful."},
            {"role": "user", "content": prompt},
        ],
        "temperature": 0,
        "max_tokens": 8,
        **params,
    }
    request = urllib.request.Request(
        f"{address}/v1/chat/completions",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    assert isinstance(answer, dict)
    return answer


def text(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def write_adapter(path: Path, seed: int) -> Path:
    """Write a LoRA adapter for SmolLM2-135M with random numbers, as GGUF version 3."""
    rng = random.Random(seed)
    rank, width = 4, 576

    def string(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    def named(key: str, value: str) -> bytes:
        return string(key) + struct.pack("<I", 8) + string(value)

    pairs = [
        named("general.architecture", "llama"),
        named("general.type", "adapter"),
        named("adapter.type", "lora"),
        string("adapter.lora.alpha") + struct.pack("<If", 6, 8.0),
    ]
    infos, data = b"", b""
    names = [f"blk.{layer}.attn_output.weight" for layer in range(20, 30)]
    for name in names:
        for half, rows, columns in (("lora_a", width, rank), ("lora_b", rank, width)):
            infos += string(f"{name}.{half}")
            infos += struct.pack("<IQQIQ", 2, rows, columns, 0, len(data))
            data += array("f", [rng.gauss(0, 0.3) for _ in range(width * rank)])
    head = struct.pack("<4sIQQ", b"GGUF", 3, 2 * len(names), len(pairs))
    head += b"".join(pairs) + infos
    path.write_bytes(head + bytes(-len(head) % 32) + data)
    return path
