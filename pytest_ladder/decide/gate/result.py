"""Input and output of the gate: two runs go in, one verdict comes out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import Recommendation, Verdict
from pytest_ladder.decide.evidence import Trust
from pytest_ladder.decide.matrix import Matrix, Unit

GateVerdict = Literal["pass", "fail", "undecided", "broken"]

ESCALATED = 3
"""Samples of a case from which on more are not worth their price.

See docs/methods.md §2.5.
"""

MoreSamples = Literal["", "run", "budget"]
"""What became of the samples that a gate asks for by itself: none were asked for, they
were taken, or the budget did not allow them all."""


class ComparedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a gate: what a run measured."""

    rows: Sequence[Row]
    matrix: Matrix
    current: str | None = None
    """Id of the rung that ships; None: that of the only rung with rows."""
    escalation: MoreSamples = ""
    stopped: bool = False
    """Whether it was ended early: by Ctrl-C, `-x` or the like."""
    climbs: bool = False
    """Whether it leaves tests out by itself."""
    skipped: Collection[str] = ()
    """Tests that were skipped, without the user's parameters."""
    partial: Mapping[str, int] = {}
    """Of tests of which a part was selected: their items before that."""
    trust: Mapping[str, Trust] = {}
    """How far what models judged may decide, by rung."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of one side, on the cases that both sides finished."""

    value: float | None
    """None: not known."""
    low: float | None = None
    """95 % interval; None where there is none."""
    high: float | None = None
    n: int
    """Cases, or live calls, behind it."""


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """The quality of the tests of one file, or of all files, at one level."""

    name: str
    level: Level
    file: str | None
    """None: all files of the level."""
    n: int
    """Cases that both sides finished."""
    before: Figure
    after: Figure
    change: float
    """Mean of after less before, in [-1, 1]."""
    low: float | None
    """Paired 95 % interval of `change`; None: too few cases or clusters for one."""
    high: float | None
    p: float
    """One-sided p-value of "worse", Holm-adjusted over the suites."""
    detectable: float
    """Drop that the test sees 4 times in 5, in [0, 1]."""
    samples: int
    """Samples of a case after."""
    mistrust: str = ""
    """Why the word of the judge behind it blocks nothing; empty: it does, or there is
    none."""
    clusters: int | None = None
    """How many there are; None: no case names one."""
    verdict: Verdict
    reason: str
    """One sentence with the numbers."""

    @property
    def title(self) -> str:
        """The name, with a warning where it is only what a judge says."""
        return f"{self.name}, uncalibrated" if self.mistrust else self.name


class Rise(msgspec.Struct, frozen=True, kw_only=True):
    """A relative change of cost or latency."""

    before: Figure
    after: Figure
    change: float | None
    """As a share: 0.1 is 10 % more; None: not known."""
    low: float | None = None
    """95 % interval of `change`; None where there is none."""
    high: float | None = None
    established: bool = False
    """Whether it is more, one-sided at 95 % or better."""
    problem: str = ""
    """Why nothing can be said; empty: something can."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One of the things that the verdict rests on."""

    name: str
    verdict: Verdict
    reason: str


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one side said of a case that flipped."""

    score: float
    """Mean over samples, in [0, 1]."""
    samples: int
    text: str
    """The reply of the sample that shows the flip best."""
    reason: str


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """A case whose score on a test moved by half or more."""

    test: str
    source: str
    case: str
    before: Side
    after: Side

    @property
    def move(self) -> float:
        """After less before, in [-1, 1]: how often it flips, and which way."""
        return self.after.score - self.before.score


class Unpaired(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be compared: cases as (source, case), and tests."""

    changed: tuple[Unit, ...] = ()
    """Their input or what is expected differs: their baseline says nothing."""
    added: tuple[Unit, ...] = ()
    dropped: tuple[Unit, ...] = ()
    rejudged: tuple[str, ...] = ()
    """Tests whose rubric or judge differs."""
    new_tests: tuple[str, ...] = ()
    """Tests without a result in the baseline."""
    gone_tests: tuple[str, ...] = ()
    """Tests without a result in the change, of files that it did run."""
    skipped_tests: tuple[str, ...] = ()
    """Tests of the baseline that the change skipped."""
    not_run: tuple[str, ...] = ()
    """Files of the baseline that the change ran nothing of, with their level."""


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a change, which every report renders."""

    verdict: GateVerdict
    reason: str
    """One sentence with the numbers."""
    base_rung: str | None = None
    """What shipped; compared with `head_rung`, what would ship."""
    head_rung: str | None = None
    checks: tuple[Check, ...] = ()
    suites: tuple[Suite, ...] = ()
    cost: Rise | None = None
    """USD for the replies that a test asks for: of most tests a call."""
    latency: Rise | None = None
    """The 95th percentile over live calls, in seconds."""
    flips: tuple[Flip, ...] = ()
    """Worse ones first, most frequent first."""
    unpaired: Unpaired = Unpaired()
    needs_escalation: bool = False
    """Whether two more samples of every case would make the verdict surer."""
    escalation: MoreSamples = ""
    """What became of them in the run of the change."""
    base_advice: Recommendation | None = None
    """None without an objective, or where the sides ran different rungs."""
    head_advice: Recommendation | None = None
