"""What is shipped for CI is valid, keeps its promises, and its scripts run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_ladder.reporting.files.baseline import write_baseline
from tests.decide.gate.baseline_and_change import changed, report, rows
from tests.examples.private_origin import TOKEN, served

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / "examples/ci/github"
WORKFLOWS = sorted(GITHUB.glob("*.yml"))
GITLAB = ROOT / "examples/ci/gitlab"
SCHEMAS = {
    "github-workflows": [*WORKFLOWS, ROOT / ".github/workflows/ci.yml"],
    "github-actions": [ROOT / "action.yml"],
    "gitlab-ci": [GITLAB / ".gitlab-ci.yml", GITLAB / "shards.gitlab-ci.yml"],
}
LADDER = """
[[model]]
name = "bot"
tier = "off-the-shelf"
id = "openai/bot"
price = { input = 1.0, output = 2.0 }
"""

GH = """#!/bin/sh
if [ "$*" = "auth git-credential get" ]; then
  printf 'username=x-access-token\\npassword=%s\\n' "$GH_TOKEN"
elif [ "$1" != auth ]; then cat gh-answer 2>/dev/null || true
fi
"""


def load(path: Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def events(path: Path) -> Any:
    return load(path)[True]  # YAML 1.1 takes `on` for a truth value


def steps(path: Path) -> Iterator[dict[str, Any]]:
    document = load(path)
    if "runs" in document:
        yield from document["runs"]["steps"]
    for job in document.get("jobs", {}).values():
        yield from job["steps"]


def script(path: Path, name: str) -> str:
    return next(str(step["run"]) for step in steps(path) if step.get("name") == name)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_fit_their_schema(schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    command += [f"vendor.{schema}", *map(str, SCHEMAS[schema])]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="needs actionlint")
def test_actionlint_finds_nothing() -> None:
    command = ["actionlint", *map(str, WORKFLOWS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_there_is_a_workflow_for_each_purpose() -> None:
    assert sorted(path.stem for path in WORKFLOWS) == [
        "ladder",
        "ladder-gate",
        "ladder-matrix",
        "ladder-shards",
    ]


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / ".github/workflows/ci.yml"])
def test_actions_are_pinned_by_hash_and_no_checkout_keeps_the_token(path: Path) -> None:
    used = [step for step in steps(path) if "uses" in step]
    assert used
    for step in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
        if "/checkout@" in step["uses"]:
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_workflow_gives_a_fork_more_than_its_due(path: Path) -> None:
    assert "pull_request_target" not in events(path)
    granted = load(path)["permissions"]
    assert granted in ({}, {"contents": "read"})


@pytest.mark.parametrize(
    "path", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda path: path.stem
)
def test_nothing_is_pasted_into_a_script(path: Path) -> None:
    """A branch may be called `$(curl …)`: it comes by the environment, and quoted."""
    for step in steps(path):
        assert "${{" not in step.get("run", "")
        done = subprocess.run(["bash", "-n"], input=step.get("run", ""), text=True)
        assert done.returncode == 0


def test_the_job_that_runs_the_code_of_a_fork_has_no_secret_and_no_token() -> None:
    text = (GITHUB / "ladder.yml").read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "github.token" not in text
    checkout = next(
        step for step in steps(GITHUB / "ladder.yml") if "checkout" in str(step)
    )
    assert checkout["with"]["persist-credentials"] is False


def test_the_job_that_may_write_runs_nothing_of_the_pull_request() -> None:
    path = GITHUB / "ladder-gate.yml"
    assert list(events(path)) == ["workflow_run"]
    checkouts = [step for step in steps(path) if "checkout" in step.get("uses", "")]
    assert [step["with"]["ref"] for step in checkouts] == [
        "${{ github.event.repository.default_branch }}"
    ]
    for step in steps(path):
        run = step.get("run", "")
        assert not re.search(r"\bpytest(?!-ladder)|python\b|\bsource\b|\beval\b", run)
        assert "git checkout" not in run
    # The number of the pull request is asked of GitHub, by what its event says.
    assert "env.HEAD_SHA" in script(path, "Find the pull request")


@pytest.mark.parametrize(
    ("name", "first", "step"),
    [
        ("ladder-matrix.yml", "shard", "Run the rungs of this shard"),
        ("ladder-shards.yml", "rehearse", "Try the store and ten cases"),
        ("ladder-shards.yml", "rehearse", "Run the cases of this shard"),
    ],
)
def test_keys_are_given_to_this_repositorys_own_code_only(
    name: str, first: str, step: str
) -> None:
    jobs = load(GITHUB / name)["jobs"]
    assert "head.repo.full_name == github.repository" in jobs[first]["if"]
    keyed = [name for name, job in jobs.items() if "secrets.OPENAI" in str(job)]
    assert all(name == first or jobs[name]["needs"] == first for name in keyed)
    assert "--ladder-budget=" in script(GITHUB / name, step)


def test_the_job_that_comments_on_shards_runs_nothing_of_the_pull_request() -> None:
    jobs = load(GITHUB / "ladder-shards.yml")["jobs"]
    writes = [n for n, job in jobs.items() if "write" in str(job.get("permissions"))]
    assert writes == ["comment"]
    used = [step.get("uses", "").partition("@")[0] for step in jobs["comment"]["steps"]]
    assert used == ["actions/download-artifact", ""]
    assert "secrets." not in str(jobs["comment"])


def test_the_hooks_replay_the_cheap_level_and_call_nobody() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [(hook["id"], hook["entry"]) for hook in hooks] == [
        ("pytest-ladder", "pytest -m cheap -q"),
        ("pytest-ladder-recordings", "pytest-ladder recordings check -m cheap"),
    ]
    for hook in hooks:
        assert hook["pass_filenames"] is False
        assert "--ladder-live" not in hook["entry"]


class Runner:
    """Runs a script as GitHub does, with a `gh` that answers from a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.temp = folder / "temp"
        self.origin = folder / "origin.git"
        for place in (self.folder, self.temp, folder / "bin"):
            place.mkdir()
        (folder / "bin/gh").write_text(GH)
        (folder / "bin/gh").chmod(0o755)
        tools = [str(folder / "bin"), str(Path(sys.executable).parent)]
        self.environment = {
            "PATH": os.pathsep.join([*tools, os.environ["PATH"]]),
            "HOME": str(folder),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(self.temp / "output"),
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary"),
            "GITHUB_SHA": "0" * 40,
            "REPOSITORY": "tanuki/tea",
            "RUN_URL": "https://ci.invalid/1",
        }
        self.git("init", "-q", "--bare", "-b", "main", str(self.origin))
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", str(self.origin))
        (self.folder / "ladder.toml").write_text(LADDER)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            capture_output=True,
            check=True,
            env=self.environment,
        )
        return done.stdout.decode()

    def run(self, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
            cwd=self.folder,
            env=self.environment | variables,
            capture_output=True,
            text=True,
        )

    def output(self) -> dict[str, str]:
        lines = (self.temp / "output").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def test_every_shard_of_github_gets_its_number_and_the_next_job_all(
    runner: Runner,
) -> None:
    path = GITHUB / "ladder-shards.yml"
    shard = load(path)["jobs"]["shard"]
    step = next(s for s in shard["steps"] if "JOB_INDEX" in str(s.get("env")))
    assert shard["strategy"]["matrix"]["shard"] == [*range(1, 21)]
    assert step["env"]["JOB_INDEX"] == "${{ strategy.job-index }}"
    assert step["env"]["JOB_TOTAL"] == "${{ strategy.job-total }}"
    told = runner.folder.parent / "bin/pytest"
    told.write_text('#!/bin/sh\necho "$@"\n')
    told.chmod(0o755)
    done = runner.run(step["run"], JOB_INDEX="19", JOB_TOTAL="20")
    assert "--ladder-shard=20/20" in done.stdout.split()


@pytest.mark.parametrize("name", ["gate.md", None], ids=["compared", "broken"])
def test_the_comment_on_shards_is_the_gate_or_says_that_it_broke(
    runner: Runner, name: str | None
) -> None:
    if name:
        (runner.folder / name).write_text("<!-- pytest-ladder gate -->\n\nfine\n")
    done = runner.run(script(GITHUB / "ladder-shards.yml", "Comment"), NUMBER="7")
    assert done.returncode == 0, done.stderr
    page = (runner.folder / "gate.md").read_text()
    assert page.startswith("<!-- pytest-ladder gate -->\n\n")
    assert ("broken" in page) is (name is None)


def renew(runner: Runner, day: int, scores: list[Any]) -> None:
    started = f"2026-01-0{day}T00:00:00Z"
    night = report(rows(scores, tokens=9), name=f"night{day}", started=started)
    write_baseline(runner.folder / "ladder-report", night)
    done = runner.run(script(GITHUB / "ladder-matrix.yml", "Renew the baseline"))
    assert done.returncode == 0, done.stderr


def test_nights_renew_the_baseline_as_a_branch_of_its_own(runner: Runner) -> None:
    for day in (1, 2, 3):
        renew(runner, day, [1.0] * 12)
    branch = [
        "-C",
        str(runner.origin),
        "ls-tree",
        "-r",
        "--name-only",
        "ladder-baseline",
    ]
    assert runner.git(*branch).split() == [
        "ladder-baseline/matrix.json",
        "ladder-baseline/rows.jsonl",
    ]
    log = runner.git("-C", str(runner.origin), "log", "--oneline", "ladder-baseline")
    assert len(log.splitlines()) == 1
    text = runner.git(
        "-C", str(runner.origin), "show", "ladder-baseline:ladder-baseline/rows.jsonl"
    )
    assert len(text.splitlines()) == 3 * 12


@pytest.mark.parametrize(("broke", "status"), [(0, "0"), (15, "1"), (2, "2")])
def test_the_gate_of_a_pull_request_runs_on_its_rows(
    runner: Runner, broke: int, status: str
) -> None:
    before, after = changed(broke, 0, 100, 100)
    renew(runner, 1, before)
    write_baseline(runner.temp / "head", report(rows(after, tokens=9)))
    (runner.folder / "gh-answer").write_text("README.md\na/recordings/x.jsonl\n")
    gate = script(GITHUB / "ladder-gate.yml", "Gate")
    places = {"ROWS": str(runner.temp / "head"), "OUT": str(runner.temp / "out")}
    done = runner.run(gate, NUMBER="7", **places)
    assert (done.returncode, runner.output()["status"]) == (0, status), done.stderr
    page = (runner.temp / "out/comment.md").read_text()
    assert page.startswith("<!-- pytest-ladder gate -->")
    assert "edits 1 recording" in page
    assert "- a/recordings/x.jsonl" in page


@pytest.mark.parametrize(("token", "status"), [(TOKEN, "0"), ("other", "3")])
def test_the_gate_reads_the_baseline_of_a_private_repository(
    runner: Runner, token: str, status: str
) -> None:
    renew(runner, 1, [1.0] * 20)
    write_baseline(runner.temp / "head", report(rows([1.0] * 20, tokens=9)))
    gate = script(GITHUB / "ladder-gate.yml", "Gate")
    places = {"ROWS": str(runner.temp / "head"), "OUT": str(runner.temp / "out")}
    with served(runner.origin.parent) as address:
        runner.git("remote", "set-url", "origin", f"{address}/{runner.origin.name}")
        done = runner.run(gate, NUMBER="7", GH_TOKEN=token, **places)
    assert (done.returncode, runner.output()["status"]) == (0, status), done.stderr
    assert token not in (runner.folder / ".git/config").read_text()


def test_the_matrix_fetches_the_baseline_of_a_private_repository(
    runner: Runner,
) -> None:
    renew(runner, 1, [1.0] * 20)
    path = GITHUB / "ladder-matrix.yml"
    with served(runner.origin.parent) as address:
        runner.git("remote", "set-url", "origin", f"{address}/{runner.origin.name}")
        done = runner.run(script(path, "Fetch the baseline"), GH_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    write_baseline(runner.folder / "ladder-report", report(rows([1.0] * 20)))
    done = runner.run(script(path, "Gate"))
    assert done.returncode == 0, done.stderr
    shown = [step["name"] for step in steps(path) if "github.token" in str(step)]
    assert shown == ["Fetch the baseline", "Renew the baseline"]


@pytest.mark.parametrize("harm", ["nothing", "link", "other", "folder", "bad"])
def test_what_a_fork_hands_over_instead_of_rows_is_broken(
    runner: Runner, harm: str
) -> None:
    renew(runner, 1, [1.0] * 20)
    head = runner.temp / "head"
    if harm != "nothing":
        write_baseline(head, report(rows([1.0] * 20, tokens=9)))
    if harm == "link":
        (head / "rows.jsonl").unlink()
        (head / "rows.jsonl").symlink_to("/etc/passwd")
    if harm == "other":
        (head / "conftest.py").write_text("raise SystemExit")
    if harm == "folder":
        (head / "matrix").mkdir()
    if harm == "bad":
        (head / "rows.jsonl").write_text('{"rung": "@octocat"}\n')
    gate = script(GITHUB / "ladder-gate.yml", "Gate")
    done = runner.run(gate, NUMBER="7", ROWS=str(head), OUT=str(runner.temp / "out"))
    assert (done.returncode, runner.output()["status"]) == (0, "3"), done.stderr
    page = (runner.temp / "out/comment.md").read_text()
    assert page.startswith("<!-- pytest-ladder gate -->\n\npytest-ladder gate: broken")


@pytest.mark.parametrize(
    ("broke", "undecided", "status", "verdict"),
    [(0, "pass", 0, "pass"), (15, "pass", 1, "fail"), (2, "pass", 0, "undecided"),
     (2, "fail", 2, "undecided")],
)  # fmt: skip
def test_the_action_tells_the_verdict(
    runner: Runner, broke: int, undecided: str, status: int, verdict: str
) -> None:
    for name, scores in zip("ab", changed(broke, 0, 100, 100), strict=True):
        write_baseline(runner.folder / name, report(rows(scores)))
    (step,) = steps(ROOT / "action.yml")
    done = runner.run(step["run"], BASE="a", HEAD="b", UNDECIDED=undecided)
    assert (done.returncode, runner.output()["verdict"]) == (status, verdict)
    assert Path(runner.output()["comment"]).is_file()
