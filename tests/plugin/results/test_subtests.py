"""A failed subtest is a miss of its row, wherever the rest of the body ends."""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import Run, Shop

SHORT = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl", **{options})

@pytest.mark.cheap({level})
def test_answer(reply, case, subtests):
    with subtests.test("there"):
        assert reply.text
    with subtests.test("right"):
        assert case.expected in reply.text
"""
OBJECTIVE = '\n[objective]\nkind = "good-enough"\nquality = 0.8\n'
RIGHT = {
    "test_answer[bot/plain-sky]": "passed",
    "test_answer[bot/plain-fire]": "passed",
    "test_answer[bot/plain-sun]": "missed",
}


def suite(shop: Shop, level: str = "", options: str = "{}") -> None:
    shop.test(SHORT.replace("{level}", level).replace("{options}", options))


def test_every_case_with_a_failed_subtest_misses(run: Run, shop: Shop) -> None:
    shop.write(
        "ladder.toml",
        'current = "m/s"\n[[model]]\nname = "m"\ntier = "off-the-shelf"\n'
        f'id = "scripted/echo"\n[[strategy]]\nname = "s"\n{OBJECTIVE}',
    )
    shop.cases([{"id": f"c{n}", "input": f"question {n}"} for n in range(20)])
    shop.test(
        'pytestmark = pytest.mark.ladder(cases="cases.jsonl")\n'
        "@pytest.mark.cheap(at_least=0.9)\n"
        "def test_answer(reply, subtests):\n"
        '    with subtests.test("short"):\n'
        "        assert len(reply.text) < 5\n"
    )
    result = run("--ladder=matrix")
    assert result.ret == 1
    # The share and the objective; a subtest is not counted beside its test.
    result.assert_outcomes(failed=2)
    assert "20 missed" in result.stdout.str()
    rows = shop.rows("ladder-report")
    assert [row["outcome"] for row in rows] == ["missed"] * 20
    assert {row["score"] for row in rows} == {0.0}


def test_where_all_must_pass_a_failed_subtest_fails_its_test(
    run: Run, shop: Shop
) -> None:
    suite(shop)
    result = run("--ladder-live")
    assert result.ret == 1
    assert shop.outcomes() == RIGHT
    [missed] = [row for row in shop.rows() if row["outcome"] == "missed"]
    assert missed["reason"].startswith("1 failed subtest: ")
    said = result.stdout.str()
    assert "FAILED test_shop.py::test_answer[bot/plain-sun]" in said
    assert said.count("INTERNALERROR") == 0


def test_misses_that_are_allowed_fail_nothing(run: Run, shop: Shop) -> None:
    suite(shop, level="at_least=0.6")
    result = run("--ladder-live")
    assert result.ret == 0
    result.assert_outcomes(passed=2)
    assert "1 missed" in result.stdout.str()
    assert shop.outcomes() == RIGHT


def test_on_a_rung_that_does_not_ship_they_fail_nothing(shop: Shop) -> None:
    suite(shop, level="at_least=0.6")
    result = shop.run("--ladder-live", "--ladder=matrix", "-v")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*bot/loud-sun*SUBMISSED*"])
    assert "2 missed" in result.stdout.str()


def test_the_cases_of_a_packed_test_have_each_their_own_subtests(shop: Shop) -> None:
    suite(shop, level="at_least=0.6", options='{"pack": True}')
    result = shop.run("--ladder-live")
    assert result.ret == 0
    assert shop.outcomes() == RIGHT


@pytest.mark.parametrize(
    ("part", "outcome", "status"),
    [
        ("raise RuntimeError('boom')", "error", 1),
        ("pytest.fail('no good')", "missed", 0),
        ("pytest.skip('not now')", "passed", 0),
        ("pytest.xfail('known')", "missed", 0),
        ("llm('something new')", "error", 1),
    ],
)
def test_a_part_counts_as_the_same_in_a_body_would(
    shop: Shop, part: str, outcome: str, status: int
) -> None:
    shop.test(
        "@pytest.mark.cheap(at_least=0.0001)\n"
        "def test_free(llm, subtests):\n"
        "    with subtests.test():\n"
        f"        {part}\n"
        "    with subtests.test():\n"
        "        assert rungs\n"
        "rungs = True\n"
    )
    result = shop.run("-k", "free")
    assert shop.outcomes() == {"test_free[bot/plain-]": outcome}
    assert result.ret == status or outcome == "missed"


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        ("pytest.skip('enough')", "missed"),
        ("raise RuntimeError('boom')", "error"),
        ("assert False", "missed"),
    ],
)
def test_what_the_body_does_afterwards_hides_no_failed_part(
    shop: Shop, end: str, outcome: str
) -> None:
    shop.test(
        "@pytest.mark.cheap\n"
        "def test_free(rung, subtests):\n"
        "    with subtests.test():\n"
        "        assert 0\n"
        f"    {end}\n"
    )
    result = shop.run()
    assert result.ret == 1
    assert shop.outcomes() == {"test_free[bot/plain-]": outcome}


def test_a_coroutine_has_subtests(shop: Shop) -> None:
    shop.test(
        "@pytest.mark.cheap\n"
        "async def test_free(rung, subtests):\n"
        "    with subtests.test():\n"
        "        assert 0\n"
    )
    assert shop.run().ret == 1
    assert shop.outcomes() == {"test_free[bot/plain-]": "missed"}


def test_a_test_whose_failure_is_expected_is_no_failure(shop: Shop) -> None:
    shop.test(
        "@pytest.mark.cheap\n"
        "@pytest.mark.xfail(strict=True)\n"
        "def test_free(rung, subtests):\n"
        "    with subtests.test():\n"
        "        assert 0\n"
    )
    result = shop.run()
    assert result.ret == 0
    assert shop.outcomes() == {"test_free[bot/plain-]": "missed"}
