"""`pytest-ladder outcomes`: raw files of real use become what a run reads."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ladder.cli.arguments import (
    Given,
    Subparsers,
    add_actions,
    add_command,
    positive,
    share,
)
from pytest_ladder.cli.printing import ProgressLine, say
from pytest_ladder.cli.reach import go_where
from pytest_ladder.config.load import find_ladder, load_ladder
from pytest_ladder.core.aggregate import LEAST_UNITS, Aggregate, VariantSums
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.outcomes import RealOutcome
from pytest_ladder.decide.real.measured import value_of, value_text
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.terminal.lines import glyphs_for
from pytest_ladder.text import numbers
from pytest_ladder.text.phrases import did_you_mean, listed, shown

if TYPE_CHECKING:
    from pytest_ladder.real.importing import Imported

_CHECK = """\
Read the raw files of outcomes and say what is wrong with them, what was used and what
was left out and why. Nothing is written.
"""
_IMPORT = """\
Read the raw files of outcomes, sum them up for each rung, and write outcomes/NAME.json,
which belongs into git: it holds no user and no text. A run reads nothing else. Which
tool an export comes from is told by its columns; nobody has to say it. With --from,
answers that people gave in a labelling tool are added to reviews.jsonl instead.
"""
_EXAMPLES = {
    "import": """\
examples:
  pytest-ladder outcomes import resolved
  pytest-ladder outcomes import --from label-studio project-1.json
  pytest-ladder outcomes import --from argilla records.json --question preference
"""
}
_SHOW = "Show the outcomes that are imported, rung by rung, without a run."
_PLAN = """\
Say how many users an experiment needs, looked at once or every day, to tell two rates
apart with 80 % power.
"""


def add_to(commands: Subparsers) -> None:
    """Add the command with its actions."""
    actions = add_actions(
        commands, "outcomes", "import what real users did, and plan experiments"
    )
    for name, short, description, run in (
        ("check", "say what is wrong with raw files", _CHECK, _check),
        ("import", "write outcomes/NAME.json from raw files", _IMPORT, _import),
        ("show", "show what is imported", _SHOW, _show),
    ):
        action = add_command(
            actions,
            name,
            short,
            description,
            _EXAMPLES.get(name, f"example:\n  pytest-ladder outcomes {name}\n"),
        )
        action.add_argument(
            "names",
            nargs="*",
            metavar="NAME",
            help="outcomes to read; left out, all of them",
        )
        action.set_defaults(run=run)
        if name == "import":
            action.add_argument(
                "--dry-run", action="store_true", help="write nothing, as check does"
            )
            action.add_argument(
                "--from",
                dest="tool",
                nargs=2,
                metavar=("TOOL", "FILE"),
                help="an export of label-studio or argilla, or a table: what "
                "people said of replies",
            )
            action.add_argument(
                "--question",
                metavar="NAME",
                help="which control or question of it, where it has several",
            )
    _add_plan(actions)


def _add_plan(actions: Subparsers) -> None:
    plan = add_command(
        actions,
        "plan",
        "say how many users an experiment needs",
        _PLAN,
        "example:\n  pytest-ladder outcomes plan --rate .60 --effect .03\n",
    )
    plan.add_argument("--rate", type=share, required=True, help="the rate today")
    plan.add_argument(
        "--effect", type=share, required=True, help="the difference to be seen"
    )
    plan.add_argument(
        "--per-day", type=positive, metavar="N", help="users a day, of both arms"
    )
    plan.set_defaults(run=_plan)


def _check(given: Given) -> int:
    return 0 if _read(given, write=False) == [] else 1


def _import(given: Given) -> int:
    if given.tool is not None:
        from pytest_ladder.cli.reviews_import import import_reviews

        return import_reviews(given, _configured())
    if given.question is not None:
        raise ConfigError("--question goes with --from; add that, or leave it out.")
    # What was measured is imported also where its split is broken: it decides nothing.
    return 1 if _read(given, write=not given.dry_run) is None else 0


def _read(given: Given, *, write: bool) -> list[str] | None:
    """Read raw files, and return what stands against deciding by them.

    None where a file is broken: then nothing is written.
    """
    # Most commands read no raw files.
    from pytest_ladder.real.aggregates import write_aggregate
    from pytest_ladder.real.importing import Importer

    ladder = _ladder()
    chosen = _chosen(ladder, given.names)
    progress = ProgressLine()
    try:
        imported = Importer(ladder, progress.rows).read(chosen)
    except ConfigError as error:
        sys.stderr.write(f"pytest-ladder: {error}\n")
        return None
    finally:
        progress.end()
    _say_of_reviews(ladder, chosen)
    _tell(imported)
    if write:
        for one in imported:
            if one.new is not None:
                say(f"written: {shown(write_aggregate(ladder.folder, one.new))}")
    return [problem for one in imported for problem in one.problems]


def _tell(imported: Sequence[Imported]) -> None:
    """Say of each outcome what was read, and what is worth knowing of it."""
    told: set[str] = set()
    for one in imported:
        if one.new is None:
            glob = getattr(one.outcome, one.outcome.source or "")
            say(f"{one.outcome.name}: no data yet; nothing matches {glob}.")
            continue
        for line in _changes(one.old, one.new):
            say(line)
        for note in one.notes:
            if note not in told:
                say(f"  note: {note}.")
        # Outcomes share files: a note on one is told once.
        told.update(one.notes)
        for problem in one.problems:
            say(f"  warning: {problem}")


def _show(given: Given) -> int:
    from pytest_ladder.decide.real.users import users_of
    from pytest_ladder.real.aggregates import declared_of
    from pytest_ladder.reporting.terminal.users import outcome_tables
    from pytest_ladder.reporting.users import user_sentences

    ladder = _ladder()
    chosen = _chosen(ladder, given.names)
    names = {outcome.name for outcome in chosen if outcome.kind != "preference"}
    users = users_of(declared_of(ladder, names))
    current = ladder.current.id if ladder.current else None
    width = shutil.get_terminal_size().columns
    mark = glyphs_for(sys.stdout.encoding).current
    for line in outcome_tables(users.outcomes, current, width, mark):
        say(line)
    for sentence in user_sentences(users):
        say(sentence)
    _say_of_reviews(ladder, chosen)
    return 0


def _plan(given: Given) -> int:
    from pytest_ladder.stats.experiments import users_needed, users_needed_always

    rate, effect = given.rate, given.effect
    other = rate + effect if rate + effect < 1 else rate - effect
    if not (0 < rate < 1 and 0 < other < 1 and effect > 0):
        raise ConfigError(
            f"--rate {rate:g} and --effect {effect:g} leave the range of a rate; "
            "write two shares, such as --rate .60 --effect .03."
        )
    once = round(users_needed(rate, other) + 0.5)
    always = users_needed_always(rate, other)
    ends = f"{numbers.percent(rate)} from {numbers.percent(other)}"
    say(f"To tell {ends} with 80 % power:")
    for users, how in (
        (once, 'looked at once (analysis = "fixed")'),
        (always, 'looked at every day (analysis = "sequential", the default)'),
    ):
        days = (
            f", {-(-2 * users // round(given.per_day))} days" if given.per_day else ""
        )
        say(f"  {users:,} users an arm{days}, {how}")
    return 0


def _say_of_reviews(ladder: Ladder, outcomes: Sequence[RealOutcome]) -> None:
    """Say where preferences come from, which no raw file holds."""
    file = ladder.folder / ladder.review.file
    for outcome in outcomes:
        if outcome.kind == "preference":
            how = "the report of a run tells it" if file.is_file() else "there is none"
            say(f"{outcome.name}: comes from {shown(file)}; {how}.")


def _ladder() -> Ladder:
    ladder = _configured()
    if not ladder.outcomes:
        raise ConfigError(
            f"{shown(ladder.path)} declares no [[outcome]]; add one "
            "(docs/real-world.md)."
        )
    return ladder


def _configured() -> Ladder:
    path = find_ladder(Path.cwd())
    if path is None:
        raise ConfigError(f"there is no ladder.toml here or above; {go_where()}.")
    return load_ladder(path)


def _chosen(ladder: Ladder, names: Sequence[str]) -> list[RealOutcome]:
    known = {outcome.name: outcome for outcome in ladder.outcomes}
    for name in names:
        if name not in known:
            near = did_you_mean(name, known, f"the outcomes are {listed(known)}.")
            raise ConfigError(f'no [[outcome]] is named "{name}"; {near}')
    return [known[name] for name in names] if names else list(ladder.outcomes)


def _changes(old: Aggregate | None, new: Aggregate) -> list[str]:
    """Say what was read, with the numbers of the last import in front."""
    from pytest_ladder.real.sources.reading import CLIPPED

    rows = sum(source.rows for source in new.sources)
    lines = [
        f"{new.name}: {numbers.count(rows, 'row')} of "
        f"{numbers.count(len(new.sources), 'file')}"
    ]
    for variant in new.variants:
        now = _value(new, variant)
        before = old.of_rung(variant.rung) if old is not None else None
        then = now if old is None or before is None else _value(old, before)
        name = "" if variant.variant == variant.rung else f" ({variant.variant})"
        change = now if then == now else f"{then} → {now}"
        lines.append(f"  {variant.rung}{name}: {change}")
    if not new.variants:
        lines.append("  no users yet")
    counted = dict(new.dropped)
    clipped = counted.pop(CLIPPED, 0)
    left_out = [f"{n:,} {reason}" for reason, n in counted.items()]
    if left_out:
        lines.append(f"  left out: {', '.join(left_out)}")
    if clipped:
        lines.append(f"  {CLIPPED}: {numbers.count(clipped, 'value')}")
    return lines


def _value(aggregate: Aggregate, variant: VariantSums) -> str:
    """Write what a rung's users did, with its interval."""
    users = numbers.count(variant.units, "user")
    if variant.asked is not None:
        users += f" of {variant.asked:,} that were asked"
    own = value_of(aggregate, variant) if variant.units >= LEAST_UNITS else None
    if own is None:
        return f"withheld ({users})" if variant.units else "no users yet"
    value, low, high = (
        value_text(aggregate, number) for number in (own.value, own.low, own.high)
    )
    return f"{value} ({low} to {high}, {users})"
