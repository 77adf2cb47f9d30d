"""What goes on in a shared store: who is at work, what is under way, what it holds.

For its owner: a worker's role may not look at other workers.
"""

from __future__ import annotations

import msgspec

from pytest_ladder.calls.shared.address import SharedAddress
from pytest_ladder.calls.shared.command_link import CommandLink, commanding
from pytest_ladder.calls.shared.words import usd


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


class StoreState(msgspec.Struct, frozen=True, kw_only=True):
    """A shared store at a moment."""

    store: str
    schema: str
    version: int
    """The newest migration that was run."""
    client: int
    """The newest client that is at work, or this one."""
    oldest_client: int
    """Clients below are refused."""
    replies: int
    replies_bytes: int
    """What the replies take on its disk, with their index."""
    replaced: int
    """Replies that a refresh replaced, and that are kept."""
    paid_twice: int
    paid_twice_usd: float
    members: tuple[MemberAtWork, ...]
    calls: tuple[CallsUnderWay, ...]
    places: tuple[PlaceInUse, ...]


def state_of(address: SharedAddress, client: int) -> StoreState:
    """Look at a shared store as its owner; `client` is this one's number.

    Raises `StoreError` or `ConfigError`.
    """
    with commanding(address, owners=True) as link:
        ((version, oldest_client),) = link.rows(
            "SELECT version, oldest_client FROM {schema}.meta"
        )
        ((replies, size, replaced),) = link.rows(
            "SELECT (SELECT count(*) FROM {schema}.replies), "
            "pg_total_relation_size(%s::regclass), "
            "(SELECT count(*) FROM {schema}.replaced)",
            (f"{link.schema}.replies",),
        )
        ((twice, twice_nano),) = link.rows(
            "SELECT count(*), coalesce(sum(nano), 0)::bigint FROM {schema}.waste"
        )
        members = _members(link)
        return StoreState(
            store=address.name,
            schema=address.schema,
            version=version,
            client=max([client, *(member.client for member in members)]),
            oldest_client=oldest_client,
            replies=replies,
            replies_bytes=size,
            replaced=replaced,
            paid_twice=twice,
            paid_twice_usd=usd(twice_nano),
            members=members,
            calls=_calls(link),
            places=_places(link),
        )


def _members(link: CommandLink) -> tuple[MemberAtWork, ...]:
    # Who left while calls were open is marked by a time that is no time.
    rows = link.rows(
        "SELECT m.run, m.host, m.pid, m.client, count(c.key), "
        "extract(epoch FROM clock_timestamp() - m.joined)::float8, "
        "least(extract(epoch FROM clock_timestamp() - "
        "greatest(m.seen, m.joined)), 1e9)::float8, "
        "m.seen < clock_timestamp() - make_interval(secs => meta.dead_after_s) "
        "FROM {schema}.meta, {schema}.members m "
        "LEFT JOIN {schema}.calls c ON c.member = m.id "
        "GROUP BY m.id, meta.dead_after_s ORDER BY m.run, m.host, m.pid"
    )
    return tuple(
        MemberAtWork(
            run=run,
            host=host,
            pid=pid,
            client=client,
            calls=calls,
            joined_s=joined_s,
            silent_s=silent_s,
            is_dead=is_dead,
        )
        for run, host, pid, client, calls, joined_s, silent_s, is_dead in rows
    )


def _calls(link: CommandLink) -> tuple[CallsUnderWay, ...]:
    rows = link.rows(
        "SELECT model, kind, count(*), "
        "count(*) FILTER (WHERE go > clock_timestamp()), sum(worst)::bigint, "
        "extract(epoch FROM clock_timestamp() - min(at))::float8 "
        "FROM {schema}.calls GROUP BY model, kind ORDER BY model, kind"
    )
    return tuple(
        CallsUnderWay(
            model=model,
            kind=kind,
            calls=calls,
            waiting=waiting,
            reserved_usd=usd(worst),
            oldest_s=oldest_s,
        )
        for model, kind, calls, waiting, worst, oldest_s in rows
    )


def _places(link: CommandLink) -> tuple[PlaceInUse, ...]:
    ahead = (
        "greatest(0, extract(epoch FROM nullif({}, '-infinity') - clock_timestamp()))"
    )
    booked = ahead.format("greatest(tat_requests, tat_tokens)")
    rows = link.rows(
        f"SELECT name, inflight, ceiling, rpm, tpm, {booked}::float8, "
        f"{ahead.format('paused_until')}::float8 FROM {{schema}}.places ORDER BY name"
    )
    return tuple(
        PlaceInUse(
            name=name,
            inflight=inflight,
            ceiling=ceiling,
            rpm=rpm,
            tpm=tpm,
            booked_s=booked_s,
            paused_s=paused_s,
        )
        for name, inflight, ceiling, rpm, tpm, booked_s, paused_s in rows
    )
