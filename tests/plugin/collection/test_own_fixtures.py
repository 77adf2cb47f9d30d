"""Fixtures of the user's own with our names: theirs win, and one sentence says so."""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import Shop

OWN_CASE = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.fixture
def case():
    return {value}

@pytest.mark.cheap
def test_reply(reply, case):
    assert "blue" in reply.text

@pytest.mark.cheap
def test_asked(llm, case):
    assert "blue" in llm.ask(case).text
"""
OWN_LLM = """
@pytest.fixture
def llm():
    return str.upper

@pytest.mark.cheap
def test_one(llm):
    assert llm("a") == "A"

@pytest.mark.cheap
def test_two(llm):
    assert llm("b") == "B"
"""
SENTENCE = (
    "is a fixture of your own, so tests that use it do not get pytest-ladder's; rename "
    "it if they should."
)


def test_an_own_case_that_is_a_dict_gets_one_sentence(shop: Shop) -> None:
    shop.test(OWN_CASE.format(value='{"input": "say blue"}'))
    result = shop.run("--ladder-live")
    assert result.parseoutcomes() == {"failed": 1, "errors": 1, "warnings": 2}
    said = result.stdout.str()
    assert (
        said.count("the case is an object and no Case, as of a fixture `case` of ") > 1
    )
    assert "AttributeError" not in said
    assert shop.server.count == 0


def test_an_own_case_that_is_a_case_is_used_with_a_word(shop: Shop) -> None:
    shop.test(
        "from pytest_ladder import Case\n"
        + OWN_CASE.format(value='Case(id="sky", input="say blue")')
    )
    result = shop.run("--ladder-live")
    assert result.parseoutcomes()["passed"] == 2
    assert f"test_shop.py:6: LadderWarning: `case` {SENTENCE}" in result.stdout.str()


def test_an_own_llm_is_told_once_and_left_alone(shop: Shop) -> None:
    shop.test(OWN_LLM)
    result = shop.run()
    assert result.parseoutcomes()["passed"] == 2
    assert result.stdout.str().count(f"LadderWarning: `llm` {SENTENCE}") == 1
    assert not (shop.path / "ladder-report").exists()


def test_nothing_is_said_where_there_is_no_ladder(shop: Shop) -> None:
    (shop.path / "ladder.toml").unlink()
    shop.test(OWN_LLM)
    result = shop.run("-p", "no:cacheprovider")
    assert result.parseoutcomes() == {"passed": 2}


def test_an_own_rung_is_a_mistake_where_ours_rest_on_it(shop: Shop) -> None:
    shop.test("""
@pytest.fixture
def rung():
    return "mine"

@pytest.mark.cheap
def test_it(rung, llm):
    pass
""")
    result = shop.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert (
        "ERROR: test_shop.py::test_it uses `llm` of pytest-ladder, and `rung` at "
        "test_shop.py:3 is a fixture of your own; rename it: ours rest on ours."
    ) in result.stderr.str()


def test_an_own_rung_that_no_test_asks_for_is_not_set_up(shop: Shop) -> None:
    shop.cases([{"id": "a", "input": "say blue"}])
    shop.test("""
@pytest.fixture
def rung():
    raise RuntimeError("nobody asked")

@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_it(reply, case):
    assert case.id == "a" and reply.text
""")
    assert shop.run("--ladder-live").parseoutcomes() == {"passed": 1}


def test_a_misspelt_field_is_told_once_for_a_file(shop: Shop) -> None:
    shop.cases([{"id": "a", "input": "say blue", "expcted": "blue"}])
    source = (
        OWN_CASE.partition("@pytest.fixture")[0]
        + """
@pytest.mark.cheap
def test_one(reply, case):
    assert case.input in reply.text

@pytest.mark.cheap
def test_two(reply, case):
    assert case.input in reply.text
"""
    )
    shop.test(source)
    result = shop.run("--ladder-live")
    assert result.parseoutcomes() == {"passed": 2, "warnings": 1}
    assert (
        "cases.jsonl: `expcted` is no field of a case and went to the metadata; did "
        "you mean `expected`?"
    ) in result.stdout.str()
    shop.run("-W", "error").assert_outcomes(passed=2)
    over_workers = shop.run("-n", "1")
    assert over_workers.parseoutcomes()["passed"] == 2
    assert "did you mean `expected`?" in over_workers.stdout.str()
