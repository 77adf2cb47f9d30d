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

By = Literal["day", "run", "model", "kind"]


class LedgerPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger in one of its periods; money is in USD."""

    name: str
    period: str
    """`2026-11`, `2026-11-30`, `run:NAME`, or empty for one without periods."""
    cap_usd: float | None
    """None: no cap."""
    settled_usd: float
    """Spent, with unknown bills at their worst case."""
    reserved_usd: float
    """Set aside for calls under way."""
    per: str | None = None
    """`ever`, `month`, `day` or `run`; None: a worker's role is not told."""
    unknown_usd: float | None = None
    """What of it is a worst case, not a bill; None: not told."""
    unknown_calls: int | None = None
    everyone: bool | None = None
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
    return link.each(
        LedgerPeriod,
        "SELECT c.name, c.per, l.period, l.cap / 1e9::float8 AS cap_usd, "
        "l.settled / 1e9::float8 AS settled_usd, "
        "l.reserved / 1e9::float8 AS reserved_usd, "
        "u.nano / 1e9::float8 AS unknown_usd, u.calls AS unknown_calls, c.everyone "
        "FROM {schema}.caps c "
        # A cap of which nothing was spent yet has no row for its period of now.
        "JOIN (SELECT id, name, period, cap, settled, reserved FROM {schema}.ledgers "
        "UNION ALL SELECT NULL, name, {schema}.period_of(per, clock_timestamp()), nano,"
        " 0, 0 FROM {schema}.caps a WHERE NOT EXISTS (SELECT FROM {schema}.ledgers b "
        "WHERE (b.name, b.period) = (a.name, {schema}.period_of(a.per, "
        "clock_timestamp())))) l ON l.name = c.name "
        "CROSS JOIN LATERAL (SELECT coalesce(sum(unknown_nano), 0)::bigint AS nano, "
        "coalesce(sum(unknown_calls), 0)::bigint AS calls FROM {schema}.spend s "
        "WHERE s.ledger = c.name AND CASE WHEN starts_with(l.period, 'run:') "
        "THEN s.run = substr(l.period, 5) ELSE starts_with(s.day::text, l.period) END "
        ") u ORDER BY c.name, l.id DESC NULLS FIRST",
    )


def _standing(link: CommandLink, named: Sequence[str]) -> tuple[LedgerPeriod, ...]:
    """Ask as a worker's role may, in whose transaction nothing else was asked."""
    return link.each(
        LedgerPeriod,
        "SELECT name, period, cap / 1e9::float8 AS cap_usd, "
        "settled / 1e9::float8 AS settled_usd, reserved / 1e9::float8 AS reserved_usd "
        "FROM {schema}.standing(%s::text[], '')",
        (list(named),),
    )


def _spent(link: CommandLink, by: By, ledger: str | None) -> tuple[SpentSum, ...]:
    """Sum up by one column; each call is on the ledger of its run, and once on it."""
    return link.each(
        SpentSum,
        f"SELECT {by}::text AS name, sum(s.calls)::bigint AS calls, "
        "sum(nano) / 1e9::float8 AS spent_usd, "
        "sum(unknown_nano) / 1e9::float8 AS unknown_usd, "
        "sum(s.unknown_calls)::bigint AS unknown_calls FROM {schema}.spend s "
        "WHERE CASE WHEN %(ledger)s::text IS NULL THEN ledger = 'run:' || run "
        "ELSE ledger = %(ledger)s END GROUP BY 1 ORDER BY "
        + ("1 DESC" if by == "day" else "3 DESC, 1"),
        {"ledger": ledger},
    )


def _dead(link: CommandLink) -> tuple[DeadCall, ...]:
    return link.each(
        DeadCall,
        "SELECT fence AS id, run, model, worst / 1e9::float8 AS usd, "
        "extract(epoch FROM clock_timestamp() - reaped_at)::float8 AS ago_s "
        "FROM {schema}.reaped ORDER BY reaped_at DESC, fence DESC",
    )
