"""`pytest-ladder recordings`: whether all is recorded that tests need, and no more."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ladder.calls.store.recordings import Recording, forget
from pytest_ladder.cli.arguments import Given, Subparsers, add_actions
from pytest_ladder.cli.printing import say
from pytest_ladder.disk.files import writing
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown

if TYPE_CHECKING:
    from pytest_ladder.collection.inventory import Inventory, Missing

_MOST_LISTED = 20
_MOST_NAMED = 3
_LONGEST_PROMPT = 60
_UNSOUND = 1
_FAILED = 2

_CHECK = """\
Say, without a call, what the tests of the rung that ships need and that is not
recorded, which recordings no test needs any more, which lines are damaged, and which
files git does not know though it knows the tests that need them: no commit will have
those. The exit status is 0 when there is nothing to do, 1 when there is, and 2 when
the tests could not be collected, or none is selected.
"""
_PRUNE = """\
Remove recordings that no collected test needs. Only those of test files that were
collected whole, and of test files that are gone, are removed. What a free-form test
(`llm`, `judge`, `request`, a task, a retriever of your own) asks for is only known when
it runs: of its file nothing is removed, nor what it may have brought along from
another file. A live run of such a file prunes it.
"""
_MORE = """\
Arguments are those of pytest: files, folders, -m, -k and its other options.

examples:
"""
_EXAMPLES = {
    "check": """\
  pytest-ladder recordings check
  pytest-ladder recordings check tests/evals -m cheap
""",
    "prune": """\
  pytest-ladder recordings prune --dry-run
  pytest-ladder recordings prune tests/evals
""",
}


def add_to(commands: Subparsers) -> None:
    """Add the command with its two actions."""
    actions = add_actions(
        commands,
        "recordings",
        "check that all is recorded that tests need, and no more",
    )
    _add(
        actions, "check", _CHECK, "list what is missing, spare or damaged"
    ).set_defaults(run=_check)
    prune = _add(actions, "prune", _PRUNE, "remove what no collected test needs")
    prune.add_argument(
        "--dry-run", action="store_true", help="only say what would be removed"
    )
    prune.set_defaults(run=_prune)


def _add(
    actions: Subparsers, name: str, description: str, short: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        usage=f"pytest-ladder recordings {name} [-h]"
        f"{' [--dry-run]' if name == 'prune' else ''} [PATH ...]",
        help=short,
        description=description,
        epilog=_MORE + _EXAMPLES[name],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # What is abbreviated may be an option of pytest.
        allow_abbrev=False,
    )
    parser.set_defaults(takes_rest=True)
    return parser


def _check(given: Given) -> int:
    stocks = _stocks(given.rest)
    if stocks is None:
        return _FAILED
    for stock in stocks:
        for line in _findings(stock):
            say(line)
    for line in _fixes(stocks, given.rest):
        say(line)
    return 0 if all(stock.is_clean for stock in stocks) else _UNSOUND


def _prune(given: Given) -> int:
    stocks = _stocks(given.rest)
    if stocks is None:
        return _FAILED
    for stock in stocks:
        if stock.damaged:
            raise ConfigError(str(stock.damaged[0]))
    total = 0
    for stock in stocks:
        for path, recordings in stock.spare.items():
            total += len(recordings)
            if not given.dry_run:
                with writing(path):
                    forget(path, {recording.key for recording in recordings})
            for line in _listed(_of_file(path, recordings)):
                say(line)
        for line in _kept(stock):
            say(line)
    verb = "would be removed" if given.dry_run else "removed"
    say(f"{count(total, 'recording')} {verb}")
    return 0


def _stocks(arguments: Sequence[str]) -> list[Inventory] | None:
    """Collect and take stock; None where pytest could not collect."""
    # pytest takes its time to load, and other commands do without it.
    from pytest_ladder.cli.collect import collect
    from pytest_ladder.collection.recordings_check import take_stock

    collected = collect(arguments)
    if isinstance(collected, int):
        return None
    session = collected.session
    try:
        if not session.items_of(collected.items):
            by = f" by `{_typed(arguments)}`" if arguments else ""
            raise ConfigError(
                f"No ladder test is selected{by}, so nothing was looked at; correct "
                "what selects, such as -m or -k (`addopts` counts as well)."
            )
        return list(take_stock(session, collected.items))
    finally:
        for opened in session.opened:
            opened.archive.close()


def _findings(stock: Inventory) -> Iterator[str]:
    """Say what is missing, spare or damaged in the recordings of one ladder."""
    ladder = stock.opened
    yield f"{shown(ladder.ladder.path)}: {ladder.current.id}"
    new = [each for each in stock.missing if each.change is None]
    changed = [each for each in stock.missing if each.change is not None]
    if new:
        yield f"not recorded: {len(new):,}"
        yield from _listed(map(_missing, new))
    if changed:
        yield f"recorded with another prompt, model or parameter: {len(changed):,}"
        yield from _listed(map(_missing, changed))
    spare = stock.left_over
    if spare:
        yield f"needed by no test: {sum(map(len, spare.values())):,}"
        yield from _listed(
            line
            for path, recordings in spare.items()
            for line in _of_file(path, recordings)
        )
    if stock.damaged:
        yield f"damaged: {len(stock.damaged):,}"
        yield from _listed(
            f"{shown(damage.path)}:{damage.line}: {damage.problem}"
            for damage in stock.damaged
        )
    if stock.unknown_to_git:
        yield f"not known to git: {len(stock.unknown_to_git):,}"
        yield from _listed(map(shown, stock.unknown_to_git))
    yield from _kept(stock)
    if stock.doubtful:
        yield (
            f"{count(len(stock.doubtful), 'verdict')} not recorded, and maybe not "
            "needed: a case that misses a cheap check is not judged"
        )
    state = "nothing to do" if stock.is_clean else "not in order"
    yield f"{count(stock.recorded, 'recording')}: {state}"


def _missing(missing: Missing) -> str:
    what = "verdict" if missing.judge else "reply"
    free = " (in the store: costs nothing)" if missing.stored else ""
    change = f": {missing.change.told}" if missing.change else ""
    return f"{what} of {missing.nodeid}{free}{change}"


def _of_file(path: Path, recordings: Sequence[Recording]) -> Iterator[str]:
    for recording in recordings:
        prompt = " ".join(recording.prompt.split())
        if len(prompt) > _LONGEST_PROMPT:
            prompt = f"{prompt[: _LONGEST_PROMPT - 1]}…"
        kind = "verdict on" if recording.judge else "reply to"
        yield f"{shown(path)}: {kind} {recording.case}: {prompt}"


def _kept(stock: Inventory) -> Iterator[str]:
    for path, number, test in stock.kept:
        yield (
            f"kept in {shown(path)}: {number:,} that {test} may need, which is only "
            "known when it runs"
        )


def _listed(lines: Iterable[str]) -> Iterator[str]:
    """Indent the first twenty, and count the rest."""
    every = list(lines)
    yield from (f"  {line}" for line in every[:_MOST_LISTED])
    if len(every) > _MOST_LISTED:
        yield f"  … and {len(every) - _MOST_LISTED:,} more"


def _fixes(stocks: Sequence[Inventory], arguments: Sequence[str]) -> Iterator[str]:
    """Say what to type, once for all ladders."""
    missing = [reply for stock in stocks for reply in stock.missing]
    if missing:
        files = list(dict.fromkeys(shown(reply.path) for reply in missing))
        # Few files are named; else the arguments are as they were.
        chosen = files if not arguments and len(files) <= _MOST_NAMED else arguments
        yield f"Record what is missing: pytest {_typed([*chosen, '--ladder-live'])}"
    if any(stock.left_over for stock in stocks):
        typed = _typed(["recordings", "prune", *arguments])
        yield f"Remove what no test needs: pytest-ladder {typed}"
    if any(stock.damaged for stock in stocks):
        yield (
            "Restore damaged files from git, or delete them and record again with "
            "--ladder-live."
        )
    for stock in stocks:
        if stock.unknown_to_git:
            added = stock.unknown_to_git
            if len(added) > _MOST_NAMED:
                added = [stock.opened.archive.recordings.folder]
            yield (
                "Commit what is recorded with its tests (--force where git ignores "
                f"it): git add {_typed(list(map(shown, added)))}"
            )


def _typed(arguments: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, arguments))
