"""`pytest-ladder recordings`: what is missing, spare or damaged, and pruning."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.written_report import Command
from tests.plugin.scratch_suite import ANSWER_HALF, CASES, JUDGE, LADDER, Shop
from tests.plugin.session.test_judging import answer

TONE = """
@pytest.mark.judged(at_least=0.1, rubric="The reply names a colour of the sky.")
def test_tone(verdict):
    assert verdict
"""
FREE = """
@pytest.mark.cheap
def test_free(llm):
    assert llm("hello").text
"""
TASK = """
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", task=lambda case, llm: llm(f"{case.input}?"))
def test_task(reply):
    assert reply.text
"""


@pytest.fixture(autouse=True)
def _in_the_shop(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pytest, run by the command, start where `Shop.run` does."""
    monkeypatch.chdir(shop.path)


def record(shop: Shop, *arguments: str) -> None:
    """Record, and leave what a clone of the repository has."""
    shop.run("--ladder-live", *arguments)
    shutil.rmtree(shop.path / ".ladder")


def labels(shop: Shop, module: str = "test_shop") -> list[str]:
    path = shop.path / "recordings" / f"{module}.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["case"] for line in lines]


def test_where_all_is_recorded_there_is_nothing_to_do(
    shop: Shop, command: Command
) -> None:
    shop.test(ANSWER_HALF)
    record(shop)
    calls = shop.server.count
    status, out, err = command("recordings", "check")
    assert (status, out, err) == (
        0,
        "ladder.toml: bot/plain\n3 recordings: nothing to do\n",
        "",
    )
    assert shop.server.count == calls
    assert not (shop.path / ".ladder").exists()


def test_missing_replies_are_listed_with_the_command_that_records_them(
    shop: Shop, command: Command
) -> None:
    shop.test(ANSWER_HALF)
    record(shop, "-k", "sky")
    status, out, _ = command("recordings", "check")
    assert status == 1
    assert out.splitlines()[1:4] == [
        "not recorded: 2",
        "  reply of test_shop.py::test_answer[bot/plain-fire]",
        "  reply of test_shop.py::test_answer[bot/plain-sun]",
    ]
    (fix,) = (line for line in out.splitlines() if line.startswith("Record"))
    assert fix == "Record what is missing: pytest test_shop.py --ladder-live"
    shop.run(*fix.partition(": pytest ")[2].split())
    assert command("recordings", "check")[0] == 0


def test_a_reply_that_is_only_in_the_store_costs_nothing_to_record(
    shop: Shop, command: Command
) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    shutil.rmtree(shop.path / "recordings")
    status, out, _ = command("recordings", "check")
    assert status == 1
    assert out.count("(in the store: costs nothing)") == 3


def test_an_edited_prompt_is_told_beside_the_one_that_was_recorded(
    shop: Shop, command: Command
) -> None:
    shop.test(ANSWER_HALF)
    record(shop)
    changed = [CASES[0] | {"input": "say light blue"}, CASES[1] | {"id": "ember"}]
    new = {"id": "grass", "input": "say lime"}
    shop.cases([*changed, new, CASES[2]])
    status, out, _ = command("recordings", "check")
    assert (status, out.splitlines()) == (
        1,
        [
            "ladder.toml: bot/plain",
            "not recorded: 1",
            "  reply of test_shop.py::test_answer[bot/plain-grass]",
            "recorded with another prompt, model or parameter: 1",
            "  reply of test_shop.py::test_answer[bot/plain-sky]: another prompt: "
            "'light blue' / recorded 'blue'",
            "3 recordings: not in order",
            "Record what is missing: pytest test_shop.py --ladder-live",
        ],
    )
    shop.cases([CASES[0] | {"input": "say light blue"}, CASES[2]])
    _, out, _ = command("recordings", "check")
    assert "\nneeded by no test: 1\n" in out
    assert "  recordings/test_shop.jsonl: reply to fire: say red\n" in out
    assert "Remove what no test needs: pytest-ladder recordings prune\n" in out
    # A live run of the whole file does both at once.
    shop.run("--ladder-live")
    assert command("recordings", "check")[0] == 0


def test_samples_packed_tests_and_cases_of_ones_own_are_known(
    shop: Shop, command: Command
) -> None:
    shop.test("""
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", samples=2, pack=True)
def test_packed(reply):
    pass

@pytest.mark.cheap
@pytest.mark.parametrize("case", [{"id": "own", "input": "my own"}])
def test_own(reply):
    pass
""")
    record(shop)
    assert len(labels(shop)) == 7
    assert command("recordings", "check")[0] == 0
    path = shop.path / "recordings/test_shop.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[1:]) + "\n")
    status, out, _ = command("recordings", "check")
    assert (status, out.splitlines()[1]) == (1, "not recorded: 1")


def test_verdicts_are_known_by_the_replies_that_are_recorded(
    shop: Shop, command: Command
) -> None:
    shop.ladder(LADDER + JUDGE)
    shop.server.reply = answer
    shop.test('pytestmark = pytest.mark.ladder(cases="cases.jsonl")\n' + TONE)
    record(shop)
    assert command("recordings", "check")[0] == 0
    path = shop.path / "recordings/test_shop.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    judged = [line for line in lines if '"judge":true' in line]
    path.write_text("\n".join(line for line in lines if line != judged[0]) + "\n")
    status, out, _ = command("recordings", "check")
    assert status == 1
    assert "  verdict of test_shop.py::test_tone[bot/plain-fire]\n" in out
    # With a reply its verdict is unknown, too: what may be it is not thrown away.
    path.write_text("\n".join(judged) + "\n")
    status, out, _ = command("recordings", "check")
    assert "needed by no test" not in out
    assert out.count("  reply of ") == 3
    command("recordings", "prune")
    assert labels(shop) == ["fire", "sky", "sun"]


def test_a_verdict_that_was_asked_for_twice_needs_both_answers(
    shop: Shop, command: Command
) -> None:
    shop.ladder(LADDER + JUDGE)
    shop.server.reply = lambda body: (
        "no JSON"
        if body["model"] == "judge" and len(body["messages"]) == 2
        else answer(body)
        if body["model"] != "judge"
        else '{"reason": "fine", "verdict": "pass"}'
    )
    shop.test('pytestmark = pytest.mark.ladder(cases="cases.jsonl")\n' + TONE)
    record(shop)
    assert len(labels(shop)) == 9
    assert command("recordings", "check")[0] == 0


def test_verdicts_that_the_funnel_may_have_left_out_are_no_fault(
    shop: Shop, command: Command
) -> None:
    shop.ladder(LADDER + JUDGE)
    shop.server.reply = answer
    shop.test(ANSWER_HALF + TONE)
    record(shop)
    assert len(labels(shop)) == 5
    status, out, _ = command("recordings", "check")
    assert status == 0
    assert "1 verdict not recorded, and maybe not needed: a case that misses" in out
    assert command("recordings", "check", "-m", "judged")[0] == 1


def test_prune_removes_what_no_test_needs_and_touches_no_other_line(
    shop: Shop, command: Command
) -> None:
    shop.test(ANSWER_HALF)
    record(shop)
    path = shop.path / "recordings/test_shop.jsonl"
    before = path.read_bytes().splitlines()
    shop.cases(CASES[:2])
    status, out, _ = command("recordings", "prune", "--dry-run")
    assert (status, path.read_bytes().splitlines()) == (0, before)
    assert out.splitlines()[-1] == "1 recording would be removed"
    status, out, _ = command("recordings", "prune")
    assert (status, out.splitlines()) == (
        0,
        [
            "  recordings/test_shop.jsonl: reply to sun: say green",
            "1 recording removed",
        ],
    )
    assert path.read_bytes().splitlines() == before[:2]
    assert command("recordings", "prune")[1] == "0 recordings removed\n"


@pytest.mark.parametrize(
    "part",
    [
        ["-k", "sky"],
        ["test_shop.py::test_answer"],
        ["--deselect", "test_shop.py::test_answer[bot/plain-fire]"],
        ["test_other.py"],
        ["-m", "judged or real", "--co"],
    ],
    ids=" ".join,
)
def test_nothing_is_pruned_of_a_file_that_was_collected_in_part(
    shop: Shop, command: Command, part: list[str]
) -> None:
    shop.test(ANSWER_HALF)
    shop.test(ANSWER_HALF, "test_other.py")
    record(shop)
    shop.cases(CASES[:2])
    command("recordings", "prune", *part)
    assert labels(shop) == ["fire", "sky", "sun"]


@pytest.mark.parametrize(
    "body",
    [
        FREE,
        TASK,
        "\n@pytest.mark.cheap\ndef test_free(request, rung, score):\n"
        "    request.getfixturevalue('llm')('hello')\n",
        "\n@pytest.fixture\ndef answer(request):\n"
        "    return request.getfixturevalue('llm')('hello')\n"
        "\n@pytest.mark.cheap\ndef test_free(rung, answer):\n    pass\n",
    ],
    ids=["llm", "task", "request", "a fixture's request"],
)
def test_a_file_with_a_test_of_unknown_requests_loses_nothing(
    shop: Shop, command: Command, body: str
) -> None:
    shop.test(ANSWER_HALF + body)
    record(shop)
    before = (shop.path / "recordings/test_shop.jsonl").read_bytes()
    shop.cases([CASES[0] | {"input": "say light blue"}, *CASES[1:]])
    status, out, _ = command("recordings", "prune")
    assert status == 0
    assert "kept in recordings/test_shop.jsonl: " in out
    assert (shop.path / "recordings/test_shop.jsonl").read_bytes() == before


@pytest.mark.parametrize("body", [FREE, TASK], ids=["llm", "task"])
def test_a_free_form_test_that_moved_takes_its_recordings_along(
    shop: Shop, command: Command, body: str
) -> None:
    shop.test(ANSWER_HALF + body)
    record(shop)
    shop.test(ANSWER_HALF)
    shop.test(body, "test_moved.py")
    status, out, _ = command("recordings", "check")
    assert status == 0
    assert "that test_moved.py::test_" in out
    command("recordings", "prune")
    assert shop.run("test_moved.py").ret == 0
    # Once it is recorded where it is now, the old ones are spare.
    shop.run("--ladder-live", "test_moved.py")
    assert command("recordings", "check")[0] == 1
    command("recordings", "prune")
    assert labels(shop) == ["fire", "sky", "sun"]
    assert shop.run("test_moved.py").ret == 0


def test_a_file_that_was_renamed_is_served_by_its_old_recordings(
    shop: Shop, command: Command
) -> None:
    shop.test(ANSWER_HALF)
    record(shop)
    (shop.path / "test_shop.py").rename(shop.path / "test_shop2.py")
    assert command("recordings", "check")[0] == 0
    command("recordings", "prune")
    assert len(labels(shop)) == 3
    shop.run("--ladder-live")
    assert command("recordings", "prune")[1].endswith("3 recordings removed\n")
    assert not (shop.path / "recordings/test_shop.jsonl").exists()
    assert len(labels(shop, "test_shop2")) == 3


def test_recordings_of_a_file_that_is_gone_are_spare_where_it_would_be_looked_for(
    shop: Shop, command: Command
) -> None:
    shop.write("a/test_a.py", "import pytest\n" + FREE)
    shop.write(
        "b/test_b.py", "import pytest\n" + ANSWER_HALF.replace("cases.", "../cases.")
    )
    record(shop)
    (shop.path / "a/test_a.py").unlink()
    assert command("recordings", "prune", "b")[1] == "0 recordings removed\n"
    assert command("recordings", "prune")[1].endswith("1 recording removed\n")


def test_damaged_lines_are_named_and_stop_a_prune(shop: Shop, command: Command) -> None:
    shop.test(ANSWER_HALF)
    record(shop)
    path = shop.path / "recordings/test_shop.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "<<<<<<< HEAD", *lines[1:]]) + "\n")
    status, out, _ = command("recordings", "check")
    assert status == 1
    assert "  recordings/test_shop.jsonl:2: JSON is malformed" in out
    assert "(byte 0): git left a conflict marker here\n" in out
    assert out.splitlines()[-1].startswith("Restore damaged files from git")
    shop.cases(CASES[:1])
    before = path.read_bytes()
    status, out, err = command("recordings", "prune")
    assert (status, out) == (2, "")
    assert "test_shop.jsonl:2: not a recording" in err
    assert path.read_bytes() == before


def test_tests_that_cannot_be_collected_are_shown_and_are_no_pass(
    shop: Shop, command: Command
) -> None:
    shop.test("import nothing_of_the_kind\n")
    status, out, _ = command("recordings", "check")
    assert status == 2
    assert "nothing_of_the_kind" in out


def test_without_a_ladder_test_nobody_knows(shop: Shop, command: Command) -> None:
    shop.test("def test_plain():\n    pass\n")
    status, _, err = command("recordings", "check")
    assert status == 2
    assert "No ladder test was collected" in err


def test_it_works_where_warnings_are_errors_and_workers_are_usual(
    shop: Shop, command: Command
) -> None:
    shop.write(
        "pytest.ini", "[pytest]\nfilterwarnings = error\naddopts = -n 2 --ladder=matrix"
    )
    shop.test(ANSWER_HALF)
    record(shop)
    assert command("recordings", "check", "-W", "error")[0] == 0


@pytest.mark.parametrize("part", [["-m", "chaep"], ["-k", "zzz"]], ids=" ".join)
@pytest.mark.parametrize("action", ["check", "prune"])
def test_where_nothing_is_selected_nothing_was_looked_at(
    shop: Shop, command: Command, action: str, part: list[str]
) -> None:
    shop.test(ANSWER_HALF)
    record(shop)
    status, out, err = command("recordings", action, *part)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"No ladder test is selected by `{' '.join(part)}`" in err


def test_a_folder_in_place_of_a_file_is_one_sentence(
    shop: Shop, command: Command
) -> None:
    shop.test(ANSWER_HALF)
    record(shop)
    (shop.path / "recordings/x.jsonl").mkdir()
    status, out, err = command("recordings", "check")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "recordings/x.jsonl: this should be a file of recordings" in err
    replayed = shop.run()
    assert replayed.ret == pytest.ExitCode.TESTS_FAILED
    assert "x.jsonl: this should be a file of recordings" in replayed.stdout.str()
    assert "INTERNALERROR" not in replayed.stdout.str()


def test_what_is_missing_is_listed_in_order_however_tests_are_shuffled(
    shop: Shop, command: Command
) -> None:
    shop.write(
        "conftest.py",
        "def pytest_collection_modifyitems(items):\n    items.reverse()\n",
    )
    shop.test(ANSWER_HALF + ANSWER_HALF.replace("answer", "again"))
    _, out, _ = command("recordings", "check")
    listed = [line for line in out.splitlines() if line.startswith("  ")]
    assert listed == [
        f"  reply of test_shop.py::test_again[bot/plain-{case}]"
        for case in ("fire", "sky", "sun")
    ]


def git(folder: Path, *arguments: str) -> None:
    me = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    command = ("git", "-C", str(folder), "-c", "core.hooksPath=/dev/null", *me)
    subprocess.run([*command, *arguments], capture_output=True, check=True)


@pytest.fixture
def repository(shop: Shop) -> Shop:
    """A shop in a git repository, in which one recorded test is committed."""
    shop.test(ANSWER_HALF)
    record(shop)
    git(shop.path, "init", "-q")
    git(shop.path, "add", "ladder.toml", "cases.jsonl", "recordings", "test_shop.py")
    git(shop.path, "commit", "-qm", "a shop")
    return shop


NEW = ANSWER_HALF.replace("blue", "new").replace("cases.jsonl", "new.jsonl")


def record_new(repository: Shop, name: str = "test_new.py", body: str = NEW) -> None:
    new = [case | {"input": f"{case['input']}?"} for case in CASES]
    repository.cases(new, "new.jsonl")
    repository.test(body, name)
    repository.run("--ladder-live")
    for store in repository.path.rglob(".ladder"):
        shutil.rmtree(store)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("test_new.py", NEW),
        ("test_new.py", FREE),
        ("-n_test.py", TASK),
        ("a b/:[n]_test.py", NEW),
    ],
    ids=["cases", "llm", "option-task", "pathspec-cases"],
)
def test_a_recording_that_is_no_part_of_the_commit_is_told(
    repository: Shop, command: Command, name: str, body: str
) -> None:
    repository.write(name, "")
    cases = f"{'../' * name.count('/')}new.jsonl"
    body = body.replace("cases.jsonl", "new.jsonl").replace("new.jsonl", cases)
    record_new(repository, name, body)
    # A test that git does not know is nobody's business yet.
    assert command("recordings", "check", "-m", "cheap")[0] == 0
    git(repository.path, "--literal-pathspecs", "add", "--", name)
    status, out, _ = command("recordings", "check", "-m", "cheap")
    assert status == 1
    assert "not known to git: 1\n" in out
    assert "not in order" in out
    fix = out.splitlines()[-1].partition(": ")[2]
    git(repository.path, *shlex.split(fix)[1:])
    assert command("recordings", "check", "-m", "cheap")[0] == 0


def test_the_fix_names_the_file(repository: Shop, command: Command) -> None:
    record_new(repository)
    git(repository.path, "add", "test_new.py", "new.jsonl")
    _, out, _ = command("recordings", "check", "-m", "cheap")
    assert out.splitlines()[-1].endswith(": git add recordings/test_new.jsonl")
    assert command("recordings", "check", "test_shop.py")[0] == 0


def test_a_recording_that_git_ignores_is_told(
    repository: Shop, command: Command
) -> None:
    record_new(repository)
    repository.write(".gitignore", "recordings/\n")
    git(repository.path, "add", "test_new.py", "new.jsonl")
    status, out, _ = command("recordings", "check")
    assert (status, "recordings/test_new.jsonl\n" in out) == (1, True)


def test_a_recording_that_another_file_has_as_well_is_not_lacking(
    repository: Shop, command: Command
) -> None:
    record_new(repository, body=ANSWER_HALF)
    git(repository.path, "add", "test_new.py")
    assert command("recordings", "check")[0] == 0


def test_outside_of_a_repository_and_without_git_nothing_is_said(
    repository: Shop, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_new(repository)
    git(repository.path, "add", "test_new.py", "new.jsonl")
    assert command("recordings", "check")[0] == 1
    with monkeypatch.context() as without:
        without.setenv("PATH", "")
        assert command("recordings", "check")[0] == 0
    shutil.rmtree(repository.path / ".git")
    assert command("recordings", "check")[0] == 0


def test_git_starts_no_program_that_the_repository_names(
    repository: Shop, command: Command
) -> None:
    script = repository.write("watch", "#!/bin/sh\ntouch started\n")
    script.chmod(0o755)
    git(repository.path, "config", "core.fsmonitor", str(script))
    git(repository.path, "update-index", "--fsmonitor")
    (repository.path / "started").unlink(missing_ok=True)
    assert command("recordings", "check")[0] == 0
    assert not (repository.path / "started").exists()


@pytest.mark.parametrize(
    ("inside", "linked"),
    [("", False), ("suites/shop", True)],
    ids=["at the top", "inside of a worktree"],
)
def test_the_hook_refuses_a_commit_that_lacks_a_recording(
    repository: Shop, tmp_path: Path, inside: str, linked: bool
) -> None:
    """What git tells its hooks of the repository is not misread, either."""
    record_new(repository)
    top = tmp_path / "top"
    git(repository.path, "init", "-q", str(top))
    git(top, "commit", "--allow-empty", "-qm", "first")
    if linked:
        git(top, "worktree", "add", "-q", str(tmp_path / "linked"))
        top = tmp_path / "linked"
    suite = top / inside
    ignored = shutil.ignore_patterns(".git", ".ladder", "ladder-report", "__pycache__")
    shutil.copytree(repository.path, suite, ignore=ignored, dirs_exist_ok=True)
    recording = suite / "recordings/test_new.jsonl"
    git(top, "add", ".")
    git(top, "rm", "-q", "--cached", str(recording))

    for arguments in ([], ["-a"]):
        assert "not known to git: 1" in _commit(top, suite, *arguments)
    git(top, "add", str(recording))
    # A commit of a part has an index of its own.
    others = [suite / name for name in ("ladder.toml", "new.jsonl", "test_new.py")]
    assert "not known to git" in _commit(top, suite, *map(str, others))
    assert _commit(top, suite) == ""


def _commit(top: Path, suite: Path, *arguments: str) -> str:
    """Commit with the hook; returns what it says when it refuses."""
    hooks = top.parent / "hooks"
    hooks.mkdir(exist_ok=True)
    entry = f'"{sys.executable}" -m pytest_ladder.cli.main recordings check -m cheap'
    hook = hooks / "pre-commit"
    hook.write_text(f'#!/bin/sh\nexec {entry} "{suite}"\n')
    hook.chmod(0o755)
    me = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    command = ["git", "-c", f"core.hooksPath={hooks}", *me, "commit", "-qm", "new"]
    done = subprocess.run(
        [*command, *arguments], cwd=top, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""
