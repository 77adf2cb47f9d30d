"""Input and output of the gate: two runs go in, one verdict comes out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.decision import (
    MoreSamples,
    Part,
    Recommendation,
    Verdict,
)
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import Matrix, Unit
from pytest_ladder.decide.real.users import Users

GateVerdict = Literal["pass", "fail", "undecided", "broken"]

TestKind = Literal["within", "both", "cases", "runs"]
"""How a suite is tested: `within` cases, their samples with each other; across `cases`;
by `both`, each of which must find the drop; across cases, and beyond what the `runs` of
the baseline differ by."""


class ComparedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a gate: what a run measured."""

    rows: Sequence[Row]
    matrix: Matrix
    current: str | None = None
    """Id of the rung that ships; None: that of the only rung with rows."""
    escalation: MoreSamples = ""
    stopped: bool = False
    """Whether it was ended early: by Ctrl-C, `-x` or the like."""
    part: Part | None = None
    """How much of the suite it ran; None: all of it."""
    outdated: str = ""
    """Why what it says is out of date, a sentence; empty: it is not."""
    climbs: bool = False
    """Whether it leaves tests out by itself."""
    skipped: Collection[str] = ()
    """Tests that were skipped, without the user's parameters."""
    partial: Mapping[str, int] = {}
    """Of tests of which a part was selected: their rows before that.

    And of tags that a test asks a share of, as `test[tag]`.
    """
    evidence: Evidence | None = None
    """What an objective is judged by; None: its rows and users, and no labels."""
    users: Users | None = None
    """What users did; None: nobody declared an outcome."""


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
    """The quality at one level of the tests of one file, of all, or of one tag."""

    name: str
    level: Level
    file: str | None
    """None: all files of the level."""
    tag: str | None = None
    """None: whatever tags cases have."""
    n: int
    """Cases that both sides finished."""
    before: Figure
    after: Figure
    change: float
    """Mean of after less before, in [-1, 1]; of what a model judged, as people would
    see it."""
    low: float | None
    """Paired 95 % interval of `change`; None: too few cases or clusters for one."""
    high: float | None
    p: float
    """One-sided p-value of "worse", Holm-adjusted over the suites."""
    test: TestKind = "cases"
    detectable: float
    """True drop that the gate sees 4 times in 5, in [0, 1]; 1: none."""
    detectable_alike: float | None = None
    """The same where all cases get worse alike, and not some of them break; None:
    scores are 0/1, or corrected."""
    samples: int
    """Samples of a case after."""
    samples_before: int = 1
    """Samples of a case in the baseline."""
    mistrust: str = ""
    """Why the word of the judge behind it blocks nothing; empty: it does, or there is
    none."""
    said: float | None = None
    """The change by the judge's own word; None: nothing was corrected."""
    clusters: int | None = None
    """How many there are; None: no case names one."""
    verdict: Verdict
    reason: str
    """One sentence with the numbers."""

    @property
    def is_of_these_cases(self) -> bool:
        """Whether `p` is about these cases alone, and the interval about others too."""
        return self.test == "within" and self.samples_before > 1

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
    doubt: str = ""
    """Why no rise can be established; empty: it could."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the quality at one level since an anchor."""

    level: Level
    baselines: int
    """Baselines since then that said anything new."""
    change: float
    """Mean of the last one less the anchor's, in [-1, 1]."""
    head_change: float
    """The same of the change that is gated."""
    evidence: float
    """The most evidence there was that later baselines are worse (an e-value)."""
    needed: float = math.inf
    """So much of it is a drift."""
    mistrust: str = ""
    """Why the word of the judge behind it blocks nothing; empty: it does, or there is
    none."""


class OddRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the baseline that is unlike the others."""

    run: str
    """Its id."""
    level: Level
    quality: float
    """In [0, 1], on the cases that the others finished, too."""
    others: float
    """That of all others together."""
    runs: int
    """How many others there are."""
    p: float
    """Of "it is like them", two-sided, Holm-adjusted over runs and levels."""


CheckKind = Literal[
    "quality",
    "tests",
    "non-inferiority",
    "cost",
    "p95 latency",
    "coverage",
    "at_least",
    "objective",
    "users",
    "guardrail",
    "stopped",
    "part",
    "escalation",
    "drift",
]
"""What a check of a gate is about."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One of the things that the verdict rests on."""

    kind: CheckKind
    name: str
    """The kind and what it is about, such as a suite or a test; no two are the same."""
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
    p: float | None = None
    """One-sided exact p-value of "worse" by its own samples; None: they are graded, too
    few, or no draws of one thing."""
    broken: bool = False
    """Whether that holds after a correction for all cases."""

    @property
    def unit(self) -> tuple[str, str]:
        """The case: its file and id; of a test without cases the test."""
        return self.source, self.case

    @property
    def move(self) -> float:
        """After less before, in [-1, 1]: how often it flips, and which way."""
        return self.after.score - self.before.score


class FlakyCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case on a test of which the baseline's samples disagree."""

    test: str
    source: str
    case: str
    before: tuple[int, int]
    """Passes, and of how many samples."""
    after: tuple[int, int]

    @property
    def disagreement(self) -> float:
        """Chance that two runs of it disagree, in [0, 1] (docs/methods.md §2.9)."""
        passes, samples = self.before
        return 2 * passes * (samples - passes) / (samples * (samples - 1))


class Flakiness(msgspec.Struct, frozen=True, kw_only=True):
    """Which cases are flaky without any change, as the baseline has it."""

    cases: tuple[FlakyCase, ...] = ()
    """Those that disagree most first."""
    of: int = 0
    """Cases, on each test, of which the baseline has several 0/1 samples."""
    samples: int = 0
    """The most samples of one."""
    always: int = 0
    """Cases all of whose samples passed: pass^k is their share."""


READ_DIFFERENTLY = "read differently since 0.2"
"""What became of a case whose file is as it was when its baseline was made."""


class Unpaired(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be compared: cases as (source, case), and tests."""

    changed: tuple[Unit, ...] = ()
    """Their input or what is expected differs: their baseline says nothing."""
    reread: tuple[Unit, ...] = ()
    """Their file is as it was, and release 0.1 read something else there."""
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
    decided_by: str | None = None
    """Name of the check whose reason that is, if one did not pass."""
    checks: tuple[Check, ...] = ()
    suites: tuple[Suite, ...] = ()
    cost: Rise | None = None
    """USD for the replies that a test asks for: of most tests a call."""
    latency: Rise | None = None
    """The 95th percentile over live calls, in seconds."""
    flips: tuple[Flip, ...] = ()
    """Worse ones first, of these the broken ones first, then the most frequent."""
    flakiness: Flakiness = Flakiness()
    unpaired: Unpaired = Unpaired()
    small_tags: tuple[str, ...] = ()
    """Tags with a share that have too few cases for a suite, as names to be read."""
    odd_runs: tuple[OddRun, ...] = ()
    """Runs of the baseline that are unlike the others, the surest first."""
    without_odd: GateVerdict | None = None
    """The verdict against the others alone; None: there is no such run."""
    drifts: tuple[Drift, ...] = ()
    """Since the anchor, by level; empty without one."""
    unseen: tuple[str, ...] = ()
    """What of the baselines since the anchor could not be looked at, in sentences."""
    standing: tuple[str, ...] = ()
    """What users made of what ships, in sentences; decides nothing."""
    needs_escalation: bool = False
    """Whether two more samples of every case would make the verdict surer."""
    escalation: MoreSamples = ""
    """What became of them in the run of the change."""
    base_advice: Recommendation | None = None
    """None without an objective, or where the sides ran different rungs."""
    head_advice: Recommendation | None = None
