"""A retriever of the user's that does not retrieve is named in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.plugin.scratch_suite import LADDER, Shop

ANSWER = """
pytestmark = pytest.mark.ladder(cases="cases.jsonl")

@pytest.mark.cheap
def test_answer(reply):
    pass
"""
RAG = LADDER.replace(
    'name = "plain"', 'name = "plain"\nretriever = "shop_search:{name}"'
)
SEARCH = """
def short(query):
    return [query]

def nothing(query, top_k): ...

def broken(query, top_k):
    return {}[query]
"""


@pytest.fixture(autouse=True)
def _search(shop: Shop) -> Iterator[None]:
    shop.test(ANSWER)
    shop.write("shop_search.py", SEARCH)
    yield
    sys.modules.pop("shop_search", None)


def ladder(shop: Shop, name: str) -> None:
    shop.ladder(RAG.replace("{name}", name))


@pytest.mark.parametrize("options", [("--ladder-live",), ("--ladder-plan",)])
def test_a_wrong_signature_is_told_before_anything_is_called(
    shop: Shop, options: tuple[str, ...]
) -> None:
    ladder(shop, "short")
    result = shop.run(*options)
    said = result.stdout.str() + result.stderr.str()
    assert (
        "the retriever shop_search:short takes (query), and is called with the text of "
        "the case and `top_k`; write a function of two arguments."
    ) in said
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    assert result.ret not in (0, 3)
    assert shop.server.count == 0


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "nothing",
            "the retriever shop_search:nothing returned null; return a list of "
            "passages.",
        ),
        (
            "broken",
            "the retriever shop_search:broken raised KeyError: 'say blue' in "
            "shop_search.py:8; correct it there.",
        ),
    ],
)
def test_each_case_of_a_retriever_that_fails_tells_the_same(
    shop: Shop, name: str, sentence: str
) -> None:
    ladder(shop, name)
    result = shop.run("--ladder-live")
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines([sentence])
    assert "Traceback" not in result.stdout.str()
    assert "pytest_ladder/" not in result.stdout.str()
    assert shop.server.count == 0
    plan = shop.run("--ladder-plan")
    assert plan.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in plan.stderr.str()
