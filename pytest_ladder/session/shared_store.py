"""The store that machines share, as one session uses it: found, told of, and left tidy.

`use` is called once the ladders are known, before anything is called; `leave` when all
calls are over; the rest in between, all on the main thread. A run whose ladders name no
store loads none of it.

Workers of xdist begin one after another, under a file lock in the folder of the run:
the first looks whether the store is there, sends the outbox and has replies fetched,
and leaves a note of what it found, which the others and the controller read. A replay
that has all it asks for, and nothing to send, leaves the store alone.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from pytest_ladder.calls.contract import MachinesRun
from pytest_ladder.config.store import shared_store
from pytest_ladder.errors import ConfigError, LadderError, StoreError, warn
from pytest_ladder.session.xdist import is_elsewhere, shared_by_processes
from pytest_ladder.text.numbers import dollars
from pytest_ladder.text.phrases import shown

if TYPE_CHECKING:
    import pytest

    from pytest_ladder.calls.shared.address import SharedAddress
    from pytest_ladder.session.open_ladder import OpenLadder
    from pytest_ladder.session.settings import Settings

LOCAL = "local"
_RUN = "run:"
"""What ledgers of single runs, and periods that are a run, begin with."""
_PERIODS = {0: "", 7: " this month", 10: " today"}
"""How a period of the calendar is called, by the length of its name."""


class Found(msgspec.Struct, frozen=True):
    """What the first process of a run found of the store."""

    line: str
    """For the header: which store, and how it stands with its ledgers."""
    has_caps: bool
    is_there: bool = True


class RepliesToFetch(Protocol):
    """Replies that a session is known to ask for, and does not have."""

    def __bool__(self) -> bool:
        """Tell whether there are any."""

    def fetch(self, address: SharedAddress) -> None:
        """Bring those that others have paid for. Raises `StoreError`."""


class UsedStore:
    """What the ladders of a session share with other machines."""

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        ladders: Mapping[Path, OpenLadder],
    ) -> None:
        """`ladders` are those of the session, of which more may be opened."""
        self._config = config
        self._settings = settings
        self._ladders = ladders
        self._folder = Path(shared_by_processes(config)["folder"])
        self._known: Found | None = None
        self.notices: list[str] = []
        """What is to be told at the end of the run; made by `leave`."""

    def use(self, wanted: RepliesToFetch) -> None:
        """Look whether the store is there, and bring what others have paid for.

        Raises `ConfigError`, and in a live run `StoreError` where it is not there: then
        nothing may be called. A replay goes on with what this machine has.
        """
        self._check_is_seen()
        address = self._address
        if address is None:
            return
        from filelock import FileLock

        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / "store.lock"):
            if self._found is None:
                found = self._begin(address, wanted)
                self._note.write_bytes(msgspec.json.encode(found))
        if self._found is not None and self._found.is_there:
            for opened in self._sharing:
                opened.archive.store.is_shared = True
                opened.archive.store.ledgers = _ledgers_of(opened)

    @property
    def machines(self) -> MachinesRun | None:
        """What the engine is to share; None: nothing."""
        address = self._used
        if address is None:
            return None
        return MachinesRun(
            address=address,
            name=self._run,
            ledgers=self._ledgers,
            started=shared_by_processes(self._config)["started"],
            has_caps=self.has_caps,
        )

    def seeds(
        self, question: str, known: Sequence[int], wanted: int | None, *, new: bool
    ) -> list[int] | None:
        """Return the seeds of all machines' climbs over a suite, as `Seeds.use` does.

        `known` are those of this machine. None: it is alone. Raises `StoreError`, and
        `ConfigError` where the store is of a release that did not count them.
        """
        address = self._used
        if address is None:
            return None
        from pytest_ladder.calls.shared.at_hand import seeds

        return seeds(address, question, known, wanted, new=new, run=self._run)

    @property
    def has_caps(self) -> bool:
        """Whether a ledger that runs share has a cap."""
        # Where workers of other machines have looked, nobody here knows.
        return self._found is None or self._found.has_caps

    @property
    def name(self) -> str:
        """The store and its ledger, for reports; empty: this machine alone."""
        if self._used is None:
            return ""
        return ", ".join([self._used.name, *(f"ledger {n}" for n in self._ledgers)])

    def lines(self) -> Iterator[str]:
        """Yield what a header says of the store."""
        if self._used is None:
            yield f"store: {LOCAL}"
            return
        # All workers may be on other machines, and their notes with them.
        yield f"store: {self._found.line if self._found else self._used.name}"
        for opened in self._ladders.values():
            if opened.ladder.store is None:
                yield (
                    f"{shown(opened.ladder.path)} names no store: its replies, limits "
                    "and --ladder-budget are this machine's own, beside those of the "
                    "store."
                )

    def leave(self) -> None:
        """Send what only this machine has; called when all calls are over."""
        # Of a store that was not there when the run began, that was said then.
        address = self._used if self._found is not None else None
        if address is None:
            return
        from pytest_ladder.calls.shared.at_hand import send_outbox
        from pytest_ladder.calls.shared.told import ToldOfStore

        twice = ToldOfStore(self._folder / "store").paid_twice()
        if twice.replies:
            were = "reply was" if twice.replies == 1 else "replies were"
            self.notices.append(
                f"{twice.replies:,} {were} paid twice (a process stood still for "
                f"{twice.stood_still_s:.0f} s)."
            )
        for store in (opened.archive.store for opened in self._sharing):
            try:
                send_outbox(address, store)
            except LadderError as error:
                left = len(store.outbox(-1))
                self.notices.append(
                    f"{left:,} paid {'reply is' if left == 1 else 'replies are'} only "
                    f"here, in {store.path}: {error} The next run sends what is left, "
                    "or `pytest-ladder store push`; keep that folder until then."
                )

    def _check_is_seen(self) -> None:
        """Refuse calls of a worker elsewhere that would share them with nobody.

        Its controller has seen a store; here the variable may be missing, or a ladder
        that names none. Raises `ConfigError`.
        """
        if not self._settings.live or not is_elsewhere(self._config):
            return
        for opened in self._ladders.values():
            store = opened.ladder.store
            if shared_store(store, self._settings.store) is None:
                why = (
                    "it has no [store]"
                    if store is None
                    else (f"the variable {store.url_env} is not set there")
                )
                raise ConfigError(
                    f"{opened.ladder.path}: a worker on {socket.gethostname()} shares "
                    f"no store with the others, as {why}, so that it would pay for all "
                    "by itself; name the same store on all machines, or use workers "
                    "of one machine (-n)."
                )

    def _begin(self, address: SharedAddress, wanted: RepliesToFetch) -> Found:
        if self._can_do_without(wanted):
            line = f"{self.name}: not asked, as all replies known of are at hand"
            return Found(line, has_caps=False)
        from pytest_ladder.calls.shared.at_hand import send_outbox, standing

        try:
            every = standing(address, self._ledgers, run=self._run)
            for opened in self._sharing:
                send_outbox(address, opened.archive.store)
            wanted.fetch(address)
        except StoreError as error:
            if self._settings.live:
                raise StoreError(
                    f"{error} Or go on with this machine's own store, by "
                    "--ladder-store=local."
                ) from None
            warn(
                f"ladder: {error} This replay has the replies of this machine only; "
                "--ladder-store=local does without this warning.",
                str(self._sharing[0].ladder.path),
            )
            return Found("", has_caps=False, is_there=False)
        # What is left of --ladder-budget is no matter of a store.
        sums = [each for each in every if not each.name.startswith(_RUN)]
        parts = [address.name]
        for each in sums:
            spent, period = dollars(each.settled / 1e9), each.period
            of = "" if each.cap is None else f" of {dollars(each.cap / 1e9)}"
            when = " this run" if period.startswith(_RUN) else _PERIODS[len(period)]
            parts.append(f"ledger {each.name}: {spent}{of}{when}")
        return Found(
            ", ".join(parts), has_caps=any(each.cap is not None for each in sums)
        )

    def _can_do_without(self, wanted: RepliesToFetch) -> bool:
        """Tell whether a run has nothing to ask of the store, and nothing to send.

        A plan tells how it stands with the ledgers, and a climb asks for its seeds.
        """
        settings = self._settings
        if settings.live or settings.plan or settings.mode == "climb":
            return False
        return not wanted and not any(
            opened.archive.store.outbox(1) for opened in self._sharing
        )

    @property
    def _used(self) -> SharedAddress | None:
        """Where the store is that is used; None: this machine alone."""
        is_away = self._found is not None and not self._found.is_there
        return None if is_away else self._address

    @property
    def _run(self) -> str:
        """What the store knows the run by, on all its machines."""
        shard = self._settings.shard
        name: str = shared_by_processes(self._config)["run"]
        return (shard and shard.run) or name

    @property
    def _note(self) -> Path:
        return self._folder / "store.json"

    @property
    def _found(self) -> Found | None:
        if self._known is None:
            with contextlib.suppress(FileNotFoundError):
                self._known = msgspec.json.decode(self._note.read_bytes(), type=Found)
        return self._known

    @property
    def _sharing(self) -> list[OpenLadder]:
        """The ladders that name a store."""
        return [one for one in self._ladders.values() if one.ladder.store is not None]

    @property
    def _ledgers(self) -> tuple[str, ...]:
        every = (name for opened in self._sharing for name in _ledgers_of(opened))
        return tuple(dict.fromkeys(every))

    @property
    def _address(self) -> SharedAddress | None:
        """Where the store is; None: this machine alone. Raises `ConfigError`."""
        choice = self._settings.store
        found: dict[tuple[str, str], SharedAddress | None] = {}
        for opened in self._sharing:
            store = opened.ladder.store
            assert store is not None
            found[store.url_env, store.schema] = shared_store(store, choice)
        if len(found) > 1:
            names = " and ".join(f"{url} ({schema})" for url, schema in found)
            raise ConfigError(
                f"The ladders of this run name several stores, {names}; run them one "
                "at a time, or name one."
            )
        return next(iter(found.values()), None)


def _ledgers_of(opened: OpenLadder) -> tuple[str, ...]:
    """Return what the calls of a ladder draw on, besides the ledger of their run."""
    store = opened.ladder.store
    return (store.ledger,) if store is not None and store.ledger else ()
