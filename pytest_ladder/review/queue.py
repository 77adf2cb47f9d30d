"""What a rater is asked, and in which order: a pure function of seed, rater and item.

Nobody keeps it: a page that starts again, in another process, asks the same.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from pytest_ladder.core.outcomes import ReviewConfig
from pytest_ladder.core.review import PAIRS, Grade, PairReview, question_id, reply_hash
from pytest_ladder.core.score import Verdict
from pytest_ladder.judging.calibration.labels import JudgedReply, Label, next_labels

REPEATED = 10
"""Of so many items one comes twice, to see how steady a person's answers are."""
LEAST_CASES = 6
"""Cases that each pair of rungs should get; fewer tell nothing (docs/methods.md)."""

Block = tuple[str, str]
"""A title, and a text from outside below it."""
Place = tuple[str, str]
"""Source and case."""


class ReviewCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that people may be asked about."""

    test: str
    source: str
    case: str
    rung: str
    text: str
    passed: bool
    """What a judge said of it, else a check: only for an even choice."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to be asked, as it is shown."""

    about: Grade | PairReview | Label
    """The answer, without its verdict."""
    question: str
    standard: str = ""
    """What the reply is held against, where a judge has a rubric."""
    graded: bool = False
    """Whether the answer is a grade from 1 to 5; of a pair it never is."""
    blocks: tuple[Block, ...] = ()
    """What is shown of the case."""
    texts: tuple[str, ...]
    """The reply, or the left and the right one."""
    others: tuple[Any, ...] = ()
    """What raters who differ have said of it; shown to who decides between them."""

    @property
    def is_pair(self) -> bool:
        """Whether two replies are compared."""
        return isinstance(self.about, PairReview)

    @property
    def place(self) -> Place:
        """The case; two of the same do not follow each other."""
        source = "" if isinstance(self.about, Label) else self.about.source
        return source, self.about.case


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked how much."""

    raters: tuple[str, ...]
    wanted: int = 2
    """People for each item, from 1."""
    shared: int = 0
    """Items that all people get, however few are wanted for each of the others."""
    count: int = 50
    """Items for each person, without those that come twice."""
    seed: int = 0

    @property
    def items(self) -> int:
        """Items that have to be chosen, so that everybody gets `count`."""
        each, shared = min(self.wanted, len(self.raters)), min(self.shared, self.count)
        return shared + math.ceil((self.count - shared) * len(self.raters) / each)


def grades(
    candidates: Iterable[ReviewCandidate],
    review: ReviewConfig,
    *,
    count: int,
    seed: int = 0,
) -> list[Item]:
    """Choose replies: as many of each rung, of passes and fails their share."""
    replies = [
        JudgedReply(
            test="",
            source=one.source,
            case=one.case,
            rung=one.rung,
            text=one.text,
            verdict=Verdict(passed=one.passed, score=float(one.passed)),
        )
        for one in candidates
    ]
    return [
        reply_item(one, review) for one in next_labels(replies, (), count, seed=seed)
    ]


def pairs(
    candidates: Iterable[ReviewCandidate],
    rungs: Sequence[str],
    review: ReviewConfig,
    *,
    current: str | None,
    count: int,
    seed: int = 0,
) -> tuple[list[Item], int]:
    """Choose pairs of replies, and count the pairs that are equal: nobody is asked.

    Each pair of rungs comes equally often, on one case for all of them before the next.
    Where `count` is too small to ask of all pairs on `LEAST_CASES` cases, those of
    `current` and its neighbours in `rungs` (cheapest first) are taken.
    """
    by_case = _one_test_each(candidates)
    cases = sorted(by_case)
    random.Random(seed).shuffle(cases)
    order = _pairs_of(rungs, current)[: max(1, count // LEAST_CASES)]
    chosen: list[Item] = []
    equal = 0
    for case, (one, other) in itertools.product(cases, order):
        if len(chosen) == count:
            break
        replies = by_case[case]
        if one not in replies or other not in replies:
            continue
        a, b = sorted((replies[one], replies[other]), key=lambda each: each.rung)
        if a.text.strip() == b.text.strip():
            equal += 1
        else:
            chosen.append(pair_item(a, b, review))
    return chosen, equal


def reply_item(reply: ReviewCandidate | JudgedReply, review: ReviewConfig) -> Item:
    """Make of a reply what is asked about it."""
    about = Grade(
        source=reply.source,
        case=reply.case,
        rung=reply.rung,
        reply=reply_hash(reply.text),
        verdict=None,
        question=question_id(review.question, review.scale),
    )
    return Item(
        about=about,
        question=review.question,
        graded=review.scale == "graded",
        texts=(reply.text,),
    )


def pair_item(a: ReviewCandidate, b: ReviewCandidate, review: ReviewConfig) -> Item:
    """Make of two replies to a case what is asked about them; no side is drawn yet."""
    about = PairReview(
        source=a.source,
        case=a.case,
        a=a.rung,
        b=b.rung,
        a_reply=reply_hash(a.text),
        b_reply=reply_hash(b.text),
        preferred=None,
        question=question_id(review.question, PAIRS),
    )
    return Item(about=about, question=review.question, texts=(a.text, b.text))


def queue_of(
    rater: str,
    items: Sequence[Item],
    assignment: Assignment,
    enough: Collection[tuple[str, ...]] = (),
) -> list[Item]:
    """Return what one rater is asked, in order.

    `enough` are the ids (`item_id`) of items that others have answered often enough.
    """
    drawn = sorted(items, key=lambda item: _draw(assignment.seed, "", item, "share"))
    everybody, some = drawn[: assignment.shared], drawn[assignment.shared :]
    mine = everybody + [
        item
        for item in some
        if item_id(item.about) not in enough and _is_for(rater, item, assignment)
    ]
    own = shown_to(rater, mine, assignment.seed)
    half, again = len(own) // 2, own[: len(own) // REPEATED]
    second = [
        _shown_to(rater, msgspec.structs.replace(item, about=about), assignment.seed)
        for item in again
        if not isinstance(item.about, Label)
        for about in [msgspec.structs.replace(item.about, repeat=True)]
    ]
    # In the second half, between others, where nobody remembers the first answer.
    later = [*own[half:], *second]
    later.sort(key=lambda item: _draw(assignment.seed, rater, item, "later"))
    return apart([*own[:half], *later])


def shown_to(rater: str, items: Iterable[Item], seed: int) -> list[Item]:
    """Return items in the order in which a rater sees them, with sides drawn."""
    ranked = sorted(items, key=lambda item: _draw(seed, rater, item))
    return [_shown_to(rater, item, seed) for item in ranked]


def apart(items: Iterable[Item]) -> list[Item]:
    """Move items so that no case comes twice in a row, where others are left."""
    left, order = list(items), list[Item]()
    times = Counter(item.place for item in left)
    most, before = max(times.values(), default=0), None
    while left:
        urgent = None
        if 2 * most > len(left):
            # The case of more than half of what is left has to come now, or it gets
            # stuck. Its number only falls, so it is seldom looked for.
            (place, most), *_ = times.most_common(1)
            urgent = place if 2 * most > len(left) and place != before else None
        fits = (
            n
            for n, item in enumerate(left)
            if (item.place != before if urgent is None else item.place == urgent)
        )
        order.append(left.pop(next(fits, 0)))
        before = order[-1].place
        times[before] -= 1
    return order


def item_id(about: Grade | PairReview | Label) -> tuple[str, ...]:
    """Name what is asked, whoever is."""
    if isinstance(about, Label):
        return (*about.key, about.test, about.rubric, about.judge)
    return (*about.item, about.question)


def with_blocks(
    items: Iterable[Item], blocks_of: Callable[[Place], tuple[Block, ...]]
) -> list[Item]:
    """Add what is shown of each case to replies and pairs."""
    return [
        msgspec.structs.replace(item, blocks=blocks_of(item.place))
        for item in items
        if not isinstance(item.about, Label)
    ]


def _is_for(rater: str, item: Item, assignment: Assignment) -> bool:
    """Tell whether a rater is among the `wanted` ones that an item is drawn for."""
    ranks = sorted(
        assignment.raters, key=lambda one: _draw(assignment.seed, one, item, "who")
    )
    return rater in ranks[: assignment.wanted]


def _shown_to(rater: str, item: Item, seed: int) -> Item:
    """Put the rater's name to an item, and its sides at random."""
    about = msgspec.structs.replace(item.about, rater=rater)
    if not isinstance(about, PairReview):
        return msgspec.structs.replace(item, about=about)
    # Texts come in the order of `a` and `b` until a side is drawn.
    a, b = item.texts if about.left != "b" else item.texts[::-1]
    left: Any = "ab"[_draw(seed, rater, item, f"side {about.repeat}")[0] % 2]
    return msgspec.structs.replace(
        item,
        about=msgspec.structs.replace(about, left=left),
        texts=(a, b) if left == "a" else (b, a),
    )


def _draw(seed: int, rater: str, item: Item, purpose: str = "") -> bytes:
    name = "\0".join((str(seed), rater, purpose, *item_id(item.about)))
    repeat = not isinstance(item.about, Label) and item.about.repeat
    return hashlib.sha256(f"{name}\0{repeat}".encode(errors="surrogatepass")).digest()


def _one_test_each(
    candidates: Iterable[ReviewCandidate],
) -> Mapping[Place, dict[str, ReviewCandidate]]:
    """Return for each case its replies by rung, all of its first test."""
    tests: defaultdict[Place, defaultdict[str, dict[str, ReviewCandidate]]] = (
        defaultdict(lambda: defaultdict(dict))
    )
    for one in candidates:
        tests[one.source, one.case][one.test].setdefault(one.rung, one)
    return {place: of[min(of)] for place, of in tests.items()}


def _pairs_of(rungs: Sequence[str], current: str | None) -> list[tuple[str, str]]:
    """Return all pairs of rungs, those of the current one and near ones first."""
    rank = {rung: n for n, rung in enumerate(rungs)}

    def distance(pair: tuple[str, str]) -> tuple[bool, int]:
        return current not in pair, abs(rank[pair[0]] - rank[pair[1]])

    return sorted(itertools.combinations(rungs, 2), key=distance)
