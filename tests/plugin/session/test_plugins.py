"""Life beside other plugins and options of pytest."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from subprocess import PIPE

import pytest

from tests.plugin.scratch_suite import Shop
from tests.scripted_server import hangs

ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap({level})
def test_answer(reply, case):
    assert case.expected in reply.text
"""
LONG_WAIT = "at most for 1 call under way: it was sent and may be billed"
FLAKY = """
tries = []

@pytest.mark.cheap
@pytest.mark.ladder(ahead=False)  # a rehearsal would count as a try
def test_flaky(llm):
    tries.append(1)
    assert llm(f"try {len(tries)}").text == "try 2"
"""


def test_a_rerun_replaces_the_row(shop: Shop) -> None:
    shop.test(FLAKY)
    result = shop.run_with("rerunfailures", "--ladder-live", "--reruns=2")
    result.stdout.fnmatch_lines(["*1 passed*1 rerun*"])
    (row,) = shop.rows()
    assert (row["outcome"], row["text"]) == ("passed", "try 2")
    assert len(row["replies"]) == 1


def test_a_test_that_fails_all_reruns_leaves_one_row(shop: Shop) -> None:
    shop.test(FLAKY.replace('"try 2"', '"never"'))
    result = shop.run_with("rerunfailures", "--ladder-live", "--reruns=2")
    result.stdout.fnmatch_lines(["*1 failed, 2 rerun*"])
    (row,) = shop.rows()
    assert (row["outcome"], row["text"]) == ("missed", "try 3")


def test_misses_that_fail_nothing_are_not_rerun(shop: Shop) -> None:
    shop.test(ANSWER.format(level="at_least=0.5"))
    result = shop.run_with("rerunfailures", "--ladder-live", "--reruns=2")
    result.stdout.fnmatch_lines(["*2 passed, 1 missed*"])
    result.stdout.no_fnmatch_line("* rerun in *")


def test_reruns_over_processes_replace_the_row_as_well(
    shop: Shop, xdist_by_name: None
) -> None:
    shop.test(FLAKY)
    arguments = ("-p", "xdist", "--ladder-live", "--reruns=2", "-n2")
    result = shop.run_with("rerunfailures", *arguments)
    result.stdout.fnmatch_lines(["*1 passed*1 rerun*"])
    assert [row["outcome"] for row in shop.rows()] == ["passed"]


@pytest.mark.parametrize("level", ["", "at_least=0.1"])
def test_a_timeout_is_an_error_and_no_miss(shop: Shop, level: str) -> None:
    shop.test(f"""
import time

@pytest.mark.cheap({level})
def test_slow(rung):
    time.sleep(20)
""")
    result = shop.run_with("timeout", "--ladder-live", "--timeout=0.2")
    result.assert_outcomes(failed=1)
    assert [row["outcome"] for row in shop.rows()] == ["error"]


def test_a_timeout_while_waiting_for_a_reply_is_an_error(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is under way at the end is paid for, so the run waits for it a while.
    monkeypatch.setattr("pytest_ladder.session.session._PATIENCE_S", 1.5)
    shop.server.script(hangs())
    shop.test("@pytest.mark.cheap\ndef test_one(llm):\n    llm('hello')\n")
    result = shop.run_with("timeout", "--ladder-live", "--timeout=0.3")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"ladder: 1.5 s {LONG_WAIT}; Ctrl-C ends the wait"])
    assert [row["outcome"] for row in shop.rows()] == ["error"]
    assert result.duration < 20, "the server hangs for 60 s"


def test_a_log_tells_of_a_long_wait_what_came_back_meanwhile(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_ladder.session.status_line._LONG_S", 1.0)
    shop.server.latency_s = 0.5
    shop.server.script(hangs(2.5))
    shop.cases([{"id": f"c{n}", "input": f"say {n}"} for n in range(3)])
    shop.test(
        '@pytest.mark.cheap\n@pytest.mark.ladder(cases="cases.jsonl")\n'
        "def test_one(reply):\n    assert reply.text\n"
    )
    result = shop.run("--ladder-live")
    result.stdout.fnmatch_lines(
        [
            "ladder: test_shop.py::test_one*c0*has waited 1 s for a reply; 2 calls of "
            "other tests came back meanwhile"
        ]
    )
    result.assert_outcomes(passed=3)


def test_a_log_tells_that_a_rerun_waits_which_no_timeout_ends(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_ladder.session.status_line._LONG_S", 1.0)
    shop.server.script(hangs(2.5))
    shop.test("@pytest.mark.cheap\ndef test_one(llm):\n    llm('hello')\n")
    arguments = ("-p", "rerunfailures", "--ladder-live", "--timeout=0.3", "--reruns=1")
    result = shop.run_with("timeout", *arguments)
    result.stdout.fnmatch_lines(
        ["ladder: test_shop.py::test_one*(call) has waited 1 s for a reply; *params*"]
    )
    assert str(result.stdout).count("has waited") == 1
    result.assert_outcomes(passed=1)


@pytest.mark.processes
def test_a_worker_says_what_its_long_wait_at_the_end_is_for(shop: Shop) -> None:
    shop.server.script(hangs())
    shop.test("@pytest.mark.cheap\ndef test_one(llm):\n    llm('hello')\n")
    arguments = ("-p", "timeout", "--ladder-live", "--timeout=0.3", "-n1")
    command = [sys.executable, "-m", "pytest", *arguments]
    with subprocess.Popen(
        command, cwd=shop.path, stdout=PIPE, stderr=PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert f"ladder gw0: 30 s {LONG_WAIT}\n" in iter(process.stderr.readline, "")
        # It is said while the worker waits, so its call still hangs here.
        shop.server.stop()
        output, _ = process.communicate(timeout=60)
    assert "1 failed" in output


def test_without_a_terminal_the_report_is_written(shop: Shop) -> None:
    shop.test(ANSWER.format(level=""))
    result = shop.run("--ladder-live", "-p", "no:terminal")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert len(shop.rows()) == 3


def test_without_a_cache_shares_still_count(shop: Shop) -> None:
    shop.test(ANSWER.format(level="at_least=0.9"))
    result = shop.run("--ladder-live", "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*test_answer[[]bot/plain[]] share*"])


@pytest.mark.parametrize(
    "plugin", ["junitxml", "faulthandler", "capture", "xdist.plugin"]
)
def test_without_a_plugin_that_pytest_has_the_run_is_the_same(
    shop: Shop, plugin: str
) -> None:
    shop.test(ANSWER.format(level="at_least=0.5"))
    assert shop.run("--ladder-live", "-p", f"no:{plugin}").ret == pytest.ExitCode.OK
    assert len(shop.rows()) == 3


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_a_run_that_stops_early_reports_what_ran(shop: Shop, option: str) -> None:
    shop.test(ANSWER.format(level="").replace("assert case", "assert 'e' == case"))
    # Replies ahead are bounded to the calls that may be under way at once.
    result = shop.run("--ladder-live", option, "--ladder-concurrency=1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*= ladder =*", "*stopping after 1 failures*"])
    assert [row["case"] for row in shop.rows()] == ["sky"]
    assert shop.server.count == 1


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_misses_that_fail_nothing_stop_nothing(shop: Shop, option: str) -> None:
    source = ANSWER.format(level="at_least=0.1").replace("assert", "assert 'red' ==")
    shop.test(source.replace("case.expected in reply.text", "case.expected"))
    result = shop.run("--ladder-live", option)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*1 passed, 2 missed*"])


def test_stopping_early_leaves_recordings_of_what_did_not_run(shop: Shop) -> None:
    shop.test(ANSWER.format(level=""))
    shop.run("--ladder-live")
    path = shop.path / "recordings/test_shop.jsonl"
    before = path.read_bytes()
    shop.test(ANSWER.format(level="").replace("assert case", "assert 'e' == case"))
    shop.run("--ladder-live", "-x")
    assert path.read_bytes() == before


def test_with_stepwise_and_failed_first_the_run_goes_on_as_usual(shop: Shop) -> None:
    shop.test(ANSWER.format(level=""))
    shop.run("--ladder-live", "--ladder=matrix")
    result = shop.run("--ff", "-v")
    result.stdout.fnmatch_lines(["*::test_answer[[]bot/plain-sun[]] FAILED*"])
    result.assert_outcomes(passed=2, failed=1)
    shop.run("--lf").assert_outcomes(failed=1)
    shop.run("--sw").assert_outcomes(passed=2, failed=1)


def test_junit_of_a_matrix_counts_misses_as_skipped(shop: Shop) -> None:
    shop.test(ANSWER.format(level="at_least=0.5"))
    shop.run("--ladder-live", "--ladder=matrix", "--junitxml=junit.xml")
    (suite,) = ET.parse(shop.path / "junit.xml").iter("testsuite")
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["6", "0", "0", "2"]


def test_reports_of_other_plugins_know_the_tests(shop: Shop) -> None:
    shop.test(ANSWER.format(level="at_least=0.9"))
    arguments = ("--ladder-live", "--html=report.html", "--self-contained-html")
    shop.run_with("html", "-p", "metadata", *arguments)
    page = (shop.path / "report.html").read_text(encoding="utf-8")
    assert "test_answer[bot/plain-sky]" in page
    assert "test_answer[bot/plain] share" in page


def test_sugar_shows_the_matrix_too(shop: Shop) -> None:
    shop.test(ANSWER.format(level="at_least=0.5"))
    # pytest-sugar, once forced, stays for all later runs of a process.
    arguments = ("-p", "sugar", "--ladder-live", "--force-sugar")
    result = shop.pytester.runpytest_subprocess(*arguments)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*bot/plain*66.7 %*"])


def test_coverage_is_measured_beside(shop: Shop) -> None:
    shop.test(ANSWER.format(level="at_least=0.5"))
    shop.run("--ladder-live")
    result = shop.pytester.runpytest_subprocess("-p", "pytest_cov", "--cov=.")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["test_shop.py * 100%"])


def test_quiet_runs_print_the_matrix_and_no_header(shop: Shop) -> None:
    shop.test(ANSWER.format(level="at_least=0.5"))
    result = shop.run("--ladder-live", "-q")
    result.stdout.no_fnmatch_line("ladder: *")
    result.stdout.fnmatch_lines(["*bot/plain*66.7 %*"])


@pytest.mark.parametrize("dist", ["worksteal", "each"])
def test_every_way_to_distribute_gives_the_same_rows(shop: Shop, dist: str) -> None:
    shop.test(ANSWER.format(level="at_least=0.5"))
    shop.run("--ladder-live")
    rows = shop.rows()
    arguments = ["--tx=1*popen"] if dist == "each" else ["-n2"]
    shop.run(*arguments, f"--dist={dist}")
    assert [(row["case"], row["outcome"]) for row in shop.rows()] == [
        (row["case"], row["outcome"]) for row in rows
    ]


def test_a_worker_that_dies_loses_only_its_test(shop: Shop) -> None:
    shop.test("""
import os

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    if case.id == "fire":
        os._exit(3)
""")
    result = shop.run("--ladder-live", "-n1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert {row["case"] for row in shop.rows()} == {"sky", "sun"}
