"""Requirements: a rung against the criteria that it must meet beside the bar."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

import msgspec

from pytest_ladder.core.ladder import Objective, Require
from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.decide.bounds import (
    FEW,
    cheap_bar_of,
    mistrust,
    share_against,
    verdict_of,
)
from pytest_ladder.decide.cost import Latency, distinct, latency_of
from pytest_ladder.decide.decision import Requirement, Verdict
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import RungResult, Unit
from pytest_ladder.text import numbers
from pytest_ladder.text.phrases import did_you_mean, listed


class Subject(Protocol):
    """A row, or a test that will make one."""

    @property
    def level(self) -> Level:
        """Who says what is good."""

    @property
    def test(self) -> str:
        """Node id of the test."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of the case."""

    @property
    def unit(self) -> Unit:
        """The unit of analysis."""


def requirements_of(
    result: RungResult, evidence: Evidence, objective: Objective
) -> Iterator[Requirement]:
    """Hold a rung that has rows against each criterion of an objective."""
    for require in objective.requirements if result.levels else ():
        if require.at_least is None:
            rows = evidence.rows_of(result.id)
            latency = latency_on(require, rows) if require.where else result.latency
            yield in_time(require, latency)
        else:
            yield _good_enough(result, evidence, require, objective.level)


def latency_on(require: Require, rows: Iterable[Row]) -> Latency:
    """Return the latency of those of a rung's rows that a criterion is about."""
    some = [
        row
        for row in rows
        if require.level in (None, row.level) and require.covers(row.test, row.tags)
    ]
    return latency_of(distinct(bill for row in some for bill in row.replies))


def in_time(require: Require, latency: Latency) -> Requirement:
    """Hold a latency against a criterion."""
    p95, most = latency.p95_s, require.latency_p95_s
    verdict: Verdict = "undecided"
    if p95 is not None and most is not None:
        verdict = "fail" if p95 > most else "pass"
    why = "an unknown latency" if p95 is None else ""
    return _result(require, verdict, p95_s=p95, why=why)


def cheap_share(result: RungResult, evidence: Evidence) -> Requirement | None:
    """Hold its cheap checks against the share that they ask for; None: they do not.

    It counts as it is, however few its cases are.
    """
    bar = cheap_bar_of(evidence)
    if bar is None:
        return None
    cheap = Require(level=Level.CHEAP, at_least=bar)
    cell = result.levels.get(Level.CHEAP)
    said = _result(cheap, "undecided", why="no cheap checks")
    if cell is None:
        return said
    worst, best = evidence.ends(Level.CHEAP, result.id)
    verdict = share_against([*worst.values()], [*best.values()], bar)
    coverage = f"coverage {numbers.percent(cell.coverage)}"
    return msgspec.structs.replace(
        said,
        quality=cell.quality,
        verdict=verdict,
        why=coverage if verdict == "undecided" else "",
    )


def level_of(require: Require, given: Level, subjects: Iterable[Subject]) -> Level:
    """Return the level whose rows a criterion is about.

    Where it does not say, that of the test that it names, or else the `given` one.
    """
    if require.level is None and require.test is not None:
        levels = {one.level for one in subjects if require.covers(one.test, one.tags)}
        return next((level for level in Level if level in levels), given)
    return require.level or given


def nothing_covered(
    require: Require, tests: Collection[str], tags: Collection[str]
) -> str:
    """Say why there are no rows that a criterion is about; `tests` are its level's."""
    if require.test and not any(require.names(test) for test in tests):
        names = sorted({test.rpartition("::")[2].partition("[")[0] for test in tests})
        rest = f"there are {listed(names)}" if names else "there is none"
        return f"no test {require.test}: {did_you_mean(require.test, names, rest)}"
    if require.tag and require.tag not in tags:
        rest = f"there are {listed(sorted(tags))}" if tags else "no case has any"
        return f"no case tagged {require.tag}: {did_you_mean(require.tag, tags, rest)}"
    return f"no test{require.where}"


def _good_enough(
    result: RungResult, evidence: Evidence, require: Require, given: Level
) -> Requirement:
    level = level_of(require, given, evidence.rows())
    bar = require.at_least or 0.0
    by_users = _by_users(result, evidence, require, level)
    if by_users is not None:
        return by_users
    part = evidence.part(level, require)
    scores = part.scores(level, result.id)
    if not any(part.rows_at(level)):
        rows = [*evidence.rows_at(level)]
        tags = {tag for row in rows for tag in row.tags}
        why = nothing_covered(require, {row.test for row in rows}, tags)
        return _result(require, "undecided", why=why)
    if not scores:
        return _result(
            require, "undecided", why=f"nothing that finished{require.where}"
        )
    quality, low, high, _ = part.interval(level, result.id)
    trust = part.trust.get(result.id) if level is Level.JUDGED else None
    corrected = part.calibrated(level, result.id)
    if corrected is not None:
        quality, low, high = corrected.value, corrected.low, corrected.high
    verdict: Verdict = verdict_of(part, level, result.id, bar)
    why = mistrust(trust, bar) if trust else ""
    if result.state == "stopped":
        # No part of its suite is known as a whole.
        why = "an early stop"
    elif verdict == "undecided" and not why:
        worst, best = part.ends(level, result.id)
        few = f"fewer than {FEW} cases"
        why = few if worst == best else "errors that may turn it"
    return _result(
        require,
        "undecided" if why else verdict,
        quality=quality,
        low=low,
        high=high,
        n=len(scores),
        why=why,
    )


def _by_users(
    result: RungResult, evidence: Evidence, require: Require, level: Level
) -> Requirement | None:
    """Hold what users did against a criterion; None: it is about rows of tests."""
    cell = result.levels.get(level)
    if level is not Level.REAL or require.is_partial or cell is None:
        return None
    verdict = evidence.real_verdict(result.id, require.at_least or 0.0)
    if verdict is None:
        return None
    why = evidence.real_doubt(result.id)
    if verdict == "undecided" and not why:
        why = "an interval on either side of it"
    return _result(
        require,
        "undecided" if why else verdict,
        quality=cell.quality,
        low=cell.low,
        high=cell.high,
        n=cell.n,
        why=why,
    )


def _result(require: Require, verdict: Verdict, **found: object) -> Requirement:
    made = Requirement(
        name=require.name,
        where=require.where,
        verdict=verdict,
        at_least=require.at_least,
        latency_p95_s=require.latency_p95_s,
    )
    return msgspec.structs.replace(made, **found)
