"""Users on a terminal: tables of outcomes by rungs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_ladder.decide.real.states import OutcomeState
from pytest_ladder.reporting.users import interval_text
from pytest_ladder.text import numbers
from pytest_ladder.text.table import Column, rows_of, total_width
from pytest_ladder.text.untrusted import plain


def outcome_tables(
    states: Sequence[OutcomeState], current: str | None, width: int, mark: str
) -> Iterator[str]:
    """Yield rungs by outcomes, as many beside each other as have room.

    `mark` stands before the rung that ships, `current`.
    """
    rungs = [*dict.fromkeys(one.rung for state in states for one in state.rungs)]
    if not rungs:
        return
    names = [f"{mark if rung == current else ' ' * len(mark)} {rung}" for rung in rungs]
    first = Column(header=f"{' ' * len(mark)} rung", cells=names, right=False)
    columns = [first]
    for state in states:
        cells = zip(*(_cells(state, rung) for rung in rungs), strict=True)
        headers = (plain(state.name), "95 % CI", "n")
        own = [
            Column(header=header, cells=[*column])
            for header, column in zip(headers, cells, strict=True)
        ]
        if len(columns) > 1 and total_width([*columns, *own]) > width:
            yield from rows_of(columns)
            columns = [first]
        columns += own
    yield from rows_of(columns)


def _cells(state: OutcomeState, rung: str) -> tuple[str, str, str]:
    one = state.of(rung)
    if one is None:
        return "", "", ""
    users = numbers.count(one.units, "user")
    if one.value is None:
        return "withheld" if one.units else "nobody", "", users
    mark = f" {one.mark}" if one.mark else ""
    return state.text(one.value.value) + mark, interval_text(state, one), users
