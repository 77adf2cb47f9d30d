"""`pytest-ladder gate` and `pytest-ladder baseline update`, as they are typed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from pytest_ladder.cli.main import main
from pytest_ladder.core.ladder import Objective
from pytest_ladder.reporting.files.baseline import write_baseline
from tests.decide.gate.baseline_and_change import Score, changed, report, rows

LADDER = """
[[model]]
name = "bot"
tier = "off-the-shelf"
id = "openai/bot"
price = {{ input = 1.0, output = 2.0 }}
{more}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, scores: Sequence[Score], **fields: Any) -> None:
    objective = fields.pop("objective", None)
    started = fields.pop("started", "2026-01-01T00:00:00+00:00")
    stopped = fields.pop("stopped", False)
    made = report(
        rows(scores, **fields), name=name, objective=objective, started=started
    )
    made = replace(made, info=replace(made.info, stopped=stopped))
    write_baseline(Path(name), made)


@pytest.mark.parametrize(
    ("broke", "n", "status", "told"),
    [
        (0, 100, 0, "gate: PASS"),
        (12, 100, 1, "gate: FAIL"),
        (2, 100, 2, "gate: UNDECIDED"),
        (0, 0, 3, "gate: BROKEN"),
    ],
)
def test_the_exit_status_is_the_verdict(
    broke: int, n: int, status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = changed(broke, 0, 100, 100)
    write("base", before)
    write("head", after[:n])
    assert main(["gate", "base", "head", "--output", "out/comment.md"]) == status
    assert capsys.readouterr().out.startswith(told)
    page = Path("out/comment.md").read_text(encoding="utf-8")
    assert page.startswith("<!-- pytest-ladder gate -->")
    assert told.removeprefix("gate: ") in page


@pytest.mark.parametrize(
    "arguments",
    [
        ["gate"],
        ["gate", "base"],
        ["gate", "base", "head", "--outptu", "x"],
        ["gate", "base", "head", "third"],
        ["gate", "base", "head", "--output"],
        ["gate", "base", "missing"],
        ["gate", "git:-x", "head"],
        ["gate", "base", "head", "--reprice"],
        ["gate", "base", "head", "--config", "missing.toml"],
    ],
)
def test_what_keeps_it_from_looking_is_broken_and_never_undecided(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write("base", [1.0] * 20)
    write("head", [1.0] * 20)
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = ended.code  # type: ignore[assignment]
    assert status == 3
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    "fields",
    [
        {"weight": 1e308},
        {"usd": 1e308},
        {"usd": [1e308, *[0.001] * 59]},
        {"usd": [1e-320, *[0.001] * 59]},
        {"seconds": -1.0},
        {"tokens": 10**400},
        {"at_least": 5.0},
        {"case": "c"},  # the same row again and again
    ],
    ids=lambda fields: str(fields)[:20],
)
@pytest.mark.parametrize("more", [(), ("--reprice",)], ids=["", "repriced"])
def test_rows_that_no_run_writes_are_broken(
    fields: dict[str, Any],
    more: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "ladder.toml").write_text(LADDER.format(more=""))
    write("base", [1.0] * 60)
    write("head", [1.0] * 60)
    made = rows([1.0] * 60, **fields)
    lines = b"\n".join(msgspec.json.encode(row) for row in made)
    Path("head/rows.jsonl").write_bytes(lines)
    for sides in (["base", "head"], ["head", "base"]):
        assert main(["gate", *sides, *more]) == 3
        assert capsys.readouterr().err.startswith("pytest-ladder: head/rows.jsonl:")


def test_margins_come_from_the_ladder_in_reach(tmp_path: Path) -> None:
    write("base", [1.0] * 60)
    write("head", [1.0] * 60, usd=0.002)
    assert main(["gate", "base", "head"]) == 0
    (tmp_path / "ladder.toml").write_text(LADDER.format(more="[gate]\ncost = 0.5"))
    assert main(["gate", "base", "head"]) == 1
    (tmp_path / "lax.toml").write_text(LADDER.format(more="[gate]\ncost = 2.0"))
    assert main(["gate", "base", "head", "--config", "lax.toml"]) == 0


def test_a_change_does_not_lower_its_own_bar(tmp_path: Path) -> None:
    scores = [float(place < 80) for place in range(100)]
    low = Objective(kind="good-enough", quality=0.5)
    write("base", scores, objective=low)
    write("head", scores, objective=low)
    assert main(["gate", "base", "head"]) == 0
    bar = '[objective]\nkind = "good-enough"\nquality = 0.9'
    (tmp_path / "ladder.toml").write_text(LADDER.format(more=bar))
    assert main(["gate", "base", "head"]) == 1
    # A run of one rung was not to decide anything.
    write("head", scores)
    assert main(["gate", "base", "head"]) == 0


def test_prices_are_taken_from_the_ladder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report of a fork may say that its calls cost nothing."""
    write("base", [1.0] * 60)
    write("head", [1.0] * 60, usd=0.0, tokens=1000)
    more = "[gate]\ncost = 0.1"
    (tmp_path / "ladder.toml").write_text(LADDER.format(more=more))
    assert main(["gate", "base", "head"]) == 0
    write("base", [1.0] * 60, tokens=100)
    assert main(["gate", "base", "head", "--reprice"]) == 1
    assert "The cost changed by +900.0 %" in capsys.readouterr().out


def test_edited_recordings_are_named(tmp_path: Path) -> None:
    write("base", [1.0] * 60)
    (tmp_path / "edited.txt").write_text("recordings/a.jsonl\n\nrecordings/b.jsonl\n")
    arguments = ["gate", "base", "base", "--output", "c.md", "--edited", "edited.txt"]
    assert main(arguments) == 0
    assert "edits 2 recordings" in Path("c.md").read_text(encoding="utf-8")


def test_errors_of_the_newest_run_make_room_for_what_other_runs_finished(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Else every change is undecided, for want of rows that finished."""
    scores = [1.0] * 40
    for day in (1, 2):
        write(f"run{day}", scores, started=f"2026-01-0{day}T00:00:00Z")
    write("run3", [*scores[:32], *[None] * 8], started="2026-01-03T00:00:00Z")
    assert main(["baseline", "update", "run1", "run2", "run3"]) == 0
    told = capsys.readouterr().out
    assert "pooled 3 runs into 112 rows: ladder-baseline" in told
    assert "8 rows left out: errors of the newest run" in told
    write("head", scores)
    assert main(["gate", "ladder-baseline", "head"]) == 0
    assert main(["baseline", "update", "run3"]) == 0
    assert "8 rows kept: errors" in capsys.readouterr().out


def test_a_run_that_was_stopped_does_not_say_what_is_covered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for day in (1, 2, 3):
        write(f"run{day}", [1.0] * 40, started=f"2026-01-0{day}T00:00:00Z")
    write("run4", [1.0] * 15, started="2026-01-04T00:00:00Z", stopped=True)
    assert main(["baseline", "update", "run1", "run2", "run3", "run4"]) == 0
    told = capsys.readouterr().out
    assert "pooled 3 runs into 120 rows: ladder-baseline" in told
    assert "`run4` left out: stopped before all tests had run" in told
    assert main(["baseline", "update", "run4", "--output", "alone"]) == 2
    assert "`run4`: stopped before all tests had run" in capsys.readouterr().err
    assert not Path("alone").exists()


@pytest.mark.parametrize("scores", [[], [None] * 4], ids=["no row", "errors"])
def test_a_baseline_of_nothing_is_refused_and_not_written(
    scores: list[Score], capsys: pytest.CaptureFixture[str]
) -> None:
    write("run1", scores)
    assert main(["baseline", "update", "run1"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "`run1`, the newest run, " in said.err
    assert not Path("ladder-baseline").exists()


def test_update_pools_runs_and_takes_the_next_one_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for day in range(1, 8):
        write(f"run{day}", [day / 10] * 3, started=f"2026-01-0{day}T00:00:00Z")
    names = [f"run{day}" for day in range(1, 7)]
    assert main(["baseline", "update", *names]) == 0
    told = capsys.readouterr().out
    assert "pooled 5 runs into 15 rows: ladder-baseline" in told
    assert "1 older run left out" in told
    again = ["baseline", "update", "run7", "ladder-baseline", "--output", "next"]
    assert main(again) == 0
    assert "pooled 2 runs into 15 rows: next" in capsys.readouterr().out
    assert main(["gate", "ladder-baseline", "next"]) == 2  # three cases tell nothing


def test_update_says_what_it_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    write("a", [1.0] * 3, started="2026-01-02T00:00:00Z", live=False)
    write("b", [1.0] * 3, started="2026-01-01T00:00:00Z", live=False)
    assert main(["baseline", "update", "a", "b", "--output", "base"]) == 0
    assert "3 rows left out: they replay" in capsys.readouterr().out


def test_a_run_of_a_baseline_that_is_unlike_the_others_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A slow change beside a bad day: 4 misses of 50 where there was one, and 12."""
    misses = {"r1": 1, "r2": 1, "r3": 1, "r4": 1, "bad": 12}
    for day, (name, missed) in enumerate(misses.items(), start=1):
        scores = [float(place >= missed) for place in range(50)]
        text = [f"{name} {place}" for place in range(50)]
        write(name, scores, text=text, started=f"2026-01-0{day}T00:00:00+00:00")
    write("head", [float(place >= 8) for place in range(50)])
    assert main(["baseline", "update", *misses, "--output", "base"]) == 0
    told = (
        "Run bad of the baseline is unlike the other 4: 76.0 % (cheap) where they have "
        "98.0 % (p < 0.001, adjusted for all runs)"
    )
    assert told in capsys.readouterr().out
    assert main(["gate", "base", "head"]) == 0
    said = capsys.readouterr().out
    assert told in said
    # As it is, the bad run hides a drop.
    assert "Without it this gate would say FAIL." in said
