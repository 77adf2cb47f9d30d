"""`--ladder-cases`: a few cases of the suite, the same for every test and rung."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest

from pytest_ladder.cli.main import main
from pytest_ladder.collection.selection import chosen
from pytest_ladder.core.case import Case
from tests.plugin.scratch_suite import CHANGED, LADDER, ONE_WORKER, TWO_TESTS, Run, Shop
from tests.scripted_server import fails

FREE = """
@pytest.mark.cheap
def test_free(llm):
    assert llm("hello").text == "hello"
"""
PARAMETRIZED = """
NUMBERS = [{"id": f"p{n}", "input": f"say {n}", "expected": str(n)} for n in range(10)]

@pytest.mark.cheap(at_least=0.5)
@pytest.mark.parametrize("case", NUMBERS)
def test_own(reply, case):
    assert case.expected in reply.text
"""
CASES = [{"id": f"c{n}", "input": f"say {n}", "expected": str(n)} for n in range(20)]
REPORT = "ladder-report"


@pytest.fixture
def suite(shop: Shop) -> Shop:
    shop.cases(CASES)
    shop.test(TWO_TESTS)
    return shop


def drawn(shop: Shop, folder: str = REPORT) -> dict[tuple[str, str], set[str]]:
    """Return the cases of each test on each rung."""
    cases: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in shop.rows(folder):
        cases[row["rung"], row["test"]].add(row.get("case", ""))
    return cases


def made(amount: int, **fields: Any) -> list[Case]:
    return [
        Case(id=f"c{n}", source="cases.jsonl", input="", **fields)
        for n in range(amount)
    ]


def test_every_test_and_rung_takes_the_same_cases(suite: Shop, run: Run) -> None:
    run("--ladder=matrix", "--ladder-live", "--ladder-cases=5")
    cases = drawn(suite)
    assert len(cases) == 4
    assert len({frozenset(each) for each in cases.values()}) == 1
    assert all(len(each) == 5 for each in cases.values())
    assert suite.server.count == 10
    part = suite.matrix(REPORT)["run"]["part"]
    assert (part["items"], part["of"]) == (20, 80)


def test_workers_draw_what_one_process_draws(suite: Shop, run: Run) -> None:
    run("--ladder-live", "--ladder-cases=7", "--ladder-report=one")
    suite.run("--ladder-live", "--ladder-cases=7", "--ladder-report=two")
    assert drawn(suite, "one") == drawn(suite, "two")


def test_more_cases_have_those_of_fewer() -> None:
    cases = made(200)
    before: frozenset[Any] = frozenset()
    for amount in (1, 2, 30, 0.2, 199, 1.0):
        units = chosen(cases, amount, 0)
        assert before < units
        assert len(units) == (amount * 200 if isinstance(amount, float) else amount)
        before = units
    assert chosen(cases, 999, 0) == before


def test_one_more_case_moves_no_other() -> None:
    before, after = chosen(made(100), 20, 0), chosen(made(101), 20, 0)
    assert len(before - after) <= 1
    assert chosen(made(100)[::-1], 20, 0) == before
    assert chosen(made(100), 20, 1) != before


def test_a_draw_is_one_of_all_cases() -> None:
    counts = [
        int(max(u[1] for u in chosen(made(10), 1, seed))[1:]) for seed in range(500)
    ]
    assert set(counts) == set(range(10))
    assert max(map(counts.count, range(10))) < 90


def test_clusters_come_whole() -> None:
    cases = [
        Case(
            id=f"c{n}",
            source="cases.jsonl",
            input="",
            cluster=f"k{n // 4}",
        )
        for n in range(40)
    ]
    for amount in (1, 4, 5, 0.3):
        units = chosen(cases, amount, 0)
        wanted = 12 if amount == 0.3 else amount
        assert wanted <= len(units) < wanted + 4
        numbers = {int(case[1:]) // 4 for _, case in units}
        assert len(units) == 4 * len(numbers)


def test_free_form_tests_run(suite: Shop) -> None:
    suite.test(TWO_TESTS + FREE)
    suite.run("--ladder=matrix", "--ladder-live", "--ladder-cases=10%")
    sizes = {
        test.rpartition("::")[2]: len(ids) for (_, test), ids in drawn(suite).items()
    }
    assert sizes == {"test_answer": 2, "test_short": 2, "test_free": 1}


def test_cases_of_parametrize_are_cases_of_the_suite(suite: Shop) -> None:
    suite.test(TWO_TESTS + PARAMETRIZED)
    suite.run("--ladder-live", "--ladder-cases=12")
    cases = set().union(*drawn(suite, f"{REPORT}/current").values())
    assert len(cases) == 12
    assert any(case.startswith("p") for case in cases)


def test_samples_of_a_case_come_together(suite: Shop) -> None:
    suite.run("--ladder-live", "--ladder-cases=3", "--ladder-samples=2")
    assert len(suite.rows()) == 2 * 3 * 2


def test_all_cases_are_the_whole(suite: Shop) -> None:
    for amount in ("20", "1000", "100%"):
        result = suite.run("--ladder-live", f"--ladder-cases={amount}")
        assert suite.matrix()["run"]["part"] is None
        assert len(suite.rows()) == 40
        assert "deselected" not in result.stdout.str()


def test_packed_items_leave_the_rest_out(suite: Shop, run: Run) -> None:
    suite.test(TWO_TESTS.replace('"cases.jsonl"', '"cases.jsonl", pack=True'))
    result = run("--ladder-live", "--ladder-cases=4")
    assert [len(ids) for ids in drawn(suite, f"{REPORT}/current").values()] == [4, 4]
    assert suite.matrix()["run"]["part"]["of"] == 40
    assert suite.matrix()["run"]["partial"] == {
        "test_shop.py::test_answer": 20,
        "test_shop.py::test_short": 20,
    }
    result.stdout.fnmatch_lines(
        ["*test_answer[[]bot/plain] share: partial, 4 of 20 ran"]
    )
    plain = suite.run("--ladder-live", "--ladder-cases=4", "--ladder-report=again")
    assert plain.ret == 0


def test_a_share_fails_only_by_more_misses_than_the_whole_allows(suite: Shop) -> None:
    wrong = TWO_TESTS.replace("reply.text.endswith(case.expected)", "False")
    for packed in ("", ", pack=True"):
        suite.test(wrong.replace('"cases.jsonl"', f'"cases.jsonl"{packed}'))
        few = suite.run("--ladder-live", "--ladder-cases=10")
        assert few.ret == 0
        many = suite.run("--ladder-live", "--ladder-cases=11")
        assert many.ret == pytest.ExitCode.TESTS_FAILED


@ONE_WORKER
@pytest.mark.parametrize("pack", ["", ", pack=True"], ids=["items", "packed"])
def test_recordings_of_the_others_are_kept(suite: Shop, run: Run, pack: str) -> None:
    suite.test(TWO_TESTS.replace('"cases.jsonl"', f'"cases.jsonl"{pack}'))
    suite.run("--ladder-live")
    recorded = (suite.path / "recordings/test_shop.jsonl").read_bytes()
    run("--ladder-live", "--ladder-cases=3")
    assert (suite.path / "recordings/test_shop.jsonl").read_bytes() == recorded
    (suite.path / "recordings/test_shop.jsonl").unlink()
    run("--ladder-live", "--ladder-cases=3")
    text = (suite.path / "recordings/test_shop.jsonl").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 3


def test_no_recording_is_lost_where_every_call_of_them_fails(suite: Shop) -> None:
    suite.run("--ladder-live")
    recorded = (suite.path / "recordings/test_shop.jsonl").read_bytes()
    suite.server.reply = lambda _: fails(404)
    result = suite.run("--ladder-live", "--ladder-refresh", "--ladder-cases=2")
    result.assert_outcomes(errors=4, deselected=36)
    assert (suite.path / "recordings/test_shop.jsonl").read_bytes() == recorded


def test_the_plan_is_of_these_cases(suite: Shop) -> None:
    result = suite.run("--ladder=matrix", "--ladder-plan", "--ladder-cases=3")
    result.stdout.fnmatch_lines(["*bot/plain*3*", "*bot/loud*3*"])
    assert suite.server.count == 0


def test_the_header_says_how_many(suite: Shop) -> None:
    result = suite.run("--ladder-live", "--ladder-cases=1")
    result.stdout.fnmatch_lines(["ladder: *; 1 case drawn by --ladder-cases"])


def test_the_environment_and_an_ini_file_may_say_it(
    suite: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.write("pytest.ini", "[pytest]\nladder_cases = 2\n")
    suite.run("--ladder-live")
    assert len(suite.rows()) == 4
    monkeypatch.setenv("LADDER_CASES", "15%")
    suite.run("--ladder-live", "--ladder-report=env")
    assert len(suite.rows("env")) == 6
    suite.run("--ladder-live", "--ladder-cases=1", "--ladder-report=typed")
    assert len(suite.rows("typed")) == 2


@pytest.mark.parametrize(
    "value", ["0", "-1", "ten", "1.5", "0%", "101%", "-5%", "nan%", "inf%", "%", ""]
)
def test_other_values_are_one_sentence(suite: Shop, value: str) -> None:
    result = suite.run(f"--ladder-cases={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    told = [line for line in result.stderr.lines if line]
    assert told == [
        f"ERROR: --ladder-cases is {value!r}; give a number of cases from 1, or a "
        "share of them such as 10%."
    ]


def test_a_climb_goes_over_these_cases(suite: Shop, run: Run) -> None:
    suite.ladder(LADDER + '\n[objective]\nkind = "good-enough"\nquality = 0.1\n')
    run("--ladder=climb", "--ladder-live", "--ladder-cases=8")
    report = suite.matrix(f"{REPORT}/climb")
    assert report["run"]["part"]["of"] == 80
    assert report["recommendation"]["verdict"] == "undecided"
    assert all(len(ids) <= 8 for ids in drawn(suite, f"{REPORT}/climb").values())


def test_a_gate_compares_the_cases_that_both_have(
    suite: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    suite.run("--ladder-live", "--ladder-report=base")
    same = suite.run("--ladder-baseline=base", "--ladder-cases=15")
    assert same.ret == 0
    same.stdout.fnmatch_lines(["gate: UNDECIDED: Only a part of the suite ran (30 of*"])
    suite.ladder(CHANGED.replace("{{input}}?", "{{input}}? no, wrong"))
    worse = suite.run(
        *("--ladder-live", "--ladder-baseline=base", "--ladder-cases=15"),
        "--ladder-report=worse",
    )
    assert worse.ret == pytest.ExitCode.TESTS_FAILED
    worse.stdout.fnmatch_lines(["gate: FAIL: *"])
    assert main(["gate", "base", "worse"]) == 1


def test_misses_and_errors_of_these_cases_fail_as_ever(suite: Shop) -> None:
    strict = TWO_TESTS.replace("(at_least=0.5)", "").replace("< 10", "< 1")
    suite.test(strict)
    result = suite.run("--ladder-live", "--ladder-cases=2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=2, failed=2, deselected=36)


def test_several_ladders_each_have_cases_of_their_own(suite: Shop) -> None:
    for name in ("ladder.toml", "cases.jsonl"):
        suite.write(f"other/{name}", (suite.path / name).read_text(encoding="utf-8"))
    suite.write("other/test_other.py", "import pytest\n" + TWO_TESTS)
    suite.run("--ladder-live", "--ladder-cases=4")
    for name in ("root", "other"):
        folder = f"{REPORT}/current/{name}"
        assert len(suite.rows(folder)) == 8
        assert suite.matrix(folder)["run"]["part"]["of"] == 40


def test_a_cluster_in_a_file_comes_whole(suite: Shop) -> None:
    suite.cases([case | {"cluster": f"k{n // 5}"} for n, case in enumerate(CASES)])
    suite.run("--ladder-live", "--ladder-cases=3")
    rows = suite.rows()
    assert len(rows) == 10
    assert len({json.dumps(row["cluster"]) for row in rows}) == 1
