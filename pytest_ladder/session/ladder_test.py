"""Ladder tests and their items, as collected, and the record of one that runs."""

from __future__ import annotations

import functools
import itertools
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_ladder.calls.contract import Request
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.row import UNUSABLE, LostCalls, Row, UsedReply
from pytest_ladder.core.rung import GOLD, Rung
from pytest_ladder.core.score import Level, Score, Verdict
from pytest_ladder.core.why import Why
from pytest_ladder.session.llm import Task
from pytest_ladder.session.open_ladder import OpenLadder

if TYPE_CHECKING:
    from pytest_ladder.judging.jury import Jury, Options

SAMPLE = "_ladder_sample"
"""Name of the hidden parameter that tells samples apart."""
_CALLING_FIXTURES = frozenset({"llm", "judge", "ladder_env"})
"""Fixtures by which a body calls models with requests of its own."""


def rung_of(item: pytest.Item) -> Rung | None:
    """Return the rung of a ladder test, None for any other test."""
    callspec = getattr(item, "callspec", None)
    rung = callspec.params.get("rung") if callspec is not None else None
    return rung if isinstance(rung, Rung) else None


def bill_of(reply: Reply, request: Request | None, key: str) -> UsedReply:
    """Return what goes on a row of a reply that its test used.

    `request` is the first one for it; None: a task gave it that called no model.
    """
    return UsedReply(
        key=key,
        live=request is not None and not reply.replayed,
        cost_usd=reply.cost_usd,
        latency_s=reply.latency_s,
        ttft_s=reply.ttft_s,
        usage=reply.usage,
        calls=reply.calls,
        images=reply.images,
        flag=reply.flag,
    )


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a `judged` marker says of its judge."""

    rubric: str | None
    judge: Any
    scale: Any
    samples: int
    grades_retrieval: bool
    """Whether there is nothing to judge without retrieval."""
    graded: bool
    """Whether it may say anything between pass and fail."""

    def verdict(self, jury: Jury, reply: Reply, case: Case) -> Verdict:
        """Return the verdict that the marker asks for."""
        __tracebackhide__ = True
        return jury(reply, self.rubric, **self._options(case))

    def requests(self, jury: Jury, reply: Reply, case: Case) -> list[Request]:
        """Return the requests that this verdict would make; makes none."""
        return jury.requests(reply, self.rubric, **self._options(case))

    def _options(self, case: Case) -> Options:
        options: Options = {"case": case, "samples": self.samples}
        if self.judge is not None:
            options["judge"] = self.judge
        if self.scale is not None:
            options["scale"] = self.scale
        return options


class LadderTest(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A test function that pytest-ladder runs over rungs and cases."""

    nodeid: str
    """Node id of the function, without parameters."""
    path: Path
    """Its file."""
    opened: OpenLadder
    level: Level
    at_least: float
    shares: Mapping[str, float]
    """What is asked of the cases with a tag, as `at_least` of all, by tag."""
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
    """Whether the test may give any number from 0 to 1, by `score` or a judge."""
    uses_judge: bool
    """Whether the test uses `judge` or `verdict`."""
    judged: Judged | None = None
    """What `verdict` asks of a judge; None where the test does not use it."""
    ahead_in_fixtures: bool = False
    """Whether it may run ahead with fixtures of the user that are set up already."""
    pack: bool = False
    """Whether one item stands for all cases of a rung."""

    @functools.cached_property
    def module(self) -> str:
        """Its file, relative to the ladder, without suffix."""
        path, folder = self.path, self.opened.ladder.folder
        if path.is_relative_to(folder):
            path = path.relative_to(folder)
        return path.with_suffix("").as_posix().lstrip("/")


class Shape(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """How a test was parametrized."""

    parameters: tuple[str, ...]
    """What each part of an id stands for, in order: `rung`, `case` or `other`."""
    items: int
    """Items of the test on one rung, before anything is deselected."""
    rows: int
    """Rows that these leave if none is skipped: of a packed test one for each case."""
    cases: tuple[Case, ...] = ()
    """What it runs over."""

    @functools.cached_property
    def rows_of_tags(self) -> dict[str, int]:
        """Those of the `rows` whose case has a tag, by tag."""
        tags = Counter(tag for case in self.cases for tag in {*case.tags})
        return {tag: self.rows * n // len(self.cases) for tag, n in tags.items()}


class LadderItem(msgspec.Struct, frozen=True, kw_only=True):
    """A collected test on one rung, with one case and sample: what is to run.

    `LadderSession.item_of` makes it, once; what comes of it is a `Record`.
    """

    test: LadderTest
    function: pytest.Function
    """What pytest runs."""
    rung: Rung
    case: Case | None
    """None: a free-form test, or a packed one as a whole."""
    sample: int

    @property
    def nodeid(self) -> str:
        """Node id of what pytest runs, which all parts of a packed test share."""
        return self.function.nodeid

    def parts(self) -> Iterator[LadderItem]:
        """Yield an item for each case and sample of a packed test, else itself.

        Without cases that `--ladder-cases` leaves out.
        """
        if not self.test.pack or self.case is not None:
            yield self
            return
        all_samples = range(1, self.test.samples + 1)
        leaves_out = self.test.opened.leaves_out
        for case in itertools.filterfalse(leaves_out, self.test.cases):
            for sample in [self.sample] if self.is_extra else all_samples:
                yield msgspec.structs.replace(self, case=case, sample=sample)

    @property
    def cases_and_samples(self) -> list[tuple[Case, int]]:
        """The cases and samples it runs: all of a packed test, none if free-form."""
        return [(part.case, part.sample) for part in self.parts() if part.case]

    @property
    def makes_unknown_requests(self) -> bool:
        """Whether its task or its body calls, by requests that are not known before."""
        calls_itself = not _CALLING_FIXTURES.isdisjoint(self.function.fixturenames)
        return self.test.task is not None or calls_itself

    @property
    def has_own_retriever(self) -> bool:
        """Whether code of the user makes the prompt, and may call anybody."""
        return self.rung.strategy.retriever not in (None, GOLD)

    @property
    def is_current(self) -> bool:
        """Whether the rung is the one that is shipped."""
        return self.rung.id == self.test.opened.current.id

    @property
    def shares(self) -> dict[str, float]:
        """What the test asks of the cases with a tag of this one, by tag."""
        asked, tags = self.test.shares, self.case.tags if self.case else ()
        return {tag: share for tag, share in asked.items() if tag in tags}

    @property
    def counts_misses(self) -> bool:
        """Whether a share allows misses of it, so that one by itself fails nothing."""
        shares = (self.test.at_least, *self.shares.values())
        return any(share < 1 for share in shares)

    @property
    def is_extra(self) -> bool:
        """Whether it is a sample that only the gate asked for."""
        return self.sample > self.test.samples

    @property
    def is_skipped(self) -> bool | None:
        """Whether a mark skips it; None: a condition in words says so when it runs."""
        in_words = False
        for mark in self.function.iter_markers():
            if mark.name == "skip":
                return True
            if mark.name == "skipif":
                conditions = (*mark.args, mark.kwargs.get("condition", False))
                if any(each for each in conditions if not isinstance(each, str)):
                    return True
                in_words = in_words or any(isinstance(c, str) for c in conditions)
        return None if in_words else False


class Record(msgspec.Struct, kw_only=True, eq=False):
    """What a running test used, and what came of it; its row is made of this."""

    item: LadderItem
    replies: list[UsedReply] = []
    evaluations: list[UsedReply] = []
    lost: list[LostCalls] = []
    verdict: Verdict | None = None
    unsure: bool = False
    """A verdict was asked for before all cheap checks of its case were over."""
    score: Score | None = None
    scores: dict[str, Score] = {}
    agreement: float | None = None
    """Of the votes for its last reply that was voted for."""
    text: str = ""
    said: str = ""
    retrieved: tuple[str, ...] = ()
    """Sources that the last reply was shown."""
    why: Why | None = None
    """Why it is not to have a score of its own, whatever it raises; None: it is."""
    refused_key: str = ""
    """The key that its last failed call was refused for, as `CallError` names it."""
    is_timed: bool = False
    """A benchmark timed its calls: its outcome weighs nothing."""
    fresh_sample: int | None = None
    """Stands in for the item's sample in what a benchmark calls for anew."""
    rows: list[Row] | None = None
    """The rows of a packed test; None for any other."""
    skipped: int = 0
    """Rows that it leaves none of, for the test skipped itself, or a mark did."""
    failed_parts: list[BaseException] = []
    """What subtests raised, which the body goes on after."""
    is_over: bool = False
    """Whether the body has ended."""
    marking: threading.Lock = msgspec.field(default_factory=threading.Lock)
    """Held while `mark_unusable` changes the evaluations."""

    def mark_unusable(self, keys: Collection[str], *, asked_again: bool) -> None:
        """Mark a judge's answers, by key, as ones that gave no verdict.

        `asked_again`: a live run asks again for those that were stored before, so that
        these are no part of the row. Called on any thread of the test; others may add
        to the list meanwhile, so it is changed in place.
        """
        with self.marking:
            for index in reversed(range(len(self.evaluations))):
                bill = self.evaluations[index]
                if bill.key not in keys:
                    continue
                if asked_again and not bill.live:
                    del self.evaluations[index]
                else:
                    marked = msgspec.structs.replace(bill, flag=UNUSABLE)
                    self.evaluations[index] = marked

    @property
    def whole_text(self) -> str | None:
        """What its last reply really said; None: it is not known to have had one."""
        return (self.said or self.text) if self.replies or self.text else None

    @property
    def leaves_row_if_skipped(self) -> bool:
        """Whether it leaves a row even if it was skipped."""
        refused = self.why is Why.BUDGET and self.item.is_extra
        return self.why not in (None, Why.NOT_RUN) and not refused


def any_stored(tests: Iterable[LadderTest], item: LadderItem) -> bool | None:
    """Tell whether any reply of a rung is stored; None: no request is known."""
    found = None
    for test in tests:
        if test.opened is not item.test.opened or test.task or not test.uses_reply:
            continue
        for case in test.cases:
            found = False
            opened = test.opened
            for request in opened.strategies.known_requests(item.rung, case):
                if opened.archive.find(opened.archive.key(request)) is not None:
                    return True
    return found
