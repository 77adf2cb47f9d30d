"""`pytest-ladder report`: a report again from its rows, without a call."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_ladder.core.reply import Usage
from pytest_ladder.reporting.report import LookTold
from tests.cli.written_report import (
    CASES,
    GOAL,
    Command,
    a_bill,
    a_report,
    a_row,
    costs_of,
    files_of,
    matrix_of,
    some_rows,
    written,
)
from tests.plugin.scratch_suite import LADDER, Shop

OBJECTIVE = """
[objective]
kind = "good-enough"
quality = 0.5
volume = 1000
"""
TESTS = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.2)
def test_answer(reply, case, score):
    score("tone", 1 / 3)
    score("fit", 0.25)
    assert case.expected in reply.text
"""
PRICES = """
[[model]]
name = "small"
tier = "off-the-shelf"
id = "openai/small"
{price}

[[model]]
name = "tuned"
tier = "pretrained"
id = "openai/tuned"
{serve}
{build}
"""


def a_ladder(
    folder: Path,
    *,
    price: str = "price = { input = 3.0, output = 10.0 }",
    serve: str = "serve = { usd_per_hour = 3.6, utilisation = 1.0 }",
    build: str = "build = { usd = 500, hours = 9 }",
    objective: str = "",
) -> Path:
    path = folder / "other.toml"
    text = PRICES.format(price=price, serve=serve, build=build)
    path.write_text(text + objective, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("mode", "where"),
    [("matrix", "ladder-report"), ("climb", "ladder-report/climb")],
)
def test_a_report_of_pytest_comes_out_byte_by_byte(
    shop: Shop, command: Command, mode: str, where: str
) -> None:
    shop.ladder(LADDER + OBJECTIVE)
    shop.test(TESTS)
    ran = shop.run(f"--ladder={mode}", "--ladder-live")
    folder = shop.path / where
    before = files_of(folder)
    calls = shop.server.count
    status, said, errors = command("report", folder)
    assert (status, errors) == (0, "")
    assert files_of(folder) == before
    assert shop.server.count == calls
    assert said.splitlines()[-1] in ran.stdout.lines  # the headline
    assert f"report: {where}" in said.splitlines()


def test_a_report_of_one_rung_comes_out_too(shop: Shop, command: Command) -> None:
    shop.test(TESTS)
    shop.run("--ladder-live")
    folder = shop.path / "ladder-report/current"
    before = files_of(folder)
    assert command("report", folder)[0] == 0
    assert files_of(folder) == before


def test_it_runs_as_a_command_in_a_terminal_of_ascii(tmp_path: Path) -> None:
    looks = (LookTold(sentence="返品: \x1b[31mred", decision="keep"),)
    folder = written(tmp_path / "a", msgspec.structs.replace(a_report(), looks=looks))
    done = subprocess.run(
        [sys.executable, "-m", "pytest_ladder.cli.main", "report", str(folder)],
        env={"PYTHONIOENCODING": "ascii", "COLUMNS": "70"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\n??: red\n" in done.stdout.decode("ascii")
    assert b"> small/plain is the current rung" in done.stdout


@pytest.mark.parametrize(
    ("options", "objective", "headline"),
    [
        (
            "--quality 0.9",
            {"kind": "good-enough", "quality": 0.9},
            "PASS: tuned/plain is the cheapest of 4 rungs that meets the bar on ",
        ),
        (
            "--quality 0.99",
            {"kind": "good-enough", "quality": 0.99},
            "FAIL: No rung meets the bar of 99 %: the best, tuned/rag, scores 95.0 %",
        ),
        (
            "--objective budget --usd-per-1k 5",
            {"kind": "budget", "usd_per_1k": 5.0, "quality": None},
            "PASS: small/rag is the best of 2 rungs within $5.00 per 1,000 calls: ",
        ),
        (
            "--objective step-function",
            {"kind": "step-function", "quality": None},
            "PASS: tuned/rag is the best of 4 rungs: 95.0 %",
        ),
        (
            "--quality 0.9 --volume 1_000_000",
            {"volume": 1_000_000, "quality": 0.9},
            "with building spread over 1,000,000 calls.",
        ),
        (
            "--quality 0.9 --latency-p95-s 0.5",
            {"latency_p95_s": 0.5, "quality": 0.9},
            "FAIL: No rung meets the bar of 90 % and keeps to the limits",
        ),
        (
            "--quality 0.9 --build-hours 1",
            {"build_hours": 1.0, "quality": 0.9},
            "FAIL: No rung meets the bar of 90 % and keeps to the limits",
        ),
        ("--min-n 50", {"min_n": 50}, "undecided with n=40 of at least 50"),
        ("--level judged", {"level": "judged"}, "UNDECIDED: "),
    ],
)
def test_another_objective_is_decided_from_the_same_rows(
    tmp_path: Path,
    command: Command,
    options: str,
    objective: dict[str, Any],
    headline: str,
) -> None:
    first, second = written(tmp_path / "a"), tmp_path / "b"
    before = files_of(first)
    status, said, errors = command(
        "report", first, *options.split(), "--output", second
    )
    assert (status, errors) == (0, "")
    assert headline in said.splitlines()[-1]
    wanted = {**msgspec.json.decode(msgspec.json.encode(GOAL)), **objective}
    assert matrix_of(second)["objective"] == wanted
    assert matrix_of(second)["volume"] == wanted["volume"]
    assert files_of(first) == before
    for name in ("rows.jsonl", "exchanges.jsonl"):
        assert sorted(files_of(second)[name].splitlines()) == sorted(
            before[name].splitlines()
        )
    # What came out is a report like any other.
    after = files_of(second)
    assert command("report", second)[0] == 0
    assert files_of(second) == after


def test_a_report_without_an_objective_takes_one(
    tmp_path: Path, command: Command
) -> None:
    first = written(tmp_path / "a", a_report(objective=None))
    _, _, errors = command("report", first, "--quality", "0.9", "--output", "b")
    assert "The report has no objective to change; say what is wanted with" in errors
    options = ("--objective", "good-enough", "--quality", "0.9", "--min-n", "5")
    assert command("report", first, *options, "--output", tmp_path / "b")[0] == 0
    made = matrix_of(tmp_path / "b")["objective"]
    assert (made["quality"], made["min_n"], made["volume"]) == (0.9, 5, 1000)
    assert command("report", first, "--volume", 50, "--output", tmp_path / "c")[0] == 0
    assert matrix_of(tmp_path / "c")["volume"] == 50
    assert matrix_of(tmp_path / "c")["objective"] is None


def test_what_a_climb_settled_holds_for_its_own_bar_only(
    tmp_path: Path, command: Command
) -> None:
    rows = [*some_rows(["small/plain"], range(12)), *some_rows(["small/rag"])]
    climb = a_report(
        rows,
        states={"small/plain": "stopped"},
        settled={"small/plain": "pass", "small/rag": "pass"},
        mode="climb",
    )
    first = written(tmp_path / "a", climb)
    for options, settled in (
        (("--volume", "9"), {"small/plain": "pass", "small/rag": "pass"}),
        (("--quality", "0.7"), {"small/plain": "pass", "small/rag": "pass"}),
        (("--quality", "0.6"), {}),
        (("--level", "judged"), {}),
        (("--min-n", "3"), {}),
        (("--objective", "step-function"), {}),
    ):
        out = tmp_path / "-".join(options)
        assert command("report", first, *options, "--output", out)[0] == 0
        assert matrix_of(out)["settled"] == settled, options


def test_other_prices_are_those_of_the_tokens_and_of_the_time(
    tmp_path: Path, command: Command
) -> None:
    first, second = written(tmp_path / "a"), tmp_path / "b"
    options = ("--config", a_ladder(tmp_path), "--output", second)
    status, said, errors = command("report", first, *options)
    assert (status, errors) == (0, "")
    assert "kept" not in said
    costs = costs_of(second)
    # 1,000 tokens at $3 and 100 at $10 per million; 500 USD over 1,000 calls.
    assert costs["small/rag"]["serve_usd_per_1k"] == 4.0
    seconds = sum(1 + case / 7 for case in range(CASES)) / CASES
    served = costs["tuned/rag"]["serve_usd_per_1k"]
    assert served == pytest.approx(1000 * 3.6 / 3600 * seconds, rel=1e-5)
    assert costs["tuned/rag"]["usd_per_1k"] == pytest.approx(500 + served, rel=1e-5)
    assert costs["tuned/rag"]["build_hours"] == 9.0
    now, then = matrix_of(second), matrix_of(first)
    assert [rung["tier"] for rung in now["rungs"]][-1] == "pretrained"
    assert now["spend"] == then["spend"]  # that was paid
    assert now["objective"] == then["objective"]
    assert now["run"]["versions"]["prices"].endswith("other.toml")
    after = files_of(second)
    assert command("report", second)[0] == 0
    assert files_of(second) == after


def test_a_machine_that_costs_the_same_leaves_what_its_computing_cost(
    tmp_path: Path, command: Command
) -> None:
    first, second, third = (tmp_path / name for name in "abc")
    written(first)
    assert command("report", first, "--config", a_ladder(tmp_path), "--output", second)
    # Of three calls at once, say: it took half as long as it computed.
    rows = (second / "rows.jsonl").read_text("utf-8").splitlines()
    halved = []
    for line in rows:
        row = json.loads(line)
        for bill in row["replies"]:
            bill["latency_s"] /= 2
        halved.append(json.dumps(row))
    (second / "rows.jsonl").write_text("\n".join(halved) + "\n", "utf-8")
    for usd, times in ((3.6, 1), (7.2, 2)):
        serve = f"serve = {{ usd_per_hour = {usd}, utilisation = 1.0 }}"
        options = ("--config", a_ladder(tmp_path, serve=serve), "--output", third)
        assert command("report", second, *options)[0] == 0
        was = costs_of(second)["tuned/rag"]["serve_usd_per_1k"]
        now = costs_of(third)["tuned/rag"]["serve_usd_per_1k"]
        assert now == pytest.approx(times * was, rel=1e-4)


def test_a_declared_throughput_goes_before_the_measured_time(
    tmp_path: Path, command: Command
) -> None:
    first, second = written(tmp_path / "a"), tmp_path / "b"
    serve = "serve = { usd_per_hour = 3.6, tokens_per_second = 550, utilisation = 0.5 }"
    ladder = a_ladder(tmp_path, serve=serve)
    assert command("report", first, "--config", ladder, "--output", second)[0] == 0
    assert costs_of(second)["tuned/plain"]["serve_usd_per_1k"] == 4.0


def test_the_objective_of_another_ladder_counts_and_options_go_before_it(
    tmp_path: Path, command: Command
) -> None:
    first = written(tmp_path / "a")
    budget = '[objective]\nkind = "budget"\nusd_per_1k = 7.0\nvolume = 20_000\n'
    ladder = a_ladder(tmp_path, objective=budget)
    both = ("--config", ladder, "--output")
    assert command("report", first, *both, tmp_path / "b")[0] == 0
    made = matrix_of(tmp_path / "b")["objective"]
    assert (made["kind"], made["usd_per_1k"], made["volume"]) == ("budget", 7.0, 20_000)
    assert made["quality"] is None
    options = ("--usd-per-1k", "3", "--volume", "5000")
    assert command("report", first, *both, tmp_path / "c", *options)[0] == 0
    made = matrix_of(tmp_path / "c")["objective"]
    assert (made["kind"], made["usd_per_1k"], made["volume"]) == ("budget", 3.0, 5000)


def test_costs_that_cannot_be_priced_anew_are_kept_and_told(
    tmp_path: Path, command: Command
) -> None:
    def silent(rung: str, case: int, **fields: Any) -> Any:
        return a_row(rung, case, replies=(a_bill(rung, case, usage=None, **fields),))

    rows = [
        # No price is given for the first, and none is in litellm's table.
        *some_rows(["small/plain"]),
        *some_rows(["tuned/plain"], range(30)),
        *(silent("tuned/plain", case, latency_s=None) for case in range(30, CASES)),
    ]
    first, second = written(tmp_path / "a", a_report(rows)), tmp_path / "b"
    by_tokens = "price = { input = 3.0, output = 10.0 }"
    ladder = a_ladder(tmp_path, price="", serve=by_tokens)
    status, said, _ = command("report", first, "--config", ladder, "--output", second)
    assert status == 0
    assert (
        "gives no price that fits its replies; its costs are kept."
        in said.split("\n")[0]
    )
    assert said.startswith("small: ")
    assert (
        "tuned: 10 of 40 replies tell neither tokens nor time; their costs are kept."
        in said
    )
    kept = costs_of(second)["small/plain"], costs_of(first)["small/plain"]
    assert kept[0] == kept[1]

    ladder.write_text(ladder.read_text().replace('"small"', '"tiny"'))
    _, said, _ = command("report", first, "--config", ladder, "--output", second)
    assert "small is not in " in said
    ladder.write_text(ladder.read_text().replace('"tuned"', '"big"'))
    status, _, errors = command("report", first, "--config", ladder, "--output", second)
    assert status == 2
    assert (
        "has other models (`tiny`, `big`) than the report (`small`, `tuned`)" in errors
    )


def test_a_task_that_calls_models_by_itself_stays_unknown(
    tmp_path: Path, command: Command
) -> None:
    unknown = a_bill("tuned/plain", 0, cost_usd=None, usage=None)
    unpriced = a_bill("small/plain", 0, cost_usd=None, usage=Usage(input=10, output=1))
    rows = [
        a_row("tuned/plain", 0, replies=(unknown,)),
        a_row("small/plain", 0, replies=(unpriced,)),
    ]
    first, second = written(tmp_path / "a", a_report(rows)), tmp_path / "b"
    options = ("--config", a_ladder(tmp_path), "--output", second)
    assert command("report", first, *options)[0] == 0
    costs = costs_of(second)
    assert costs["tuned/plain"]["usd_per_1k"] is None
    assert costs["small/plain"]["usd_per_1k"] == 0.04


def test_several_reports_go_into_subfolders(tmp_path: Path, command: Command) -> None:
    first, second = written(tmp_path / "x/shop"), written(tmp_path / "x/bar")
    out = tmp_path / "out"
    arguments = (first, second, "--volume", "7", "--output", out)
    assert command("report", *arguments)[0] == 0
    assert sorted(path.name for path in out.iterdir()) == ["bar", "shop"]
    assert matrix_of(out / "bar")["volume"] == 7
    third = written(tmp_path / "y/bar")
    status, _, errors = command("report", second, third, "--output", out)
    assert (status, "have the same name" in errors) == (2, True)


def test_pictures_are_written_and_the_report_is_left_alone(
    tmp_path: Path, command: Command
) -> None:
    first = written(tmp_path / "a")
    (first / "matrix.md").write_text("by hand", encoding="utf-8")
    svg, png = tmp_path / "chart.svg", tmp_path / "chart.png"
    badge = tmp_path / "badge.svg"
    options = ("--quality", "0.9", "--svg", svg, "--png", png, "--badge", badge)
    status, said, _ = command("report", first, *options, "--theme", "dark")
    assert status == 0
    assert svg.read_text(encoding="utf-8").startswith("<svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "pass · tuned/plain" in badge.read_text(encoding="utf-8")
    assert (first / "matrix.md").read_text(encoding="utf-8") == "by hand"
    assert "report: " not in said
    assert "PASS: tuned/plain" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            "--quality 0.9 --volume 5",
            "pytest-ladder: --volume and --quality make another report; say where it "
            "goes with --output DIR.",
        ),
        (
            "--quality 0.9 --output DIR",
            "is the report that is read; name another folder",
        ),
        (
            "--objective budget --output b",
            "--objective budget needs a number; add --usd",
        ),
        ("DIR2 --svg x.svg", "--svg, --png and --badge draw one report; name one DIR."),
        (
            "--output DIR/rows.jsonl/sub",
            "The report could not be written to DIR/rows.jsonl/sub: Not a directory. "
            "Free the place or name another folder with --output=DIR.",
        ),
        ("--svg no/such/x.svg", "no/such/x.svg could not be written: No such file"),
        ("--config none.toml --output b", "none.toml: there is no such file"),
        (
            "--quality 90",
            "argument --quality: '90' does not fit; write a share between",
        ),
        (
            "--volume 0",
            "argument --volume: '0' does not fit; write a whole number from",
        ),
        (
            "--latency-p95-s fast",
            "argument --latency-p95-s: 'fast' does not fit; write a",
        ),
        ("--usd-per-1k -1", "argument --usd-per-1k: '-1' does not fit; write a number"),
        ("--min-n nan", "argument --min-n: 'nan' does not fit; write a whole number"),
        ("--objective best", "argument --objective: invalid choice: 'best'"),
        ("--qualty 0.9", "unrecognized arguments: --qualty"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    options: str,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "DIR")
    written(tmp_path / "DIR2")
    before = files_of(tmp_path / "DIR")
    status, _, errors = command("report", "DIR", *options.split())
    assert status == 2
    assert sentence in " ".join(errors.split())
    assert files_of(tmp_path / "DIR") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["DIR", "DIR2"]


def test_help_shows_examples(command: Command) -> None:
    status, said, _ = command("report", "--help")
    assert status == 0
    assert "examples:\n  pytest-ladder report ladder-report\n" in said


def test_the_same_folder_may_be_named_as_output_without_changes(
    tmp_path: Path, command: Command
) -> None:
    first = written(tmp_path / "a")
    before = files_of(first)
    assert command("report", first, "--output", first)[0] == 0
    assert files_of(first) == before
