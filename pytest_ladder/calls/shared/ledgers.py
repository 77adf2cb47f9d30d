"""What was spent over all machines, and what may still be: ledgers, sums, the dead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.command_link import (
    FORBIDDEN,
    CommandLink,
    commanding,
)
from pytest_ladder.calls.shared.words import usd

By = Literal["day", "run", "model", "kind"]


class LedgerPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger in one of its periods; money is in USD."""

    name: str
    period: str
    """`2026-11`, `2026-11-30`, or empty for one without periods."""
    cap_usd: float | None
    """None: no cap."""
    settled_usd: float
    """Spent, with unknown bills at their worst case."""
    reserved_usd: float
    """Set aside for calls under way."""
    unknown_usd: float | None
    """What of it is a worst case, not a bill; None: a worker's role is not told."""
    unknown_calls: int | None
    everyone: bool | None
    """Whether all calls draw on it, whatever their clients name; None: not told."""


class SpentSum(msgspec.Struct, frozen=True, kw_only=True):
    """What calls of one day, run, model or kind have cost, in USD."""

    name: str
    calls: int
    spent_usd: float
    unknown_usd: float
    unknown_calls: int


class DeadCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call whose process died: booked at its worst case, until somebody knows."""

    id: int
    run: str
    model: str
    usd: float
    ago_s: float
    """Seconds since it was booked."""


class BudgetShown(msgspec.Struct, frozen=True, kw_only=True):
    """All that `pytest-ladder budget` shows."""

    store: str
    is_owner: bool
    """False: a worker's role looks, and is told of its own ledgers only."""
    ledgers: tuple[LedgerPeriod, ...]
    spent: tuple[SpentSum, ...]
    dead: tuple[DeadCall, ...]


def budget_of(
    address: SharedAddress, named: Sequence[str], by: By | None, ledger: str | None
) -> BudgetShown:
    """Look at ledgers; `named` are those that a worker's role asks for.

    `by` sums up what was spent, on one ledger or on all. Raises `StoreError` or
    `ConfigError`.
    """
    import psycopg

    with commanding(address, owners=by is not None) as link:
        try:
            ledgers = _ledgers(link)
        except psycopg.Error as error:
            if by is not None or error.sqlstate != FORBIDDEN:
                raise
            ledgers, is_owner = _standing(link, named), False
        else:
            is_owner = True
        return BudgetShown(
            store=address.name,
            is_owner=is_owner,
            ledgers=ledgers,
            spent=() if by is None else _spent(link, by, ledger),
            dead=_dead(link) if is_owner else (),
        )


def _ledgers(link: CommandLink) -> tuple[LedgerPeriod, ...]:
    """Return the ledgers that have a cap or may have one, the newest period first."""
    rows = link.rows(
        "SELECT c.name, l.period, l.cap, l.settled, l.reserved, c.everyone, "
        "coalesce(sum(s.unknown_nano), 0)::bigint, "
        "coalesce(sum(s.unknown_calls), 0)::bigint "
        "FROM {schema}.caps c "
        # A cap of which nothing was spent yet has no row for its period of now.
        "JOIN (SELECT name, period, cap, settled, reserved FROM {schema}.ledgers "
        "UNION ALL SELECT name, {schema}.period_of(per, clock_timestamp()), nano, 0, 0 "
        "FROM {schema}.caps a WHERE NOT EXISTS (SELECT FROM {schema}.ledgers b WHERE "
        "(b.name, b.period) = (a.name, {schema}.period_of(a.per, clock_timestamp())))"
        ") l ON l.name = c.name "
        "LEFT JOIN {schema}.spend s ON s.ledger = c.name "
        "AND starts_with(s.day::text, l.period) "
        "GROUP BY c.name, l.period, l.cap, l.settled, l.reserved "
        "ORDER BY c.name, l.period DESC"
    )
    return tuple(
        LedgerPeriod(
            name=name,
            period=period,
            cap_usd=None if cap is None else usd(cap),
            settled_usd=usd(settled),
            reserved_usd=usd(reserved),
            unknown_usd=usd(unknown),
            unknown_calls=calls,
            everyone=everyone,
        )
        for name, period, cap, settled, reserved, everyone, unknown, calls in rows
    )


def _standing(link: CommandLink, named: Sequence[str]) -> tuple[LedgerPeriod, ...]:
    """Ask as a worker's role may, in whose transaction nothing else was asked."""
    rows = link.rows(
        "SELECT name, period, cap, settled, reserved "
        "FROM {schema}.standing(%s::text[], '')",
        (list(named),),
    )
    return tuple(
        LedgerPeriod(
            name=name,
            period=period,
            cap_usd=None if cap is None else usd(cap),
            settled_usd=usd(settled),
            reserved_usd=usd(reserved),
            unknown_usd=None,
            unknown_calls=None,
            everyone=None,
        )
        for name, period, cap, settled, reserved in rows
    )


def _spent(link: CommandLink, by: By, ledger: str | None) -> tuple[SpentSum, ...]:
    """Sum up by one column; each call is on the ledger of its run, and once on it."""
    rows = link.rows(
        f"SELECT {by}::text, sum(calls)::bigint, sum(nano)::bigint, "
        "sum(unknown_nano)::bigint, sum(unknown_calls)::bigint FROM {schema}.spend "
        "WHERE CASE WHEN %(ledger)s::text IS NULL THEN ledger = 'run:' || run "
        "ELSE ledger = %(ledger)s END GROUP BY 1 ORDER BY "
        + ("1 DESC" if by == "day" else "3 DESC, 1"),
        {"ledger": ledger},
    )
    return tuple(
        SpentSum(
            name=name,
            calls=calls,
            spent_usd=usd(nano),
            unknown_usd=usd(unknown),
            unknown_calls=unknown_calls,
        )
        for name, calls, nano, unknown, unknown_calls in rows
    )


def _dead(link: CommandLink) -> tuple[DeadCall, ...]:
    rows = link.rows(
        "SELECT fence, run, model, worst, "
        "extract(epoch FROM clock_timestamp() - reaped_at)::float8 "
        "FROM {schema}.reaped ORDER BY reaped_at DESC, fence DESC"
    )
    return tuple(
        DeadCall(id=fence, run=run, model=model, usd=usd(worst), ago_s=ago_s)
        for fence, run, model, worst, ago_s in rows
    )
