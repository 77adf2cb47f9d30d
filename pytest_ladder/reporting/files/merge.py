"""One report of several: the shards of a run, joined."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Row
from pytest_ladder.core.rung import Rung
from pytest_ladder.decide.cost import Spend
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.files.read import rungs_of
from pytest_ladder.reporting.report import Report, RunInfo, report_on
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import listed

_ALIKE = "shards of one report are runs with the same configuration."

_Place = tuple[str, str, str, int]
"""What a rung is asked: test, source, case and sample."""


def merged(shards: Mapping[str, Report]) -> Report:
    """Join reports, given by the name that messages call them.

    Rungs, rows and exchanges are united and spend is summed; the order of the shards
    changes nothing. Raises `ConfigError` for a climb, for configurations that differ
    and for a row that two shards have.
    """
    (first, pattern), *others = shards.items()
    for name, report in shards.items():
        _check_mode(name, report)
    for name, report in others:
        _check_alike(first, pattern, name, report)
    _check_rows(shards)
    reports = sorted(shards.values(), key=lambda report: report.info.id)
    rows = [row for report in reports for row in report.rows]
    matrix = build_matrix(rows, _united_rungs(shards), {}, volume=pattern.matrix.volume)
    spend = _total(report.matrix.spend for report in reports)
    report = report_on(
        _info([report.info for report in reports]),
        msgspec.structs.replace(matrix, spend=spend),
        rows,
        pattern.objective,
    )
    models = {model.name: model for one in reports for model in one.models}
    return msgspec.structs.replace(
        report,
        exchanges={key: x for one in reports for key, x in one.exchanges.items()},
        models=tuple(models[name] for name in sorted(models)),
    )


def coverage(shards: Mapping[str, Report]) -> Iterator[str]:
    """Say what only some shards have: rungs, and rows that a rung lacks."""
    having: dict[str, list[str]] = defaultdict(list)
    asked: dict[str, set[_Place]] = defaultdict(set)
    for name, report in shards.items():
        for row in report.rows:
            asked[row.rung].add(_place(row))
        for rung in dict.fromkeys(row.rung for row in report.rows):
            having[rung].append(name)
    alone: dict[str, list[str]] = defaultdict(list)
    for rung, names in having.items():
        if len(names) < len(shards):
            alone[" and ".join(names)].append(rung)
    for owners, rungs in alone.items():
        yield f"only in {owners}: {', '.join(rungs)}"
    every = set().union(*asked.values())
    for rung, places in asked.items():
        if lacking := sorted(every - places):
            yield (
                f"{rung} has {len(places):,} of {count(len(every), 'row')}, and not "
                f"{_named(lacking[0])}{_more(lacking)}"
            )


def _check_mode(name: str, report: Report) -> None:
    if report.info.mode == "climb":
        raise ConfigError(
            f"{name} is of a climb, which decides as it goes and cannot be joined; run "
            "the shards with --ladder=matrix."
        )


def _check_alike(first: str, one: Report, second: str, other: Report) -> None:
    """Check that two reports are of one configuration."""
    known = one.info.git_sha is not None and other.info.git_sha is not None
    for what, mine, theirs in (
        ("mode", one.info.mode, other.info.mode),
        ("current rung", one.info.current, other.info.current),
        ("commit", *((one.info.git_sha, other.info.git_sha) if known else ("", ""))),
        *_objectives(one.objective, other.objective),
        ("volume", one.matrix.volume, other.matrix.volume),
        *_models(one, other),
    ):
        if mine != theirs:
            raise ConfigError(
                f"The {what} is {_said(mine)} in {first} and {_said(theirs)} in "
                f"{second}; {_ALIKE}"
            )


def _objectives(
    one: Objective | None, other: Objective | None
) -> Iterator[tuple[str, Any, Any]]:
    if one is None or other is None:
        yield "objective", one and one.kind, other and other.kind
        return
    for key in Objective.__struct_fields__:
        yield f"objective's `{key}`", getattr(one, key), getattr(other, key)


def _models(one: Report, other: Report) -> Iterator[tuple[str, Any, Any]]:
    """Yield what two reports say of the models that both have."""
    mine = {rung.model.name: rung.model for rung in rungs_of(one)}
    theirs = {rung.model.name: rung.model for rung in rungs_of(other)}
    for name in sorted(mine.keys() & theirs.keys()):
        for key in ("id", "revision", "adapter", "tier", "build", "price", "serve"):
            pair = getattr(mine[name], key), getattr(theirs[name], key)
            yield f"`{key}` of model {name}", *pair


def _said(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, msgspec.Struct):
        return msgspec.json.encode(value).decode()
    return str(value)


def _check_rows(shards: Mapping[str, Report]) -> None:
    owners: dict[tuple[str, _Place], str] = {}
    for name, report in shards.items():
        for row in report.rows:
            key = row.rung, _place(row)
            if key in owners:
                raise ConfigError(
                    f"{owners[key]} and {name} both have the row of "
                    f"{_named(key[1])} on {row.rung}; give each shard tests or rungs "
                    "of its own, and each report once."
                )
            owners[key] = name


def _place(row: Row) -> _Place:
    return row.test, row.source, row.case, row.sample


def _named(place: _Place) -> str:
    test, _, case, sample = place
    of = "-".join(part for part in (case, f"s{sample}" if sample > 1 else "") if part)
    return f"{test}[{of}]" if of else test


def _more(lacking: Sequence[_Place]) -> str:
    return f" and {len(lacking) - 1:,} more" if len(lacking) > 1 else ""


def _united_rungs(shards: Mapping[str, Report]) -> tuple[Rung, ...]:
    """Return all rungs in the order of the runs, as far as these tell it.

    Rungs that no run had both of are taken by what they cost.
    """
    found: dict[str, Rung] = {}
    usd: dict[str, float] = {}
    for report in shards.values():
        found |= {rung.id: rung for rung in rungs_of(report)}
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
        ordered.append(found[cheapest])
    return tuple(ordered)


def _total(parts: Iterable[Spend]) -> Spend:
    spends = list(parts)
    return Spend(
        product_usd=_sum([spend.product_usd for spend in spends]),
        evaluation_usd=_sum([spend.evaluation_usd for spend in spends]),
        live_calls=sum(spend.live_calls for spend in spends),
        replayed_calls=sum(spend.replayed_calls for spend in spends),
        saved_usd=_sum([spend.saved_usd for spend in spends]),
        unknown_calls=sum(spend.unknown_calls for spend in spends),
        unknown_replayed_calls=sum(spend.unknown_replayed_calls for spend in spends),
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
    first = infos[0]
    alike = all(info.machine == first.machine for info in infos)
    seeds = {info.seed for info in infos}
    return RunInfo(
        id="+".join(info.id for info in infos),
        started=min(info.started for info in infos),
        mode=first.mode,
        git_sha=next((info.git_sha for info in infos if info.git_sha), None),
        seed=first.seed if len(seeds) == 1 else None,
        versions={name: ", ".join(sorted(found)) for name, found in versions.items()},
        machine=first.machine if alike else {},
        current=first.current,
        # One shard that fell short of it leaves the whole in doubt.
        escalation=min((i.escalation for i in infos if i.escalation), default=""),
        stopped=any(info.stopped for info in infos),
        # What one shard left out another ran.
        skipped=tuple(sorted({test for info in infos for test in info.skipped})),
    )
