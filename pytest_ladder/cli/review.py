"""`pytest-ladder review`: people say what they think of replies, on a blind page."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
import sys
from collections.abc import Sequence

from pytest_ladder.cli.arguments import Given, Subparsers, add_command, whole
from pytest_ladder.cli.judge_arguments import (
    add_arguments,
    check_rater,
    report_folder,
)
from pytest_ladder.cli.printing import say
from pytest_ladder.cli.reach import ladder_in_reach
from pytest_ladder.cli.review_queues import COUNT, ToAsk, labels_asked, reviews_asked
from pytest_ladder.core.review import ADJUDICATOR, PAIRS
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.review.adjudication import agreement_of, undecided
from pytest_ladder.review.queue import item_id
from pytest_ladder.review.sessions import Session
from pytest_ladder.text.numbers import count
from pytest_ladder.text.phrases import shown

_DESCRIPTION = """\
Serve a page on this machine where people say what they think of the replies of a
report, without seeing the rung, the judge's verdict or each other's answers. Prints a
link for each rater. Each answer is kept at once in reviews.jsonl (labels.jsonl with
--ask labels), so stop with Ctrl-C when you like and go on another day.
"""
_EXAMPLES = """\
--ask grade   one reply: the question and scale of [review] in ladder.toml
--ask pairs   two replies to the same case: which one is better
--ask labels  the judges' own questions, as `pytest-ladder label` asks them

Where raters differ, --adjudicate asks a third person, who sees how many said what and
not who. That answer counts.

examples:
  pytest-ladder review --rater ann --open
  pytest-ladder review --rater ann --rater ben --ask pairs --count 60
  pytest-ladder review --rater ann --rater ben --rater cid --share 10
  pytest-ladder review ladder-report/current --rater ann --ask labels
  pytest-ladder review --adjudicate --ask pairs
"""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PUBLIC = re.compile(
    r"(https?://)?([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:[0-9]{1,5})?/?"
)
_BARE = (
    "Nothing is encrypted on the way to {}: whoever is on that network can read along. "
    "Use a proxy with HTTPS, or ssh -L (docs/reviewing.md)."
)


def add_to(commands: Subparsers) -> None:
    """Add the command with its arguments."""
    parser = add_command(
        commands,
        "review",
        "let people say what they think of replies, blind, on a page",
        _DESCRIPTION,
        _EXAMPLES,
    )
    add_arguments(parser)
    add = parser.add_argument
    add(
        "--rater",
        metavar="NAME",
        action="append",
        default=[],
        type=str.strip,
        help="who answers, by a pseudonym; once for each person",
    )
    add("--ask", choices=("grade", PAIRS, "labels"), default="grade", help="see below")
    add(
        "--count",
        type=whole,
        metavar="N",
        help=f"replies or pairs for each rater (default {COUNT}, and one of ten "
        "of them again; for who adjudicates all)",
    )
    add(
        "--share",
        type=whole,
        metavar="N",
        help="so many of them for all raters; each of the rest for as many as `raters` "
        "of [review] says",
    )
    add(
        "--adjudicate",
        action="store_true",
        help="ask somebody else where raters differ",
    )
    add("--seed", type=int, metavar="N", default=0, help="for another choice of them")
    add("--test", metavar="TEXT", default="", help="only tests with this in their id")
    add("--port", type=whole, metavar="N", help="port (default: one that is free)")
    add(
        "--host",
        metavar="ADDRESS",
        help="listen there (default: this machine alone); needs --public-name",
    )
    add(
        "--public-name",
        metavar="NAME",
        help="by which raters elsewhere reach it, such as box.lan:8000 or, behind a "
        "proxy, https://review.example.org",
    )
    add("--open", action="store_true", help="open the first link in the browser")
    parser.set_defaults(run=_run)


def _run(given: Given) -> int:
    _check_raters(given)
    _public_address(given)
    named = [] if given.folder is None else [shown(given.folder)]
    given.folder = report_folder(given, judged=given.ask == "labels")
    # A large report takes seconds, and a pipe shows nothing that is not flushed.
    say(f"Reading {shown(given.folder)} …")
    sys.stdout.flush()
    report = read_report(given.folder)
    review = (labels_asked if given.ask == "labels" else reviews_asked)(given, report)
    answers = review.answers
    sessions = [
        Session(rater, queue, answers) for rater, queue in review.queues.items()
    ]
    if not any(session.queue for session in sessions):
        what = (
            "Raters differ on nothing in this report"
            if given.adjudicate
            else "Nothing is left to ask"
        )
        say(f"{what}; the answers are in {shown(answers.path)}.")
        return 0
    # Ctrl-C is the way to stop: every answer is kept already.
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(given, sessions, review))
    say("")
    for session in sessions:
        done = f"{session.done} of {len(session.queue)} answered"
        say(f"{session.rater}: {done} in {shown(answers.path)}.")
    for sentence in review.needed():
        say(sentence)
    asked = {item_id(item.about) for one in sessions for item in one.queue}
    if open_ := undecided(o for o in answers.now().values() if item_id(o) in asked):
        say(
            f"Raters differ on {count(open_, 'item')}; a third person decides: "
            f"{_adjudicated(given, named)}"
        )
    if given.ask != "labels" and (ladder := ladder_in_reach(given.folder)):
        # A report of today need not wait for the next run.
        again = ["pytest-ladder", "report", shown(given.folder)]
        again += ["--config", shown(ladder.path), "--output", "reviewed"]
        say(f"What people say: in the next run's report, or {shlex.join(again)}")
    return 0


def _adjudicated(given: Given, named: Sequence[str]) -> str:
    """Return the command that asks a third person about the same, to be typed."""
    words = ["pytest-ladder", "review", *named, "--adjudicate", "--ask", given.ask]
    words += ["--labels", shown(given.labels)] if given.labels else []
    words += ["--test", given.test] if given.test else []
    return shlex.join(words)


async def _serve(given: Given, sessions: Sequence[Session], review: ToAsk) -> None:
    # Only this command needs a server.
    from pytest_ladder.review.server import Site

    public = _public_address(given)
    answers = review.answers
    asked = {item_id(item.about) for one in sessions for item in one.queue}
    site = Site(
        sessions,
        shown(answers.path),
        # Of nothing but what raters differ on it would say that they never agree.
        lambda: (
            ""
            if given.adjudicate
            else agreement_of(a for a in answers.now().values() if item_id(a) in asked)
        ),
        review.needed,
        public=public,
    )
    async with site.open(given.port or 0, given.host or ""):
        for rater, link in site.links:
            say(f"{rater}: {link}")
        if public.startswith("http:"):
            say(_BARE.format(public))
        say(f"Answers go into {shown(answers.path)}. Stop with Ctrl-C.")
        sys.stdout.flush()
        if given.open:
            import webbrowser

            # One in the terminal may want the page before it gives the turn back.
            await asyncio.to_thread(webbrowser.open, site.links[0][1])
        await asyncio.Event().wait()


def _public_address(given: Given) -> str:
    """Return the start of the address that raters elsewhere see; empty: there are none.

    As a browser names it. Raises `ConfigError` for what is no such name.
    """
    if not given.public_name:
        if given.host and given.host not in _LOOPBACK:
            raise ConfigError(
                f"--host {given.host} lets others in; say by --public-name how they "
                "reach it, such as box.lan:8000, for no other name is answered."
            )
        return ""
    found = _PUBLIC.fullmatch(given.public_name.lower())
    if found is None:
        raise ConfigError(
            f"--public-name {given.public_name!r} is no name of a machine; write one "
            "such as box.lan:8000, or https://review.example.org behind a proxy."
        )
    scheme, name, port = found[1] or "http://", found[2], found[4] or ""
    usual = {"http://": ":80", "https://": ":443"}[scheme]
    return scheme + name + ("" if port == usual else port)


def _check_raters(given: Given) -> None:
    if given.adjudicate and (given.rater or given.share):
        raise ConfigError(
            f"--adjudicate asks one person, who is kept as {ADJUDICATOR}; leave "
            "--rater and --share out."
        )
    if not given.adjudicate and not given.rater:
        raise ConfigError(
            "Nobody is named who answers; add --rater NAME, a pseudonym, once for each "
            "person."
        )
    if given.ask == "labels" and given.share:
        raise ConfigError(
            "--share is for replies and pairs; labels are asked of everybody, leave it "
            "out."
        )
    for rater in given.rater:
        check_rater(rater)
        if given.rater.count(rater) > 1:
            raise ConfigError(f"--rater {rater} is given twice; name each rater once.")
