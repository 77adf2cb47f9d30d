"""`pytest-ladder report A --against B`: what moved, and the verdict of the gate."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_ladder.reporting.files.baseline import write_baseline
from pytest_ladder.reporting.files.read import read_report
from tests.cli.written_report import Command, a_report, matrix_of, written
from tests.decide.test_against import changed


def test_against_shows_what_moved_and_the_verdict_of_the_gate(
    tmp_path: Path, command: Command
) -> None:
    before = written(tmp_path / "before", a_report(id="before"))
    after = written(tmp_path / "after", a_report(changed(), id="after"))
    arguments = "report", str(after), "--against", str(before)
    status, output, errors = command(*arguments, "--output", str(tmp_path / "out"))
    assert (status, errors) == (0, ""), "it shows, and fails nothing"
    _, gated, _ = command("gate", str(before), str(after))
    verdict = gated.splitlines()[0]
    assert verdict.startswith("gate: ")
    assert verdict in output.splitlines()
    assert "4 cases broken" not in output
    assert "3 cases broken and 2 fixed on some rung of 4." in output.replace("\n", " ")
    told = matrix_of(tmp_path / "out")["against"]
    assert [rung["broken"] for rung in told["rungs"]] == [3, 0, 0, 0]
    assert told["cases"][0] == {
        "source": "cases.jsonl",
        "case": "c00",
        "broken": ["small/plain"],
        "fixed": [],
    }
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    assert "Against another run" in page
    assert "### Against" in (tmp_path / "out/matrix.md").read_text(encoding="utf-8")
    # Rendered again without it, the report is what the run measured.
    command("report", str(tmp_path / "out"))
    assert "against" not in matrix_of(tmp_path / "out")
    # The other run may be a baseline, of which only rows are kept.
    write_baseline(tmp_path / "base", read_report(before))
    status, again, _ = command(
        "report", str(after), "--against", str(tmp_path / "base")
    )
    assert status == 0
    assert verdict in again.splitlines()


def test_a_run_that_cannot_be_read_is_named(tmp_path: Path, command: Command) -> None:
    after = written(tmp_path / "after", a_report())
    status, _, errors = command("report", str(after), "--against", str(tmp_path / "no"))
    assert status == 2
    assert "there is no report here" in errors
    assert json.loads((after / "matrix.json").read_bytes())
