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

    `servers` is the folder of the run's local servers, made by whoever needs one
    first; `owner_pid` the process whose end ends them; `started` a Unix time.
    """
    handed_down = getattr(config, "workerinput", {}).get("ladder")
    if handed_down is not None:
        return dict(handed_down)
    if _SHARED not in config.stash:
        name = f"pytest-ladder-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        config.stash[_SHARED] = {
            "servers": str(Path(tempfile.gettempdir()) / name),
            "owner_pid": os.getpid(),
            "started": time.time(),
        }
    return config.stash[_SHARED]


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process is a worker."""
    return hasattr(config, "workerinput")
