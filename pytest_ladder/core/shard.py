"""A shard: one of several runs that are one run together (`--ladder-shard=3/20`)."""

from typing import Annotated

import msgspec
from msgspec import Meta

MOST = 10_000


class CutSource(msgspec.Struct, frozen=True, kw_only=True):
    """What all shards together have of one file of cases or of free-form tests."""

    items: int
    """How many cases or tests."""
    digest: str
    """Of their ids, their clusters, and what they ask."""


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """Which shard a run is, and what it is one of."""

    index: Annotated[int, Meta(ge=1, le=MOST)]
    """From 1 to `total`."""
    total: Annotated[int, Meta(ge=2, le=MOST)]
    """From 2: a run in one shard is none."""
    run: str = ""
    """What CI calls the run that all shards belong to; empty: nobody said."""
    ladder: str = ""
    """Digest of the configuration file; empty: not known."""
    cut: dict[str, CutSource] = {}
    """What was cut, by file; empty: not known."""
    failed: bool = False
    """Whether its run failed by itself: a test did, say, or the budget ran out."""
    undecided_fails: bool = False
    """Whether an undecided objective is to fail the whole (`undecided` of `[gate]`)."""

    def __str__(self) -> str:
        return f"shard {self.index} of {self.total}"

    @property
    def folder(self) -> str:
        """Name of the folder of its report, `03-of-20`: names sort as numbers do."""
        return f"{self.index:0{len(str(self.total))}}-of-{self.total}"
