"""What becomes of a ladder test: miss, error, share, score, and the exit status."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.plugin.scratch_suite import CASES, ONE_WORKER, Run, Shop
from tests.scripted_server import Act, Body, fails, filtered, last_user_message, says

ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap({level})
def test_answer(reply, case):
    assert case.expected in reply.text
"""
MISSES = """
@pytest.mark.cheap
def test_asserts(rung):
    assert rung is None

@pytest.mark.cheap
def test_calls_fail(rung):
    pytest.fail("not good")

@pytest.mark.cheap
def test_nothing_raised(rung):
    with pytest.raises(ValueError):
        pass

@pytest.mark.cheap
def test_other_message_raised(rung):
    with pytest.raises(ValueError, match="wanted"):
        raise ValueError("found")

@pytest.mark.cheap
def test_is_not_json(llm):
    llm("{ no JSON").json()

@pytest.mark.cheap
def test_does_not_fit_the_schema(llm):
    llm("[1, 2]").json(dict[str, int])

@pytest.mark.cheap
@pytest.mark.ladder(miss=(KeyError, ZeroDivisionError))
def test_declared(rung):
    {}["answer"]

@pytest.mark.cheap
@pytest.mark.ladder(miss=KeyError)
def test_declared_alone(rung):
    {}["answer"]
"""
ERRORS = """
@pytest.fixture
def broken(rung):
    raise RuntimeError("set up badly")

@pytest.mark.cheap
def test_raises(rung):
    raise RuntimeError("boom")

@pytest.mark.cheap
def test_raises_what_is_no_miss_here(rung):
    {}["answer"]

@pytest.mark.cheap
def test_raises_another_exception(rung):
    with pytest.raises(ValueError):
        {}["answer"]

@pytest.mark.cheap
def test_fixture(broken):
    pass

@pytest.mark.cheap
def test_assertion_in_a_fixture(request, rung):
    request.getfixturevalue("broken")

@pytest.mark.cheap
def test_call_failed(llm):
    llm("fail")
"""


def failing_on_demand(body: Body) -> str | Act:
    """Echo, save for a message that asks for a failure."""
    said = last_user_message(body)
    return fails(400, "the model is on strike") if said.startswith("fail") else said


def outcomes_by_test(shop: Shop, rung: str, folder: str) -> dict[str, str]:
    return {
        row["test"].rpartition("::")[2]: row["outcome"]
        for row in shop.rows(folder)
        if row["rung"] == rung
    }


def cell(
    shop: Shop, rung: str = "bot/plain", folder: str = "ladder-report/current"
) -> dict[str, Any]:
    matrix = shop.matrix(folder)
    (found,) = (entry for entry in matrix["rungs"] if entry["id"] == rung)
    levels: dict[str, Any] = found["levels"]["cheap"]
    return levels


@ONE_WORKER
def test_a_reply_that_is_not_good_enough_is_a_miss(shop: Shop, run: Run) -> None:
    shop.test(MISSES)
    result = run("--ladder-live", "--ladder=matrix")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*8 failed, 8 missed*"])
    for rung in ("bot/plain", "bot/loud"):
        outcomes = outcomes_by_test(shop, rung, "ladder-report")
        assert len(outcomes) == 8
        assert set(outcomes.values()) == {"missed"}
    assert {row["score"] for row in shop.rows("ladder-report")} == {0.0}


@ONE_WORKER
def test_what_is_broken_is_an_error_on_every_rung(shop: Shop, run: Run) -> None:
    shop.server.reply = failing_on_demand
    shop.test(ERRORS)
    result = run("--ladder-live", "--ladder=matrix")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.no_fnmatch_line("*missed*")
    result.stdout.fnmatch_lines(["*the model is on strike*", "*10 failed, 2 errors*"])
    for rung in ("bot/plain", "bot/loud"):
        outcomes = outcomes_by_test(shop, rung, "ladder-report")
        assert len(outcomes) == 6
        assert set(outcomes.values()) == {"error"}
    assert not any("score" in row for row in shop.rows("ladder-report"))
    errors = cell(shop, "bot/loud", "ladder-report")
    assert (errors["quality"], errors["n"], errors["errors"]) == (None, 0, 6)


def test_an_assertion_in_a_fixture_is_an_error(shop: Shop) -> None:
    shop.test("""
@pytest.fixture
def client(rung):
    assert False, "no client"

@pytest.mark.cheap
def test_answer(client):
    pass
""")
    shop.run("--ladder-live").assert_outcomes(errors=1)
    assert [row["outcome"] for row in shop.rows()] == ["error"]


def test_a_missing_reply_is_an_error(shop: Shop) -> None:
    shop.test(ANSWER.format(level=""))
    shop.run("--ladder-live", "-k", "sky")
    result = shop.run()
    result.assert_outcomes(passed=1, errors=2)
    assert shop.outcomes() == {
        "test_answer[bot/plain-sky]": "passed",
        "test_answer[bot/plain-fire]": "error",
        "test_answer[bot/plain-sun]": "error",
    }


def test_on_the_current_rung_a_miss_fails_its_test(shop: Shop) -> None:
    shop.test(ANSWER.format(level=""))
    result = shop.run("--ladder-live", "-rm")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["E*assert 'yellow' in 'say green'"])
    result.stdout.no_fnmatch_line("MISSED *")


@ONE_WORKER
def test_on_another_rung_a_miss_is_data(shop: Shop, run: Run) -> None:
    shop.test("""
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_is_calm(reply, case):
    assert not reply.text.endswith("!"), "too loud"
""")
    result = run("--ladder-live", "--ladder=matrix", "-rm", "--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "*= misses =*",
            "MISSED test_shop.py::test_is_calm[[]bot/loud-*[]] - *too loud*",
            "*3 passed, 3 missed*",
        ]
    )
    result.stdout.no_fnmatch_line("*xfailed*")
    skips = list(ET.parse(shop.path / "junit.xml").iter("skipped"))
    assert [skip.get("type") for skip in skips] == ["pytest.xfail"] * 3
    assert skips[0].get("message") == "too loud"


@pytest.mark.parametrize("asked", ["-rm", "-ra", "-rA"])
def test_misses_are_listed_only_when_asked_for(shop: Shop, asked: str) -> None:
    shop.test(ANSWER.format(level="at_least=0.5"))
    line = "MISSED test_shop.py::test_answer[[]bot/plain-sun[]] - *"
    shop.run("--ladder-live").stdout.no_fnmatch_line(line)
    shop.run(asked).stdout.fnmatch_lines([line])


@pytest.mark.parametrize("columns", ["80", "200"])
def test_a_miss_says_so_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    shop.test(ANSWER.format(level="at_least=0.5"))
    shop.run("--ladder-live")
    monkeypatch.setenv("COLUMNS", columns)
    shown = shop.run("-vv", "-p", "no:metadata").stdout.str()
    assert "MISSED (assert 'yellow' in 'say green')" in " ".join(shown.split())
    assert "missed:" not in shown
    listed = shop.run("-rm").stdout.str()
    lines = listed.partition("= misses =")[2].partition("= ladder =")[0].splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert "[bot/plain-sun] - assert 'yellow' in 'say green'" in " ".join(
        line.strip() for line in lines
    )


def test_enough_passes_make_the_share_and_misses_fail_nothing(shop: Shop) -> None:
    shop.test(ANSWER.format(level="at_least=0.6"))
    result = shop.run("--ladder-live", "-v")
    assert result.ret == pytest.ExitCode.OK
    (line,) = (line for line in result.outlines if "MISSED" in line)
    assert "test_shop.py::test_answer[bot/plain-sun]" in line
    result.stdout.fnmatch_lines(["*2 passed, 1 missed*"])
    result.stdout.no_fnmatch_line("* share*")


def test_a_share_that_is_too_low_adds_one_failing_report(shop: Shop, run: Run) -> None:
    shop.test(ANSWER.format(level="at_least=0.9"))
    result = run("--ladder-live")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*_ test_answer[[]bot/plain[]] share _*",
            "2 of 3 passed; at_least=0.9 needs 3 of 3.*--lf.",
            "FAILED test_shop.py::test_answer[[]bot/plain[]] share - 2 of 3*",
            "*1 failed, 2 passed, 1 missed*",
        ]
    )
    # `--lf` selects its misses, which alone are more than the test allows.
    result = run("--lf")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "0 of 1 passed (a part of its 3); at_least=0.9 needs 3 of 3.*",
            "*1 failed*1 missed*",
        ]
    )


def test_a_share_that_is_too_low_is_a_failed_testcase_for_junit(shop: Shop) -> None:
    shop.test(ANSWER.format(level="at_least=0.9"))
    shop.run("--ladder-live", "--junitxml=junit.xml")
    (suite,) = ET.parse(shop.path / "junit.xml").iter("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")
    (failed,) = (c for c in suite.iter("testcase") if c.find("failure") is not None)
    assert failed.get("name") == "test_answer[bot/plain] share"


def test_a_share_that_recovered_is_forgotten_by_lf(shop: Shop) -> None:
    shop.test(ANSWER.format(level="at_least=0.9"))
    shop.run("--ladder-live")
    shop.cases([{"id": "sun", "input": "say green", "expected": "green"}])
    shop.run("--lf").assert_outcomes(passed=1)
    result = shop.run("--lf")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*rerun previous*")


@pytest.mark.parametrize(
    ("at_least", "chosen", "fails"),
    [
        (0.6, "sun", False),  # one miss is what three cases may have
        (0.9, "sky or fire", False),
        (0.9, "sun", True),
        (0.3, "fire or sun", False),
    ],
)
def test_on_a_subset_the_share_fails_only_by_its_misses_alone(
    shop: Shop, at_least: float, chosen: str, fails: bool
) -> None:
    shop.test(ANSWER.format(level=f"at_least={at_least}"))
    result = shop.run("--ladder-live", "-k", chosen)
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if fails else 0)
    shares = [line for line in result.outlines if "a part of its 3" in line]
    assert bool(shares) is fails


def test_on_a_subset_over_processes_the_share_is_the_same(shop: Shop, run: Run) -> None:
    tolerant = ANSWER.format(level="at_least=0.6").replace("answer", "tolerant")
    strict = ANSWER.format(level="at_least=0.7").replace("answer", "strict")
    shop.test(tolerant + strict)
    result = run("--ladder-live", "-k", "sun")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*test_strict*share*"])
    result.stdout.no_fnmatch_line("*_ test_tolerant* share _*")


def test_a_share_that_a_subset_leaves_open_is_said_to_be_partial(shop: Shop) -> None:
    shop.test(ANSWER.format(level="at_least=0.6"))
    result = shop.run("--ladder-live", "-k", "sun")
    result.stdout.fnmatch_lines(["*test_answer*partial*"])


def test_the_share_counts_samples(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap(at_least=0.8)
@pytest.mark.ladder(cases="cases.jsonl", samples=2)
def test_answer(reply, case):
    assert case.expected in reply.text
""")
    result = shop.run("--ladder-live")
    result.stdout.fnmatch_lines(["*at_least=0.8 needs 5 of 6.*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_the_share_of_a_parametrized_test_counts_what_it_runs(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap(at_least=0.5)
@pytest.mark.ladder(cases="cases.jsonl")
@pytest.mark.parametrize("word", ["blue", "red"])
def test_answer(reply, word):
    assert word in reply.text
""")
    result = shop.run("--ladder-live")
    # Two of three cases miss with either word.
    result.stdout.fnmatch_lines(["*2 passed, 4 missed*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_only_the_current_rung_has_a_share(shop: Shop) -> None:
    shop.test(ANSWER.format(level="at_least=0.9"))
    result = shop.run("--ladder-live", "--ladder=matrix", "--ladder-rungs=*/loud")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*2 passed, 1 missed*"])


def test_errors_and_skips_do_not_count_as_misses_of_the_share(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap(at_least=0.5)
@pytest.mark.ladder(cases="cases.jsonl")
def test_answer(reply, case):
    if case.id == "fire":
        pytest.skip("not today")
    if case.id == "sun":
        raise RuntimeError("broken")
""")
    result = shop.run("--ladder-live")
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.no_fnmatch_line("*_ test_answer* share _*")


def test_a_rung_without_stored_replies_is_not_run_in_one_line(
    shop: Shop, run: Run
) -> None:
    shop.test(ANSWER.format(level="at_least=0.6"))
    shop.run("--ladder-live")
    calls = shop.server.count
    result = run("--ladder=matrix")
    assert result.ret == pytest.ExitCode.OK
    assert shop.server.count == calls
    lines = [line for line in result.outlines if "bot/loud" in line]
    assert [line for line in lines if line.startswith("not run: bot/loud")]
    assert len(lines) <= 2  # with the header
    loud, plain = sorted(shop.matrix("ladder-report")["rungs"], key=lambda r: r["id"])
    assert (loud["state"], loud["levels"]) == ("not run", {})
    assert plain["state"] == "run"


def test_truncated_empty_and_filtered_replies_are_scored_and_flagged(
    shop: Shop,
) -> None:
    odd = {
        "say truncated": says("half an ans", finish_reason="length"),
        "say empty": says(""),
        "say filtered": filtered(),
    }
    shop.server.reply = lambda body: odd[last_user_message(body)]
    shop.cases([{"id": prompt[4:], "input": prompt} for prompt in odd])
    shop.test("""
@pytest.mark.cheap(at_least=0.1)
@pytest.mark.ladder(cases="cases.jsonl")
def test_answers(reply):
    assert reply.text
""")
    shop.run("--ladder-live").stdout.fnmatch_lines(["*1 passed, 2 missed*"])
    flagged = {r["case"]: (r["replies"][0]["flag"], r["score"]) for r in shop.rows()}
    assert flagged == {
        "truncated": ("truncated", 1.0),
        "empty": ("empty", 0.0),
        "filtered": ("filtered", 0.0),
    }
    assert cell(shop)["n"] == 3


def test_a_call_that_failed_is_an_error_row_without_score(shop: Shop) -> None:
    shop.server.reply = failing_on_demand
    shop.cases(
        [
            {"id": "sky", "input": "say blue", "expected": "blue"},
            {"id": "sun", "input": "say green", "expected": "yellow"},
            {"id": "moon", "input": "fail", "expected": "white"},
            {"id": "star", "input": "fail again", "expected": "gold"},
        ]
    )
    shop.test(ANSWER.format(level="at_least=0.5"))
    result = shop.run("--ladder-live")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["bot/plain, cheap: 2 errors*coverage 50*%*"])
    assert not any("score" in r for r in shop.rows() if r["outcome"] == "error")
    found = cell(shop)
    assert (found["quality"], found["n"]) == (0.5, 2)
    assert (found["missed"], found["errors"], found["coverage"]) == (1, 2, 0.5)


@ONE_WORKER
def test_scores_replace_pass_and_miss(shop: Shop, run: Run) -> None:
    shop.test("""
class Result:
    value = 0.25
    rationale = "from an object"

@pytest.mark.cheap
def test_unnamed(score):
    score(0.8, "nearly")

@pytest.mark.cheap
def test_named(score):
    score("faithfulness", 0.4, "half")
    score("relevance", 0.8)

@pytest.mark.cheap
def test_both(score):
    score("faithfulness", 0.4)
    score(1)

@pytest.mark.cheap
def test_dict(score):
    score({"score": 0.75, "reason": "from a dict"})

@pytest.mark.cheap
def test_object(score):
    score("metric", Result())

@pytest.mark.cheap
def test_bool(score):
    score(True)

@pytest.mark.cheap(at_least=0)
def test_zero(score):
    score(0, "nothing of it")

@pytest.mark.cheap(at_least=0.5)
def test_score_before_a_miss(score):
    score(0.3)
    assert False
""")
    run("--ladder-live")
    rows = {row["test"].rpartition("_")[2]: row for row in shop.rows()}
    assert (rows["unnamed"]["score"], rows["unnamed"]["reason"]) == (0.8, "nearly")
    assert rows["named"]["score"] == pytest.approx(0.6)
    assert rows["named"]["scores"] == {"faithfulness": 0.4, "relevance": 0.8}
    assert (rows["both"]["score"], rows["both"]["scores"]) == (1, {"faithfulness": 0.4})
    assert (rows["dict"]["score"], rows["dict"]["reason"]) == (0.75, "from a dict")
    assert (rows["object"]["score"], rows["object"]["reason"]) == (
        0.25,
        "from an object",
    )
    assert rows["bool"]["score"] == 1
    assert (rows["zero"]["score"], rows["zero"]["reason"]) == (0, "nothing of it")
    assert (rows["miss"]["outcome"], rows["miss"]["score"]) == ("missed", 0.3)
    mean = (0.8 + 0.6 + 1 + 0.75 + 0.25 + 1 + 0.3) / 8
    assert cell(shop)["quality"] == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("score(1.2)", "The score is 1.2, outside [[]0, 1[]]; rescale it*"),
        ("score('f1', -1)", "The score 'f1' is -1*, outside [[]0, 1[]]; rescale it*"),
        ("score(float('nan'))", "*nan, outside*"),
        ("score({'f1': 0.5})", "*holds no number; give a number in*"),
        ("score(None)", "*holds no number; give a number in*"),
        ("score('f1')", "*holds no number; give a number in*"),
    ],
)
def test_a_score_that_is_none_is_an_error(shop: Shop, call: str, sentence: str) -> None:
    shop.test(f"@pytest.mark.cheap\ndef test_one(score):\n    {call}\n")
    result = shop.run("--ladder-live")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E  *{sentence}"])
    assert [row["outcome"] for row in shop.rows()] == ["error"]


def test_a_skipped_test_leaves_no_row(shop: Shop) -> None:
    shop.test("""
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
@pytest.mark.skip
def test_marked(reply):
    assert False

@pytest.mark.cheap
def test_skips(reply, case):
    if case.id != "sky":
        pytest.skip("only the sky")

@pytest.mark.cheap
def test_imports(rung):
    pytest.importorskip("no_such_module")
""")
    shop.run("--ladder-live").assert_outcomes(passed=1, skipped=6)
    assert shop.outcomes() == {"test_skips[bot/plain-sky]": "passed"}
    assert shop.server.count == 3


def test_xfail_marks_mean_what_they_mean_everywhere(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap
@pytest.mark.xfail
def test_expected_miss(rung):
    assert False

@pytest.mark.cheap
@pytest.mark.xfail(strict=True)
def test_unexpected_pass(rung):
    pass

@pytest.mark.cheap
@pytest.mark.xfail(strict=False)
def test_tolerated_pass(rung):
    pass

@pytest.mark.cheap
def test_gives_up(rung):
    pytest.xfail("known")
""")
    result = shop.run("--ladder-live", "--ladder=matrix", "--ladder-rungs=*/plain")
    result.assert_outcomes(xfailed=2, failed=1, xpassed=1)
    assert shop.outcomes("ladder-report") == {
        "test_expected_miss[bot/plain-]": "missed",
        "test_unexpected_pass[bot/plain-]": "passed",
        "test_tolerated_pass[bot/plain-]": "passed",
        "test_gives_up[bot/plain-]": "missed",
    }


@pytest.mark.parametrize(
    ("body", "arguments", "status"),
    [
        ("pass", "", 0),
        ("assert rung.strategy.name == 'plain'", "--ladder=matrix", 0),
        ("assert rung.strategy.name == 'loud'", "--ladder=matrix", 1),
        ("rung.strategy.name == 'plain' or 1 / 0", "--ladder=matrix", 1),
        ("pytest.skip('no')", "", 0),
        ("pytest.exit('enough')", "", 2),
        ("pytest.exit('enough', returncode=7)", "", 7),
    ],
)
def test_the_exit_status_is_1_for_what_fails_and_for_nothing_else(
    shop: Shop, body: str, arguments: str, status: int
) -> None:
    shop.test(f"@pytest.mark.cheap\ndef test_one(rung):\n    {body}\n")
    assert shop.run("--ladder-live", *arguments.split()).ret == status


def test_a_failing_teardown_is_an_error_of_its_own(shop: Shop) -> None:
    shop.test("""
@pytest.fixture
def client(rung):
    yield
    raise RuntimeError("cannot close")

@pytest.mark.cheap
def test_one(client):
    pass
""")
    result = shop.run("--ladder-live")
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_errors_of_grouped_assertions_are_misses(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap(at_least=0.1)
def test_all_assertions(rung):
    raise ExceptionGroup("two", [AssertionError("a"), AssertionError("b")])

@pytest.mark.cheap(at_least=0.1)
def test_one_is_an_error(rung):
    raise ExceptionGroup("two", [AssertionError("a"), RuntimeError("b")])
""")
    shop.run("--ladder-live")
    assert shop.outcomes() == {
        "test_all_assertions[bot/plain-]": "missed",
        "test_one_is_an_error[bot/plain-]": "error",
    }


XPASS = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
@pytest.mark.xfail(reason="too hard", strict=True)
def test_answer(reply, case):
    assert case.expected not in reply.text or {holds}
"""


def test_a_pass_that_a_strict_mark_forbids_fails_the_rung_that_ships_alone(
    shop: Shop, run: Run
) -> None:
    shop.test(XPASS.format(holds='"!" in reply.text'))
    # On bot/plain sky and fire miss, as the mark expects, and sun passes.
    result = run("--ladder-live", "--ladder=matrix")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1, xfailed=2, xpassed=3)
    assert "FAILED test_shop.py::test_answer[bot/plain-sun]" in result.stdout.str()
    assert shop.outcomes("ladder-report")["test_answer[bot/loud-sun]"] == "passed"


def test_where_only_other_rungs_pass_against_a_strict_mark_nothing_fails(
    shop: Shop, run: Run
) -> None:
    shop.test(XPASS.format(holds='"!" in reply.text'))
    shop.cases(CASES[:2])
    result = run("--ladder-live", "--ladder=matrix")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(xfailed=2, xpassed=2)


def test_a_share_of_0_only_reports(shop: Shop, run: Run) -> None:
    shop.test(ANSWER.format(level="at_least=0"))
    shop.server.reply = lambda _: "no idea"
    result = run("--ladder-live")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*3 missed*"])
    result.stdout.no_fnmatch_line("* share*")
    assert {row["outcome"] for row in shop.rows()} == {"missed"}


@pytest.mark.parametrize("share", ["-0.1", "1.1", "float('nan')", "'some'"])
def test_a_share_outside_of_0_to_1_is_refused(shop: Shop, share: str) -> None:
    shop.test(ANSWER.format(level=f"at_least={share}"))
    result = shop.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "is not a share in [0, 1]" in result.stderr.str()


def test_tests_ask_rungs_for_names(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap
def test_names(rung):
    assert str(rung.strategy) == rung.strategy == "plain"
    assert "lai" in rung.strategy and "few8" not in rung.strategy
    assert rung.strategy != "loud" and rung.strategy in ("plain", "loud")
    assert {rung.strategy, "plain"} == {"plain"}
    assert (str(rung), str(rung.model), str(rung.tier)) == (
        "bot/plain", "bot", "off-the-shelf"
    )
    assert rung.model == "bot" and rung.model in ("bot",) and "bo" in rung.model
""")
    assert shop.run().ret == pytest.ExitCode.OK
