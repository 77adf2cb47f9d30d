"""`pytest-ladder report --config`: outcomes that were imported after the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.making import making_of
from pytest_ladder.core.rung import Rung, Strategy
from tests.cli.written_report import (
    PLAIN,
    SMALL,
    Command,
    a_report,
    a_row,
    matrix_of,
    written,
)

LADDER = """\
current = "small/plain"
[[model]]
name = "small"
tier = "off-the-shelf"
id = "openai/small"
price = { input = 1.0, output = 2.0 }
[[strategy]]
name = "plain"
[[strategy]]
name = "kind"
system = "Be kind."
"""
JUNE = """\
[[experiment]]
name = "june"
variants = { control = "small/plain", treatment = "small/kind" }
[[outcome]]
name = "resolved"
kind = "rate"
experiment = "june"
table = "june.csv"
"""
RUNGS = tuple(
    Rung(model=SMALL, strategy=one)
    for one in (PLAIN, Strategy(name="kind", system="Be kind."))
)


@pytest.fixture
def june(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """Return a report of a run before June, and the ladder that knows of June."""
    rows = [
        msgspec.structs.replace(a_row("small/plain", case), rung=rung.id)
        for rung in RUNGS
        for case in range(20)
    ]
    report = a_report(rows, rungs=RUNGS)
    makings = {rung.id: making_of(rung) for rung in RUNGS}
    folder = written(tmp_path / "may", msgspec.structs.replace(report, makings=makings))
    monkeypatch.chdir(tmp_path)
    ladder = tmp_path / "ladder.toml"
    ladder.write_text(LADDER + JUNE, encoding="utf-8")
    table = "variant,n,successes\ncontrol,2380,262\ntreatment,2400,412\n"
    (tmp_path / "june.csv").write_text(table, encoding="utf-8")
    assert command("outcomes", "import")[0] == 0
    return folder, ladder


def seen(folder: Path) -> dict[str, Any]:
    matrix = matrix_of(folder)
    return {rung["id"]: rung["levels"].get("real") for rung in matrix["rungs"]}


def test_what_users_did_after_the_run_is_taken_in(
    june: tuple[Path, Path], tmp_path: Path, command: Command
) -> None:
    folder, ladder = june
    assert seen(folder) == {"small/plain": None, "small/kind": None}
    status, said, _ = command("report", folder, "--config", ladder, "--output", "july")
    assert status == 0
    assert "resolved (june): small/kind +6.2 points against small/plain" in said
    levels = seen(tmp_path / "july")
    assert levels["small/kind"]["n"] == 2400
    (proxy,) = matrix_of(tmp_path / "july")["proxies"]
    assert (proxy["level"], proxy["outcome"]) == ("cheap", "resolved")


def test_users_of_a_prompt_that_the_report_did_not_ask_by_decide_nothing(
    june: tuple[Path, Path], tmp_path: Path, command: Command
) -> None:
    folder, ladder = june
    ladder.write_text(ladder.read_text().replace("Be kind.", "Be brief."))
    (tmp_path / "outcomes/resolved.json").unlink()
    assert command("outcomes", "import")[0] == 0
    status, said, _ = command("report", folder, "--config", ladder, "--output", "july")
    assert status == 0
    assert (
        "`small/kind`: ladder.toml asks otherwise than this report did; what users did "
        "decides nothing of it here." in said
    )
    outcomes = {
        rung["id"]: rung["outcomes"] for rung in matrix_of(tmp_path / "july")["rungs"]
    }
    stale = {rung: of["resolved"]["stale"] for rung, of in outcomes.items()}
    assert stale == {"small/plain": False, "small/kind": True}
