"""`pytest-ladder store`: the database that machines share is made, seen and cleaned."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pytest_ladder.cli.arguments import Given, Subparsers, add_actions, add_command, age
from pytest_ladder.cli.printing import ProgressLine, say, say_json
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown

if TYPE_CHECKING:
    from pytest_ladder.calls.shared.install import Installed
    from pytest_ladder.cli.store_reached import ReachedStore

_ADDRESS = """
The database is the one whose address stands in the variable that [store] of
ladder.toml names, else in LADDER_STORE_URL. It is never printed with its password.
"""
_INIT = """\
Make the tables of a shared store, or upgrade them, and let a role do what workers may:
look replies up, be let in, settle, and nothing else. It cannot raise a cap. Called
again it changes nothing. For the owner: the variable holds the owner's address.
"""
_STATUS = """\
Show who is at work, which calls are under way, how far quotas are used, and how much is
stored. For the owner: the variable holds the owner's address.
"""
_PULL = """\
Copy replies from the shared store to this machine's own (.ladder/store.sqlite), to work
where the database is not in reach. A reply that is here stays as it is.
"""
_PUSH = """\
Copy replies of this machine's own store to the shared one: those of runs without it, or
that were left when it was lost. Of two replies to one request the first stays.
"""
_PRUNE = """\
Delete replies older than a time from the shared store, but for those that recordings of
this checkout name, of all its ladders. Ledgers and what was spent stay. For the owner:
the variable holds the owner's address.
"""


def add_to(commands: Subparsers) -> None:
    """Add the command with its actions."""
    actions = add_actions(commands, "store", "the database that machines share")
    init = _add(actions, "init", "make its tables, or upgrade them", _INIT, _init)
    init.add_argument(
        "--worker-role",
        metavar="NAME",
        default="ladder_worker",
        help="the role of workers, created where there is none (default: "
        "%(default)s, which roles that log in are granted)",
    )
    status = _add(actions, "status", "show who is at work", _STATUS, _status)
    status.add_argument("--json", action="store_true", help="print it as JSON")
    pull = _add(actions, "pull", "copy replies to this machine", _PULL, _pull)
    pull.add_argument(
        "--since",
        metavar="AGE",
        type=age,
        help="only replies that are no older, such as 7d or 12h",
    )
    _add(actions, "push", "copy this machine's replies to it", _PUSH, _push)
    prune = _add(actions, "prune", "delete old replies", _PRUNE, _prune)
    prune.add_argument(
        "--older-than",
        metavar="AGE",
        type=age,
        required=True,
        help="how old a reply must be to go, such as 90d or 12w",
    )
    prune.add_argument(
        "--dry-run", action="store_true", help="only say how many would be deleted"
    )


def _add(
    actions: Subparsers,
    name: str,
    short: str,
    description: str,
    run: Callable[[Given], int],
) -> argparse.ArgumentParser:
    example = f"pytest-ladder store {name}"
    if name == "prune":
        example += " --older-than 90d --dry-run"
    parser = add_command(
        actions, name, short, description + _ADDRESS, f"example:\n  {example}\n"
    )
    parser.set_defaults(run=run)
    return parser


def _init(given: Given) -> int:
    from pytest_ladder.calls.shared.install import install

    store = _reached()
    role: str = given.worker_role
    done = install(store.address, worker_role=role)
    where = f"{store.address.name}, schema {store.address.schema}"
    if done.migrations:
        numbers = ", ".join(map(str, done.migrations))
        how = "made" if done.migrations[0] == 1 else "upgraded"
        say(f"{where}: tables {how} (migration {numbers}).")
    else:
        say(f"{where}: tables were there, and are up to date.")
    say(f"What {role} may do now:")
    for grant in done.grants:
        say(f"  {grant};")
    for line in _next_steps(store, role, done):
        say(line)
    return 0


def _next_steps(store: ReachedStore, role: str, done: Installed) -> Iterator[str]:
    from pytest_ladder.calls.shared.command_link import quoted

    name = role
    if not done.can_log_in:
        name = "evals"
        yield "Nobody logs in by that role. Make one for workers, as an owner, in psql:"
        yield f"  CREATE ROLE {name} LOGIN PASSWORD '…' IN ROLE {quoted(role)};"
    database, _, host = store.address.name.rpartition("@")
    yield (
        f"Workers take {store.config.url_env}=postgresql://{name}:…@{host}/{database}, "
        "and not the owner's address."
    )
    if not store.is_named:
        file = "ladder.toml" if store.file is None else shown(store.file)
        yield f'No run uses it yet: add [store] with ledger = "team" to {file}.'


def _status(given: Given) -> int:
    from pytest_ladder.calls.shared.releases import CLIENT
    from pytest_ladder.calls.shared.state import state_of
    from pytest_ladder.cli.store_tables import state_lines

    state = state_of(_reached().address, CLIENT)
    if given.json:
        say_json(state)
        return 0
    for line in state_lines(state, CLIENT):
        say(line)
    return 0


def _pull(given: Given) -> int:
    from pytest_ladder.calls.shared.transfer import AT_ONCE, pull

    store = _reached()
    local, progress = store.local, ProgressLine()
    there: list[int] = []
    rows = pull(store.address, age_s=given.since, total=there.append)
    seen = new = 0
    try:
        while group := list(itertools.islice(rows, AT_ONCE)):
            seen += len(group)
            new += local.add(group)
            progress.rows("replies", seen / max(1, *there), seen)
    finally:
        progress.end()
        local.close()
    say(f"{_replies(new, 'new')} in {shown(local.path)}; {seen - new:,} were there.")
    return 0


def _push(given: Given) -> int:
    del given
    from pytest_ladder.calls.shared.at_hand import send_outbox
    from pytest_ladder.calls.shared.transfer import push
    from pytest_ladder.calls.store.store import Store

    store = _reached()
    local, progress = store.local, ProgressLine()
    total = len(local)
    try:
        new = push(
            store.address,
            local.rows(),
            lambda done: progress.rows("replies", done / max(1, total), done),
        )
        # No run has to send them any more.
        send_outbox(store.address, Store(local.path))
    finally:
        progress.end()
        local.close()
    say(f"{_replies(new, 'new')} in {store.address.name}; {total - new:,} were there.")
    return 0


def _prune(given: Given) -> int:
    from pytest_ladder.calls.shared.pruning import old_replies, prune

    store, progress = _reached(), ProgressLine()
    named = store.recorded()
    old = old_replies(store.address, given.older_than, named)
    gone = 0
    if not given.dry_run:
        try:
            gone = prune(
                store.address,
                given.older_than,
                named,
                lambda done: progress.rows("replies", done / max(1, old), done),
            )
        finally:
            progress.end()
    verb = "would be deleted from" if given.dry_run else "deleted from"
    say(
        f"{_replies(old if given.dry_run else gone)} {verb} {store.address.name}; "
        f"{count(len(named), 'recording')} of this checkout kept theirs."
    )
    return 0


def _replies(number: int, kind: str = "") -> str:
    noun = "reply" if number == 1 else "replies"
    return " ".join(filter(None, (f"{number:,}", kind, noun)))


def _reached() -> ReachedStore:
    # Most commands know no other machine.
    from pytest_ladder.cli.store_reached import reached

    return reached()
