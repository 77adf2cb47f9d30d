"""A row: one (test, rung, case, sample) with its scores, cost and latency."""

from __future__ import annotations

import enum

import msgspec

from pytest_ladder.core.reply import Usage
from pytest_ladder.core.score import Level, Verdict

OVER_BUDGET = "not run: budget"
"""How the reason of a row begins whose call the budget did not allow."""

DRAW = "~"
"""Stands between a reply's key and the number of its draw, in a pooled baseline."""


class Outcome(enum.StrEnum):
    """How a ladder test ended; only the first two have a score."""

    PASSED = "passed"
    MISSED = "missed"
    ERROR = "error"


class UsedReply(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """The bill of one reply that a test used; replies shared by tests share `key`."""

    key: str
    """Key of the reply in the store, the sample included."""
    live: bool
    """Whether a model was called for it in this run."""
    cost_usd: float | None = None
    latency_s: float | None = None
    ttft_s: float | None = None
    usage: Usage | None = None
    calls: tuple[str, ...] = ()
    """Keys of the calls behind the reply of a task; empty: the reply is a call."""
    flag: str | None = None
    """`truncated`, `filtered` or `empty`."""

    @property
    def request_key(self) -> str:
        """The key without the number of a draw: all replies to a request share it."""
        return self.key.partition(DRAW)[0]


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The unit of everything that is reported."""

    test: str
    """Node id without the parameters that pytest-ladder added."""
    rung: str
    """`Rung.id`."""
    level: Level
    source: str
    """With `case` the unit of analysis; of a test without cases its own node id."""
    case: str = ""
    case_hash: str = ""
    """`Case.content_hash`; empty: no case, or an older version wrote the row."""
    sample: int = 1
    outcome: Outcome
    score: float | None = None
    """In [0, 1]; None for an error."""
    scores: dict[str, float] = {}
    """Named scores, reported beside `score`."""
    reason: str = ""
    weight: float = 1.0
    """Weight of the test in its level's quality."""
    at_least: float = 1.0
    """Share of its cases that the test asks for on the current rung, in [0, 1]."""
    cluster: str | None = None
    tags: tuple[str, ...] = ()
    replies: tuple[UsedReply, ...] = ()
    """What the product would have paid for."""
    evaluations: tuple[UsedReply, ...] = ()
    """What only the evaluation paid for: judges."""
    verdict: Verdict | None = None
    """The last verdict of a judge on the reply."""
    text: str = ""
    """The last reply's text, for people to read."""
    retrieved: tuple[str, ...] = ()
    """Sources that the last reply was shown, best first."""

    @property
    def over_budget(self) -> bool:
        """Whether nothing is wrong but that the budget did not allow a call."""
        return self.outcome is Outcome.ERROR and self.reason.startswith(OVER_BUDGET)
