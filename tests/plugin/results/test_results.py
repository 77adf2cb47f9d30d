"""Results: the files of the report, and who writes what when."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.scratch_suite import ANSWER_HALF, LADDER, ONE_WORKER, Run, Shop
from tests.reporting.test_page_html import data_of

OBJECTIVE = """
[objective]
kind = "good-enough"
quality = 0.85
volume = 1000
"""
FILES = {
    ".gitignore",
    "benchmark.json",
    "exchanges.jsonl",
    "index.html",
    "inputs.jsonl",
    "matrix.csv",
    "matrix.json",
    "matrix.md",
    "rows.jsonl",
}
RUNG = {
    "id": str,
    "model": str,
    "strategy": str,
    "tier": str,
    "levels": {
        "cheap": {
            "quality": float,
            "low": float,
            "high": float,
            "n": int,
            "missed": int,
            "errors": int,
            "coverage": float,
            "verdict": str,
        }
    },
    "cost": {
        "usd_per_1k": float,
        "serve_usd_per_1k": float,
        "build_usd": float,
        "build_hours": float,
        "known": bool,
    },
    "latency": {"p50_s": float, "p95_s": float, "n_live": int},
    "tokens": {},
    "state": str,
}
MATRIX = {
    "schema": str,
    "run": {
        "id": str,
        "started": str,
        "mode": str,
        "git_sha": object,
        "seed": object,
        "versions": {},
    },
    "rungs": list,
    "objective": {"kind": str, "quality": float, "level": str, "volume": int},
    "recommendation": {
        "rung": object,
        "verdict": str,
        "reason": str,
        "next_rung": object,
        "roi": object,
    },
    "gates": list,
    "spend": {
        "product_usd": float,
        "evaluation_usd": float,
        "live_calls": int,
        "replayed_calls": int,
        "saved_usd": float,
    },
}
"""The keys of version 1 with the types of their values; others may be added."""


def misfits(value: Any, wanted: Any, place: str = "matrix") -> list[str]:
    """Name what is missing in `value`, or of another type than `wanted` says."""
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return [f"{place} is no object"]
        missing = [f"{place}.{key} is missing" for key in wanted if key not in value]
        inner = [key for key in wanted if key in value]
        return missing + [
            misfit
            for key in inner
            for misfit in misfits(value[key], wanted[key], f"{place}.{key}")
        ]
    if wanted is None:
        return [] if value is None else [f"{place} is {value!r}"]
    fits = isinstance(value, int | float) if wanted is float else False
    return [] if fits or isinstance(value, wanted) else [f"{place} is {value!r}"]


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def without_run(text: str) -> str:
    """Return the text of `matrix.json` without what differs from run to run."""
    matrix = json.loads(text)
    del matrix["run"]["id"], matrix["run"]["started"]
    return json.dumps(matrix)


def test_a_run_writes_its_report_once(shop: Shop, run: Run) -> None:
    shop.ladder(LADDER + OBJECTIVE)
    shop.test(ANSWER_HALF)
    result = run("--ladder-live", "--ladder=matrix")
    folder = shop.path / "ladder-report"
    assert files(folder) == FILES
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []
    result.stdout.fnmatch_lines(["report: ladder-report"])
    assert (folder / ".gitignore").read_text() == "*\n"
    assert (shop.path / ".ladder" / ".gitignore").read_text() == "*\n"
    matrix = shop.matrix("ladder-report")
    assert misfits(matrix, MATRIX) == []
    assert matrix["schema"] == "pytest-ladder/1"
    assert matrix["run"]["mode"] == "matrix"
    for rung in matrix["rungs"]:
        assert misfits(rung, RUNG, rung["id"]) == []
    assert [rung["id"] for rung in matrix["rungs"]] == ["bot/plain", "bot/loud"]
    plain = matrix["rungs"][0]
    assert plain["levels"]["cheap"]["quality"] == pytest.approx(2 / 3, abs=1e-5)
    assert plain["latency"]["n_live"] == 3
    assert matrix["spend"]["live_calls"] == 6
    assert len(shop.rows("ladder-report")) == 6


def test_rows_say_what_came_of_each_reply(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    row = next(row for row in shop.rows() if row["case"] == "sun")
    assert row["test"] == "test_shop.py::test_answer"
    assert (row["rung"], row["level"]) == ("bot/plain", "cheap")
    assert (row["source"], row["case"]) == ("cases.jsonl", "sun")
    assert (row["outcome"], row["score"]) == ("missed", 0)
    assert (row["reason"], row["text"]) == (
        "assert 'yellow' in 'say green'",
        "say green",
    )
    assert (row["input"], row["expected"]) == ("say green", "yellow")
    passed = next(row for row in shop.rows() if row["outcome"] == "passed")
    assert "input" not in passed
    assert "expected" not in passed
    (bill,) = row["replies"]
    assert bill["live"] is True
    assert bill["cost_usd"] == pytest.approx(6e-6)
    assert (bill["usage"]["input"], bill["usage"]["output"]) == (2, 2)


def test_a_plain_run_never_writes_over_a_matrix(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live", "--ladder=matrix")
    before = (shop.path / "ladder-report" / "matrix.json").read_bytes()
    shop.run().stdout.fnmatch_lines(["report: ladder-report/current"])
    assert (shop.path / "ladder-report" / "matrix.json").read_bytes() == before
    assert shop.matrix()["run"]["mode"] == "current"
    assert files(shop.path / "ladder-report/current") >= FILES - {".gitignore"}


def test_ladder_report_names_the_folder(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live", "--ladder-report=out/here")
    assert files(shop.path / "out/here") == FILES
    assert not (shop.path / "ladder-report").exists()


def test_a_folder_of_other_things_gets_no_gitignore(shop: Shop) -> None:
    shop.write("out/notes.txt", "mine")
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live", "--ladder-report=out")
    assert not (shop.path / "out/.gitignore").exists()


@pytest.mark.parametrize(
    "arguments",
    [["-k", "nothing"], ["--co"], ["--co", "-q"], ["-m", "real"], ["--ladder-plan"]],
    ids=" ".join,
)
def test_a_run_without_rows_writes_nothing(shop: Shop, arguments: list[str]) -> None:
    shop.test(ANSWER_HALF)
    before = {path.name for path in shop.path.iterdir()}
    result = shop.run("--ladder-live", *arguments)
    after = {path.name for path in shop.path.iterdir()}
    assert after - before <= {"__pycache__", ".pytest_cache", ".benchmarks"}
    result.stdout.no_fnmatch_line("*= ladder =*")
    assert shop.server.count == 0


def test_a_run_that_only_skips_writes_nothing(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-missing=skip").assert_outcomes(skipped=3)
    assert not (shop.path / "ladder-report").exists()
    assert not (shop.path / ".ladder").exists()


def test_replays_write_the_same_files_but_for_the_run_itself(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live", "--ladder=matrix")
    shop.run("--ladder=matrix", "--ladder-report=one")
    shop.run("--ladder=matrix", "--ladder-report=two")
    for name in ("rows.jsonl", "matrix.csv"):
        one, two = (shop.path / folder / name for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    first, second = (
        without_run((shop.path / folder / "matrix.json").read_text())
        for folder in ("one", "two")
    )
    assert first == second


def test_the_csv_has_a_line_per_rung_and_level(shop: Shop) -> None:
    shop.test(ANSWER_HALF + "\n@pytest.mark.judged\ndef test_tone(reply):\n    pass\n")
    shop.run("--ladder-live", "--ladder=matrix")
    with (shop.path / "ladder-report/matrix.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["rung"], line["level"]) for line in lines] == [
        ("bot/plain", "cheap"),
        ("bot/plain", "judged"),
        ("bot/loud", "cheap"),
        ("bot/loud", "judged"),
    ]


@ONE_WORKER
def test_junit_testcases_carry_the_rows_figures(shop: Shop, run: Run) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    run("--junitxml=junit.xml")
    found = {}
    for case in ET.parse(shop.path / "junit.xml").iter("testcase"):
        found[case.get("name")] = {
            p.get("name"): p.get("value") for p in case.iter("property")
        }
    properties = found["test_answer[bot/plain-sun]"]
    assert properties["ladder.rung"] == "bot/plain"
    assert properties["ladder.level"] == "cheap"
    assert float(str(properties["ladder.score"])) == 0
    assert float(str(properties["ladder.cost_usd"])) == pytest.approx(6e-6)
    assert float(str(properties["ladder.latency_s"])) > 0
    assert len(properties) == 5
    assert len(found) == 3


def test_the_matrix_goes_onto_the_page_of_a_github_job(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = shop.write("summary.md", "# Before\n")
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    shop.run()
    text = summary.read_text()
    assert text.startswith("# Before\n")
    assert text.count("bot/plain") >= 1
    assert (
        text.removeprefix("# Before\n")
        == (shop.path / "ladder-report/current/matrix.md").read_text()
    )


def test_the_terminal_shows_the_matrix(shop: Shop) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live", "--ladder=matrix").stdout.fnmatch_lines(
        [
            "*= ladder =*",
            "*rung *cheap*95 % CI*n*$ per 1k*p50*p95*live*",
            "*bot/plain *66.7 %*20.8-93.9*3*$0.006*s *s *3",
            "*bot/loud *66.7 %*20.8-93.9*3*$0.006*s *s *3",
            "*bot/plain is the current rung*",
            "spent $0.000036 on 6 calls; 0 replayed",
            "report: ladder-report",
        ]
    )


def test_an_unknown_price_is_unknown_and_never_nothing(shop: Shop) -> None:
    shop.ladder(LADDER.replace("price = {{ input = 1.0, output = 2.0 }}\n", ""))
    shop.test(ANSWER_HALF)
    result = shop.run("--ladder-live")
    cost = shop.matrix()["rungs"][0]["cost"]
    assert (cost["usd_per_1k"], cost["known"]) == (None, False)
    assert shop.matrix()["spend"]["product_usd"] is None
    result.stdout.fnmatch_lines(["*bot/plain*unknown*", "spent an unknown sum on 3*"])


def test_weights_and_samples_make_the_quality_of_a_case(shop: Shop) -> None:
    shop.cases([{"id": "sky", "input": "say blue"}, {"id": "sun", "input": "say red"}])
    shop.test("""
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
@pytest.mark.ladder(weight=3)
def test_heavy(reply, case, score):
    score(1.0 if case.id == "sky" else 0.5)

@pytest.mark.cheap
@pytest.mark.ladder(samples=2)
def test_sampled(case, rung, score, request):
    score(0.0 if "-s2" in request.node.name else 1.0)

@pytest.mark.cheap
def test_of_its_own(score):
    score(0.5)
""")
    shop.run("--ladder-live")
    cell = shop.matrix()["rungs"][0]["levels"]["cheap"]
    sky, sun = (3 * 1.0 + 0.5) / 4, (3 * 0.5 + 0.5) / 4
    assert cell["n"] == 3
    assert cell["quality"] == pytest.approx((sky + sun + 0.5) / 3, abs=1e-5)


def test_hostile_replies_stay_text(shop: Shop) -> None:
    hostile = "\x1b[31m<script>alert(1)</script> | =1+1"
    shop.server.reply = lambda _: hostile
    shop.test(ANSWER_HALF)
    result = shop.run("--ladder-live", "-rm")
    assert "\x1b[31m" not in result.stdout.str()
    for path in (shop.path / "ladder-report").rglob("*"):
        if path.is_file():
            assert b"\x1b" not in path.read_bytes(), path
    assert shop.rows()[0]["text"] == hostile


def test_a_report_that_cannot_be_written_is_one_sentence(shop: Shop) -> None:
    shop.write("taken", "a file, no folder")
    shop.test(ANSWER_HALF)
    result = shop.run("--ladder-live", "--ladder-report=taken")
    said = result.stdout.str() + result.stderr.str()
    assert "The report could not be written to" in said
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    # What was paid for is recorded all the same.
    assert (shop.path / "recordings/test_shop.jsonl").is_file()
    assert result.ret != pytest.ExitCode.OK


def commit_on_page(shop: Shop) -> str:
    page = (shop.path / "ladder-report/current/index.html").read_text(encoding="utf-8")
    return str(dict(data_of(page, "summary")["how"])["commit"])


def test_the_git_commit_is_noted_and_where_in_the_checkout_the_ladder_is(
    shop: Shop,
) -> None:
    shop.test(ANSWER_HALF)
    shop.run("--ladder-live")
    assert shop.matrix()["run"]["git_sha"] is None
    assert "ladder" not in shop.matrix()["run"]
    assert commit_on_page(shop) == "not in a repository"
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    shop.pytester.run("git", "init", "-q")
    shop.run()
    assert shop.matrix()["run"]["git_sha"] is None  # there is no commit yet
    assert shop.matrix()["run"]["ladder"] == "ladder.toml"
    assert commit_on_page(shop).startswith("no commit yet")
    shop.pytester.run(*git, "commit", "-q", "--allow-empty", "-m", "first")
    head = shop.pytester.run("git", "rev-parse", "HEAD").stdout.str().strip()
    shop.run()
    assert shop.matrix()["run"]["git_sha"] == head
