"""What the processes of a pytest-xdist run share; loaded in every suite."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

_SHARED = pytest.StashKey[dict[str, Any]]()


def shared_by_processes(config: pytest.Config) -> dict[str, Any]:
    """Return what workers share with their controller, as plain values.

    `folder` holds the run's local servers, slots and budget, made by whoever needs it
    first; `owner_pid` the process whose end ends them; `started` a Unix time.
    """
    handed_down = getattr(config, "workerinput", {}).get("ladder")
    if handed_down is not None:
        return dict(handed_down)
    if _SHARED not in config.stash:
        name = f"pytest-ladder-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        config.stash[_SHARED] = {
            "folder": str(Path(tempfile.gettempdir()) / name),
            "owner_pid": os.getpid(),
            "started": time.time(),
        }
    return config.stash[_SHARED]


def workers(config: pytest.Config) -> int:
    """Count the processes that share the limits of the run."""
    count: int = getattr(config, "workerinput", {}).get("workercount", 1)
    return count


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process is a worker."""
    return hasattr(config, "workerinput")
