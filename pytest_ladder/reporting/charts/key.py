"""How rungs are told apart in charts: numbers, and the order of their strategies."""

from __future__ import annotations

import msgspec

from pytest_ladder.decide.estimates import PlannedRung
from pytest_ladder.decide.matrix import RungResult
from pytest_ladder.reporting.report import Report


class KeyRung(msgspec.Struct, frozen=True, kw_only=True):
    """A rung in the key of a chart."""

    id: str
    strategy: str
    number: int


class KeyModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in the key of a chart, with its rungs."""

    name: str
    tier: str
    rungs: tuple[KeyRung, ...]


def strategies_of(report: Report) -> list[str]:
    """Name the strategies in the order of their colours.

    That of ladder.toml; by name where the report does not know it. The rungs' own order
    is by price, and a strategy keeps its colour when prices change.
    """
    named = {rung.strategy for rung in report.matrix.rungs}
    named |= {rung.strategy for rung in report.matrix.planned}
    known = [name for name in report.info.strategies if name in named]
    return known + sorted(named.difference(known))


def numbers_of(report: Report) -> dict[str, int]:
    """Number the rungs as the report lists them, and then the planned ones.

    A rung keeps its number at every volume, in each chart and table.
    """
    return {rung.id: n for n, rung in enumerate(_rungs(report), 1)}


def key_of(report: Report) -> list[KeyModel]:
    """List the numbers of rungs by their models, both in the order of ladder.toml.

    Where the report does not know it, the model with the lowest number comes first.
    """
    numbers, strategies = numbers_of(report), strategies_of(report)
    known = {rung.model for rung in _rungs(report)}
    models: dict[str, list[RungResult | PlannedRung]] = {
        model.name: [] for model in report.models if model.name in known
    }
    for rung in _rungs(report):
        models.setdefault(rung.model, []).append(rung)
    return [
        KeyModel(
            name=name,
            tier=str(rungs[0].tier),
            rungs=tuple(
                KeyRung(id=one.id, strategy=one.strategy, number=numbers[one.id])
                for one in sorted(rungs, key=lambda r: strategies.index(r.strategy))
            ),
        )
        for name, rungs in models.items()
    ]


def _rungs(report: Report) -> list[RungResult | PlannedRung]:
    return [*report.matrix.rungs, *report.matrix.planned]
