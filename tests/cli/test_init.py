"""`pytest-ladder init` writes a suite that runs as it is, on the real model."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_ladder.cli.main import main
from pytest_ladder.config.load import load_ladder


def test_the_scaffold_plans_calls_and_replays(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init"]) == 0
    assert "Next:" in capsys.readouterr().out
    plan = pytester.runpytest_subprocess("--ladder-plan", "--ladder=matrix")
    plan.stdout.fnmatch_lines(
        [
            "smol/zero-shot * 5 * <= 80 * $0.00278 a minute *",
            "10 calls, paid by the time they take; nothing was called or spent.",
            "Paid by the time of computing: smol/zero-shot, smol/few-shot; the first *",
        ]
    )
    assert not (pytester.path / ".ladder").exists()
    live = pytester.runpytest_subprocess("--ladder-live")
    assert live.ret == pytest.ExitCode.OK
    live.stdout.fnmatch_lines(["*smol/zero-shot *%*", "spent * on 5 calls; 0 replayed"])
    recorded = (pytester.path / "recordings/test_capitals.jsonl").read_text("utf-8")
    assert len(recorded.splitlines()) == 5
    replay = pytester.runpytest_subprocess("-m", "cheap")
    assert replay.ret == pytest.ExitCode.OK
    replay.stdout.fnmatch_lines(["replayed 5 calls recorded at *; spent nothing"])


def test_files_that_are_there_are_never_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ladder.toml").write_text("mine", encoding="utf-8")
    assert main(["init", str(tmp_path)]) == 1
    assert "ladder.toml already; move it away" in capsys.readouterr().err
    assert (tmp_path / "ladder.toml").read_text(encoding="utf-8") == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_objective_it_suggests_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path)]) == 0
    file = tmp_path / "ladder.toml"
    assert load_ladder(file).objective is None
    head, objective = file.read_text(encoding="utf-8").split("# [objective]")
    text = f"{head}[objective]{objective.replace(chr(10) + '# ', chr(10))}"
    file.write_text(text, encoding="utf-8")
    objective_read = load_ladder(file).objective
    assert objective_read is not None
    assert (objective_read.kind, objective_read.quality) == ("good-enough", 0.85)
