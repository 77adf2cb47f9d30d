"""`pytest-ladder show`: what a rung would send for a case, without sending it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pytest_ladder.cli.arguments import Given, Subparsers, add_command
from pytest_ladder.errors import ConfigError

if TYPE_CHECKING:
    from pytest_ladder.calls.contract import Request
    from pytest_ladder.core.case import Case
    from pytest_ladder.core.rung import Rung
    from pytest_ladder.session.open_ladder import OpenLadder

_DESCRIPTION = """\
Print messages and parameters that a rung sends for a case: all requests that are known
before anything is asked, and how many may follow that depend on replies. Nothing is
sent, and no key is read. The case is one that a test runs over, by its id, or by
FILE::ID where several have that id. Further arguments go to pytest.
"""
_EXAMPLES = """\
examples:
  pytest-ladder show refund-window bot/few-shot
  pytest-ladder show refund-window bot/vote tests/llm --json
"""
_FAILED = 2


def add_to(commands: Subparsers) -> None:
    """Add the command; options that it does not know go to pytest."""
    parser = add_command(
        commands,
        "show",
        "print what a rung would send for a case, without sending it",
        _DESCRIPTION,
        _EXAMPLES,
    )
    parser.add_argument("case", metavar="CASE", help="the id of the case")
    parser.add_argument("rung", metavar="RUNG", help="the rung, as `model/strategy`")
    parser.add_argument(
        "--json", action="store_true", help="print the requests as lines of JSON"
    )
    parser.set_defaults(run=_run, takes_rest=True)


def _run(given: Given) -> int:
    # pytest takes its time to load, and other commands do without it.
    from pytest_ladder.cli.collect import collect
    from pytest_ladder.cli.printing import say

    collected = collect(given.rest)
    if isinstance(collected, int):
        return _FAILED
    session = collected.session
    try:
        opened, rung = _rung(session.opened, given.rung)
        tests = session.tests_of(opened)
        case = _case([case for test in tests for case in test.cases], given.case)
        requests = opened.strategies.known_requests(rung, case)
        lines = _json(requests) if given.json else _lines(opened, rung, case, requests)
        for line in lines:
            say(line)
    finally:
        for each in session.opened:
            each.archive.close()
    return 0


def _rung(ladders: Sequence[OpenLadder], named: str) -> tuple[OpenLadder, Rung]:
    from pytest_ladder.text.phrases import did_you_mean, listed

    known = {rung.id: (one, rung) for one in ladders for rung in one.ladder.rungs}
    if named not in known:
        fix = did_you_mean(named, known, f"the rungs are {listed(known)}.")
        raise ConfigError(f"`{named}` is no rung; {fix}")
    return known[named]


def _case(cases: Sequence[Case], named: str) -> Case:
    from pytest_ladder.text.phrases import did_you_mean, listed

    whole = {f"{case.source}::{case.id}": case for case in cases}
    if named in whole:
        return whole[named]
    found = [name for name, case in whole.items() if case.id == named]
    if len(found) > 1:
        raise ConfigError(f"Several cases are called `{named}`; write {listed(found)}.")
    if not found:
        ids = [case.id for case in whole.values()]
        some = "a test's id ends with it, in brackets, after the rung's."
        fix = did_you_mean(named, ids, some)
        raise ConfigError(f"No collected test runs over a case `{named}`; {fix}")
    return whole[found[0]]


def _json(requests: Iterable[Request]) -> Iterator[str]:
    for request in requests:
        body = {"messages": request.messages, **request.params}
        yield json.dumps({"model": request.model.id, **body}, ensure_ascii=True)


def _lines(
    opened: OpenLadder, rung: Rung, case: Case, requests: Sequence[Request]
) -> Iterator[str]:
    from pytest_ladder.calls.destination import destination_of
    from pytest_ladder.core.attachments import shortened
    from pytest_ladder.core.reply import BYTES_PER_TOKEN
    from pytest_ladder.reporting.report import content_text
    from pytest_ladder.text.numbers import count

    host, key, _ = destination_of(rung.model)
    yield f"{rung.id}: {case.id} of {case.source}"
    yield f"to {rung.model.id} at {host}, {f'with {key}' if key else 'without a key'}"
    for number, alike in enumerate(_alike(requests), start=1):
        request, times = alike[0], len(alike)
        yield ""
        tokens = max(1, request.prompt_bytes // BYTES_PER_TOKEN)
        again = f", {times} times" if times > 1 else ""
        yield f"request {number}{again}: about {count(tokens, 'token')}"
        for message in shortened(request.messages):
            yield f"  {message.get('role')}:"
            text = content_text(message)
            yield from (f"    {line}".rstrip() for line in text.split("\n"))
        for name, value in request.params.items():
            if not isinstance(value, str):
                value = json.dumps(value, ensure_ascii=False)
            yield f"  {name}: {value}"
    left = opened.strategies.estimate(rung.strategy).calls - len(requests)
    if left > 0 and not opened.strategies.all_is_known(rung.strategy):
        yield ""
        yield f"then up to {count(left, 'request')} that depend on the replies"


def _alike(requests: Sequence[Request]) -> list[list[Request]]:
    """Put requests together that differ in their draw only, as those of a vote."""
    groups: list[list[Request]] = []
    for request in requests:
        for group in groups:
            if _said(group[0]) == _said(request):
                group.append(request)
                break
        else:
            groups.append([request])
    return groups


def _said(request: Request) -> tuple[Any, Any]:
    return request.messages, request.params
