"""`pytest-ladder budget`: what all machines have spent, and what they may."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_ladder.cli.arguments import (
    Given,
    Subparsers,
    add_command,
    not_negative,
    whole,
)
from pytest_ladder.cli.printing import say, say_json
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.numbers import count, dollars, seconds
from pytest_ladder.text.table import name_table
from pytest_ladder.text.untrusted import clip, plain

if TYPE_CHECKING:
    from pytest_ladder.calls.shared.ledgers import BudgetShown, LedgerPeriod
    from pytest_ladder.cli.store_reached import ReachedStore

_BY = ("day", "run", "model", "kind")
_PER = ("ever", "month", "day", "run")
_MOST_DEAD = 20
_MOST_RUNS = 10
_LONGEST_RUN = 40
_RUN = "run:"
_SHOW = """\
Show the ledgers of the shared store: caps, what is spent and set aside, and how much
of that is a worst case because nobody knows the bill. --by adds what was spent by day,
run, model or kind. A worker's role sees the ledgers that it draws on.
"""
_SET = """\
Set what a ledger may spend in each period, or make one. --per run caps each run by
itself; all shards of a CI run are one. For the owner: the variable of
[store] holds the owner's address; a worker's role cannot raise a cap. A cap below what
is spent lets nothing more in. With --everyone all calls draw on it, also those whose
ladder.toml names no ledger.
"""
_RELEASE = """\
Correct what was booked for calls whose process died: their worst case, as nobody knows
the bill. --usd is what the provider billed for each of them, nothing by default. For
the owner.
"""


def add_to(commands: Subparsers) -> None:
    """Add the command, which shows, with its actions."""
    parser = add_command(
        commands,
        "budget",
        "ledgers of the shared store: spent, set aside, caps",
        _SHOW,
        "examples:\n  pytest-ladder budget\n  pytest-ladder budget --by model\n",
    )
    parser.add_argument("--by", choices=_BY, help="add what was spent by each")
    parser.add_argument(
        "--ledger", metavar="NAME", help="with --by: on this ledger, not on all"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=_show)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    _add_set(actions)
    release = add_command(
        actions,
        "release",
        "correct what was booked for calls of dead processes",
        _RELEASE,
        "example:\n  pytest-ladder budget release 1204 1205\n",
    )
    release.add_argument(
        "ids", nargs="+", metavar="ID", type=whole, help="the call's id, by `budget`"
    )
    release.add_argument(
        "--usd",
        type=not_negative,
        default=0.0,
        metavar="USD",
        help="what was billed for each (default: nothing)",
    )
    release.set_defaults(run=_release)


def _add_set(actions: Subparsers) -> argparse.ArgumentParser:
    parser = add_command(
        actions,
        "set",
        "set the cap of a ledger",
        _SET,
        "example:\n  pytest-ladder budget set team --usd 500 --per month\n",
    )
    parser.add_argument("ledger", metavar="NAME", help="the ledger, such as team")
    cap = parser.add_mutually_exclusive_group(required=True)
    cap.add_argument("--usd", type=not_negative, metavar="USD", help="the cap")
    cap.add_argument(
        "--no-cap", action="store_true", help="count what is spent, and stop nothing"
    )
    parser.add_argument(
        "--per",
        choices=_PER,
        default="month",
        help="its period: of the calendar in UTC, or each run (default: month)",
    )
    parser.add_argument(
        "--everyone",
        action="store_true",
        help="all calls draw on it, whatever their ladder.toml names",
    )
    parser.set_defaults(run=_set)
    return parser


def _show(given: Given) -> int:
    from pytest_ladder.calls.shared.ledgers import budget_of

    if given.ledger is not None and given.by is None:
        raise ConfigError("--ledger goes with --by; add that, or leave it out.")
    store = _reached()
    named = [store.config.ledger] if store.config.ledger else []
    budget = budget_of(store.address, named, given.by, given.ledger)
    if given.json:
        say_json(budget)
        return 0
    for line in _lines(budget, given.by):
        say(line)
    return 0


def _lines(budget: BudgetShown, by: str | None) -> Iterator[str]:
    if not budget.ledgers:
        yield (
            f"{budget.store} has no ledger"
            f"{'' if budget.is_owner else ' that this checkout draws on'}; its owner "
            "makes one by `pytest-ladder budget set team --usd 500 --per month`."
        )
    else:
        yield from _ledgers(budget.ledgers)
    if by is not None and budget.spent:
        yield ""
        yield from name_table(
            (by, [plain(each.name) for each in budget.spent]),
            ("calls", [f"{each.calls:,}" for each in budget.spent]),
            ("spent", [dollars(each.spent_usd) for each in budget.spent]),
            (
                "of that unknown",
                [
                    _unknown(each.unknown_usd, each.unknown_calls)
                    for each in budget.spent
                ],
            ),
        )
    elif by is not None:
        yield "nothing was spent yet"
    yield from _dead(budget)


def _ledgers(all_periods: Sequence[LedgerPeriod]) -> Iterator[str]:
    runs: Counter[str] = Counter()
    ledgers = []
    for each in all_periods:
        runs[each.name] += each.period.startswith(_RUN)
        if runs[each.name] <= _MOST_RUNS:
            ledgers.append(each)
    yield from name_table(
        ("ledger", [plain(each.name) for each in ledgers]),
        ("period", [_period(each) for each in ledgers]),
        ("cap", ["none" if e.cap_usd is None else dollars(e.cap_usd) for e in ledgers]),
        ("spent", [dollars(each.settled_usd) for each in ledgers]),
        ("set aside", [dollars(each.reserved_usd) for each in ledgers]),
        (
            "left",
            [
                "-"
                if each.cap_usd is None
                else dollars(
                    max(0.0, each.cap_usd - each.settled_usd - each.reserved_usd)
                )
                for each in ledgers
            ],
        ),
        (
            "of spent unknown",
            [_unknown(each.unknown_usd, each.unknown_calls) for each in ledgers],
        ),
        ("", ["everyone's" if each.everyone else "" for each in ledgers]),
    )
    if len(ledgers) < len(all_periods):
        yield f"… and {len(all_periods) - len(ledgers):,} runs more (--json has all)"


def _period(ledger: LedgerPeriod) -> str:
    if ledger.period.startswith(_RUN):
        return f"run {clip(plain(ledger.period.removeprefix(_RUN)), _LONGEST_RUN)}"
    called = {"ever": "ever", "run": "each run", None: "ever, or each run"}
    return ledger.period or called[ledger.per]


def _unknown(usd: float | None, calls: int | None) -> str:
    if usd is None or calls is None:
        return "owner knows"
    return f"{dollars(usd)} of {count(calls, 'call')}" if calls else "-"


def _dead(budget: BudgetShown) -> Iterator[str]:
    if not budget.dead:
        return
    total, dead = sum(each.usd for each in budget.dead), budget.dead[:_MOST_DEAD]
    yield ""
    yield (
        f"{count(len(budget.dead), 'call')} of dead processes booked at the worst "
        f"case ({dollars(total)}); what was billed is told by `pytest-ladder budget "
        "release ID --usd 0`:"
    )
    yield from name_table(
        ("id", [str(each.id) for each in dead]),
        ("run", [plain(each.run) for each in dead]),
        ("model", [plain(each.model) for each in dead]),
        ("booked", [dollars(each.usd) for each in dead]),
        ("when", [f"{seconds(each.ago_s)} ago" for each in dead]),
    )
    if len(budget.dead) > len(dead):
        yield f"… and {len(budget.dead) - len(dead):,} more (--json has all)"


def _set(given: Given) -> int:
    from pytest_ladder.calls.shared.install import set_cap
    from pytest_ladder.calls.shared.words import nano

    store = _reached()
    name: str = given.ledger
    set_cap(
        store.address,
        name,
        None if given.no_cap else nano(given.usd),
        per=given.per,
        everyone=given.everyone,
    )
    period = "in all" if given.per == "ever" else f"a {given.per}"
    cap = "has no cap" if given.no_cap else f"may spend {dollars(given.usd)} {period}"
    who = ", and all calls draw on it" if given.everyone else ""
    say(f"{store.address.name}: ledger {plain(name)} {cap}{who}.")
    if not given.everyone and store.config.ledger != name:
        say(f'Calls draw on it where ladder.toml has [store] with ledger = "{name}".')
    return 0


def _release(given: Given) -> int:
    from pytest_ladder.calls.shared.install import release
    from pytest_ladder.calls.shared.words import nano

    store = _reached()
    unknown = [
        fence
        for fence in given.ids
        if not release(store.address, fence, nano(given.usd))
    ]
    released = len(given.ids) - len(unknown)
    if released:
        say(f"{count(released, 'call')} corrected to {dollars(given.usd)} each.")
    if unknown:
        raise ConfigError(
            f"No call of a dead process has the id {', '.join(map(str, unknown))}: it "
            "was corrected or settled before; `pytest-ladder budget` lists those that "
            "are left."
        )
    return 0


def _reached() -> ReachedStore:
    # Most commands know no other machine.
    from pytest_ladder.cli.store_reached import reached

    return reached()
