"""`pytest-ladder plan --tell`: from a report, or before there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.written_report import Command, a_report, some_rows, written
from tests.judging.judged_rows import a_report as judged_report
from tests.judging.judged_rows import labels_for
from tests.judging.judged_rows import some_rows as judged_rows
from tests.plugin.scratch_suite import LADDER

CONFIG = LADDER.format(api_base="http://127.0.0.1:1")
TWO = ("--rungs", "tuned/plain", "small/plain")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_plans_from_the_newest_report(there: Path, command: Command) -> None:
    written(there / "ladder-report")
    status, out, err = command("plan", "--tell", "10")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    # Recommended is small/rag, and the best of the others is tuned/rag.
    assert lines[0].startswith("To tell small/rag from tuned/rag by 10 points at the ")
    assert lines[1] == (
        "  cases: 145 (60 to 267), 105 more than both ran: 210 calls, $0.325."
    )
    assert lines[3] == (
        "By ladder-report: the two differ on 8 of 40 cases, which tell 19.8 points."
    )
    assert lines[4].startswith("So far small/rag is -20.0 points (")


def test_a_climb_that_stopped_a_rung_does_not_hide_the_matrix(
    there: Path, command: Command
) -> None:
    written(there / "ladder-report")
    rows = [*some_rows(["small/rag"]), *some_rows(["tuned/rag"], range(5))]
    climb = a_report(rows, states={"tuned/rag": "stopped"})
    folder = written(there / "ladder-report/climb", climb)
    later = (there / "ladder-report/matrix.json").stat().st_mtime + 5
    os.utime(folder / "matrix.json", (later, later))
    _, out, err = command("plan", "--tell", "10")
    assert "By ladder-report: the two differ on 8 of 40 cases" in out, err
    assert "stopped" not in out
    (there / "ladder-report/matrix.json").unlink()
    _, out, _ = command("plan", "--tell", "10")
    assert "more than both ran" in out
    assert "By ladder-report/climb: the two differ on 0 of 5 cases" in out
    assert "\ntuned/rag was stopped before all cases ran.\n" in out


def test_rungs_level_and_report_can_be_named(there: Path, command: Command) -> None:
    written(there / "elsewhere")
    status, out, _ = command("plan", "--tell", "3", *TWO, "--report", "elsewhere")
    assert status == 0
    assert out.startswith("To tell tuned/plain from small/plain by 3 points")
    for options, said in (
        ((*TWO[:2], "small/plan"), "did you mean `small/plain`?"),
        ((*TWO[:2], "tuned/plain"), "`tuned/plain` is named twice; name two rungs."),
        ((*TWO, "--level", "judged"), "`tuned/plain` is none to plan with"),
        (("--report", "nowhere"), "there is no report here"),
    ):
        status, _, err = command(
            "plan", "--tell", "3", "--report", "elsewhere", *options
        )
        assert status == 2
        assert said in err


def test_without_a_report_it_says_what_it_assumes(
    there: Path, command: Command
) -> None:
    (there / "ladder.toml").write_text(CONFIG, encoding="utf-8")
    status, out, _ = command("plan", "--tell", "5")
    assert status == 0
    assert out.startswith("To tell bot/plain from bot/loud by 5 points at the cheap")
    assert "assumed is that the rungs differ on 20 % of the cases" in out
    # Of a report of one rung no more is known.
    rungs = [rung for rung in a_report().rows if rung.rung == "small/plain"]
    written(there / "ladder-report", a_report(rungs))
    _, again, _ = command("plan", "--tell", "5")
    assert again == out


JUDGED = [
    *judged_rows(80, 20, rung="m/plain"),
    *judged_rows(60, 40, rung="m/loud"),
]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        # Right on all but 1 of 36 passes and 2 of 14 fails.
        ((34, 1, 2, 13), "(sensitivity 0.94, specificity 0.93)."),
        ((4, 1, 1, 3), "specificity 0.80, both assumed: too few replies are "),
        # As people are asked by chance alone, the judge's fails may all be left out.
        ((40, 2, 0, 0), "specificity 0.80, both assumed: too few replies are "),
        ((0, 0, 10, 30), "specificity 0.80, both assumed: too few replies are "),
        ((0, 0, 0, 0), "specificity 0.80, both assumed: too few replies are "),
    ],
    ids=["labelled", "too few labels", "of passes only", "of fails only", "none"],
)
def test_a_judged_level_is_planned_by_its_labels(
    there: Path, command: Command, labels: tuple[int, int, int, int], said: str
) -> None:
    report = judged_report(JUDGED, labels_for(JUDGED, *labels))
    written(there / "ladder-report", report)
    _, out, _ = command("plan", "--tell", "20")
    lines = out.splitlines()
    assert lines[0].startswith("To tell m/plain from m/loud by 20 points at the judged")
    assert lines[3].startswith("  and labels: ")
    assert said in out
    assert "labels more for " in lines[-1]


def test_labels_of_one_rung_count_for_the_judge_and_not_for_the_other(
    there: Path, command: Command
) -> None:
    labels = labels_for(JUDGED[:100], 30, 1, 2, 10)
    written(there / "ladder-report", judged_report(JUDGED, labels))
    _, out, _ = command("plan", "--tell", "20")
    lines = out.splitlines()
    assert lines[3].endswith(
        " of each rung, at random, instead of 0: people's time, and no call."
    )
    assert "(sensitivity 0.94, specificity 0.91)." in out
    assert lines[-2:] == [
        "m/plain: 7 labels more for this rung and the judged level may decide.",
        "m/loud: 10 labels more for this rung (5 of them on replies that the judge "
        "failed, 5 of them on replies that it passed) and the judged level may decide.",
    ]


def test_a_judge_that_is_nearly_a_coin_plans_nothing(
    there: Path, command: Command
) -> None:
    report = judged_report(JUDGED, labels_for(JUDGED, 20, 12, 10, 8))
    written(there / "ladder-report", report)
    status, _, err = command("plan", "--tell", "20")
    assert status == 2
    assert "The judge is right too seldom to tell anything: " in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no ladder.toml in reach"),
        (CONFIG[: CONFIG.rindex("[[strategy]]")], "has one rung, bot/plain"),
    ],
    ids=["no ladder", "one rung"],
)
def test_where_there_is_nothing_to_tell_apart_it_says_so(
    there: Path, command: Command, text: str | None, said: str
) -> None:
    if text is not None:
        (there / "ladder.toml").write_text(text, encoding="utf-8")
    status, _, err = command("plan", "--tell", "5")
    assert status == 2
    assert said in err


@pytest.mark.parametrize("with_report", [True, False])
def test_users_are_planned_elsewhere(
    there: Path, command: Command, with_report: bool
) -> None:
    (there / "ladder.toml").write_text(CONFIG, encoding="utf-8")
    if with_report:
        written(there / "ladder-report")
    status, _, err = command("plan", "--tell", "5", "--level", "real")
    assert status == 2
    assert "`pytest-ladder outcomes plan` says how many of these it takes" in err


@pytest.mark.parametrize("points", ["0.03", "500", "-3", "three"])
def test_points_are_points(there: Path, command: Command, points: str) -> None:
    status, _, err = command("plan", f"--tell={points}")
    assert status == 2
    assert f"argument --tell: '{points}' does not fit; write" in err


def test_its_options_are_refused_without_tell(there: Path, command: Command) -> None:
    status, _, err = command("plan", *TWO)
    assert (status, err) == (
        2,
        "pytest-ladder: --rungs is for --tell; add --tell POINTS.\n",
    )


def test_arguments_for_pytest_are_refused_with_tell(
    there: Path, command: Command
) -> None:
    status, _, err = command("plan", "--tell", "3", "tests/llm", "-k", "answer")
    assert status == 2
    assert "it has no use for tests/llm -k answer; leave it out, or --tell." in err
