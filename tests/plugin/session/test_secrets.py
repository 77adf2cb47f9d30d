"""Secrets reach nothing that a run writes: every byte of it is searched for them.

Out of reach is what a user says himself: a prompt, an expected text, an id of a case
and what a test prints or asserts are written as they are. `metadata` of a case is no
part of a prompt unless a template or a task puts it there, and is written nowhere.
"""

from __future__ import annotations

import html
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pytest_ladder.calls.lanes.faults import quotable
from tests.plugin.scratch_suite import CASES, LADDER, Shop
from tests.scripted_server import Act, Sends, fails, last_user_message, says, sends

SECRETS = {
    # None of them looks like a key, so that no pattern can be what finds them.
    "SHOP_LOGIN": "bot+4711/wombat=quokka",
    "GRADER": 'judge"wombat\\0815/"quoted"',
    "OPENAI_API_KEY": "openai-wombat-1234",
    "VAULT_TOKEN": "vault-wombat-5678",
    "METADATA": "metadata-wombat-2468",
}
FORMS: tuple[Callable[[str], str], ...] = (
    str,
    quote,
    lambda secret: quote(secret, safe=""),
    lambda secret: json.dumps(secret)[1:-1],
    lambda secret: html.escape(secret, quote=True),
)
"""How a secret may be written."""
JUDGE = """
[judge]
id = "openai/judge"
api_base = "{api_base}"
api_key_env = "GRADER"
price = {{ input = 10.0, output = 10.0 }}
params = {{ max_tokens = 200 }}
"""
SUITE = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.9)
def test_misses(reply, case, rung, llm):
    assert case.expected in reply.text

@pytest.mark.cheap
def test_fails_on_the_way(llm, case):
    reply = llm("gossip " + case.input)
    assert reply.text

@pytest.mark.cheap
@pytest.mark.ladder(task=lambda case, llm: llm("gossip task " + case.input))
def test_task(reply):
    assert reply.text

@pytest.mark.cheap
async def test_async(llm, case):
    reply = await llm.acall("gossip async " + case.input)
    assert reply.text

@pytest.mark.judged(at_least=0.9, rubric="The reply names a colour.")
def test_judged(verdict, reply, case):
    assert verdict.passed, verdict.reason

@pytest.mark.judged
def test_judge(judge, reply, case):
    verdict = judge(reply, rubric="The reply is gossip.", case=case)
    assert verdict.passed, verdict.reason
"""
# litellm can be imported once in a process, and the workers are some of their own.
IMPORTING = """
import os

if "PYTEST_XDIST_WORKER" in os.environ:
    import litellm
"""
KEEPING = """
import pathlib, shutil, uuid

def pytest_sessionfinish(session):
    # Before the run throws them away.
    here = pathlib.Path(__file__).parent
    for folder in here.glob("tmp/pytest-ladder-*"):
        shutil.copytree(folder, here / "kept" / uuid.uuid4().hex)
"""


@pytest.fixture
def planted(
    shop: Shop, lane: str, conftest: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    """A shop full of secrets, with a provider that gives all away that it knows."""
    for name, secret in SECRETS.items():
        if name != "METADATA":
            monkeypatch.setenv(name, secret)
    (shop.path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(shop.path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    model = LADDER.replace(
        "price =", f'api_key_env = "SHOP_LOGIN"\nlane = "{lane}"\nprice ='
    )
    shop.ladder(model + JUDGE)
    more = {"metadata": {"token": SECRETS["METADATA"]}}
    shop.cases([case | more for case in CASES])
    shop.test(SUITE)
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    shop.write("conftest.py", conftest)
    shop.server.reply = _gossip()
    yield shop
    monkeypatch.undo()
    tempfile.tempdir = None


def _gossip() -> Callable[[dict[str, Any]], Act]:
    """Answer; to what says `gossip` with an error that repeats all a server can know.

    That is the key it was sent, and what else is lying about in an environment.
    """
    turns = itertools.count()

    def answer(body: dict[str, Any]) -> Act:
        text, judges = last_user_message(body), body["model"] == "judge"
        if _wants_gossip(body):
            return _error(SECRETS["GRADER" if judges else "SHOP_LOGIN"], next(turns))
        if judges:
            return says(json.dumps({"reason": "no", "verdict": "fail"}))
        return says(text)

    return answer


def _wants_gossip(body: dict[str, Any]) -> bool:
    return "gossip" in json.dumps(body["messages"])


def _error(key: str, turn: int) -> Act:
    """Return an error, each turn in another dialect and with another secret first."""
    secrets = [key, SECRETS["OPENAI_API_KEY"], SECRETS["VAULT_TOKEN"]]
    told = "; ".join(
        [f"Authorization: Bearer {key}", *(f(s) for s in secrets for f in FORMS)]
    )
    headers = {"x-key": key, "set-cookie": SECRETS["VAULT_TOKEN"]}
    # Python's own parser of dates fails over it with an OverflowError.
    headers["Retry-After"] = "Mon, 01 Jan 2024 00:00:00 +99999999999999999999"
    return [
        fails(401, told, headers=headers),
        sends({"detail": {"told": told, "headers": headers}}, status=400),
        sends({"error": {"message": told, "code": 403}}),
        sends(told, status=422),
        Sends(body=told.encode(), status=404),
    ][turn % 5]


def leaks(folder: Path, *said: str) -> list[str]:
    """Name the secrets that are in any file, or in what was said, and where."""
    own = {"cases.jsonl"}
    texts = {f"said {number}": text.encode() for number, text in enumerate(said)}
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in own:
            texts[path.relative_to(folder).as_posix()] = path.read_bytes()
    return [
        f"{name} in {where}"
        for where, content in texts.items()
        for name, secret in SECRETS.items()
        if any(form(secret).encode() in content for form in FORMS)
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    ("lane", "conftest", "workers"),
    [
        ("direct", KEEPING, ()),
        ("direct", KEEPING, ("-n", "1")),
        ("litellm", KEEPING, ()),
        ("litellm", KEEPING + IMPORTING, ("-n", "1")),
    ],
    ids=["direct", "direct-xdist", "litellm", "litellm-xdist"],
)
def test_nothing_that_a_run_writes_holds_a_secret(
    planted: Shop, lane: str, workers: tuple[str, ...]
) -> None:
    told = ("--showlocals", "-vv", "-rA", "--junitxml=junit.xml", "--tb=long")
    logs = ("-o", "log_level=DEBUG", "-o", "junit_logging=all")
    # All of pytest's own frames take seconds to show, and are the same in a worker.
    # pytest parses each frame's file for that, while litellm parses the line of each
    # traceback that it formats: before 3.11.8 CPython raises a `SystemError` when two
    # threads do so at once (gh-106905).
    whole = () if workers or lane == "litellm" else ("--full-trace",)
    live = planted.run("--ladder-live", *told, *whole, *logs, *workers)
    sent = {one.headers.get("authorization") for one in planted.server.requests}
    assert sent == {f"Bearer {SECRETS[name]}" for name in ("SHOP_LOGIN", "GRADER")}
    # It did fail in all the ways it was meant to.
    assert {"passed", "missed", "error"} == set(planted.outcomes().values())
    assert {
        name: sum(_wants_gossip(one.body) for one in asked)
        for name, asked in _by_key(planted).items()
    } == {"SHOP_LOGIN": 9, "GRADER": 3}
    said = live.stdout.str() + live.stderr.str()
    assert "401" in said
    assert "[redacted]" in said
    written = {path.name for path in planted.path.rglob("*") if path.is_file()}
    assert {
        *("store.sqlite", "rows.jsonl", "exchanges.jsonl", "index.html", "matrix.md"),
        *("test_shop.jsonl", "junit.xml"),
    } <= written
    later = [planted.run(*told, *whole, *logs, *workers)]
    if not workers:
        # What these write comes from one process anyway.
        later += [planted.run("--ladder-plan")]
        later += [_changed_and_gated(planted, *told, *logs)]
    outputs = [run.stdout.str() + run.stderr.str() for run in later]
    assert leaks(planted.path, said, *outputs) == []


def _changed_and_gated(shop: Shop, *options: str) -> pytest.RunResult:
    """Hold a run with other replies against the last one."""
    shutil.copytree(shop.path / "ladder-report" / "current", shop.path / "before")
    answer = shop.server.reply
    shop.server.reply = lambda body: (
        answer(body) if _wants_gossip(body) else says("changed")
    )
    ladder = shop.path / "ladder.toml"
    ladder.write_text(ladder.read_text().replace("max_tokens = ", "max_tokens = 1"))
    run = shop.run("--ladder-live", "--ladder-baseline=before", *options)
    run.stdout.fnmatch_lines(["*::ladder gate - *"])
    return run


def _by_key(shop: Shop) -> dict[str, list[Any]]:
    """Return the distinct requests by the secret they came with."""
    found: dict[str, dict[str, Any]] = {"SHOP_LOGIN": {}, "GRADER": {}}
    for one in shop.server.requests:
        sent = one.headers["authorization"]
        name = next(name for name in found if sent.endswith(SECRETS[name]))
        found[name][json.dumps(one.body["messages"])] = one
    return {name: list(requests.values()) for name, requests in found.items()}


@pytest.mark.parametrize(
    "told",
    [
        "407 from http://me:wombat@proxy:8080/",
        "Proxy-Authorization: Basic d29tYmF0",
        "key wombat%2F1234 is wrong",
        'key wombat\\"1234 is wrong',
    ],
)
def test_what_a_message_quotes_holds_no_secret_in_any_form(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "wombat/1234")
    monkeypatch.setenv("OTHER_KEY", 'wombat"1234')
    quoted = quotable(told, None)
    assert "[redacted]" in quoted
    assert "wombat" not in quoted
    assert "d29tYmF0" not in quoted
