"""Whether reports are the shards of one run (`--ladder-shard`), and all of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from pytest_ladder.core.row import Row
from pytest_ladder.core.score import Level
from pytest_ladder.core.shard import Shard
from pytest_ladder.decide.bounds import function_of
from pytest_ladder.decide.matrix import Matrix
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.report import Report, RunInfo

_ONE_RUN = "shards of one report are of one run, with one command"
_LEVELS = list(Level)


def check_shards(reports: Mapping[str, Report], *, partial: bool) -> str:
    """Check that reports, by name, are shards of one run, and that none is missing.

    Returns which they are where some are missing and `partial` allows it; empty where
    they are all, or no shards. Raises `ConfigError`.
    """
    shards = {name: r.info.shard for name, r in reports.items() if r.info.shard}
    if not shards:
        if partial:
            raise ConfigError(
                "--partial is for shards of --ladder-shard, of which some are missing; "
                "none of these reports is one, so leave it out."
            )
        return ""
    (first, shard), *others = shards.items()
    for name in reports:
        if name not in shards:
            raise ConfigError(
                f"{first} is {shard}, and {name} is no shard; join shards by "
                "themselves."
            )
    for name, other in others:
        _check_alike(first, shard, name, other)
        _check_tests(first, reports[first].info, name, reports[name].info)
    _check_once(shards)
    there = {one.index for one in shards.values()}
    missing = [index for index in range(1, shard.total + 1) if index not in there]
    if missing and not partial:
        is_one = len(missing) == 1
        raise ConfigError(
            f"{_named(missing)} of {shard.total} {'is' if is_one else 'are'} missing; "
            f"name {'its report' if is_one else 'their reports'} as well, or join what "
            "is there with --partial, as a report of a part."
        )
    return f"{_named(sorted(there))} of {shard.total}" if missing else ""


def in_order(rows: Iterable[Row], matrix: Matrix, info: RunInfo) -> list[Row]:
    """Sort the rows of shards as one run has them, whatever each had of them.

    Rung by rung, cheap checks first, tests in their order, and cases by their names,
    numbers in these by size.
    """
    rungs = {rung: place for place, rung in enumerate(matrix.run_order)}
    tests = {test: place for place, test in enumerate(info.tests)}

    def place(row: Row) -> tuple[object, ...]:
        function = tests.get(function_of(row.test), len(tests))
        level = _LEVELS.index(row.level)
        test = (function, _natural(row.test), row.source, _natural(row.case))
        return rungs.get(row.rung, len(rungs)), level, *test, row.sample

    return sorted(rows, key=place)


def _natural(text: str) -> list[str | int]:
    parts = re.split(r"(\d{1,15})", text, flags=re.ASCII)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def _check_once(shards: Mapping[str, Shard]) -> None:
    owners: dict[int, str] = {}
    for name, shard in shards.items():
        if shard.index in owners:
            raise ConfigError(
                f"{owners[shard.index]} and {name} are both {shard}; name each shard "
                "once."
            )
        owners[shard.index] = name


def _check_alike(first: str, shard: Shard, second: str, other: Shard) -> None:
    """Check that two shards are cut out of the same, by the same run."""
    if shard.total != other.total:
        raise ConfigError(f"{first} is {shard}, and {second} {other}; {_ONE_RUN}.")
    if shard.run and other.run and shard.run != other.run:
        raise ConfigError(
            f"{first} is of the run {shard.run}, and {second} of {other.run}; "
            f"{_ONE_RUN}: leave out what is of another."
        )
    if shard.ladder and other.ladder and shard.ladder != other.ladder:
        raise ConfigError(
            f"The configuration file of {first} is not that of {second}; {_ONE_RUN}."
        )
    if shard.cut and other.cut:
        for problem in _cut_differently(first, shard, second, other):
            raise ConfigError(f"{problem}; {_ONE_RUN}.")


def _cut_differently(
    first: str, shard: Shard, second: str, other: Shard
) -> Iterator[str]:
    for source in sorted(shard.cut.keys() | other.cut.keys()):
        ours, theirs = shard.cut.get(source), other.cut.get(source)
        items, other_items = (one.items if one else 0 for one in (ours, theirs))
        if items != other_items:
            yield (
                f"{first} is a shard of {items:,} cases or tests of {source}, and "
                f"{second} one of {other_items:,}"
            )
        elif ours != theirs:
            yield f"What {source} has is not the same in {first} and in {second}"


def _check_tests(first: str, info: RunInfo, second: str, other: RunInfo) -> None:
    """Check that two shards had the same tests to run, by one version."""
    for test in sorted(info.tests.keys() | other.tests.keys()):
        ours, theirs = info.tests.get(test, 0), other.tests.get(test, 0)
        if ours != theirs:
            raise ConfigError(
                f"{test} has {ours:,} rows in all shards of {first}, and {theirs:,} in "
                f"those of {second}; {_ONE_RUN}."
            )
    ours_made, theirs_made = (
        one.versions.get("pytest-ladder") for one in (info, other)
    )
    if ours_made != theirs_made:
        raise ConfigError(
            f"pytest-ladder was {ours_made} in {first} and {theirs_made} in {second}, "
            f"and may cut otherwise; {_ONE_RUN}."
        )


def _named(indices: Sequence[int]) -> str:
    """Name shards by their numbers, `shards 1, 3 to 5 and 9`."""
    parts = [
        f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}"
        for run in _runs(indices)
    ]
    *most, last = parts
    names = f"{', '.join(most)} and {last}" if most else last
    return f"shard{'s' if len(indices) > 1 else ''} {names}"


def _runs(indices: Collection[int]) -> list[list[int]]:
    """Return increasing numbers in runs without gaps; two in a row are no run."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [
        part
        for run in runs
        for part in ([run] if len(run) > 2 else [[index] for index in run])
    ]
