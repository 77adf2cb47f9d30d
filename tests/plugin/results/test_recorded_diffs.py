"""Recordings as a diff that people review: only what changed is touched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plugin.scratch_suite import ANSWER_HALF, CASES, LADDER, ONE_WORKER, Run, Shop
from tests.plugin.scratch_suite import JUDGE as FUNNELLED
from tests.plugin.session.test_judging import answer
from tests.scripted_server import last_user_message

# Over workers the funnel may be too late for a case, which is then judged after all.
JUDGE = FUNNELLED + "funnel = false\n"
TALK = """
@pytest.mark.cheap
def test_talk(llm):
    first = llm("hello")
    assert llm([*first.messages, {"role": "user", "content": "again"}]).text
"""
TONE = """
@pytest.mark.judged(at_least=0.3, rubric="The reply names a colour of the sky.")
def test_tone(verdict):
    assert verdict
"""
SAME = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
def test_same(reply):
    assert reply.text
"""


@pytest.fixture
def repository(shop: Shop) -> Shop:
    """A shop in a git repository, whose tests are recorded and committed."""
    shop.ladder(LADDER + JUDGE)
    shop.server.reply = answer
    shop.test(ANSWER_HALF + TALK + TONE)
    shop.write(".gitignore", "ladder-report\n__pycache__\n.ladder\n")
    shop.run("--ladder-live")
    git(shop.path, "init", "-q")
    commit(shop.path)
    return shop


def git(folder: Path, *arguments: str) -> str:
    me = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    command = ("git", "-c", "core.hooksPath=/dev/null", *me, *arguments)
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "recorded")


def changed(shop: Shop) -> dict[str, tuple[int, int]]:
    """Return the lines added and removed of each recordings file."""
    git(shop.path, "add", "-A", "-N", "recordings")
    lines = git(shop.path, "diff", "--numstat", "--", "recordings").splitlines()
    parts = [line.split("\t") for line in lines]
    return {
        name.removeprefix("recordings/"): (int(added), int(removed))
        for added, removed, name in parts
    }


def test_a_prompt_that_changes_for_one_case_changes_its_lines_only(
    repository: Shop,
) -> None:
    # Of the one case the reply, and the verdict on it.
    edited = [CASES[0], CASES[1] | {"input": "say blue and red"}, CASES[2]]
    repository.cases(edited)
    repository.run("--ladder-live")
    assert changed(repository) == {"test_shop.jsonl": (2, 2)}
    diff = git(repository.path, "diff", "-U0", "--", "recordings")
    new = [json.loads(line[1:]) for line in diff.splitlines() if line[:2] == "+{"]
    assert {(line["case"], line.get("judge", False)) for line in new} == {
        ("fire", False),
        ("fire", True),
    }
    assert "say blue and red" in [line["prompt"] for line in new]


def test_a_case_that_comes_or_goes_touches_no_other_line(repository: Shop) -> None:
    new = {"id": "lawn", "input": "say grün", "expected": "grün"}
    repository.cases([CASES[0], new, CASES[2]])
    repository.run("--ladder-live")
    assert changed(repository) == {"test_shop.jsonl": (2, 2)}
    # Readable as it is: no escapes.
    text = (repository.path / "recordings/test_shop.jsonl").read_text(encoding="utf-8")
    assert '"prompt":"say grün"' in text


@pytest.mark.parametrize(
    "part", [[], ["-k", "talk"], ["-k", "sky"], ["-m", "judged"], ["--ladder=matrix"]]
)
def test_a_live_run_of_what_is_recorded_touches_nothing(
    repository: Shop, part: list[str]
) -> None:
    repository.run("--ladder-live", *part)
    assert changed(repository) == {}


def test_another_machine_that_has_other_replies_stored_touches_nothing(
    repository: Shop, run: Run
) -> None:
    def other(body: dict[str, Any]) -> Any:
        said = answer(body)
        return said if body["model"] == "judge" else "here: " + last_user_message(body)

    repository.server.reply = other
    repository.run("--ladder-live", "--ladder-refresh")
    assert changed(repository) != {}
    git(repository.path, "checkout", "-q", "recordings")
    run("--ladder-live")
    assert changed(repository) == {}


def test_a_part_of_the_tests_leaves_shared_replies_to_the_same_case(
    shop: Shop,
) -> None:
    shop.cases([{"id": "zoo", "input": "hello", "expected": "hello"}])
    shop.test(
        ANSWER_HALF + "\n@pytest.mark.cheap\ndef test_a(llm):\n    llm('hello')\n"
    )
    shop.run("--ladder-live")
    path = shop.path / "recordings/test_shop.jsonl"
    before = path.read_bytes()
    shop.run("--ladder-live", "-k", "test_answer")
    assert path.read_bytes() == before


@ONE_WORKER
def test_a_reply_that_is_refreshed_is_replayed_by_every_file_that_needs_it(
    repository: Shop, run: Run
) -> None:
    repository.test(SAME, "test_zoo.py")
    repository.run("--ladder-live")
    commit(repository.path)
    repository.server.reply = lambda body: "new " + last_user_message(body)
    run("--ladder-live", "--ladder-refresh", "-k", "test_answer and sky")
    assert changed(repository) == {"test_shop.jsonl": (1, 1), "test_zoo.jsonl": (1, 1)}
    repository.run("-k", "sky and (answer or same)")
    part = repository.rows("ladder-report/current/part")
    assert {row["text"] for row in part} == {"new say blue"}


EDIT = ('name = "plain"', 'name = "plain"\nsystem = "Be brief."')
SENTENCE = (
    "No reply of bot is stored. This case was recorded with {}. Record it: "
    'pytest "test_shop.py::test_answer[bot/plain-sky]" --ladder-live'
)


def test_an_edited_prompt_that_is_not_recorded_fails_and_says_how_to_record_it(
    repository: Shop,
) -> None:
    repository.ladder((LADDER + JUDGE).replace(*EDIT))
    calls = repository.server.count
    result = repository.run("-m", "cheap")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert (
        SENTENCE.format("other messages: system, user / recorded user")
        in result.stdout.str()
    )
    assert repository.server.count == calls
    repository.run("--ladder-live")
    assert repository.run("-m", "cheap").ret == pytest.ExitCode.OK


def test_a_commit_of_an_edited_prompt_is_refused_until_it_is_recorded(
    repository: Shop,
) -> None:
    root = Path(__file__).parents[3]
    hook, _ = yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text())
    entry = hook["entry"].replace("pytest", f'"{sys.executable}" -m pytest', 1)
    # A hook inherits git's environment, which is that of this test's commit.
    script = f"#!/bin/sh\nexec {entry}\n"
    repository.write("hooks/pre-commit", script).chmod(0o755)
    repository.ladder((LADDER + JUDGE).replace(*EDIT))
    # What is only on this machine is not in the commit: a clone has no store.
    (repository.path / ".ladder").rename(repository.path / "ladder-report/store")

    refused = _commit_with_hook(repository.path)
    assert refused.returncode == 1
    why = "the same last message; an earlier message or a parameter differs"
    sentence = SENTENCE.format(f"{why} (recordings keep the last message only)")
    assert sentence in refused.stdout + refused.stderr

    repository.run("--ladder-live")
    accepted = _commit_with_hook(repository.path)
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr


def _commit_with_hook(folder: Path) -> subprocess.CompletedProcess[str]:
    git(folder, "add", "-A")
    me = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    command = ("git", "-c", "core.hooksPath=hooks", *me, "commit", "-m", "edited")
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False
    )
