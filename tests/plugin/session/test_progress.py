"""The status line: seen on a terminal, and nowhere else."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time

import pytest

from tests.plugin.scratch_suite import Shop

pty = pytest.importorskip("pty", reason="a terminal to run in")

BELOW = re.escape("\x1bD\x1b[A\x1b7\x1b[B\r\x1b[K")
STATUS = re.compile(r"\d+(?:/\d+\+?)? calls, \$[\d.]+, \d+\.\d/s")
SUITES = {
    "replies": """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_one(reply, case):
    pass
""",
    "coroutines": """
@pytest.mark.cheap
@pytest.mark.parametrize("n", range(3))
async def test_one(llm, n):
    await llm.acall(f"say {n}")
    await llm.acall(f"say {n} again")
""",
}


def run_in_terminal(shop: Shop, *arguments: str, **variables: str) -> str:
    """Run pytest under a pseudo-terminal of 80 columns; return all it was sent."""
    controller, terminal = pty.openpty()
    names = ("CI", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    command = [sys.executable, "-m", "pytest", "--ladder-live", *arguments]
    process = subprocess.Popen(
        command,
        cwd=shop.path,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**environment, "TERM": "xterm", "COLUMNS": "80", **variables},
    )
    os.close(terminal)
    sent = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([controller], [], [], 0.1)[0]:
            try:
                data = os.read(controller, 65536)
            except OSError:
                break
            if not data:
                break
            sent += data
    process.kill()
    process.wait()
    os.close(controller)
    return sent.decode()


def seen(sent: str) -> str:
    """Return what a terminal shows in the end, of lines that end where they begin."""
    shown = []
    for line in sent.split("\r\n"):
        # The line below is written, and the place gone back to.
        kept = re.sub(rf"{BELOW}(?:\x1b\[2m[^\x1b]*\x1b\[0m)?\x1b8", "", line)
        shown.append(re.sub(r"\x1b\[[0-9;]*[mK]", "", kept))
    return "\n".join(shown)


@pytest.mark.parametrize("suite", SUITES)
def test_a_terminal_shows_what_a_run_waits_for(shop: Shop, suite: str) -> None:
    shop.server.latency_s = 0.8
    shop.test(SUITES[suite])
    sent = run_in_terminal(shop)
    assert STATUS.search(sent), sent
    # It is taken back before pytest goes on.
    assert re.findall(rf"{BELOW}(.*?)\x1b8", sent)[-1] == ""
    assert not STATUS.search(seen(sent))
    assert re.search(r"^test_shop\.py \.\.\. +\[100%\]$", seen(sent), re.M), seen(sent)


@pytest.mark.parametrize(
    ("arguments", "variables"), [(("-q",), {}), ((), {"CI": "1"})], ids=["-q", "CI"]
)
def test_nobody_asked_for_it(
    shop: Shop, arguments: tuple[str, ...], variables: dict[str, str]
) -> None:
    shop.server.latency_s = 0.8
    shop.test(SUITES["replies"])
    sent = run_in_terminal(shop, *arguments, **variables)
    assert "\x1b7" not in sent
    assert "3 passed" in seen(sent)
