"""`--ladder-baseline`: a run is held against an earlier one."""

from __future__ import annotations

import shutil

import pytest

from tests.plugin.scratch_suite import CHANGED, Run, Shop
from tests.scripted_server import last_user_message

CASES = [{"id": f"c{n}", "input": f"say {n}", "expected": str(n)} for n in range(40)]
ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.1)
def test_answer(reply, case):
    assert reply.text == "say " + case.expected
"""


@pytest.fixture
def measured(shop: Shop) -> Shop:
    """A shop with a baseline in `base/`, on which every case passed."""
    shop.cases(CASES)
    shop.test(ANSWER)
    shop.run("--ladder-live", "--ladder-report=base")
    return shop


def test_the_same_run_passes(measured: Shop) -> None:
    result = measured.run("--ladder-baseline=base")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*PASS*"])
    gates = measured.matrix()["gates"]
    assert gates
    assert {gate["verdict"] for gate in gates} <= {"pass", "undecided"}


def test_a_change_that_costs_quality_fails_the_run(measured: Shop, run: Run) -> None:
    measured.ladder(CHANGED)
    result = run("--ladder-live", "--ladder-baseline=base")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*ladder.toml::ladder gate*"])
    verdicts = {gate["name"]: gate["verdict"] for gate in measured.matrix()["gates"]}
    assert "fail" in verdicts.values()
    moved = measured.matrix()["against"]
    assert moved["label"] == "base"
    assert moved["rungs"][0]["broken"] == len(moved["cases"]) > 0
    assert "bot/plain" in " ".join(moved["changes"]), "its prompt is another one"


def test_a_baseline_that_is_not_there_is_one_sentence(shop: Shop) -> None:
    shop.test(ANSWER)
    result = shop.run("--ladder-baseline=nowhere")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*nowhere*"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"weight": 1.0', '"weight": 1e308', "the weight 1e+308 is not 0 or in"),
        ('"latency_s": ', '"latency_s": -', "the latency_s -*is not 0 or in"),
        ('"c1"', '"c0"', "sample 1 of `c0` stands in line 1 already"),
    ],
)
def test_rows_that_no_run_writes_are_one_sentence(
    measured: Shop, old: str, new: str, said: str
) -> None:
    path = measured.path / "base/rows.jsonl"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    result = measured.run("--ladder-baseline=base")
    assert result.ret != 0
    told = pytest.LineMatcher([*result.outlines, *result.errlines])
    told.fnmatch_lines([f"*base/rows.jsonl:*: {said}*"])
    told.no_fnmatch_line("*INTERNALERROR*")
    told.no_fnmatch_line("Traceback*")


@pytest.mark.parametrize("reference", ["git:--output=x", "git:HEAD^{/x y}"])
def test_a_reference_that_looks_like_an_option_is_refused(
    shop: Shop, reference: str
) -> None:
    shop.test(ANSWER)
    result = shop.run(f"--ladder-baseline={reference}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_nothing_evaluated_is_never_green(measured: Shop) -> None:
    measured.test("def test_other():\n    pass\n", name="test_other.py")
    shutil.move(measured.path / "test_shop.py", measured.path / "away.py")
    result = measured.run("--ladder-baseline=base")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no row was evaluated*"])


OVERWRITTEN = "ladder-report/current"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (OVERWRITTEN, []),
        (f"{OVERWRITTEN}/matrix.json", []),
        (f"./base/../{OVERWRITTEN}/", []),
        ("base", ["--ladder-report=base"]),
        ("linked", []),
        ("files", []),
        ("ladder-report", ["--ladder=matrix"]),
    ],
)
def test_a_baseline_that_the_run_would_write_over_is_refused(
    measured: Shop, name: str, arguments: list[str]
) -> None:
    report = shutil.copytree(measured.path / "base", measured.path / OVERWRITTEN)
    (measured.path / "linked").symlink_to(report)
    (measured.path / "files").mkdir()
    for file in ("matrix.json", "rows.jsonl"):
        shutil.copy(report / file, measured.path / "ladder-report")
        (measured.path / "files" / file).symlink_to(report / file)
    before = (report / "matrix.json").read_bytes()
    result = measured.run(f"--ladder-baseline={name}", *arguments)
    assert (report / "matrix.json").read_bytes() == before
    said = result.stdout.str() + result.stderr.str()
    assert "the next would be held to it; keep the baseline elsewhere" in said
    assert "pytest-ladder baseline update" in said
    assert "passed" not in said


def test_of_several_ladders_no_report_is_its_own_baseline(measured: Shop) -> None:
    for name in ("ladder.toml", "cases.jsonl", "test_shop.py"):
        folder = measured.path / "other"
        folder.mkdir(exist_ok=True)
        shutil.copy(measured.path / name, folder / name.replace("shop", "other"))
    measured.run("--ladder-live")
    result = measured.run("--ladder-baseline=ladder-report/current/other")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*this run writes its own report there*"])


SHARED = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap(at_least=0.5)
def test_answer(reply, case):
    assert reply.text == "right"

@pytest.mark.cheap
def test_short(reply):
    assert reply.text
"""


def test_a_part_of_the_cases_and_a_skipped_test_fail_no_gate(shop: Shop) -> None:
    cases = [{"id": f"c{n:02}", "input": f"say {n}"} for n in range(40)]
    shop.cases(cases)
    shop.test(SHARED)
    missed = {f"say {n}" for n in range(10, 20)}
    shop.server.reply = lambda body: (
        "wrong" if last_user_message(body) in missed else "right"
    )
    shop.run("--ladder-live", "--ladder-report=base")
    part = shop.run("--ladder-baseline=base", "-k", "test_short or c1")
    assert part.ret == 0
    part.stdout.fnmatch_lines(
        ["gate: UNDECIDED: Only a part of the suite ran (50 of 80 items)*"]
    )
    assert shop.matrix()["run"]["partial"] == {"test_shop.py::test_answer": 40}
    shop.test(SHARED.replace("def test_short", "@pytest.mark.skip\ndef test_short"))
    skipped = shop.run("--ladder-baseline=base")
    assert skipped.ret == 0
    skipped.stdout.fnmatch_lines(
        ["gate: PASS: *", "*for the change skipped them: test_shop.py::test_short."]
    )
    assert shop.matrix()["run"]["skipped"] == ["test_shop.py::test_short"]
