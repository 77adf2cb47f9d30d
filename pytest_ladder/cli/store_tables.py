"""The state of a shared store as lines of a terminal; data in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_ladder.calls.shared.state import MemberAtWork, PlaceInUse, StoreState
from pytest_ladder.text.numbers import count, dollars, seconds
from pytest_ladder.text.table import name_table
from pytest_ladder.text.untrusted import clip, plain

_LONGEST_NAME = 40
_MB = 1_000_000


def state_lines(state: StoreState, client: int) -> Iterator[str]:
    """Yield what `pytest-ladder store status` prints; `client` is this one's number."""
    yield (
        f"{state.store}, schema {state.schema}, version {state.version}: "
        f"{state.replies:,} {'reply' if state.replies == 1 else 'replies'} "
        f"({state.replies_bytes / _MB:,.1f} MB)"
    )
    if state.replaced:
        yield f"  {state.replaced:,} more were replaced by a refresh, and are kept"
    if state.paid_twice:
        yield (
            f"  {state.paid_twice:,} {'was' if state.paid_twice == 1 else 'were'} paid "
            f"twice ({dollars(state.paid_twice_usd)}), by processes that stood still"
        )
    yield from _members(state.members, client)
    if state.calls:
        yield ""
        yield from name_table(
            ("calls under way", [_safe(call.model) for call in state.calls]),
            ("kind", [call.kind for call in state.calls]),
            ("calls", [f"{call.calls:,}" for call in state.calls]),
            ("waiting", [f"{call.waiting:,}" for call in state.calls]),
            ("set aside", [dollars(call.reserved_usd) for call in state.calls]),
            ("oldest", [seconds(call.oldest_s) for call in state.calls]),
        )
    if state.places:
        yield ""
        yield from _places(state.places)


def _members(members: Sequence[MemberAtWork], client: int) -> Iterator[str]:
    if not members:
        yield "nobody is at work"
        return
    runs = {member.run for member in members}
    processes = "1 process" if len(members) == 1 else f"{len(members):,} processes"
    yield f"{processes} of {count(len(runs), 'run')} at work"
    yield ""
    yield from name_table(
        ("run", [_safe(member.run) for member in members]),
        ("host", [_safe(member.host) for member in members]),
        ("pid", [str(member.pid) for member in members]),
        ("client", [str(member.client) for member in members]),
        ("calls", [f"{member.calls:,}" for member in members]),
        ("joined", [f"{seconds(member.joined_s)} ago" for member in members]),
        ("seen", [f"{seconds(member.silent_s)} ago" for member in members]),
        ("", [_trouble(member, client) for member in members]),
    )


def _trouble(member: MemberAtWork, client: int) -> str:
    if member.is_dead:
        return "dead: its calls are being taken from it"
    return "an old client: upgrade it" if member.client < client else ""


def _places(places: Sequence[PlaceInUse]) -> Iterator[str]:
    yield from name_table(
        ("place", [_safe(place.name) for place in places]),
        ("under way", [f"{place.inflight:,} of {place.ceiling:,}" for place in places]),
        ("a minute", [_limits(place) for place in places]),
        ("booked for", [_ahead(place.booked_s) for place in places]),
        ("paused for", [_ahead(place.paused_s) for place in places]),
    )


def _limits(place: PlaceInUse) -> str:
    limits = [
        f"{limit:,.0f} {of}"
        for limit, of in ((place.rpm, "requests"), (place.tpm, "tokens"))
        if limit is not None
    ]
    return ", ".join(limits) or "any number"


def _ahead(duration_s: float) -> str:
    return seconds(duration_s) if duration_s > 0 else "-"


def _safe(name: str) -> str:
    """Show a name that another machine gave."""
    return clip(plain(name), _LONGEST_NAME)
