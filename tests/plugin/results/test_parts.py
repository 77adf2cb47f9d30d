"""A part of a suite never replaces the report of more of it, and says what it is."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.cli.gate import BROKEN
from pytest_ladder.cli.main import main
from tests.plugin.scratch_suite import LADDER, Run, Shop

ANIMALS = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.5)
def test_cat(reply, case):
    assert case.expected in reply.text

@pytest.mark.cheap(at_least=0.5)
def test_dog(reply, case):
    assert case.expected in reply.text
"""
PLANTS = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.5)
def test_oak(reply, case):
    assert case.expected in reply.text
"""
OBJECTIVE = """
[objective]
kind = "good-enough"
quality = 0.05
"""
WHOLE = Path("ladder-report")
PART = WHOLE / "part"
ITEMS = 18
"""Three tests over three cases on two rungs."""


@pytest.fixture
def suite(shop: Shop) -> Shop:
    """A shop with the report of a whole matrix, whose objective is met."""
    shop.ladder(LADDER + OBJECTIVE)
    shop.test(ANIMALS, "test_animals.py")
    shop.test(PLANTS, "test_plants.py")
    result = shop.run("--ladder=matrix", "--ladder-live")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["PASS: *"])
    assert part_of(shop, WHOLE) is None
    assert len(shop.rows(str(WHOLE))) == ITEMS
    return shop


def part_of(shop: Shop, folder: Path) -> Any:
    return shop.matrix(str(folder))["run"]["part"]


def written(shop: Shop, folder: Path = WHOLE) -> dict[str, bytes]:
    """Return the files of a report, without those of others below it."""
    files = (path for path in (shop.path / folder).iterdir() if path.is_file())
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("narrowed", "items", "without"),
    [
        (["-k", "cat and sky"], 2, []),
        (["-k", "loud"], 9, []),
        (["--ladder-rungs=*/loud"], 9, []),
        (["--ladder-cases=1"], 6, []),
        (["--ladder-cases=50%"], 12, []),
        (["--deselect", "test_plants.py::test_oak"], 12, []),
        (["test_plants.py"], 6, ["test_animals.py"]),
        (["test_plants.py::test_oak[bot/plain-sky]"], 1, ["test_animals.py"]),
        (["--ignore=test_animals.py"], 6, ["test_animals.py"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_part_goes_beside_the_whole(
    suite: Shop,
    narrowed: list[str],
    items: int,
    without: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = written(suite)
    result = suite.run("--ladder=matrix", *narrowed)
    assert written(suite) == before
    part = part_of(suite, PART)
    whole = {"of": ITEMS, "without": without, "skipped": 0, "shard": ""}
    assert part == {"items": items, **whole}
    assert len(suite.rows(str(PART))) == items
    said = f"{items} of {ITEMS} items"
    result.stdout.fnmatch_lines(
        [
            f"A part of the suite: {said}.",
            f"report: {PART}",
            f"The report of more of the suite in {WHOLE} was kept.",
            f"UNDECIDED: Only a part of the suite ran ({said}), which decides *",
        ]
    )
    for page in ("matrix.md", "index.html"):
        assert said in (suite.path / PART / page).read_text(encoding="utf-8")
    assert suite.matrix(str(PART))["recommendation"]["verdict"] == "undecided"
    assert result.ret == 0
    capsys.readouterr()
    assert main(["report", str(PART)]) == 0
    assert f"A part of the suite: {said}." in capsys.readouterr().out


def test_a_run_of_the_last_failures_is_a_part(suite: Shop) -> None:
    suite.run("--ladder=current")
    suite.test(ANIMALS.replace("at_least=0.5", "at_least=1.0"), "test_animals.py")
    suite.run("-p", "cacheprovider", "--ladder=matrix")
    before = written(suite)
    result = suite.run("-p", "cacheprovider", "--ladder=matrix", "--lf")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert written(suite).keys() - before.keys() == {"outdated.json"}
    assert part_of(suite, PART)["items"] == 2
    assert part_of(suite, PART)["of"] == ITEMS


def test_a_part_is_told_without_a_report_before_it(shop: Shop) -> None:
    shop.test(ANIMALS, "test_animals.py")
    shop.write(
        "evals/test_plants.py",
        "import pytest\n" + PLANTS.replace("cases.j", "../cases.j"),
    )
    shop.write("unit/test_unit.py", "def test_one():\n    assert True\n")
    result = shop.run("--ladder=matrix", "--ladder-live", "test_animals.py")
    part = part_of(shop, WHOLE)
    assert part["items"] == 12
    assert part["of"] is None
    assert part["without"] == ["evals/test_plants.py"]
    result.stdout.fnmatch_lines(
        ["A part of the suite: 12 items, without evals/test_plants.py."]
    )
    shop.run("--ladder=matrix", "--ladder-live", "-k", "sky", "--ladder-report=new")
    assert part_of(shop, Path("new"))["items"] == 6


def test_a_file_that_is_all_there_is_is_the_whole(shop: Shop) -> None:
    shop.test(ANIMALS, "test_animals.py")
    shop.write("test_unit.py", "def test_one():\n    assert True\n")
    shop.run("--ladder=matrix", "--ladder-live", "test_animals.py")
    assert part_of(shop, WHOLE) is None


def test_a_level_is_the_whole(suite: Shop) -> None:
    judged = PLANTS.replace("cheap", "judged").replace("test_oak", "test_elm")
    suite.test(judged, "test_more.py")
    suite.run("--ladder=matrix", "-m", "cheap")
    assert part_of(suite, WHOLE) is None
    assert not (suite.path / PART).exists()
    suite.run("--ladder=matrix", "-m", "cheap", "-k", "oak")
    assert part_of(suite, PART)["of"] == ITEMS


@pytest.mark.parametrize("mark", ["skip", 'skipif(True, reason="today")', None])
def test_what_a_test_skips_by_itself_is_no_part(suite: Shop, mark: str | None) -> None:
    marked = PLANTS.replace(
        "@pytest.mark.cheap", f"@pytest.mark.{mark}\n@pytest.mark.cheap"
    )
    inside = PLANTS.replace("    assert", "    pytest.skip('today')\n    assert")
    suite.test(marked if mark else inside, "test_plants.py")
    suite.run("--ladder=matrix")
    assert part_of(suite, WHOLE) is None
    assert len(suite.rows(str(WHOLE))) == 12


def test_a_part_replaces_what_it_has_all_of(suite: Shop) -> None:
    suite.run("--ladder=matrix", "-k", "sky", "--ladder-report=own")
    own = Path("own")
    assert part_of(suite, own)["items"] == 6
    suite.run("--ladder=matrix", "-k", "sky or fire", "--ladder-report=own")
    assert part_of(suite, own)["items"] == 12
    assert not (suite.path / own / "part").exists()
    suite.run("--ladder=matrix", "-k", "sky", "--ladder-report=own")
    assert part_of(suite, own)["items"] == 12
    assert part_of(suite, own / "part")["items"] == 6
    suite.run("--ladder=matrix", "--ladder-report=own")
    assert part_of(suite, own) is None


def test_a_report_that_cannot_be_read_is_not_replaced_by_a_part(suite: Shop) -> None:
    (suite.path / WHOLE / "rows.jsonl").write_text("{ this is no row\n")
    before = written(suite)
    suite.run("--ladder=matrix", "-k", "sky")
    assert written(suite) == before
    assert part_of(suite, PART)["items"] == 6


def test_workers_know_what_a_part_is_of(suite: Shop, run: Run) -> None:
    before = written(suite)
    run("--ladder=matrix", "-k", "dog")
    assert written(suite) == before
    assert part_of(suite, PART)["items"] == 6
    assert part_of(suite, PART)["of"] == ITEMS
    run("--ladder=matrix")
    assert part_of(suite, WHOLE) is None


def test_rungs_without_stored_replies_make_a_part(suite: Shop) -> None:
    (suite.path / ".ladder").rename(suite.path / "elsewhere")
    before = written(suite)
    suite.run("--ladder=matrix")
    assert written(suite) == before
    assert part_of(suite, PART)["items"] == 9


def test_what_the_budget_kept_out_did_not_run(suite: Shop) -> None:
    before = written(suite)
    result = suite.run(
        *("--ladder=matrix", "--ladder-live", "--ladder-refresh"),
        "--ladder-budget=0.0000001",
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert written(suite).keys() - before.keys() == {"outdated.json"}
    assert part_of(suite, PART)["items"] == 0


STOPPED = """
import os

@pytest.fixture(autouse=True)
def _stop(request):
    if "oak" in request.node.name and os.path.exists("stop"):
        raise {error}
"""


@pytest.mark.parametrize(
    ("option", "error", "status"),
    [
        ("-x", 'ValueError("now")', pytest.ExitCode.TESTS_FAILED),
        ("--maxfail=1", 'ValueError("now")', pytest.ExitCode.TESTS_FAILED),
        ("-q", "KeyboardInterrupt", pytest.ExitCode.INTERRUPTED),
    ],
)
def test_a_run_that_is_stopped_leaves_the_whole_report(
    suite: Shop, option: str, error: str, status: pytest.ExitCode
) -> None:
    suite.write("conftest.py", "import pytest\n" + STOPPED.format(error=error))
    suite.write("stop", "")
    before = written(suite)
    # In this process Ctrl-C would stop this run as well.
    result = suite.pytester.runpytest_subprocess("--ladder=matrix", option)
    assert result.ret == status
    left = written(suite)
    outdated = json.loads(left.pop("outdated.json"))
    assert left == before
    assert f"exit status {int(status)}" in outdated["why"]
    assert suite.matrix(str(PART))["run"]["stopped"] is True
    assert part_of(suite, PART)["of"] == ITEMS
    assert 0 < part_of(suite, PART)["items"] < ITEMS


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "worker"])
def test_a_closed_pipe_leaves_the_whole_report(
    suite: Shop, workers: tuple[str, ...]
) -> None:
    before = written(suite)
    command = [sys.executable, "-m", "pytest", "--ladder=matrix", "-v", *workers]
    process = subprocess.Popen(
        command, cwd=suite.path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.wait(60)
    left = written(suite)
    left.pop("outdated.json", None)
    if process.returncode == pytest.ExitCode.TESTS_FAILED:
        # All of it ran before anything was printed.
        assert part_of(suite, WHOLE) is None
    else:
        assert left == before


def test_shards_are_whole_again_when_they_are_joined(
    suite: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    for shard in ("plain", "loud"):
        which = (f"--ladder-rungs=bot/{shard}", f"--ladder-report={shard}")
        suite.run("--ladder=matrix", *which)
        assert part_of(suite, Path(shard))["items"] == 9
    assert main(["merge", "plain", "loud", "--output", "joined"]) == 0
    joined = suite.matrix("joined")
    assert joined["run"]["part"] is None
    assert joined["recommendation"]["verdict"] == "pass"
    for shard in ("animals", "plants"):
        where = (f"test_{shard}.py", f"--ladder-report={shard}")
        suite.run("--ladder=matrix", *where)
    assert main(["merge", "animals", "plants", "--output", "files"]) == 0
    assert part_of(suite, Path("files")) is None
    for name in ("cat", "dog"):
        suite.run("--ladder=matrix", "-k", name, f"--ladder-report={name}")
    capsys.readouterr()
    assert main(["merge", "cat", "dog", "--output", "most"]) == 0
    assert part_of(suite, Path("most"))["items"] == 12
    assert "A part of the suite: 12 of 18 items." in capsys.readouterr().out


def test_the_summary_of_a_job_says_what_part_it_is(
    suite: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = suite.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    suite.run("--ladder=matrix", "-k", "oak")
    assert "A part of the suite: 6 of 18 items." in summary.read_text(encoding="utf-8")


def test_climb_and_litmus_have_folders_of_their_own(suite: Shop) -> None:
    before = written(suite)
    result = suite.run("--ladder=climb")
    result.stdout.fnmatch_lines(["report: ladder-report/climb"])
    assert suite.matrix("ladder-report/climb")["run"]["mode"] == "climb"
    assert part_of(suite, Path("ladder-report/climb")) is None
    suite.run("--ladder=climb", "-k", "oak")
    assert part_of(suite, Path("ladder-report/climb/part"))["of"] == ITEMS
    assert written(suite) == before


def test_commands_name_the_report_that_is_there(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.ladder(LADDER + OBJECTIVE)
    shop.test(PLANTS)
    shop.run("--ladder=climb", "--ladder-live")
    capsys.readouterr()
    assert main(["report", "ladder-report"]) == 2
    told = capsys.readouterr().err
    assert "there is one in `ladder-report/climb`: name that" in told


def test_a_part_of_one_ladder_of_several_lies_beside_its_whole(suite: Shop) -> None:
    for name in ("ladder.toml", "cases.jsonl", "test_plants.py"):
        text = (suite.path / name).read_text(encoding="utf-8")
        suite.write(f"other/{name.replace('plants', 'others')}", text)
    suite.run("--ladder=matrix", "--ladder-live")
    before = written(suite, WHOLE / "root"), written(suite, WHOLE / "other")
    suite.run("--ladder=matrix", "-k", "cat")
    assert (written(suite, WHOLE / "root"), written(suite, WHOLE / "other")) == before
    assert part_of(suite, WHOLE / "root/part")["items"] == 6
    assert not (suite.path / WHOLE / "other/part").exists()


# --- What a gate makes of it


@pytest.fixture
def gated(suite: Shop) -> Shop:
    """The suite with a baseline and a report of what ships that passes."""
    suite.ladder(LADDER)
    suite.cases(
        [{"id": f"c{n}", "input": f"say {n}", "expected": str(n)} for n in range(40)]
    )
    suite.run("--ladder-live")
    suite.run("--ladder-report=base")
    return suite


def test_a_part_passes_no_gate(gated: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    result = gated.run("--ladder-baseline=base", "-k", "cat")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["gate: UNDECIDED: Only a part of the suite ran (40 of*"]
    )
    gates = gated.matrix("ladder-report/current/part")["gates"]
    assert {g["kind"] for g in gates if g["verdict"] != "pass"} >= {"part"}
    capsys.readouterr()
    assert main(["gate", "base", "ladder-report/current/part"]) == 2
    assert main(["gate", "ladder-report/current/part", "base"]) == 2
    assert (
        "The baseline is of a part of the suite (40 of 120 items)"
        in capsys.readouterr().out
    )
    assert main(["gate", "base", "ladder-report/current"]) == 0
    assert main(["baseline", "update", "ladder-report/current/part"]) == 2
    assert "a part of the suite (40 of 120 items)" in capsys.readouterr().err


def test_a_gate_passes_no_report_that_a_failed_run_left(
    gated: Shop, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = ["gate", "base", "ladder-report/current", "--output", "gate.md"]
    assert main(gate) == 0
    gated.test("raise ValueError('not today')\n" + PLANTS, "test_plants.py")
    assert run().ret != 0
    capsys.readouterr()
    assert main(gate) == 3
    told = capsys.readouterr().out
    assert "failed (exit status " in told
    assert "did not replace this report" in told
    assert "did not replace this report" in (gated.path / "gate.md").read_text()
    gated.test(PLANTS, "test_plants.py")
    assert run().ret == 0
    assert main(gate) == 0


def test_a_file_that_breaks_leaves_the_others_a_part(gated: Shop, run: Run) -> None:
    gated.test("raise ValueError('not today')\n" + PLANTS, "test_plants.py")
    result = run("--continue-on-collection-errors")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    part = part_of(gated, Path("ladder-report/current/part"))
    assert part["without"] == ["test_plants.py"]
    assert (part["items"], part["of"]) == (80, 120)


def test_a_mistake_in_the_configuration_outdates_the_report(
    gated: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    gated.ladder(LADDER + "nonsense = 1\n")
    assert gated.run().ret == pytest.ExitCode.USAGE_ERROR
    gated.ladder(LADDER)
    assert main(["gate", "base", "ladder-report/current"]) == 3
    assert "exit status 4" in capsys.readouterr().out


def test_other_tests_that_fail_outdate_nothing(gated: Shop) -> None:
    gated.write("unit/test_unit.py", "def test_one():\n    assert False\n")
    assert gated.run("unit").ret == pytest.ExitCode.TESTS_FAILED
    assert gated.run("-k", "test_one").ret == pytest.ExitCode.TESTS_FAILED
    assert main(["gate", "base", "ladder-report/current"]) == 0


INI = {
    "ini": "ladder_rungs = */loud",
    "addopts": "addopts = --ladder-rungs=*/loud",
    "addopts apart": "addopts = -q --ladder-rungs */loud",
}


@pytest.mark.parametrize("ini", INI.values(), ids=INI)
def test_rungs_that_the_suite_itself_selects_are_all_of_it(
    shop: Shop, run: Run, ini: str
) -> None:
    """Issue 17: such a suite was a part, and undecided, for ever."""
    shop.ladder(LADDER + OBJECTIVE)
    shop.test(ANIMALS)
    shop.write("pytest.ini", f"[pytest]\n{ini}\n")
    result = run("--ladder=matrix", "--ladder-live")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["PASS: *"])
    assert part_of(shop, WHOLE) is None
    assert {row["rung"] for row in shop.rows(str(WHOLE))} == {"bot/loud"}
    # What somebody types is a part of it still.
    before = written(shop)
    part = run("--ladder=matrix", "-k", "cat")
    part.stdout.fnmatch_lines(["A part of the suite: 3 of 6 items."])
    assert written(shop) == before


@pytest.mark.parametrize("typed", ["command line", "environment"])
def test_other_rungs_than_the_suites_own_are_a_part(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    shop.ladder(LADDER + OBJECTIVE)
    shop.test(ANIMALS)
    shop.write("pytest.ini", "[pytest]\nladder_rungs = */loud\n")
    shop.run("--ladder=matrix", "--ladder-live")
    before = written(shop)
    arguments = ["--ladder-rungs=*/plain"] if typed == "command line" else []
    if typed == "environment":
        monkeypatch.setenv("LADDER_RUNGS", "*/plain")
    result = shop.run("--ladder=matrix", "--ladder-live", *arguments)
    result.stdout.fnmatch_lines(["A part of the suite: 6 of 12 items."])
    assert written(shop) == before


def test_all_rungs_are_more_than_the_suites_own(shop: Shop) -> None:
    shop.ladder(LADDER + OBJECTIVE)
    shop.test(ANIMALS)
    shop.write("pytest.ini", "[pytest]\nladder_rungs = */loud\n")
    shop.run("--ladder=matrix", "--ladder-live", "--ladder-rungs=*")
    assert part_of(shop, WHOLE) is None
    assert len(shop.rows(str(WHOLE))) == 12


def test_a_climb_over_the_suites_own_rungs_decides(shop: Shop) -> None:
    shop.ladder(LADDER + OBJECTIVE)
    shop.test(ANIMALS)
    shop.write("pytest.ini", "[pytest]\nladder_rungs = */loud\n")
    result = shop.run("--ladder=climb", "--ladder-live")
    result.stdout.fnmatch_lines(["PASS: *"])
    assert part_of(shop, WHOLE / "climb") is None


INI_CASES = {
    "ini": "ladder_cases = 2",
    "addopts": "addopts = --ladder-cases=2",
    "addopts, the last": "addopts = --ladder-cases=1 --ladder-cases 2",
}


@pytest.mark.parametrize(
    ("ini", "packed"),
    [*((ini, False) for ini in INI_CASES.values()), (INI_CASES["ini"], True)],
    ids=[*INI_CASES, "packed"],
)
def test_cases_that_the_suite_itself_draws_are_all_of_it(
    shop: Shop, run: Run, ini: str, packed: bool
) -> None:
    """As its own rungs are: such a suite was a part, and undecided, for ever."""
    shop.ladder(LADDER + OBJECTIVE)
    shop.test(ANIMALS.replace('jsonl"', 'jsonl", pack=True') if packed else ANIMALS)
    shop.write("pytest.ini", f"[pytest]\n{ini}\n")
    result = run("--ladder=matrix", "--ladder-live")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*partial*")
    result.stdout.no_fnmatch_line("A part of the suite: *")
    assert part_of(shop, WHOLE) is None
    assert len(shop.rows(str(WHOLE))) == 8
    # Less of it is a part still, and all there is is more.
    before = written(shop)
    part = run("--ladder=matrix", "-k", "cat")
    part.stdout.fnmatch_lines(["A part of the suite: 4 of 8 items."])
    assert written(shop) == before


def test_fewer_cases_than_the_suites_own_are_a_part_and_all_are_whole(
    shop: Shop,
) -> None:
    shop.ladder(LADDER + OBJECTIVE)
    shop.test(ANIMALS)
    shop.write("pytest.ini", "[pytest]\nladder_cases = 2\n")
    shop.run("--ladder=matrix", "--ladder-live")
    before = written(shop)
    fewer = shop.run("--ladder=matrix", "--ladder-cases=1")
    fewer.stdout.fnmatch_lines(["A part of the suite: 4 of 8 items."])
    assert written(shop) == before
    shop.run("--ladder=matrix", "--ladder-live", "--ladder-cases=100%")
    assert part_of(shop, WHOLE) is None
    assert len(shop.rows(str(WHOLE))) == 12


DEADLY = """

def test_zz_end(pytestconfig):
    import os, signal
    os.kill(os.getppid() if {worker} else os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("worker", [False, pytest.param(True, id="xdist")])
def test_a_run_that_is_killed_leaves_no_report_that_passes_a_gate(
    gated: Shop, capsys: pytest.CaptureFixture[str], worker: bool
) -> None:
    """Issue 17: the report before it looked as if nothing had happened."""
    gate = ["gate", "base", "ladder-report/current"]
    assert main(gate) == 0
    deadly = gated.write("test_zz.py", DEADLY.format(worker=worker))
    command = [sys.executable, "-m", "pytest", "-q"]
    command += ["-n", "2", "--dist", "loadfile"] if worker else []
    killed = subprocess.run(command, cwd=gated.path, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    capsys.readouterr()
    assert main(gate) == BROKEN
    assert "goes on, or was killed, and did not replace" in capsys.readouterr().out
    # One of a part changes nothing, and the next whole run makes it good.
    deadly.unlink()
    gated.run("-k", "sky or c1")
    assert main(gate) == BROKEN
    gated.run()
    assert main(gate) == 0


def test_a_run_that_ends_leaves_no_mark_on_reports_of_others(suite: Shop) -> None:
    suite.run("--ladder=matrix", "-k", "sky")
    suite.run("--ladder=current", "-k", "sky")
    assert list(suite.path.rglob("outdated.json")) == []
