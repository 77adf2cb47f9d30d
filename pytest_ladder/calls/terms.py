"""What a run allows the engine, and what the engine tells of its work."""

from __future__ import annotations

from pathlib import Path

import msgspec


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a process may call models."""

    live: bool = False
    """Whether models may be called for what is not stored."""
    refresh: bool = False
    """Whether to call again for what is stored."""
    concurrency: int | None = None
    """Calls at once for each model; None: `limits.concurrency`, else adaptive."""
    budget_usd: float | None = None
    """Hard cap of the run; None: no cap."""
    folder: Path
    """What the processes of the run share: local servers, limits, the budget."""
    owner_pid: int
    """The process whose end ends the local servers."""
    workers: int = 1
    """Processes that share the limits."""
    started: float
    """Unix time at which the run started."""


class Progress:
    """What the engine did so far, for a status line; read from any thread."""

    def __init__(self) -> None:
        self.done = 0
        self.expected = 0
        """Calls that are known to be needed, done ones included; 0: not known."""
        self.in_flight = 0
        self.spent_usd = 0.0
        self.note = ""
        """What the engine waits for besides replies, such as a download."""
