"""Collection: which tests run over what, under which ids, in which order."""

from __future__ import annotations

import re

import pytest

from tests.plugin.scratch_suite import CASES, LADDER, ONE_WORKER, Run, Shop

ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
def test_answer(reply, case):
    assert reply.text
"""
TWO_MODELS = """\
current = "small/plain"

[[model]]
name = "large"
tier = "off-the-shelf"
id = "openai/large"
api_base = "{api_base}"
price = {{ input = 10.0, output = 20.0 }}
params = {{ max_tokens = 20 }}

[[model]]
name = "small"
tier = "off-the-shelf"
id = "openai/small"
api_base = "{api_base}"
price = {{ input = 1.0, output = 2.0 }}
params = {{ max_tokens = 20 }}

[[model]]
name = "tiny"
tier = "off-the-shelf"
id = "openai/tiny"
api_base = "{api_base}"
price = {{ input = 0.1, output = 0.2 }}
params = {{ max_tokens = 20 }}

[[strategy]]
name = "plain"
"""


def collected(shop: Shop, *arguments: str) -> list[str]:
    """Return the node ids that a run would run, in order."""
    result = shop.run("--co", "-q", *arguments)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    return [line for line in result.outlines if "::" in line]


def names(shop: Shop, *arguments: str) -> list[str]:
    """Return the same without the file."""
    return [line.partition("::")[2] for line in collected(shop, *arguments)]


def ran(result: pytest.RunResult) -> list[str]:
    """Return the tests of a verbose run in the order in which they ran."""
    return re.findall(r"::(test_\S+) (?:PASSED|FAILED|MISSED)", result.stdout.str())


def test_ids_read_rung_then_the_users_parameters_then_case_then_sample(
    shop: Shop,
) -> None:
    shop.cases(CASES[:1])
    shop.test("""
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", samples=2)
@pytest.mark.parametrize("tone", ["calm", "loud"])
def test_answer(reply, tone):
    pass
""")
    assert names(shop, "--ladder=matrix") == [
        "test_answer[bot/plain-calm-sky]",
        "test_answer[bot/plain-calm-sky-s2]",
        "test_answer[bot/plain-loud-sky]",
        "test_answer[bot/plain-loud-sky-s2]",
        "test_answer[bot/loud-calm-sky]",
        "test_answer[bot/loud-calm-sky-s2]",
        "test_answer[bot/loud-loud-sky]",
        "test_answer[bot/loud-loud-sky-s2]",
    ]


def test_rows_name_the_test_with_the_users_parameters_alone(shop: Shop) -> None:
    shop.cases(CASES[:1])
    shop.test("""
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", samples=2)
@pytest.mark.parametrize("tone", ["calm", "sky"])
def test_answer(reply, tone):
    pass

class TestFree:
    @pytest.mark.cheap
    @pytest.mark.ladder(samples=2)
    def test_free(self, llm):
        pass
""")
    shop.run("--ladder-live")
    found = [
        (row["test"], row.get("case"), row.get("sample", 1)) for row in shop.rows()
    ]
    assert found == [
        ("test_shop.py::TestFree::test_free", None, 1),
        ("test_shop.py::TestFree::test_free", None, 2),
        ("test_shop.py::test_answer[calm]", "sky", 1),
        ("test_shop.py::test_answer[calm]", "sky", 2),
        ("test_shop.py::test_answer[sky]", "sky", 1),
        ("test_shop.py::test_answer[sky]", "sky", 2),
    ]


def test_ids_in_any_script_stay_readable(shop: Shop) -> None:
    shop.cases(
        [
            {"id": "返金-期間", "input": "返金期間を教えて", "expected": "返金"},
            {"id": "größe", "input": "Größe?", "expected": "Größe"},
            {"input": "お茶の温度を教えて", "expected": "お茶"},
        ]
    )
    shop.test("""
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
def test_answer(reply, case):
    assert case.expected in reply.text
""")
    first, second, third = names(shop)
    assert first == "test_answer[bot/plain-返金-期間]"
    assert second == "test_answer[bot/plain-größe]"
    # A generated id is an ASCII slug and a short hash.
    assert re.fullmatch(r"test_answer\[bot/plain-[a-z0-9-]+-[0-9a-f]{6}\]", third)
    result = shop.run(f"test_shop.py::{first}", "--ladder-live", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_answer[[]bot/plain-返金-期間[]] PASSED*"])
    assert shop.rows()[0]["case"] == "返金-期間"
    shop.run("-k", "返金").assert_outcomes(passed=1, deselected=2)


def test_the_usual_ways_to_select_tests_select_rows(shop: Shop) -> None:
    shop.test(
        ANSWER
        + """
class TestTone:
    @pytest.mark.judged
    def test_tone(self, reply):
        pass

def test_plain():
    pass
"""
    )
    assert len(collected(shop, "--ladder=matrix")) == 13
    assert names(shop, "-m", "cheap", "-k", "sky") == ["test_answer[bot/plain-sky]"]
    assert names(shop, "-m", "cheap or judged", "-k", "sky") == [
        "test_answer[bot/plain-sky]",
        "TestTone::test_tone[bot/plain-sky]",
    ]
    assert len(collected(shop, "test_shop.py::test_answer", "--ladder=matrix")) == 6
    picked = "test_shop.py::TestTone::test_tone[bot/plain-sun]"
    assert collected(shop, picked) == [picked]
    assert names(shop, "-k", "test_plain") == ["test_plain"]


def test_a_users_own_list_of_dicts_is_the_case_list(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap(at_least=0.5)
@pytest.mark.parametrize("tone", ["calm"])
@pytest.mark.parametrize("case", [
    {"id": "sky", "input": "say blue", "expected": "blue"},
    pytest.param({"input": "say red", "expected": "red"}, id="named"),
    pytest.param({"id": "sun", "input": "say green"}, marks=pytest.mark.skip),
    {"question": "say black", "answer": "black", "shade": "dark"},
])
def test_answer(reply, case, tone):
    assert case.expected in reply.text
    assert case.input == reply.text
    assert case.id
""")
    result = shop.run("--ladder-live", "-v")
    result.assert_outcomes(passed=3, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*::test_answer[[]bot/plain-sky-calm[]] PASSED*",
            "*::test_answer[[]bot/plain-named-calm[]] PASSED*",
            "*::test_answer[[]bot/plain-sun-calm[]] SKIPPED*",
            "*::test_answer[[]bot/plain-say-black-*-calm[]] PASSED*",
        ]
    )
    rows = shop.rows()
    assert {row["source"] for row in rows} == {"test_shop.py"}
    assert {row["test"] for row in rows} == {"test_shop.py::test_answer[calm]"}


def test_a_users_case_list_may_come_with_other_arguments(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap
@pytest.mark.parametrize(("word", "case"), [
    ("blue", {"id": "sky", "input": "say blue"}),
    pytest.param("red", {"id": "fire", "input": "say red"}, id="hot"),
])
def test_answer(reply, case, word):
    assert word in reply.text
""")
    result = shop.run("--ladder-live", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*[[]bot/plain-blue-sky[]]*", "*[[]bot/plain-hot[]]*"])
    assert sorted(row["case"] for row in shop.rows()) == ["fire", "sky"]


def test_a_fixture_may_parametrize_what_a_ladder_test_needs(shop: Shop) -> None:
    shop.test(
        """
@pytest.fixture(params=["calm", "loud"])
def tone(request):
    return request.param
"""
        + ANSWER.replace("case):", "case, tone):")
    )
    found = names(shop)
    assert len(found) == 6
    assert all(name.startswith("test_answer[bot/plain-") for name in found)


@pytest.mark.parametrize("name", ["reply", "case", "llm", "rung", "score"])
def test_a_users_fixture_of_one_of_our_names_wins(shop: Shop, name: str) -> None:
    shop.test(f"""
@pytest.fixture
def {name}():
    return "mine"

@pytest.mark.cheap
def test_one({name}):
    assert {name} == "mine"
""")
    result = shop.run("-v")
    result.stdout.fnmatch_lines(["test_shop.py::test_one PASSED*"])
    assert not (shop.path / "ladder-report").exists()


def test_a_users_argument_of_one_of_our_names_wins(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap
@pytest.mark.parametrize("reply", ["a", "b"])
def test_one(reply):
    assert reply in "ab"
""")
    result = shop.run("-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["test_shop.py::test_one[[]a[]] PASSED*"])


def test_a_users_reply_beside_our_rung_and_case_is_used(shop: Shop) -> None:
    shop.test(
        """
@pytest.fixture
def reply(llm, case):
    return llm(case.input + " please")
"""
        + ANSWER.replace("assert reply.text", "assert reply.text.endswith('please')")
    )
    shop.run("--ladder-live").assert_outcomes(passed=3)
    assert shop.server.requests[0].body["messages"][-1]["content"] == "say blue please"


def test_a_fixture_in_between_makes_a_ladder_test(shop: Shop) -> None:
    shop.test("""
@pytest.fixture
def answer(reply):
    return reply.text

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_one(answer):
    assert answer.startswith("say")
""")
    shop.run("--ladder-live").assert_outcomes(passed=3)


def test_a_test_without_our_fixtures_is_untouched_whatever_its_markers(
    shop: Shop,
) -> None:
    shop.test("""
@pytest.mark.cheap
@pytest.mark.ladder(cases="nowhere.jsonl", no_such_key=1)
def test_marked():
    pass
""")
    result = shop.run("-v")
    result.stdout.fnmatch_lines(["test_shop.py::test_marked PASSED*"])
    assert not (shop.path / "ladder-report").exists()


def test_a_test_without_a_level_says_what_it_lacks(shop: Shop) -> None:
    shop.test("def test_one(llm):\n    pass\n")
    result = shop.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_one has no level*mark it @pytest.mark.cheap.*"])
    assert not (shop.path / "ladder-report").exists()


def test_a_test_without_a_ladder_in_reach_says_what_it_lacks(shop: Shop) -> None:
    (shop.path / "ladder.toml").unlink()
    shop.test("@pytest.mark.cheap\ndef test_one(llm):\n    pass\n")
    result = shop.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no ladder.toml in or above*pytest-ladder init*"])


def test_rungs_run_one_after_the_other_cheapest_first(shop: Shop) -> None:
    shop.ladder(TWO_MODELS)
    shop.cases(CASES[:2])
    shop.test(
        "def test_before():\n    pass\n"
        + ANSWER
        + """
@pytest.mark.cheap
def test_free(llm):
    pass

def test_after():
    pass
"""
    )
    rungs = ("tiny/plain", "small/plain", "large/plain")
    expected = [
        f"{name}[{rung}{case}]"
        for rung in rungs
        for name, case in (
            ("test_answer", "-sky"),
            ("test_answer", "-fire"),
            ("test_free", ""),
        )
    ]
    assert names(shop, "--ladder=matrix") == ["test_before", *expected, "test_after"]
    result = shop.run("--ladder=matrix", "--ladder-live", "-v")
    assert ran(result) == ["test_before", *expected, "test_after"]
    # Replies are asked for ahead, fair between models: all of them at once.
    models = sorted(request.body["model"] for request in shop.server.requests)
    assert models == ["large"] * 2 + ["small"] * 2 + ["tiny"] * 2


def test_shuffled_tests_still_run_rung_by_rung(shop: Shop) -> None:
    shop.ladder(TWO_MODELS)
    shop.test(ANSWER)
    shop.test(ANSWER, "test_other.py")
    arguments = ("--ladder=matrix", "--ladder-live", "-v")
    orders = [
        ran(shop.run_with("randomly", *arguments, f"--randomly-seed={seed}"))
        for seed in (1, 2, 3)
    ]
    for order in orders:
        rungs = [re.split(r"[\[-]", name)[1] for name in order]
        assert rungs == ["tiny/plain"] * 6 + ["small/plain"] * 6 + ["large/plain"] * 6
    assert orders[0] != orders[1]


def test_a_plain_run_tests_the_cheapest_rung_when_none_is_current(shop: Shop) -> None:
    shop.ladder(TWO_MODELS.replace('current = "small/plain"\n', ""))
    shop.cases(CASES[:1])
    shop.test(ANSWER)
    assert names(shop) == ["test_answer[tiny/plain-sky]"]
    shop.run("--ladder-live").stdout.fnmatch_lines(
        [
            "ladder: current: tiny/plain*; `current` is not set, so this*",
            "*cheapest rung",
        ]
    )


@ONE_WORKER
def test_the_header_says_which_rungs_run_and_whether_models_are_called(
    shop: Shop, run: Run
) -> None:
    shop.test(ANSWER)
    result = run("--ladder-live", "--ladder=matrix")
    result.stdout.fnmatch_lines(["ladder: matrix: bot/plain, bot/loud (calls models)"])


def test_ladder_rungs_narrows_what_runs(shop: Shop) -> None:
    shop.cases(CASES[:1])
    shop.test(ANSWER)
    assert names(shop, "--ladder=matrix", "--ladder-rungs=*/lou?") == [
        "test_answer[bot/loud-sky]"
    ]
    result = shop.run("--ladder-rungs=*/loud")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--ladder-rungs=*/loud matches no rung*bot/plain*"])


@pytest.mark.parametrize("how", ["twice", "commas", "environment", "ini"])
def test_several_patterns_of_rungs_are_all_taken(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    shop.cases(CASES[:1])
    shop.test(ANSWER)
    options = {
        "twice": ("--ladder-rungs=*/loud", "--ladder-rungs=*/plain"),
        "commas": ("--ladder-rungs=*/loud, bot/pl*",),
    }.get(how, ())
    if how == "environment":
        monkeypatch.setenv("LADDER_RUNGS", "*/loud,*/plain")
    if how == "ini":
        shop.write("pytest.ini", "[pytest]\nladder_rungs = */loud,*/plain\n")
    assert names(shop, "--ladder=matrix", *options) == [
        "test_answer[bot/plain-sky]",
        "test_answer[bot/loud-sky]",
    ]


def test_a_pattern_that_matches_nothing_beside_one_that_does_is_told(
    shop: Shop, run: Run
) -> None:
    shop.test(ANSWER)
    result = run("--ladder=matrix", "--ladder-rungs=*/loud,bot/plan")
    said = result.stdout.str() + result.stderr.str()
    assert "--ladder-rungs=bot/plan matches no rung of this run; did you mean" in said
    assert "`bot/plain`?" in said
    assert "INTERNALERROR" not in said
    assert result.ret not in (0, 3)


def test_cases_come_from_a_file_a_list_or_a_function(shop: Shop) -> None:
    shop.write("data/more.csv", "id,input,expected\nsnow,say white,white\n")
    shop.test("""
def more():
    return [{"id": "coal", "input": "say black", "expected": "black"}]

@pytest.mark.cheap
@pytest.mark.ladder(cases="data/more.csv")
def test_file(reply, case):
    assert case.expected in reply.text

@pytest.mark.cheap
@pytest.mark.ladder(cases=[{"input": "say grey", "expected": "grey", "id": "fog"}])
def test_list(reply, case):
    assert case.expected in reply.text

@pytest.mark.cheap
@pytest.mark.ladder(cases=more)
def test_function(reply, case):
    assert case.expected in reply.text
""")
    shop.run("--ladder-live").assert_outcomes(passed=3)
    assert {row["case"]: row["source"] for row in shop.rows()} == {
        "snow": "data/more.csv",
        "fog": "test_shop.py",
        "coal": "test_shop.py",
    }


def test_a_path_of_cases_is_relative_to_its_test_file(shop: Shop) -> None:
    shop.write("deep/down/test_deep.py", "import pytest\n" + ANSWER)
    shop.cases(CASES[:1], "deep/down/cases.jsonl")
    assert names(shop, "deep") == ["test_answer[bot/plain-sky]"]
    shop.run("--ladder-live", "deep")
    assert shop.rows()[0]["source"] == "deep/down/cases.jsonl"


def test_the_nearest_marker_names_the_cases(shop: Shop) -> None:
    shop.test("""
pytestmark = pytest.mark.ladder(cases="cases.jsonl", samples=2)

@pytest.mark.cheap
@pytest.mark.ladder(cases=[{"id": "fog", "input": "say grey"}])
def test_own(reply):
    pass

@pytest.mark.ladder(samples=1)
class TestTwo:
    @pytest.mark.cheap
    def test_inherited(self, reply):
        pass
""")
    assert names(shop) == [
        "test_own[bot/plain-fog]",
        "test_own[bot/plain-fog-s2]",
        "TestTwo::test_inherited[bot/plain-sky]",
        "TestTwo::test_inherited[bot/plain-fire]",
        "TestTwo::test_inherited[bot/plain-sun]",
    ]


def test_two_ladders_in_one_session_get_a_report_each(shop: Shop, run: Run) -> None:
    text = LADDER.format(api_base=shop.server.api_base)
    for name in ("tea", "coffee"):
        shop.write(f"{name}/ladder.toml", text.replace("bot", name))
        shop.write(f"{name}/test_{name}.py", "import pytest\n" + ANSWER)
        shop.cases(CASES, f"{name}/cases.jsonl")
    result = run("--ladder-live")
    result.assert_outcomes(passed=6)
    for name in ("tea", "coffee"):
        matrix = shop.matrix(f"ladder-report/current/{name}")
        assert matrix["rungs"][0]["id"] == f"{name}/plain"
        assert len(shop.rows(f"ladder-report/current/{name}")) == 3
        assert (shop.path / name / "recordings" / f"test_{name}.jsonl").is_file()
    assert not (shop.path / "ladder-report/current/matrix.json").exists()
    titles = ["*= ladder coffee/ladder.toml =*", "*= ladder tea/ladder.toml =*"]
    result.stdout.fnmatch_lines(titles)


def test_the_nearest_configuration_upward_counts(shop: Shop) -> None:
    text = LADDER.format(api_base=shop.server.api_base)
    shop.write("inner/ladder.toml", text.replace("bot", "near"))
    shop.write("inner/deep/test_deep.py", "import pytest\n" + ANSWER)
    shop.cases(CASES[:1], "inner/deep/cases.jsonl")
    assert names(shop, "inner") == ["test_answer[near/plain-sky]"]


def test_the_configuration_may_stand_in_pyproject_toml(shop: Shop) -> None:
    text = (shop.path / "ladder.toml").read_text()
    (shop.path / "ladder.toml").unlink()
    tables = text.replace("[[", "[[tool.pytest-ladder.")
    shop.write("pyproject.toml", f"[tool.pytest-ladder]\n{tables}")
    shop.test(ANSWER)
    shop.run("--ladder-live").assert_outcomes(passed=3)
    assert (shop.path / "recordings" / "test_shop.jsonl").is_file()


def test_ladder_config_takes_another_file(shop: Shop) -> None:
    text = LADDER.format(api_base=shop.server.api_base)
    shop.write("elsewhere/other.toml", text.replace("bot", "other"))
    shop.cases(CASES[:1])
    shop.test(ANSWER)
    assert names(shop, "--ladder-config=elsewhere/other.toml") == [
        "test_answer[other/plain-sky]"
    ]


def test_workers_collect_what_one_process_collects(shop: Shop) -> None:
    shop.ladder(TWO_MODELS)
    shop.test(
        ANSWER
        + """
@pytest.mark.cheap
@pytest.mark.ladder(samples=2)
@pytest.mark.parametrize("tone", ["calm", "loud"])
def test_free(llm, tone):
    pass

@pytest.mark.cheap
@pytest.mark.parametrize("case", [{"input": "お茶は何度"}, {"input": "say tea"}])
def test_own(reply, case):
    pass
"""
    )
    expected = collected(shop, "--ladder=matrix")
    # xdist refuses to run when workers disagree, whatever the scheduler.
    result = shop.run(
        "--ladder=matrix", "--ladder-live", "-n2", "--dist=loadscope", "-v"
    )
    result.assert_outcomes(passed=len(expected))
    text = result.stdout.str()
    assert sorted(set(re.findall(r"PASSED.* (test_shop.py::\S+)", text))) == sorted(
        expected
    )


def test_a_suite_may_mix_ladder_tests_with_any_other(shop: Shop) -> None:
    shop.test("""
import unittest

class TestOld(unittest.TestCase):
    def test_old(self):
        pass

def test_plain(tmp_path):
    pass

@pytest.mark.parametrize("rung", [1, 2])
def test_ladder_words(rung):
    assert rung

@pytest.mark.cheap
def test_free(llm):
    assert llm("hello").text == "hello"
""")
    shop.run("--ladder-live").assert_outcomes(passed=5)
    assert len(shop.rows()) == 1
