"""Replays where there is neither network nor model, and rows that must be equal."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

from tests.plugin.scratch_suite import Shop


def replay(shop: Shop, offline: list[str]) -> None:
    """Run pytest from recordings alone, in a process that reaches itself only."""
    shutil.rmtree(shop.path / ".ladder")
    command = [*offline, sys.executable, "-m", "pytest", "-q"]
    done = subprocess.run(command, cwd=shop.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def same_rows(live: list[dict[str, Any]], replayed: list[dict[str, Any]]) -> None:
    assert [row["test"] for row in replayed] == [row["test"] for row in live]
    for before, after in zip(live, replayed, strict=True):
        assert after["outcome"] == before["outcome"] == "passed"
        # Of several at once any may be the first to arrive.
        keys = [sorted(r["key"] for r in row["replies"]) for row in (before, after)]
        assert keys[0] == keys[1]
        assert not any(reply.get("live") for reply in after["replies"])
