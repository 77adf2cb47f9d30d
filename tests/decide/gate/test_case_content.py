"""Which cases are the same: by what is asked and what is expected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml  # noqa: F401 (two runs in a process must have the same one)

from pytest_ladder.core.case import Case
from tests.plugin.scratch_suite import Shop
from tests.scripted_server import ScriptedServer

SOURCE = """
@pytest.mark.ladder(cases="cases.jsonl")
@pytest.mark.cheap(at_least=0.5)
def test_answer(reply, case):
    assert case.expected in reply.text

@pytest.mark.cheap
def test_free(llm):
    llm("say blue")
"""


class Expectation:
    """Something of the user's own, whose repr has an address."""


def made(**fields: Any) -> str:
    return Case(**{"id": "a", "input": "how?", "expected": "so", **fields}).content_hash


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"id": "b", "tags": ("x",), "cluster": "c", "source": "s"}, True),
        ({"metadata": {"x": 1}}, True),
        ({"input": "why?"}, False),
        ({"expected": "not so"}, False),
        ({"expected": None}, False),
        ({"input": [{"role": "user", "content": "how?"}]}, False),
    ],
)
def test_the_content_is_what_is_asked_and_expected(
    fields: dict[str, Any], same: bool
) -> None:
    assert (made(**fields) == made()) is same


@pytest.mark.parametrize(
    "expected",
    [
        {"b": 1, "a": {2}},
        {(1, 2): 3},
        "\ud800",
        {1, "a"},
        float("nan"),
        len,
        Expectation(),
    ],
    # Names that are the same in every process.
    ids=lambda expected: type(expected).__name__,
)
def test_whatever_is_expected_has_a_hash(expected: Any) -> None:
    assert made(expected=expected) == made(expected=expected) != made()


def test_neither_an_address_nor_the_order_of_keys_is_content() -> None:
    assert made(expected=Expectation()) == made(expected=Expectation())
    assert made(expected={"a": 1, "b": 2}) == made(expected={"b": 2, "a": 1})


@pytest.fixture
def shop(pytester: pytest.Pytester) -> Iterator[Shop]:
    with ScriptedServer() as server:
        yield Shop(pytester, server)


def test_rows_of_a_run_say_what_a_gate_needs(shop: Shop) -> None:
    shop.test(SOURCE)
    shop.run("--ladder-live")
    path = shop.path / "ladder-report/current/rows.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    by_case = {row.get("case", ""): row for row in found}
    expected = Case(id="sky", input="say blue", expected="blue").content_hash
    assert by_case["sky"]["case_hash"] == expected
    assert by_case["sky"]["at_least"] == 0.5
    assert "case_hash" not in by_case[""]


def test_a_baseline_of_the_first_release_is_told_that_a_case_is_read_differently(
    shop: Shop,
) -> None:
    """It read 750 of `12:30`, and that is the hash that its rows have."""
    shop.test(
        SOURCE.replace("cases.jsonl", "cases.yaml").partition("@pytest.mark.cheap\n")[0]
    )
    (shop.path / "cases.yaml").write_text(
        "- {id: noon, input: say 12:30, expected: 12:30}\n"
        "- {id: sky, input: say blue, expected: blue}\n"
    )
    shop.run("--ladder-live", "--ladder-report=base")
    path = shop.path / "base/rows.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    formers = {row["case"]: row.pop("former_hash", "") for row in found}
    first = Case(id="noon", input="say 12:30", expected=750).content_hash
    assert formers == {"noon": first, "sky": ""}
    for row in found:
        row["case_hash"] = formers[row["case"]] or row["case_hash"]
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    result = shop.run("--ladder-baseline=base")
    assert "1 case read differently since 0.2" in result.stdout.str()
    assert "changed" not in result.stdout.str()
