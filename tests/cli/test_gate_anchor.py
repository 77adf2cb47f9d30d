"""`[gate] anchor`: baselines that git's history has since, as they are committed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.cli.main import main
from pytest_ladder.reporting.files.baseline import write_baseline
from pytest_ladder.reporting.files.committed import FOLDER
from tests.decide.gate.baseline_and_change import report, rows
from tests.plugin.results.test_recorded_diffs import git
from tests.plugin.scratch_suite import LADDER as SHOP
from tests.plugin.scratch_suite import Shop

LADDER = """\
[[model]]
name = "bot"
tier = "off-the-shelf"
id = "openai/bot"
price = {{ input = 1.0, output = 2.0 }}

[gate]
anchor = "{anchor}"
"""
N = 40
STEPS = 8


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(folder: str, missed: int, run: int, **fields: Any) -> None:
    """Write a report of 40 cases, the first of which missed."""
    scores = [float(place >= missed) for place in range(N)]
    made = report(
        rows(scores, seconds=1.0 + run, **fields),
        name=f"run{run}",
        started=f"2026-01-{run + 1:02}T00:00:00+00:00",
    )
    write_baseline(Path(folder), made)


def commit(message: str) -> None:
    git(Path.cwd(), "add", "-A")
    git(Path.cwd(), "commit", "-q", "--allow-empty", "-m", message)


def a_history(anchor: str = "git:v1", steps: int = STEPS) -> None:
    """Commit an anchor, tagged v1, and baselines that each lose one case of 40."""
    Path("ladder.toml").write_text(LADDER.format(anchor=anchor), encoding="utf-8")
    git(Path.cwd(), "init", "-q", "-b", "main")
    for step in range(steps + 1):
        write(FOLDER, step, step)
        commit(f"baseline {step}")
        if step == 0:
            git(Path.cwd(), "tag", "v1")
            # What is no baseline is passed over.
            commit("other work")
    write("head", steps, 20)


def gated(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = main(["gate", "git:HEAD", "head"])
    said = capsys.readouterr()
    return status, said.out + said.err


def test_small_steps_that_are_committed_add_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a_history()
    status, said = gated(capsys)
    assert status == 1
    assert said.startswith(
        "gate: FAIL: Drift (cheap): -20.0 points since git:v1 over 8 baselines, e = "
    )


def test_without_the_anchor_the_same_change_passes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a_history()
    text = Path("ladder.toml").read_text(encoding="utf-8").partition("[gate]")[0]
    Path("ladder.toml").write_text(text, encoding="utf-8")
    assert gated(capsys)[0] == 0


def test_a_report_may_be_the_anchor(capsys: pytest.CaptureFixture[str]) -> None:
    write("old", 0, 0)
    a_history("old")
    status, said = gated(capsys)
    assert status == 1
    # The commit of the anchor itself is no baseline since.
    assert "since old over 8 baselines" in said


def test_the_anchor_is_found_beside_the_ladder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_history("./old/rows.jsonl")
    write("old", 0, 0)
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    assert main(["gate", "git:HEAD", "../head"]) == 1
    assert "over 8 baselines" in capsys.readouterr().out


def test_a_merge_brings_the_baseline_that_main_has_after_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a_history(steps=1)
    here = Path.cwd()
    git(here, "checkout", "-q", "-b", "side")
    for step in (2, 3):
        write(FOLDER, step, step)
        commit("on the side")
    git(here, "checkout", "-q", "main")
    git(here, "merge", "-q", "--no-ff", "-m", "merged", "side")
    _, said = gated(capsys)
    assert "over 2 baselines" in said


def test_the_history_is_that_of_the_baseline_and_not_of_the_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a_history(steps=2)
    git(Path.cwd(), "checkout", "-q", "-b", "change")
    write(FOLDER, 0, 9)
    commit("a baseline of its own making")
    assert main(["gate", "git:main", "head"]) == 0
    assert "-5.0 points since git:v1 over 2 baselines" in capsys.readouterr().out
    assert main(["gate", FOLDER, "head"]) == 2
    assert "+0.0 points since git:v1 over 3 baselines" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("anchor", "said"),
    [
        ("git:nowhere", "git knows no commit `nowhere`"),
        ("git:--output=x", "names no commit; write a branch"),
        ("git:v1:elsewhere", "there is no elsewhere/matrix.json at `v1`"),
        ("missing", "there is no report here"),
    ],
)
def test_an_anchor_that_is_none_is_one_sentence(
    anchor: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    a_history(anchor, steps=1)
    status, told = gated(capsys)
    assert status == 3
    assert told.count("\n") == 1
    assert said in told


def test_an_old_baseline_that_cannot_be_read_is_named_and_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a_history(steps=2)
    (Path(FOLDER) / "rows.jsonl").write_text("{broken\n", encoding="utf-8")
    commit("broken")
    write(FOLDER, 3, 3)
    commit("baseline 3")
    status, said = gated(capsys)
    assert status == 0
    assert "over 3 baselines" in said
    assert "A baseline was left out: git:" in said
    assert "rows.jsonl:1" in said


@pytest.mark.parametrize("depth", [1, 5])
def test_in_a_shallow_clone_the_gate_works_and_says_what_it_lacks(
    depth: int,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_history()
    git(tmp_path, "clone", "-q", f"--depth={depth}", f"file://{tmp_path}", "clone")
    monkeypatch.chdir(tmp_path / "clone")
    status = main(["gate", "git:HEAD", "../head"])
    said = capsys.readouterr().out
    assert status == 0
    assert "Drift since git:v1 was not looked at: this clone is shallow" in said
    assert "fetch-depth: 0" in said


def test_in_a_shallow_clone_with_the_anchor_what_is_there_is_seen(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_history()
    source = f"file://{tmp_path}"
    git(tmp_path, "clone", "-q", "--depth=5", source, "clone")
    clone = tmp_path / "clone"
    git(clone, "fetch", "-q", "--depth=1", "origin", "tag", "v1")
    monkeypatch.chdir(clone)
    assert main(["gate", "git:HEAD", "../head"]) == 0
    said = capsys.readouterr().out
    assert "This clone is shallow: of the baselines since git:v1 only" in said


def test_outside_of_a_repository_a_file_has_no_history(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    Path("ladder.toml").write_text(LADDER.format(anchor="old"), encoding="utf-8")
    for name in ("old", "base", "head"):
        write(name, 0, 0)
    assert main(["gate", "base", "head"]) == 0
    assert "is in no git repository" in capsys.readouterr().out


def test_a_run_of_pytest_is_held_to_the_anchor_as_well(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.path)
    shop.test(
        """
@pytest.mark.cheap(at_least=0)
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    assert case.expected in reply.text
"""
    )

    shop.ladder(SHOP + '[gate]\nanchor = "git:v1"\n')
    shop.run("--ladder-live")
    main(["baseline", "update", "ladder-report/current"])
    git(shop.path, "init", "-q")
    commit("baseline")
    missing = shop.run("--ladder-live", f"--ladder-baseline={FOLDER}")
    assert missing.ret == pytest.ExitCode.USAGE_ERROR
    assert "git knows no commit `v1`" in missing.stderr.str()
    git(shop.path, "tag", "v1")
    shop.ladder(SHOP + '[gate]\nanchor = "git:v1:elsewhere"\n')
    missing = shop.run("--ladder-live", f"--ladder-baseline={FOLDER}")
    assert missing.ret == pytest.ExitCode.USAGE_ERROR
    assert "there is no elsewhere/matrix.json at `v1`" in missing.stderr.str()
    shop.ladder(SHOP + '[gate]\nanchor = "git:v1"\n')
    shop.run("--ladder-live", "--ladder-refresh")
    main(["baseline", "update", "ladder-report/current", FOLDER])
    commit("a second baseline")
    result = shop.run(f"--ladder-baseline={FOLDER}")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["  Drift (cheap): +0.0 points since git:v1 over 1 baseline, e = 1 (20*"]
    )
