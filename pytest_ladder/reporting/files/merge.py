"""One report of several: the shards of a run, joined."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pytest_ladder.core.aggregate import UNKNOWN
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Row
from pytest_ladder.core.rung import Rung
from pytest_ladder.core.why import Why
from pytest_ladder.decide.bounds import function_of
from pytest_ladder.decide.cost import Spend
from pytest_ladder.decide.decision import Part
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.decide.real.users import Declared
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.files.read import rungs_of
from pytest_ladder.reporting.files.shards import check_shards, in_order
from pytest_ladder.reporting.report import Report, RunInfo, has_run, report_on
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import listed

_ALIKE = "shards of one report are runs with the same configuration."

_Item = tuple[str, str, str, int]
"""What a rung answers: test, source, case and sample."""


def merged(shards: Mapping[str, Report], *, partial: bool = False) -> Report:
    """Join reports, given by the name that messages call them.

    Rungs, rows and exchanges are united and spend is summed; the order of the shards
    changes nothing. Raises `ConfigError` for a climb, for configurations that differ,
    for a row that two shards have, and unless it is to be a `partial` report for shards
    of `--ladder-shard` that are missing.
    """
    (first, pattern), *others = shards.items()
    for name, report in shards.items():
        if report.info.mode == "climb":
            raise ConfigError(
                f"{name} is of a climb, which decides as it goes and cannot be joined; "
                "run the shards with --ladder=matrix."
            )
    for name, report in others:
        _check_alike(first, pattern, name, report)
    which = check_shards(shards, partial=partial)
    _check_rows(shards)
    reports = sorted(shards.values(), key=lambda report: report.info.id)
    rows = [row for report in reports for row in report.rows]
    matrix = build_matrix(rows, _united_rungs(shards), {}, volume=pattern.matrix.volume)
    spend = _total(report.matrix.spend for report in reports)
    if not spend.live_calls and not spend.lost_calls:
        # Where nothing was paid for, a reply that several shards replayed is one.
        spend = matrix.spend
    info = _info([report.info for report in reports])
    if pattern.info.shard is not None:
        rows = in_order(rows, matrix, info)
    info = _without_what_ran(info, rows)
    report = report_on(
        msgspec.structs.replace(info, part=_part(info, reports, which)),
        msgspec.structs.replace(matrix, spend=spend, planned=pattern.matrix.planned),
        rows,
        pattern.objective,
        declared=_declared([report.declared for report in reports]),
    )
    models = {model.name: model for shard in reports for model in shard.models}
    return msgspec.structs.replace(
        report,
        exchanges={key: x for shard in reports for key, x in shard.exchanges.items()},
        cases={unit: x for shard in reports for unit, x in shard.cases.items()},
        models=tuple(models[name] for name in sorted(models)),
        makings={name: of for shard in reports for name, of in shard.makings.items()},
    )


def _declared(all_of: Sequence[Declared | None]) -> Declared | None:
    """Return what the shards know of users, who all know the same outcomes.

    A rung whose weights one machine had not may be known by another.
    """
    first = next((one for one in all_of if one is not None), None)
    if first is None:
        return None
    prints = {name: {**of} for name, of in first.prints.items()}
    for other in filter(None, all_of):
        for name, of in other.prints.items():
            known = {rung: print for rung, print in of.items() if print != UNKNOWN}
            prints[name] = prints.get(name, {}) | known
    return msgspec.structs.replace(first, prints=prints)


def coverage(shards: Mapping[str, Report]) -> Iterator[str]:
    """Say what only some shards have: rungs, and rows that a rung lacks."""
    having: dict[str, list[str]] = defaultdict(list)
    asked: dict[str, set[_Item]] = defaultdict(set)
    for name, report in shards.items():
        for row in report.rows:
            asked[row.rung].add(row.place)
        for rung in dict.fromkeys(row.rung for row in report.rows):
            having[rung].append(name)
    alone: dict[str, list[str]] = defaultdict(list)
    for rung, names in having.items():
        if len(names) < len(shards):
            alone[" and ".join(names)].append(rung)
    for owners, rungs in alone.items():
        yield f"only in {owners}: {', '.join(rungs)}"
    every = set().union(*asked.values())
    for rung, items in asked.items():
        if lacking := sorted(every - items):
            more = f" and {len(lacking) - 1:,} more" if len(lacking) > 1 else ""
            yield (
                f"{rung} has {len(items):,} of {count(len(every), 'row')}, and not "
                f"{_named(lacking[0])}{more}"
            )


def _check_alike(first: str, report: Report, second: str, other: Report) -> None:
    """Check that two reports are of one configuration."""
    for what, first_value, second_value in _configured(report, other):
        if first_value != second_value:
            raise ConfigError(
                f"The {what} is {_said(first_value)} in {first} and "
                f"{_said(second_value)} in {second}; {_ALIKE}"
            )


def _configured(report: Report, other: Report) -> Iterator[tuple[str, Any, Any]]:
    """Yield what two reports say of their configuration, of models that both have."""
    info, other_info = report.info, other.info
    yield "mode", info.mode, other_info.mode
    yield "current rung", info.current, other_info.current
    if info.git_sha is not None and other_info.git_sha is not None:
        yield "commit", info.git_sha, other_info.git_sha
    ours, theirs = report.objective, other.objective
    if ours is None or theirs is None:
        yield "objective", ours and ours.kind, theirs and theirs.kind
    else:
        for key in Objective.__struct_fields__:
            yield f"objective's `{key}`", getattr(ours, key), getattr(theirs, key)
    yield "volume", report.matrix.volume, other.matrix.volume
    models = {rung.model.name: rung.model for rung in rungs_of(report)}
    other_models = {rung.model.name: rung.model for rung in rungs_of(other)}
    for name in sorted(models.keys() & other_models.keys()):
        for key in ("id", "revision", "adapter", "tier", "build", "price", "serve"):
            pair = getattr(models[name], key), getattr(other_models[name], key)
            yield f"`{key}` of model {name}", *pair
    yield from _outcomes(report, other)


def _outcomes(report: Report, other: Report) -> Iterator[tuple[str, Any, Any]]:
    """Yield what two reports know of users, but for the day that it was."""
    ours, theirs = report.declared, other.declared
    if ours is None or theirs is None:
        count, other_count = (len(one.outcomes) if one else 0 for one in (ours, theirs))
        yield "number of outcomes", count, other_count
        return
    for name in sorted(ours.aggregates.keys() | theirs.aggregates.keys()):
        first, second = ours.aggregates.get(name), theirs.aggregates.get(name)
        if first != second:
            users, other_users = (one.units if one else 0 for one in (first, second))
            if users == other_users:
                yield f"outcome {name}", "one", "another"
            yield f"number of users of {name}", users, other_users


def _said(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, msgspec.Struct):
        return msgspec.json.encode(value).decode()
    return str(value)


def _check_rows(shards: Mapping[str, Report]) -> None:
    owners: dict[tuple[str, _Item], str] = {}
    for name, report in shards.items():
        for row in report.rows:
            key = row.rung, row.place
            if key in owners:
                raise ConfigError(
                    f"{owners[key]} and {name} both have the row of "
                    f"{_named(key[1])} on {row.rung}; give each shard tests or rungs "
                    "of its own, and each report once."
                )
            owners[key] = name


def _named(item: _Item) -> str:
    test, _, case, sample = item
    of = "-".join(part for part in (case, f"s{sample}" if sample > 1 else "") if part)
    return f"{test}[{of}]" if of else test


def _united_rungs(shards: Mapping[str, Report]) -> tuple[Rung, ...]:
    """Return all rungs in the order of the runs, as far as these tell it.

    Rungs that no run had both of are taken by what they cost.
    """
    rungs: dict[str, Rung] = {}
    usd: dict[str, float] = {}
    for report in shards.values():
        rungs |= {rung.id: rung for rung in rungs_of(report)}
        for line in report.matrix.rungs:
            if line.cost.usd_per_1k is not None:
                usd[line.id] = line.cost.usd_per_1k
    orders = [list(report.matrix.run_order) for report in shards.values()]
    ordered = []
    while any(orders):
        heads = {order[0] for order in orders if order}
        free = heads - {rung for order in orders for rung in order[1:]}
        if not free:
            raise ConfigError(
                f"The shards took {listed(sorted(heads))} in different orders; {_ALIKE}"
            )
        cheapest = min(free, key=lambda rung: (usd.get(rung, math.inf), rung))
        orders = [[rung for rung in order if rung != cheapest] for order in orders]
        ordered.append(rungs[cheapest])
    return tuple(ordered)


def _total(parts: Iterable[Spend]) -> Spend:
    spends = list(parts)
    lost_usd = [spend.lost_usd for spend in spends]
    return Spend(
        product_usd=_sum([spend.product_usd for spend in spends]),
        evaluation_usd=_sum([spend.evaluation_usd for spend in spends]),
        live_calls=sum(spend.live_calls for spend in spends),
        replayed_calls=sum(spend.replayed_calls for spend in spends),
        saved_usd=_sum([spend.saved_usd for spend in spends]),
        unknown_calls=sum(spend.unknown_calls for spend in spends),
        unknown_replayed_calls=sum(spend.unknown_replayed_calls for spend in spends),
        lost_calls=sum(spend.lost_calls for spend in spends),
        lost_usd=None if None in lost_usd else math.fsum(filter(None, lost_usd)),
        lost_at_most=any(spend.lost_at_most for spend in spends),
    )


def _sum(amounts: Sequence[float | None]) -> float | None:
    """Sum what is known; None where that is nothing and something is unknown."""
    known = math.fsum(usd for usd in amounts if usd is not None)
    return known if known or None not in amounts else None


def _info(infos: Sequence[RunInfo]) -> RunInfo:
    """Describe the runs as one: all ids, the earliest start, every version."""
    versions: dict[str, list[str]] = defaultdict(list)
    for info in infos:
        for name, version in info.versions.items():
            if version not in versions[name]:
                versions[name].append(version)
    first, tests = infos[0], infos[0].tests
    # In the order that all runs have them in, if they have one.
    if not all([*info.tests] == [*tests] for info in infos):
        tests = {name: one.tests[name] for one in infos for name in sorted(one.tests)}
    alike = all(info.machine == first.machine for info in infos)
    seeds = {info.seed for info in infos}
    return RunInfo(
        id="+".join(info.id for info in infos),
        started=min(info.started for info in infos),
        mode=first.mode,
        git_sha=next((info.git_sha for info in infos if info.git_sha), None),
        seed=first.seed if len(seeds) == 1 else None,
        texts=all(info.texts for info in infos),
        versions={name: ", ".join(sorted(values)) for name, values in versions.items()},
        machine=first.machine if alike else {},
        current=first.current,
        # A shard whose budget did not allow them leaves the whole in doubt.
        escalation=min((i.escalation for i in infos if i.escalation), default=""),
        stopped=any(info.stopped for info in infos),
        strategies=first.strategies,
        ladder=first.ladder,
        aim=first.aim,
        tried=first.tried,
        tests=tests,
        skipped=tuple(sorted({test for info in infos for test in info.skipped})),
    )


def _without_what_ran(info: RunInfo, rows: Iterable[Row]) -> RunInfo:
    """Leave of the skipped tests those that no shard ran."""
    if not info.skipped:
        return info
    ran = {function_of(row.test) for row in rows if row.rung == info.current}
    left = tuple(test for test in info.skipped if test not in ran)
    return msgspec.structs.replace(info, skipped=left)


def _part(joined: RunInfo, reports: Sequence[Report], which: str) -> Part | None:
    """Tell which part of the suite the shards are together; None: all of it.

    `which` says which shards of a run they are, where some are missing.
    """
    infos = [report.info for report in reports]
    if not all(info.tests for info in infos):
        # An older version wrote one of them, which does not know.
        return None
    files = {test.partition("::")[0] for test in joined.tests}
    left = {name for info in infos if info.part for name in info.part.without} - files
    ran = sum(map(_ran, reports))
    skipped = sum(map(_skipped, reports))
    wanted = sum(joined.tests.values()) - skipped
    if ran >= wanted and not left and not which:
        return None
    return Part(
        items=ran,
        of=None if left else wanted,
        without=tuple(sorted(left)),
        skipped=skipped,
        shard=which,
    )


def _skipped(report: Report) -> int:
    """Count what tests skipped by themselves; a whole run lacks nothing else."""
    if report.info.part is not None:
        return report.info.part.skipped
    return sum(report.info.tests.values()) - _ran(report)


def _ran(report: Report) -> int:
    return sum(has_run(row) and row.why is not Why.GATE_SAMPLE for row in report.rows)
