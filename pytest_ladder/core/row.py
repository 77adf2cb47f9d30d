"""A row: one (test, rung, case, sample) with its scores, cost and latency."""

import enum

import msgspec

from pytest_ladder.core.case import Message
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.score import Level, Verdict
from pytest_ladder.core.why import Why

UNUSABLE = "unusable"
"""The flag of a judge's answers that gave no verdict."""

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
    images: int = 0
    """How many images were sent for it; 0 also where an older version wrote it."""
    flag: str | None = None
    """As `Reply.flag`: `truncated`, `filtered`, `refused`, `empty`, or as `Reply.odd`;
    of a judge also `unusable`."""

    @property
    def request_key(self) -> str:
        """The key without the number of a draw: all replies to a request share it."""
        return self.key.partition(DRAW)[0]


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was said in one call, for people to read."""

    key: str
    """As in `UsedReply.key` or `UsedReply.calls`."""
    messages: tuple[Message, ...]
    """What the model was sent; its answer is `text`."""
    text: str
    model: str = ""
    """The model as the provider names it in its answer; empty: an older version wrote
    it, or the provider does not say."""
    finish_reason: str | None = None
    """As in `Reply`; so are the others."""
    usage: Usage | None = None
    cost_usd: float | None = None
    latency_s: float | None = None


class LostCalls(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """Calls that brought no reply, and may have been paid for all the same."""

    key: str
    """Tells them from all others; tests that wait for the same reply share them."""
    calls: int
    usd: float | None
    """By their usage, and of those that told none the worst case; None: unknown."""
    at_most: bool = False
    """Whether a worst case is among them."""


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
    former_hash: str = ""
    """`Case.former_hash`: tells a case that is read differently from a changed one."""
    sample: int = 1
    run: str = ""
    """Id of the run that made it, in a pooled baseline; empty: that of its report."""
    outcome: Outcome
    score: float | None = None
    """In [0, 1]; None for an error."""
    scores: dict[str, float] = {}
    """Named scores, reported beside `score`."""
    why: Why | None = None
    """Why it has no score, or one that its test did not give; every error has one."""
    reason: str = ""
    """A sentence for people; nothing follows from it."""
    weight: float = 1.0
    """Weight of the test in its level's quality."""
    at_least: float = 1.0
    """Share of its cases that the test asks for on the current rung, in [0, 1]."""
    shares: dict[str, float] = {}
    """The same of the cases with a tag that this one has, by tag."""
    cluster: str | None = None
    tags: tuple[str, ...] = ()
    replies: tuple[UsedReply, ...] = ()
    """What the product would have paid for."""
    evaluations: tuple[UsedReply, ...] = ()
    """What only the evaluation paid for: judges."""
    lost: tuple[LostCalls, ...] = ()
    """Calls for it that brought no reply."""
    verdict: Verdict | None = None
    """The last verdict of a judge on the reply."""
    text: str = ""
    """The last reply's text, for people to read."""
    said: str = ""
    """That text with the thoughts that stood in it; empty: there were none."""
    input: str = ""
    """What the case asks, and what it expects, as text; of misses only."""
    expected: str = ""
    thumb: bool | None = None
    """Whether the user who saw the reply liked it, of logged ones; None: unknown."""
    retrieved: tuple[str, ...] = ()
    """Sources that the last reply was shown, best first."""

    @property
    def unit(self) -> tuple[str, str]:
        """The unit of analysis that it belongs to: (source, case)."""
        return self.source, self.case

    @property
    def place(self) -> tuple[str, str, str, int]:
        """What tells it from the others of its rung: (test, source, case, sample)."""
        return self.test, self.source, self.case, self.sample

    @property
    def whole_text(self) -> str:
        """What was really said: older versions wrote it as `text`."""
        return self.said or self.text

    @property
    def over_budget(self) -> bool:
        """Whether nothing is wrong but that the budget did not allow a call."""
        return self.why is Why.BUDGET
