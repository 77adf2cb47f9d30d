"""From a judged run over labels to a report that says what its judge is worth."""

from __future__ import annotations

import io
import json
import os
import shlex
from typing import Any

import pytest

from pytest_ladder.cli.main import main
from tests.plugin.scratch_suite import LADDER, Run, Shop
from tests.scripted_server import Says, last_user_message, says

JUDGE = """
[judge]
id = "openai/gpt-judge"
api_base = "{api_base}"
price = {{ input = 10.0, output = 10.0 }}
"""
RIGHT = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.judged(judge="correctness", at_least=0.1)
def test_right(verdict):
    assert verdict, verdict.reason
"""
CASES = [
    {"id": f"case-{n}", "input": f"say {'right' if n % 3 else 'wrong'} {n}"}
    for n in range(30)
]


@pytest.fixture
def judged(shop: Shop) -> Shop:
    """A shop of 30 cases; its judge passes all that is right, and some of the rest."""
    shop.ladder(LADDER + JUDGE)
    shop.cases([{**case, "expected": "right"} for case in CASES])
    shop.server.reply = answer
    shop.test(RIGHT)
    return shop


def answer(body: dict[str, Any]) -> Says:
    text = last_user_message(body)
    if body["model"] != "gpt-judge":
        return says(text.removeprefix("say "))
    reply = text.partition("reply begins\n")[2].partition("\n")[0]
    good = "right" in reply or reply.rstrip("!").endswith("0")
    verdict = "pass" if good else "fail"
    return says(json.dumps({"reason": f"it is a {verdict}", "verdict": verdict}))


def label(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *arguments: str,
    turned: bool = False,
) -> None:
    """Label replies by reading them, as a person would; or all the wrong way round."""
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdin", Reader(capsys, turned=turned))
        assert main(["label", "ladder-report", *arguments]) == 0


class Reader:
    """Answers what it read on the terminal."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *, turned: bool) -> None:
        self._capsys = capsys
        self._turned = turned

    def readline(self) -> str:
        reply = self._capsys.readouterr().out.rpartition("reply:")[2]
        return "p\n" if ("right" in reply) is not self._turned else "f\n"


def test_labels_measure_the_judge_in_every_report(
    judged: Shop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = judged.run("--ladder-live", "--ladder=matrix")
    result.stdout.fnmatch_lines(
        ["uncalibrated: no labels in this report; `pytest-ladder label`"]
    )
    before = judged.server.count

    label(judged, monkeypatch, capsys, "--count", "40")
    result = judged.run("--ladder=matrix")
    assert judged.server.count == before
    result.stdout.fnmatch_lines(
        [
            "*rung*judged*calibrated*",
            "*bot/plain  70.0 %  52.1-83.3  30      64.6 %  46.1-81.1*",
            "judges, measured by labels:",
            "*labels*40",
            "*specificity*",
            "40 labels; 50 are needed to gate.",
        ]
    )
    # Where one check alone stands for a cause, its misses have told it.
    result.stdout.no_fnmatch_line("*first at*")
    document = judged.matrix("ladder-report")
    (measured,) = document["calibration"]["judges"]
    assert (measured["labels"], measured["voided"]) == (40, 0)
    assert measured["agreement"]["sensitivity"]["value"] == 1.0
    assert measured["agreement"]["specificity"]["value"] < 1.0
    quality = document["calibration"]["quality"]["bot/plain"]
    raw = document["rungs"][0]["levels"]["judged"]["quality"]
    assert quality["low"] < quality["value"] < raw < quality["high"]
    assert document["causes"]["bot/plain"] == {"correctness": 9}
    page = (judged.path / "ladder-report" / "matrix.md").read_text(encoding="utf-8")
    assert "| rung | judge of | judge says | people would say |" in page
    missed = [row for row in judged.rows("ladder-report") if "cause" in row]
    assert {row["check"] for row in missed} == {"test_shop.py::test_right"}


def test_an_objective_at_the_judged_level_waits_for_labels_and_then_goes_by_them(
    judged: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    goal = '[objective]\nkind = "good-enough"\nquality = 0.45\nlevel = "judged"\n'
    judged.ladder(LADDER + JUDGE + goal)
    result = judged.run("--ladder-live", "--ladder=matrix")
    result.stdout.fnmatch_lines(
        ["UNDECIDED: *with 0 of 50 labels *: 50 labels more, 10 of *may decide."]
    )
    assert result.ret == 0

    label(judged, monkeypatch, capsys, "--count", "60")
    result = judged.run("--ladder=matrix")
    result.stdout.fnmatch_lines(["PASS: bot/plain *calibrated 66.2 %*against 45 %*"])
    result.stdout.fnmatch_lines(
        ["bot/plain scores at least 49.0 % on cases like these, 95 % sure."]
    )
    # The judge's own word, 70 %, would do for this bar.
    for bar, verdict in (("0.68", "UNDECIDED"), ("0.99", "FAIL: No rung meets")):
        main(["report", "ladder-report", "--quality", bar, "--output", "again"])
        assert verdict in capsys.readouterr().out


def test_a_poor_judge_is_called_poor(
    judged: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judged.run("--ladder-live", "--ladder=matrix")
    label(judged, monkeypatch, capsys, "--count", "30", turned=True)
    result = judged.run("--ladder=matrix")
    result.stdout.fnmatch_lines(
        [
            "The judge agrees with the labels on *%; always saying * agrees on *%.",
            "*adds nothing to the labels alone.",
        ]
    )
    assert main(["calibrate", "ladder-report"]) == 0
    assert "adds nothing to the labels alone" in capsys.readouterr().out


def test_another_rubric_voids_the_labels(
    judged: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judged.run("--ladder-live", "--ladder=matrix")
    label(judged, monkeypatch, capsys, "--count", "25")
    judged.test(RIGHT.replace('judge="correctness"', 'rubric="It says right."'))
    result = judged.run("--ladder-live", "--ladder=matrix")
    result.stdout.fnmatch_lines(
        ["Not counted: 25 labels of another judge or rubric; label again."]
    )
    assert judged.matrix("ladder-report")["calibration"]["quality"] == {}


def test_the_configuration_may_name_the_labels(
    judged: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judged.ladder(LADDER + JUDGE + 'labels = "people/said.jsonl"\n')
    (judged.path / "people").mkdir()
    judged.run("--ladder-live", "--ladder=matrix")
    label(judged, monkeypatch, capsys, "--count", "20")
    assert (judged.path / "people" / "said.jsonl").exists()
    judged.run("--ladder=matrix")
    (measured,) = judged.matrix("ladder-report")["calibration"]["judges"]
    assert measured["labels"] == 20


@pytest.mark.parametrize("folder", ["", "--ladder-report=my reports/one"])
def test_the_command_for_labels_works_as_printed(
    judged: Shop, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    # The ladder is not in reach of the folder that pytest is started in.
    files = ("ladder.toml", "cases.jsonl", "test_shop.py")
    for name in files:
        judged.write(f"deep/{name}", (judged.path / name).read_text("utf-8"))
        (judged.path / name).unlink()
    result = judged.run("--ladder-live", *filter(None, [folder]))
    (printed,) = [line for line in result.outlines if line.startswith("pytest-ladder ")]
    monkeypatch.setattr("sys.stdin", io.StringIO("p\np\n"))
    assert main(shlex.split(printed)[1:]) == 0
    assert len((judged.path / "deep/labels.jsonl").read_text("utf-8").split("\n")) == 3


def test_without_a_folder_the_newer_report_is_meant(
    judged: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label"]) == 2
    assert "ladder-report: there is no report here" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    judged.run("--ladder-live", "--ladder=matrix")
    assert main(["label"]) == 0
    assert "pytest-ladder calibrate ladder-report --" in capsys.readouterr().out
    judged.run()
    written = (judged.path / "ladder-report/matrix.json").stat().st_mtime
    current = judged.path / "ladder-report/current/matrix.json"
    os.utime(current, (written + 1, written + 1))
    assert main(["calibrate"]) == 0
    told = capsys.readouterr().out
    assert "pytest-ladder label ladder-report/current --labels labels.jsonl" in told


def test_broken_labels_fail_the_run_and_spoil_no_report(judged: Shop) -> None:
    judged.write("labels.jsonl", '{"case": 1}\n')
    result = judged.run("--ladder-live")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*labels.jsonl:1: this is no label*"])
    assert "no labels" not in result.stdout.str()
    assert "uncalibrated" not in result.stdout.str()
    assert len(judged.rows()) == 30


def test_a_judge_of_the_same_family_and_the_funnels_saving_are_told(
    judged: Shop, run: Run
) -> None:
    judged.ladder((LADDER + JUDGE).replace('"openai/bot"', '"openai/gpt-bot"'))
    judged.test(
        RIGHT
        + """
@pytest.mark.cheap(at_least=0.1)
def test_short(reply, case):
    assert "wrong" not in reply.text
"""
    )
    result = run("--ladder-live")
    result.stdout.fnmatch_lines(
        [
            "The judge openai/gpt-judge and the model bot (openai/gpt-bot) are of one*",
        ]
    )
    # No check stands for a cause, so nothing is said of causes.
    result.stdout.no_fnmatch_line("*first at*")
    # Which of the two tests comes first on a worker is not known: the funnel may
    # have come too late to save anything.
    rows = [row for row in judged.rows() if row.get("reason", "").startswith("funnel")]
    left = sum("evaluations" not in row for row in rows)
    assert len(rows) == 10
    if left:
        told = "1 reply" if left == 1 else f"{left} replies"
        result.stdout.fnmatch_lines([f"The funnel left {told} unjudged*saved*"])


def test_metrics_of_retrieval_score_a_cheap_test(shop: Shop) -> None:
    shop.ladder(
        LADDER.replace('current = "bot/plain"', 'current = "bot/rag"')
        + '[[strategy]]\nname = "rag"\ncorpus = "kb"\ntop_k = 2\n'
    )
    shop.write("kb/sky.md", "The sky is blue by day.")
    shop.write("kb/fire.md", "A fire is red.")
    shop.write("kb/sun.md", "The sun is yellow.")
    shop.cases(
        [
            {"id": "sky", "input": "sky blue", "relevant": ["sky.md"]},
            {"id": "odd", "input": "fire red", "relevant": ["sun.md", "moon.md"]},
        ]
    )
    shop.test("""
from pytest_ladder import document_recall, precision, reciprocal_rank

@pytest.mark.cheap(at_least=0.1)
@pytest.mark.ladder(cases="cases.jsonl")
def test_retrieval(reply, case, score):
    score("document_recall", document_recall(reply, case))
    score("precision", precision(reply, case, k=1))
    score("reciprocal_rank", reciprocal_rank(reply, case))
""")
    result = shop.run("--ladder-live")
    assert result.ret == 0
    scores = {row["case"]: row["scores"] for row in shop.rows()}
    assert scores["sky"] == {
        "document_recall": 1.0,
        "precision": 1.0,
        "reciprocal_rank": 1.0,
    }
    assert scores["odd"]["precision"] == 0.0
    result.stdout.no_fnmatch_line("*first at*")
    assert shop.matrix()["causes"] == {"bot/rag": {"retrieval": 1}}
