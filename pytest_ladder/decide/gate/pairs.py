"""Pairing two results: the same tests on the same cases, before and after."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
    Set,
)
from typing import NamedTuple

import msgspec

from pytest_ladder.core.row import Outcome, Row
from pytest_ladder.core.score import Level
from pytest_ladder.core.why import Why
from pytest_ladder.decide.decision import ESCALATED
from pytest_ladder.decide.gate.result import Unpaired
from pytest_ladder.decide.matrix import (
    Unit,
    cluster_labels,
    cluster_names,
    unit_scores,
)

Key = tuple[Level, str, str, str]
"""(level, test, source, case)."""
_Groups = Mapping[Key, Sequence[Row]]


class Pairs(NamedTuple):
    """The finished rows of what both sides have, and what only one has."""

    before: _Groups
    after: _Groups
    """With the same keys."""
    unpaired: Unpaired

    def at(self, level: Level) -> Pairs:
        """Return the pairs of a level."""
        return self.only(lambda key: key[0] is level)

    def only(self, wanted: Callable[[Key], bool]) -> Pairs:
        """Return the pairs of some keys."""
        return Pairs(
            {key: rows for key, rows in self.before.items() if wanted(key)},
            {key: rows for key, rows in self.after.items() if wanted(key)},
            self.unpaired,
        )


class Scores(NamedTuple):
    """Scores of the same units before and after."""

    before: list[float]
    after: list[float]
    clusters: list[Hashable] | None
    """Cluster of each unit; None when none names one."""
    samples: tuple[int, int]
    """The most samples of a case before and after."""

    @property
    def differences(self) -> list[float]:
        """After less before."""
        return [
            after - before
            for before, after in zip(self.before, self.after, strict=True)
        ]


def pair(
    base: Sequence[Row], head: Sequence[Row], skipped: Collection[str] = ()
) -> Pairs:
    """Match the rows of one rung each by test and case.

    A case whose content differs, and a test that another judge or rubric graded, is
    listed and left out. Rows without a content hash are taken for the same. A replayed
    reply that the baseline holds too is compared with itself. `skipped` names the tests
    that the change skipped.
    """
    before, after = _finished(base), _finished(head)
    shared = before.keys() & after.keys()
    rejudged = {
        key for key in shared if _differ(_judges(before[key]), _judges(after[key]))
    }
    # What a funnel held back was judged by nobody, and is no suite by itself.
    graded_alike = {
        key[1]
        for key in shared - rejudged
        if _judges(before[key]) and _judges(after[key])
    }
    other = {key[1] for key in rejudged} - graded_alike
    rejudged |= {key for key in shared if key[1] in other}
    old, new = _hashes(base), _hashes(head)
    both = old.keys() & new.keys()
    changed = {unit for unit in both if _differ(old[unit], new[unit])}
    reread = changed & _read_differently(head, old)
    # A test that weighs nothing is in no quality.
    weights = {row.test: row.weight for row in head if row.weight > 0}
    kept = sorted(
        key for key in shared - rejudged if key[1] in weights and key[2:] not in changed
    )
    return Pairs(
        {
            key: _weighing(_themselves(before[key], after[key]), weights[key[1]])
            for key in kept
        },
        {key: after[key] for key in kept},
        Unpaired(
            changed=tuple(sorted(changed - reread)),
            reread=tuple(sorted(reread)),
            added=tuple(sorted(new.keys() - both)),
            dropped=tuple(sorted(old.keys() - both)),
            rejudged=tuple(sorted({key[1] for key in rejudged})),
            **_unpaired_tests(base, head, skipped),
        ),
    )


def whole_samples(rows: Sequence[Row]) -> list[Row]:
    """Leave out the samples that not every case of a test has."""
    last: defaultdict[tuple[Level, str], dict[Unit, int]] = defaultdict(dict)
    for row in rows:
        cases, unit = last[row.level, row.test], (row.source, row.case)
        cases[unit] = max(row.sample, cases.get(unit, 0))
    common = {test: min(cases.values()) for test, cases in last.items()}
    return [row for row in rows if row.sample <= common[row.level, row.test]]


def varying_samples(rows: Sequence[Row]) -> list[Row]:
    """Leave out further samples of tests whose replies cannot vary.

    The run stopped to take them when they came the same at temperature 0: they are the
    first ones once more, and no evidence.
    """
    most: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        most[row.test] = max(most[row.test], row.sample)
    own = {id(row) for row in collected_samples(rows)}
    return [row for row in rows if id(row) in own or most[row.test] >= ESCALATED]


def collected_samples(rows: Sequence[Row]) -> list[Row]:
    """Leave out the samples that only a gate asked for.

    A row of one that was held back from the judge, or broke, does not say so itself;
    others of its test and sample do.
    """
    further: dict[str, int] = {}
    for row in rows:
        if row.why is Why.GATE_SAMPLE:
            further[row.test] = min(row.sample, further.get(row.test, row.sample))
    return [row for row in rows if row.sample < further.get(row.test, row.sample + 1)]


def scores_of(pairs: Pairs) -> Scores:
    """Score the units of `pairs` on both sides."""
    old = [row for rows in pairs.before.values() for row in rows]
    new = [row for rows in pairs.after.values() for row in rows]
    before, after = unit_scores(old), unit_scores(new)
    return Scores(
        list(before.values()),
        list(after.values()),
        cluster_labels(before, cluster_names([*old, *new])),
        (_most(pairs.before.values()), _most(pairs.after.values())),
    )


def file_of(test: str) -> str:
    """Return the file of a test, by its node id."""
    return test.partition("::")[0]


def function_of(test: str) -> str:
    """Return a test's node id without the user's parameters."""
    file, colons, name = test.partition("::")
    return file + colons + name.partition("[")[0]


def _finished(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    groups: defaultdict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        if row.outcome is not Outcome.ERROR:
            groups[row.level, row.test, row.source, row.case].append(row)
    return dict(groups)


def _hashes(rows: Iterable[Row]) -> dict[Unit, set[str]]:
    """Content hashes of every unit, errors included; none of old rows."""
    hashes: defaultdict[Unit, set[str]] = defaultdict(set)
    for row in rows:
        hashes[row.source, row.case] |= {row.case_hash} - {""}
    return dict(hashes)


def _read_differently(
    rows: Iterable[Row], before: Mapping[Unit, Set[str]]
) -> set[Unit]:
    """Return the units that an older release would have read as they were before."""
    units = {(row.source, row.case): row.former_hash for row in rows}
    return {unit for unit, former in units.items() if former in before.get(unit, ())}


def _differ(old: Set[Hashable], new: Set[Hashable]) -> bool:
    """Tell what is known to differ from what is not known."""
    return bool(old and new and old != new)


def _judges(rows: Iterable[Row]) -> set[tuple[str, str]]:
    verdicts = [row.verdict for row in rows if row.verdict is not None]
    return {(verdict.judge, verdict.rubric) for verdict in verdicts}


def _unpaired_tests(
    base: Sequence[Row], head: Sequence[Row], skipped: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Name the tests that only one side has, or that only the baseline weighs."""
    new = {(row.level, row.test) for row in head if row.weight > 0}
    lost = {(row.level, row.test) for row in base if row.weight > 0} - new
    left_out = {key for key in lost if function_of(key[1]) in skipped}
    ran = {(row.level, file_of(row.test)) for row in head}
    gone = {key for key in lost - left_out if (key[0], file_of(key[1])) in ran}
    left = {(level, file_of(test)) for level, test in lost - left_out - gone}
    known = {row.test for row in base}
    return {
        "new_tests": tuple(sorted({test for _, test in new} - known)),
        "gone_tests": tuple(sorted({test for _, test in gone})),
        "skipped_tests": tuple(sorted({test for _, test in left_out})),
        "not_run": tuple(sorted(f"{file} ({level})" for level, file in left)),
    }


def _themselves(before: Sequence[Row], after: Sequence[Row]) -> Sequence[Row]:
    """Return the rows before of the very replies that the rows after replay.

    The time that a reply took tells it from another one of the same words. All rows
    before where not every reply is known.
    """
    if any(bill.live for row in after for bill in row.replies):
        return before
    known = {draw_of(row): row for row in before if row.replies}
    themselves = [known.get(draw_of(row)) for row in after]
    return [row for row in themselves if row] if all(themselves) else before


def draw_of(row: Row) -> Hashable:
    """Return what tells a reply, or several, from any other draw of the same case."""
    bills = (*row.replies, *row.evaluations)
    # A task may make another text of the same replies.
    text = row.whole_text if any(bill.latency_s is None for bill in bills) else None
    return text, *((bill.request_key, bill.latency_s) for bill in bills)


def _weighing(rows: Sequence[Row], weight: float) -> Sequence[Row]:
    """Let the weights of the change hold on both sides: they are no result."""
    if all(row.weight == weight for row in rows):
        return rows
    return [msgspec.structs.replace(row, weight=weight) for row in rows]


def _most(groups: Iterable[Sequence[Row]]) -> int:
    return max((len(rows) for rows in groups), default=0)
