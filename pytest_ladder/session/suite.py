"""How much there is to run of a ladder's suite, and how much of it was selected.

Known to the process that collects, before a test runs, and needed by the one that
writes the report: it tells a part from the whole. Workers of xdist collect and the
controller reports, so they leave it in the folder of the run, all of them the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from pytest_ladder.core.shard import Shard
from pytest_ladder.disk.files import write_atomically

_FILE = "suites.json"


class SuiteSize(msgspec.Struct, frozen=True, kw_only=True):
    """The tests of one ladder, counted in rows: test, rung, case and sample."""

    tests: dict[str, int]
    """Rows of each test on all rungs of the mode, before anything was deselected.

    By node id of the function; of the levels that were asked for.
    """
    files: tuple[str, ...]
    """The files of all its tests, whatever their level."""
    selected: int
    """Rows of what was selected: fewer where `-k` or `--ladder-cases` left some out."""
    left_files: bool
    """Whether pytest was to pass over files, as `--lf` does."""
    shard: Shard | None = None
    """Which shard of it was selected; None: all shards."""

    @property
    def rows(self) -> int:
        """Rows of the whole suite, as far as it was collected."""
        return sum(self.tests.values())


def hand_over(suites: Mapping[str, SuiteSize], folder: Path) -> None:
    """Write the suites, by configuration file, for the controller of xdist."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / _FILE, msgspec.json.encode(suites))


def handed_over(folder: Path) -> dict[str, SuiteSize]:
    """Read what workers wrote; empty where none came that far."""
    path = folder / _FILE
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, SuiteSize])
