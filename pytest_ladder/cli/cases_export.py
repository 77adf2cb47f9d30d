"""`pytest-ladder cases export`: a report's best replies as a set to fine-tune on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pytest_ladder.cli.arguments import Given, Subparsers, share
from pytest_ladder.cli.printing import say
from pytest_ladder.core.case import WrittenCase
from pytest_ladder.disk.files import check_is_new, write_atomically, writing
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.training import (
    FORMS,
    exam_cases,
    training_set,
)
from pytest_ladder.reporting.without_texts import check_replies
from pytest_ladder.text.numbers import count, few
from pytest_ladder.text.phrases import shown

_DESCRIPTION = """\
Write chat rows to fine-tune a model on, out of a report of cases that are for that (a
dev split, say): each case with the reply that scored best, of whatever rung. Refused
for cases that the suite evaluates, by their id or by what they ask: a model must never
be trained on its exam. The suite is what pytest collects; further arguments go to it.
"""
_EXAMPLES = """\
openai: {"messages": […]}, a line each. trl: {"prompt": […], "completion": […]}, of
which SFTTrainer learns the completion alone.

examples:
  pytest-ladder cases export dev-report --for openai --output train.jsonl tests/
  pytest-ladder cases export dev-report --for trl --output train.jsonl --at-least 0.8
"""
_MOST_NAMED = 5
_FAILED = 1


def add_export_to(actions: Subparsers) -> None:
    """Add the action to `pytest-ladder cases`."""
    parser = actions.add_parser(
        "export",
        help="write a report's best replies as a set to fine-tune on",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # What is abbreviated may be an option of pytest.
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("folder", metavar="REPORT", type=Path, help="folder of the report")
    add("--for", dest="form", choices=tuple(FORMS), required=True, help="who reads it")
    add("--output", type=Path, required=True, metavar="FILE", help="where to write")
    add(
        "--at-least",
        type=share,
        default=1.0,
        metavar="SCORE",
        help="what the best reply must have scored, from 0 to 1 (default: 1)",
    )
    add("--system", metavar="TEXT", help="the system prompt of every row")
    parser.set_defaults(run=_run, takes_rest=True)


def _run(given: Given) -> int:
    output: Path = given.output
    check_is_new(output)
    report = read_report(given.folder)
    check_replies(report)
    if not report.cases:
        raise ConfigError(
            f"{shown(given.folder)} does not hold what its cases ask (inputs.jsonl is "
            "missing, as of an earlier version); run pytest again to write it anew."
        )
    # Late: it takes in all that a run of pytest needs.
    from pytest_ladder.cli.collect import collect

    collected = collect(given.rest)
    if isinstance(collected, int):
        return _FAILED
    shapes = collected.session.shapes.values()
    exam = [case for shape in shapes for case in shape.cases]
    exam += [case for test in collected.session.tests.values() for case in test.cases]
    _refuse(report, exam_cases(report.cases.values(), exam))
    found = training_set(report, given.at_least)
    if not found.examples:
        raise ConfigError(
            f"No reply in {shown(given.folder)} scored {given.at_least:g} or more; ask "
            "for less with --at-least."
        )
    rows = (FORMS[given.form](one, given.system) for one in found.examples)
    content = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, content)
    say(f"{count(len(found.examples), 'row')} written to {shown(output)}")
    if found.too_low:
        say(f"left out, for no reply scored enough: {count(found.too_low, 'case')}")
    if found.without_reply:
        missing = count(found.without_reply, "case")
        say(f"left out, for want of a whole reply: {missing}")
    return 0


def _refuse(report: Report, known: Sequence[WrittenCase]) -> None:
    """Raise `ConfigError` where a case is one of the exam's."""
    if not known:
        return
    names = few([case.case for case in known], _MOST_NAMED)
    raise ConfigError(
        f"{count(len(known), 'case')} of {len(report.cases):,} in the report "
        f"{'is' if len(known) == 1 else 'are'} evaluated by the suite that was "
        f"collected ({names}); a model must never be trained on its exam. Name a "
        "report of other cases, such as a dev split, and the tests of the exam alone."
    )
