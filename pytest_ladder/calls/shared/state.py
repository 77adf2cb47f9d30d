"""What goes on in a shared store: who is at work, what is under way, what it holds.

For its owner: a worker's role may not look at other workers.
"""

from __future__ import annotations

import msgspec

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.command_link import CommandLink, commanding


class MemberAtWork(msgspec.Struct, frozen=True, kw_only=True):
    """A process that has joined a run and not left it."""

    run: str
    host: str
    pid: int
    client: int
    """Number of its client; an old one is below `StoreState.client`."""
    calls: int
    """Calls that it holds."""
    joined_s: float
    """Seconds since it joined."""
    silent_s: float
    """Seconds since it showed life."""
    is_dead: bool
    """Whether it was silent for so long that its calls are to be taken from it."""


class CallsUnderWay(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one model and kind that are claimed."""

    model: str
    kind: str
    calls: int
    waiting: int
    """Those of them whose turn has not come."""
    reserved_usd: float
    """What is set aside for them, in USD."""
    oldest_s: float
    """Seconds since the first of them was let in."""


class PlaceInUse(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one address, with its limits, which hold over all machines."""

    name: str
    inflight: int
    ceiling: int
    """Calls at once, at most."""
    rpm: float | None
    """Requests a minute; None: any number."""
    tpm: float | None
    """Tokens a minute; None: any number."""
    booked_s: float
    """For how many seconds from now its quota is given away."""
    paused_s: float
    """For how many seconds more nobody calls it, as a provider has asked."""


class KeptInStore(msgspec.Struct, frozen=True, kw_only=True):
    """What a shared store holds."""

    version: int
    """The newest migration that was run."""
    oldest_client: int
    """Clients below are refused."""
    replies: int
    replies_bytes: int
    """What the replies take on its disk, with their index."""
    replaced: int
    """Replies that a refresh replaced, and that are kept."""
    paid_twice: int
    paid_twice_usd: float


class StoreState(KeptInStore, frozen=True, kw_only=True):
    """A shared store at a moment."""

    store: str
    schema: str
    client: int
    """The newest client that is at work, or this one."""
    members: tuple[MemberAtWork, ...]
    calls: tuple[CallsUnderWay, ...]
    places: tuple[PlaceInUse, ...]


def state_of(address: SharedAddress, client: int) -> StoreState:
    """Look at a shared store as its owner; `client` is this one's number.

    Raises `StoreError` or `ConfigError`.
    """
    with commanding(address, owners=True) as link:
        (kept,) = link.each(
            KeptInStore,
            "SELECT version, oldest_client, "
            "(SELECT count(*) FROM {schema}.replies) AS replies, "
            "pg_total_relation_size(%s::regclass) AS replies_bytes, "
            "(SELECT count(*) FROM {schema}.replaced) AS replaced, "
            "(SELECT count(*) FROM {schema}.waste) AS paid_twice, "
            "(SELECT coalesce(sum(nano), 0) / 1e9::float8 FROM {schema}.waste) "
            "AS paid_twice_usd FROM {schema}.meta",
            (f"{link.schema}.replies",),
        )
        members = _members(link)
        return StoreState(
            **msgspec.structs.asdict(kept),
            store=address.name,
            schema=address.schema,
            client=max([client, *(member.client for member in members)]),
            members=members,
            calls=_calls(link),
            places=_places(link),
        )


def _members(link: CommandLink) -> tuple[MemberAtWork, ...]:
    # Who left while calls were open is marked by a time that is no time.
    return link.each(
        MemberAtWork,
        "SELECT m.run, m.host, m.pid, m.client, count(c.key) AS calls, "
        "extract(epoch FROM clock_timestamp() - m.joined)::float8 AS joined_s, "
        "least(extract(epoch FROM clock_timestamp() - "
        "greatest(m.seen, m.joined)), 1e9)::float8 AS silent_s, "
        "m.seen < clock_timestamp() - make_interval(secs => meta.dead_after_s) "
        "AS is_dead FROM {schema}.meta, {schema}.members m "
        "LEFT JOIN {schema}.calls c ON c.member = m.id "
        "GROUP BY m.id, meta.dead_after_s ORDER BY m.run, m.host, m.pid",
    )


def _calls(link: CommandLink) -> tuple[CallsUnderWay, ...]:
    return link.each(
        CallsUnderWay,
        "SELECT model, kind, count(*) AS calls, "
        "count(*) FILTER (WHERE go > clock_timestamp()) AS waiting, "
        "sum(worst) / 1e9::float8 AS reserved_usd, "
        "extract(epoch FROM clock_timestamp() - min(at))::float8 AS oldest_s "
        "FROM {schema}.calls GROUP BY model, kind ORDER BY model, kind",
    )


def _places(link: CommandLink) -> tuple[PlaceInUse, ...]:
    ahead = (
        "greatest(0, extract(epoch FROM nullif({}, '-infinity') - clock_timestamp()))"
        "::float8"
    )
    booked = ahead.format("greatest(tat_requests, tat_tokens)")
    return link.each(
        PlaceInUse,
        f"SELECT name, inflight, ceiling, rpm, tpm, {booked} AS booked_s, "
        f"{ahead.format('paused_until')} AS paused_s FROM {{schema}}.places "
        "ORDER BY name",
    )
