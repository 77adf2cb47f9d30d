"""What a check of recordings found: missing, changed, spare and damaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.store.changed import Change
from pytest_ladder.calls.store.recordings import Damaged, Recording
from pytest_ladder.session.open_ladder import OpenLadder


class Missing(NamedTuple):
    """A reply that a test needs and that is not recorded."""

    nodeid: str
    """Of the first test that needs it."""
    path: Path
    """That test's file."""
    judge: bool
    """Whether it is the answer of a judge."""
    stored: bool
    """Whether it is in the store, and recording it costs nothing."""
    case: str
    module: str
    request: Request
    change: Change | None = None
    """What it was recorded as before; None: nothing is."""


class KeptRecordings(NamedTuple):
    """Recordings that no known request needs, and that are kept all the same."""

    path: Path
    number: int
    test: str
    """A test that may need them; its requests are only known when it runs."""


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What is recorded for one ladder, against what its collected tests need."""

    opened: OpenLadder
    recorded: int
    """Recordings that can be read."""
    missing: list[Missing]
    doubtful: list[Missing]
    """Verdicts that are not needed if a cheap check of the case misses."""
    spare: dict[Path, list[Recording]]
    """By their file: what no collected test needs."""
    kept: list[KeptRecordings]
    damaged: list[Damaged]
    unknown_to_git: list[Path]
    """Files that no commit will have, though git knows tests that need them."""

    @property
    def left_over(self) -> dict[Path, list[Recording]]:
        """What is spare, without what changed cases were recorded as.

        That goes when they are recorded anew.
        """
        changes = [each.change for each in self.missing if each.change is not None]
        before = {change.recording.key for change in changes}
        left = {
            path: [each for each in recordings if each.key not in before]
            for path, recordings in self.spare.items()
        }
        return {path: recordings for path, recordings in left.items() if recordings}

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.missing or self.spare or self.damaged or self.unknown_to_git)
