"""Ladder tests as they are collected, and the record of one that runs."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.core.row import Row, UsedReply
from pytest_ladder.core.rung import Rung
from pytest_ladder.core.score import Level, Score, Verdict
from pytest_ladder.prompting.retrieval import GOLD
from pytest_ladder.session.llm import Task
from pytest_ladder.session.open_ladder import OpenLadder

SAMPLE = "_ladder_sample"
"""Name of the hidden parameter that tells samples apart."""
_CALLING_FIXTURES = frozenset({"llm", "judge"})
"""Fixtures by which a body calls models with requests of its own."""


def rung_of(item: pytest.Item) -> Rung | None:
    """Return the rung of a ladder test, None for any other test."""
    callspec = getattr(item, "callspec", None)
    rung = callspec.params.get("rung") if callspec is not None else None
    return rung if isinstance(rung, Rung) else None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a `judged` marker says of its judge."""

    rubric: str | None
    judge: Any
    scale: Any
    samples: int
    grades_retrieval: bool
    """Whether there is nothing to judge without retrieval."""


@dataclass(frozen=True, kw_only=True)
class LadderTest:
    """A test function that pytest-ladder runs over rungs and cases."""

    nodeid: str
    """Node id of the function, without parameters."""
    path: Path
    """Its file."""
    opened: OpenLadder
    level: Level
    at_least: float
    cases: tuple[Case, ...]
    """Empty for a free-form test."""
    task: Task | None
    samples: int
    weight: float
    miss: tuple[type[BaseException], ...]
    external: bool
    may_run_ahead: bool
    """Whether its replies may be asked for before the test runs."""
    uses_reply: bool
    """Whether the test uses `reply`."""
    uses_score: bool
    """Whether the test uses `score`, and may give any number from 0 to 1."""
    uses_judge: bool
    """Whether the test uses `judge` or `verdict`."""
    judged: Judged | None = None
    """What `verdict` asks of a judge; None where the test does not use it."""
    pack: bool = False
    """Whether one item stands for all cases of a rung."""

    @functools.cached_property
    def module(self) -> str:
        """Its file, relative to the ladder, without suffix."""
        path, folder = self.path, self.opened.ladder.folder
        if path.is_relative_to(folder):
            path = path.relative_to(folder)
        return path.with_suffix("").as_posix().lstrip("/")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a test was parametrized."""

    parameters: tuple[str, ...]
    """What each part of an id stands for, in order: `rung`, `case` or `other`."""
    items: int
    """Items of the test on one rung, before anything is deselected."""


@dataclass(kw_only=True)
class Record:
    """What a running test used, and what came of it; its row is made of this."""

    test: LadderTest
    item: pytest.Function
    rung: Rung
    sample: int
    replies: list[UsedReply] = field(default_factory=list)
    evaluations: list[UsedReply] = field(default_factory=list)
    verdict: Verdict | None = None
    funnelled: bool = False
    """It was not judged, because a cheap check of its case missed."""
    unsure: bool = False
    """A verdict was asked for before all cheap checks of its case were over."""
    score: Score | None = None
    scores: dict[str, Score] = field(default_factory=dict)
    text: str = ""
    retrieved: tuple[str, ...] = ()
    """Sources that the last reply was shown."""
    not_run: bool = False
    """The rung has no stored replies."""
    over_budget: bool = False
    """The budget did not allow a call."""
    broken: bool = False
    """It failed for want of a reply: an error, whatever was raised."""
    packed_case: Case | None = None
    """The case that a packed test is running now."""
    rows: list[Row] | None = None
    """The rows of a packed test; None for any other."""

    @property
    def case(self) -> Case | None:
        """The case of the test, None for a free-form one."""
        case = self.packed_case or self.item.callspec.params.get("case")
        return case if isinstance(case, Case) else None

    @property
    def cases_and_samples(self) -> list[tuple[Case, int]]:
        """The cases and samples it runs: all of a packed test, none if free-form."""
        if self.test.pack and self.packed_case is None:
            all_samples = range(1, self.test.samples + 1)
            samples = [self.sample] if self.is_extra else all_samples
            return [(case, sample) for case in self.test.cases for sample in samples]
        return [] if self.case is None else [(self.case, self.sample)]

    @property
    def makes_unknown_requests(self) -> bool:
        """Whether its task or its body calls, by requests that are not known before."""
        calls_itself = not _CALLING_FIXTURES.isdisjoint(self.item.fixturenames)
        return self.test.task is not None or calls_itself

    @property
    def has_own_retriever(self) -> bool:
        """Whether code of the user makes the prompt, and may call anybody."""
        return self.rung.strategy.retriever not in (None, GOLD)

    @property
    def leaves_row_if_skipped(self) -> bool:
        """Whether it leaves a row even if it was skipped."""
        refused = self.over_budget and not self.is_extra
        return refused or self.funnelled or self.broken

    @property
    def is_current(self) -> bool:
        """Whether the rung is the one that is shipped."""
        return self.rung.id == self.test.opened.current.id

    @property
    def is_extra(self) -> bool:
        """Whether it is a sample that only the gate asked for."""
        return self.sample > self.test.samples
