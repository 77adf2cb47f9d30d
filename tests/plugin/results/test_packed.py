"""`ladder(pack=True)`: one item for all cases of a rung, a row for each."""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import ONE_WORKER, Run, Shop

PACKED = """
@pytest.mark.cheap({level})
@pytest.mark.ladder(cases="cases.jsonl", pack=True)
def test_answer(reply, case):
    {body}
"""
CHECK = "assert case.expected in reply.text"


@ONE_WORKER
def test_one_item_stands_for_all_cases_of_a_rung(shop: Shop, run: Run) -> None:
    shop.test(PACKED.format(level="at_least=0.6", body=CHECK))
    result = run("--ladder-live", "--ladder=matrix")
    result.assert_outcomes(passed=2)
    rows = shop.rows("ladder-report")
    assert len(rows) == 6
    assert {row["case"] for row in rows} == {"sky", "fire", "sun"}
    assert {row["outcome"] for row in rows if row["case"] == "sun"} == {"missed"}
    cells = [rung["levels"]["cheap"] for rung in shop.matrix("ladder-report")["rungs"]]
    assert [(cell["n"], cell["missed"]) for cell in cells] == [(3, 1), (3, 1)]
    assert shop.server.count == 6


def test_a_share_that_is_too_low_fails_the_item_with_a_list(shop: Shop) -> None:
    shop.test(PACKED.format(level="", body=CHECK))
    result = shop.run("--ladder-live", "--ladder=matrix")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "2 of 3 passed; at_least=1.0 allows 0 misses:",
            "  sun: assert 'yellow' in 'say green'",
        ]
    )


def test_a_case_that_breaks_fails_the_item_and_spares_the_others(shop: Shop) -> None:
    body = "assert 'e' in reply.text or 1 / 0"
    shop.cases([{"id": str(i), "input": f"x{i}"} for i in range(30)])
    shop.test(PACKED.format(level="at_least=0.1", body=body))
    result = shop.run("--ladder-live")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["30 of 30 cases broke:", "  0: division by zero", "  … and 10 more*"]
    )
    assert {row["outcome"] for row in shop.rows()} == {"error"}


def test_a_packed_test_replays_and_skips_cases(shop: Shop) -> None:
    body = "case.id == 'fire' and pytest.skip('not today'); " + CHECK
    shop.test(PACKED.format(level="at_least=0.5", body=body))
    shop.run("--ladder-live")
    calls = shop.server.count
    result = shop.run()
    result.assert_outcomes(passed=1)
    assert [row["case"] for row in shop.rows()] == ["sky", "sun"]
    assert shop.server.count == calls


def test_samples_and_coroutines_pack_as_well(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl", pack=True, samples=2)
async def test_answer(llm, case, score):
    reply = await llm.acall(case.input)
    score(0.5 if reply.text else 0.0)
""")
    shop.run("--ladder-live").assert_outcomes(passed=1)
    assert [row.get("sample", 1) for row in shop.rows()] == [*[1, 2] * 3]
    assert shop.matrix()["rungs"][0]["levels"]["cheap"]["quality"] == 0.5


def test_nothing_to_pack_is_a_mistake(shop: Shop) -> None:
    shop.test("""
@pytest.mark.cheap
@pytest.mark.ladder(pack=True)
def test_free(llm):
    pass
""")
    result = shop.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*pack=True packs cases; give `cases=`*"])


def test_scripted_rungs_run_without_live_and_count_every_reply(shop: Shop) -> None:
    shop.ladder("""
[[model]]
name = "one"
tier = "off-the-shelf"
id = "scripted/echo"
price = {{ input = 1, output = 1 }}

[[model]]
name = "two"
tier = "off-the-shelf"
id = "scripted/echo"
revision = "2"
price = {{ input = 2, output = 2 }}
""")
    shop.test(PACKED.format(level="at_least=0.5", body=CHECK))
    shop.run("--ladder=matrix").assert_outcomes(passed=2)
    rungs = shop.matrix("ladder-report")["rungs"]
    assert [rung["calls"]["live"] for rung in rungs] == [3, 3]
