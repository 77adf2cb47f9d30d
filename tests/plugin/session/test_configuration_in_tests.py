"""A mistake in configuration that only a test's body finds shows no code of ours."""

from __future__ import annotations

import pytest

from tests.plugin.scratch_suite import Shop

BODIES = {
    "score_choice": (
        "from pytest_ladder import score_choice; score_choice(reply, case)",
        "has no `choices`, a list of 2 to 26 texts; add them.",
    ),
    "judge": ("judge(reply)", "A judge needs one of `rubric="),
    "a judge of no name": ("judge(reply, judge='nobody')", "No judge is called"),
    "no model": ("judge(reply, 'Is it polite?')", "There is no model that judges"),
    "prefer": ("judge.prefer('a', 'b', 'Polite?')", "There is no model that judges"),
    "its model": ("judge.llm('Hm?')", "There is no model that judges"),
    "requests": (
        "judge.requests(reply, 'Is it polite?')",
        "There is no model that judges",
    ),
    "a case that lacks something": (
        "judge(reply, judge='correctness', case=case)",
        "There is no model that judges",
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_mistake_found_by_a_body_shows_none_of_our_lines(
    shop: Shop, name: str
) -> None:
    body, said = BODIES[name]
    shop.test(f"""
@pytest.mark.cheap
@pytest.mark.ladder(cases="cases.jsonl")
def test_it(reply, case, judge):
    {body}
""")
    result = shop.run("--ladder-live", "-k", "sky")
    told = result.stdout.str()
    assert said in told
    assert body in told
    assert "pytest_ladder/" not in told
    assert "raise ConfigError" not in told
