"""What a report says about the run that made it."""

from __future__ import annotations

import platform
from typing import Any

import msgspec

from pytest_ladder.decide.gate.result import MoreSamples


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One run of pytest."""

    id: str
    started: str
    """ISO 8601, in UTC."""
    mode: str
    """Which rungs were asked for: `current`, `matrix`, …"""
    git_sha: str | None = None
    """Commit of the checkout; None outside of one."""
    seed: int | None = None
    versions: dict[str, str] = {}
    """Versions of what can change a result, by name."""
    machine: dict[str, Any] = {}
    """As `machine_info` gives it; goes into `benchmark.json` only."""
    current: str | None = None
    """Id of the rung that is shipped."""
    escalation: MoreSamples = ""
    """What became of the samples that the gate asked for."""
    stopped: bool = False
    """Whether it was ended early: by Ctrl-C, `-x` or the like."""
    skipped: tuple[str, ...] = ()
    """Tests whose items were all skipped on the current rung."""
    partial: dict[str, int] = {}
    """Of tests of which a part ran there, by `-k` say: their items before that."""


def machine_info() -> dict[str, Any]:
    """Describe this machine in pytest-benchmark's words.

    Its name (`node`) is left out, because reports are handed around.
    """
    return {
        "machine": platform.machine(),
        "python_implementation": platform.python_implementation(),
        "python_implementation_version": platform.python_version(),
        "python_version": platform.python_version(),
        "release": platform.release(),
        "system": platform.system(),
    }
