"""Runs of suites that declare outcomes of real use."""

from __future__ import annotations

import csv
import io
import json
import socket
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from pytest_ladder.cli.main import main
from tests.decide.real.experiments import TOLD
from tests.plugin.scratch_suite import Run, Shop
from tests.plugin.users_suite import CHEAP, LADDER, REAL, users_suite

FOLDER = "ladder-report"


def test_the_matrix_has_its_third_level_of_users(shop: Shop, run: Run) -> None:
    users_suite(shop)
    result = run("--ladder=matrix")
    # What the real test misses is no row of the level.
    result.assert_outcomes(passed=25, failed=1)
    shown = result.stdout.str()
    assert "resolved    95 % CI  users" in shown
    assert "2,400" in shown
    brief = shown[shown.index("resolved (june)") : shown.index("report: ")].splitlines()
    told = " ".join(line.strip() for line in brief)
    assert told.startswith("resolved (june): bot/rag +4.2 points against bot/few, ")
    assert "users fare better; escalated 0.4 points worse, margin 2.0 points:" in told
    assert told.endswith("More on users: -v, or the report.")
    assert len(brief) < 9, "a handful; the rest is in the report"

    matrix = shop.matrix(FOLDER)
    few, rag = matrix["rungs"]
    cell = {"n": 2400, "missed": 0, "errors": 0, "coverage": 1.0}
    assert cell.items() <= few["levels"]["real"].items()
    assert few["levels"]["real"]["quality"] == pytest.approx(200 / 2400, abs=1e-6)
    assert set(rag["outcomes"]) == {"resolved", "escalated", "csat"}
    assert set(rag["outcomes"]["resolved"]) == {
        *("value", "low", "high", "n", "quality", "experiment", "stale", "problems")
    }
    (june,) = matrix["experiments"]
    assert june["sample_ratio"] == {"chi2": 0.0, "p": 1.0, "verdict": "sound"}
    assert {
        "variants",
        "units",
        "shares",
        "leaks",
        "several",
        "looks",
        "from",
        "to",
    } < (june.keys())
    (told,) = (one for one in matrix["comparisons"] if one["outcome"] == "resolved")
    assert (told["rung"], told["against"], told["established"]) == (
        *("bot/rag", "bot/few"),
        True,
    )
    (proxy,) = (one for one in matrix["proxies"] if one["outcome"] == "resolved")
    assert {"level", "rungs", "pairs", "order", "pick", "record", "sentence"} < set(
        proxy
    )
    assert "outcome" not in few["levels"]["cheap"]

    lines = [
        *csv.DictReader(io.StringIO((shop.path / FOLDER / "outcomes.csv").read_text()))
    ]
    assert [(one["outcome"], one["rung"], one["n"]) for one in lines[:2]] == [
        ("resolved", "bot/few", "2400"),
        ("resolved", "bot/rag", "2400"),
    ]
    page = (shop.path / FOLDER / "matrix.md").read_text(encoding="utf-8")
    assert "| resolved, 95 % interval |" in page
    assert "8.3 % (7.3-9.5, 2,400 users)" in page
    assert "net promoter score -40 (-62 to -18)" in page
    assert "csat: an answer of bot/rag is higher than one of bot/few with" in page


def test_the_fixture_tells_of_the_rung_under_test(shop: Shop, run: Run) -> None:
    users_suite(
        shop,
        """
from hypothesis import given, strategies as st

@pytest.mark.real
def test_all(outcomes, rung):
    resolved = outcomes["resolved"]
    assert (resolved.n, resolved.kind, resolved.goal, resolved.bar) == (
        2400, "rate", "up", 0.05)
    assert resolved.verdict == "pass"
    assert resolved.low < resolved.value < resolved.high
    assert resolved.quality == resolved.value
    assert not resolved.stale and not resolved.problems
    assert set(outcomes) == {"resolved", "escalated", "csat"} and len(outcomes) == 3
    assert sum(outcomes["csat"].counts) == 40
    other = {"few": "bot/rag", "rag": "bot/few"}[rung.strategy.name]
    gain = resolved.against(other)
    assert gain.n == 4800 and gain.worse is (rung.id == "bot/few")
    assert gain.better is not gain.worse
    assert (resolved.control.difference == 0) is (rung.id == "bot/few")
    assert outcomes["escalated"].control.worse is None
    assert "2,400 users" in repr(resolved)

@pytest.mark.real
@given(st.integers(0, 3))
def test_drawn(outcomes, number):
    assert outcomes["resolved"].low > 0.05

@pytest.mark.real
def test_unknown(outcomes):
    with pytest.raises(Exception, match='did you mean "?`?resolved'):
        outcomes["resolvd"]
    with pytest.raises(Exception, match="met no users"):
        outcomes["resolved"].against("bot/none")
""",
    )
    run("--ladder=matrix").assert_outcomes(passed=6)


def test_packed_tests_read_outcomes_as_others_do(shop: Shop, run: Run) -> None:
    users_suite(
        shop,
        """
@pytest.mark.real
@pytest.mark.ladder(cases=[{"id": n, "input": n} for n in "ab"], pack=True)
def test_users(outcomes, case, rung):
    assert outcomes["resolved"].rung == rung.id
    assert outcomes["resolved"].low > 0.05
""",
    )
    run("--ladder=matrix").assert_outcomes(passed=2)


def test_a_rung_that_no_user_met_skips_and_get_is_none(shop: Shop) -> None:
    one = msgspec.structs.replace(TOLD, variants=TOLD.variants[:1])
    users_suite(
        shop,
        """
@pytest.mark.real
def test_skips(outcomes):
    assert outcomes["resolved"]

@pytest.mark.real
def test_gets(outcomes, rung):
    assert (outcomes.get("resolved") is None) is (rung.id == "bot/rag")

@pytest.mark.real
def test_not_imported(outcomes):
    assert outcomes["csat"]
""",
        imported=[one],
    )
    result = shop.run("--ladder=matrix", "-rs")
    result.assert_outcomes(passed=3, skipped=3)
    shown = result.stdout.str()
    assert "no user has met bot/rag: resolved is not known of it" in shown
    assert (
        "csat: nothing is imported yet; run pytest-ladder outcomes import csat" in shown
    )


def test_real_tests_need_no_network(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    users_suite(shop)

    def refused(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refused)
    result = shop.run("-m", "real", "--ladder=matrix")
    result.assert_outcomes(passed=1, failed=1, deselected=24)
    assert "a connection" not in result.stdout.str()


LOADED = """
import sys, pytest
status = pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]])
heavy = {"scipy", "numpy", "aiohttp", "pytest_ladder.real.importing"} & {*sys.modules}
print("loaded:", int(status), *sorted(heavy))
"""


@pytest.mark.parametrize("mode", ["current", "matrix"])
def test_declared_outcomes_load_nothing_heavy_in_a_plain_run(
    shop: Shop, mode: str
) -> None:
    users_suite(shop, CHEAP)
    done = subprocess.run(
        [sys.executable, "-c", LOADED, f"--ladder={mode}"],
        cwd=shop.path,
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = (one for one in done.stdout.splitlines() if one.startswith("loaded:"))
    # A matrix draws the regret of a pick.
    assert line.split()[1:] == (["0"] if mode == "current" else ["0", "numpy"])


def test_no_climb_can_be_decided_by_users(shop: Shop) -> None:
    users_suite(shop)
    objective = '\n[objective]\nkind = "good-enough"\nquality = 0.05\nlevel = "real"\n'
    shop.ladder(LADDER + objective)
    result = shop.run("--ladder=climb")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert (
        "--ladder=climb cannot decide by level real, because users cannot be asked "
        "ahead; use matrix, or another level."
    ) in result.stderr.str()
    shop.run("--ladder=matrix").stdout.fnmatch_lines(
        ["PASS: bot/few meets the bar: 8.3 % (7.3-9.5, 2,400 users) against 5 %*"]
    )


def test_a_report_is_read_merged_and_gated_with_its_users(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    users_suite(shop, CHEAP)
    monkeypatch.chdir(shop.path)
    # What reviewers said goes the same way.
    compared = '{{"case": "c{}", "a": "bot/few", "b": "bot/rag", "preferred": "b"}}\n'
    reviews = [compared.format(n) for n in range(11)]
    gone = '{"case": "c11", "rung": "bot/few", "reply": "0", "verdict": "pass"}\n'
    (shop.path / "reviews.jsonl").write_text("".join([*reviews, gone]))
    shop.run("--ladder=matrix", "--ladder-report=base")
    shop.ladder(LADDER.replace('current = "bot/few"', 'current = "bot/rag"'))
    shop.run("--ladder=matrix", "--ladder-report=head")
    written = shop.matrix("head")
    said = written["reviews"]
    assert said["preferences"]["rungs"][0]["rung"] == "bot/rag"
    assert (said["preferences"]["votes"], said["sums"]["replies_changed"]) == (11, 1)

    assert main(["report", "head", "--output", "again"]) == 0
    dear = ["--objective", "budget", "--usd-per-1k", "9", "--level", "real"]
    assert main(["report", "head", "--output", "other", *dear]) == 0
    cell = shop.matrix("other")["rungs"][0]["levels"]["real"]
    assert (cell["n"], cell["outcome"]) == (2400, "resolved")
    again = shop.matrix("again")
    kept_keys = ("experiments", "comparisons", "proxies", "declared", "rungs")
    for key in (*kept_keys, "reviews"):
        assert again[key] == written[key], key
    file = shop.path / "reviews.jsonl"
    good = file.read_bytes()
    file.write_bytes(good + b'{"case": 1}\n')
    for rung in ("few", "rag"):
        result = shop.run(
            "--ladder=matrix", f"--ladder-rungs=bot/{rung}", f"--ladder-report={rung}"
        )
        assert "reviews.jsonl:13: this is no review" in result.stdout.str()
    file.write_bytes(good)
    assert main(["merge", "few", "rag", "--output", "merged"]) == 0
    merged = shop.matrix("merged")
    for key in ("experiments", "comparisons", "proxies", "reviews"):
        assert merged[key] == written[key], key
    assert main(["baseline", "update", "head"]) == 0
    kept = json.loads((shop.path / "ladder-baseline/matrix.json").read_text())
    assert kept["comparisons"] == written["comparisons"]

    capsys.readouterr()
    # Promoted: users fare better; the guardrail is not safe yet.
    assert main(["gate", "base", "head", "--output", "comment.md"]) == 2
    shown = capsys.readouterr().out
    assert "What ships changes from bot/few to bot/rag." in shown
    assert "escalated: bot/rag is 0.4 points worse than bot/few (4,780 users)" in shown
    comment = (shop.path / "comment.md").read_text(encoding="utf-8")
    assert "UNDECIDED: escalated: bot/rag is 0.4 points worse" in comment
    assert main(["gate", "head", "head"]) == 0
    assert "For information, of what ships: PASS: resolved: bot/rag +4.2 points" in (
        capsys.readouterr().out
    )


def test_sums_that_no_users_have_are_refused_wherever_they_stand(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    users_suite(shop, CHEAP)
    monkeypatch.chdir(shop.path)
    shop.run("--ladder=matrix")
    path = shop.path / FOLDER / "matrix.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["declared"]["aggregates"]["resolved"]["variants"][0]["sum"] = 9_000
    path.write_text(json.dumps(document), encoding="utf-8")
    assert main(["gate", FOLDER, FOLDER]) == 3
    assert "resolved, few: 9000 successes of 2400 units" in capsys.readouterr().err

    broken = shop.path / "outcomes/resolved.json"
    text = broken.read_text(encoding="utf-8").replace('"sum": 200', '"sum": 9000')
    broken.write_text(text, encoding="utf-8")
    shown = shop.run("--ladder=matrix")
    assert "outcomes import resolved again" in shown.stdout.str() + shown.stderr.str()


def test_logged_replies_are_scored_on_the_rung_that_gave_them(
    shop: Shop, run: Run
) -> None:
    users_suite(
        shop,
        """
import pytest_ladder

CASES = [
    {"id": "a", "input": "hi", "reply": "hello", "rung": "bot/few", "thumb": "down"},
    {"id": "b", "input": "hi", "reply": "good day", "rung": "bot/rag", "thumb": 1},
]

@pytest.mark.cheap
@pytest.mark.ladder(cases=CASES, task=pytest_ladder.logged)
def test_polite(reply, case):
    assert reply.text == case.metadata["reply"]
""",
    )
    result = run("--ladder=matrix", "-rs")
    result.assert_outcomes(passed=2, skipped=2)
    assert "a was answered by bot/few" in result.stdout.str()
    assert [line["levels"]["cheap"]["n"] for line in shop.matrix(FOLDER)["rungs"]] == [
        *(1, 1)
    ]
    (replies,) = shop.matrix(FOLDER)["replies"]
    assert (replies["n"], replies["up"], replies["disliked"]) == (2, 1, ["a"])


def test_a_case_without_a_logged_reply_is_told_with_the_fix(shop: Shop) -> None:
    users_suite(
        shop,
        """
import pytest_ladder

@pytest.mark.cheap
@pytest.mark.ladder(cases=[{"id": "a", "input": "hi"}], task=pytest_ladder.logged)
def test_polite(reply, case):
    assert reply.text
""",
    )
    assert "case a has no `reply`, `rung`; task=pytest_ladder.logged needs" in (
        shop.run("--ladder=matrix").stdout.str()
    )


def test_a_suite_without_outcomes_is_as_before(shop: Shop) -> None:
    users_suite(
        shop,
        CHEAP
        + REAL.replace('outcomes["resolved"]', "outcomes").replace(
            "assert resolved.low >= 0.09, resolved", "assert not len(resolved)"
        ),
    )
    shop.ladder(LADDER.partition("[[experiment]]")[0])
    shop.run("--ladder=matrix").assert_outcomes(passed=26)
    matrix = shop.matrix(FOLDER)
    assert matrix["rungs"][0]["levels"]["real"]["n"] == 1
    assert not {"experiments", "comparisons", "proxies", "declared"} & set(matrix)
    assert "outcomes" not in matrix["rungs"][0]
    assert not (shop.path / FOLDER / "outcomes.csv").exists()
