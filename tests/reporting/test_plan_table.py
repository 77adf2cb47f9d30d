"""Sentences below a plan: how many calls, at most how dear, and what is not in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pytest_ladder.calls.plan import RungPlan
from pytest_ladder.reporting.plan_table import plan_lines

LOST = "unless a lost call is billed as well"
NOTHING = "nothing was called or spent."
TIMED = {"rung": "x/s", "usd": None, "usd_per_minute": 0.02}
UNPRICED = {"rung": "x/s", "usd": None}
MORE = "If the gate finds a drop that may be chance, it takes more samples:"
Fields = Sequence[dict[str, Any]]


def planned(**fields: Any) -> RungPlan:
    given: dict[str, Any] = {
        "rung": "m00/s",
        "replies": 10,
        "stored": 0,
        "later": 0,
        "input_tokens": 1000,
        "output_tokens": 200,
        "usd": 0.01,
        "usd_per_minute": None,
        "repaired": False,
        "host": "api.example.org",
        "key": None,
    }
    return RungPlan(**{**given, **fields})


SENTENCES: dict[str, tuple[Fields, Fields, list[str]]] = {
    "a price": ([{}], [], [f"10 calls, at most $0.01 {LOST}; {NOTHING}"]),
    "one call": ([{"replies": 1}], [], [f"1 call, at most $0.01 {LOST}; {NOTHING}"]),
    "all is stored": (
        [{"stored": 10, "usd": 0.0}],
        [],
        [f"0 calls, at most $0; {NOTHING}"],
    ),
    "one without a price": (
        [{}, UNPRICED],
        [],
        [
            f"20 calls, at most $0.01 for 10 of them {LOST}; {NOTHING}",
            "Not in it, price or output limit unknown: x/s.",
        ],
    ),
    "time is paid": (
        [TIMED],
        [],
        [
            f"10 calls, paid by the time they take; {NOTHING}",
            "Paid by the time of computing: x/s; the first run tells how long, or "
            "`serve.tokens_per_second` if you know it.",
        ],
    ),
    "only what a test asks for": (
        [{"replies": 0, "open_tests": 3, "usd": 0.0}],
        [],
        [
            f"An unknown number of calls at an unknown price; {NOTHING}",
            "Not in it: 3 items whose calls are known only when they run (free-form "
            "tests, tasks).",
        ],
    ),
    "what has no price and what a test asks for": (
        [{"open_tests": 1}, UNPRICED],
        [],
        [
            f"20 calls, at most $0.01 for 10 of them {LOST}, and an unknown number "
            f"more at an unknown price; {NOTHING}",
            "Not in it, price or output limit unknown: x/s.",
            "Not in it either: 1 item whose calls are known only when they run "
            "(free-form tests, tasks).",
        ],
    ),
    "chains of calls": (
        [{"later": 5}],
        [],
        [
            f"15 calls, at most $0.01 {LOST}; {NOTHING}",
            "Up to 5 of them depend on replies that are not stored yet; how many and "
            "how long is what the strategy expects: m00/s.",
        ],
    ),
    "more samples": (
        [{}],
        [{"replies": 20, "usd": 0.02}],
        [
            f"10 calls, at most $0.01 {LOST}; {NOTHING}",
            f"{MORE} 20 more calls, at most $0.02.",
        ],
    ),
    "one more sample without a price": (
        [{}],
        [{**UNPRICED, "replies": 1}],
        [
            f"10 calls, at most $0.01 {LOST}; {NOTHING}",
            f"{MORE} 1 more call at an unknown price.",
        ],
    ),
    "more samples of which one has no price": (
        [{}],
        [{}, UNPRICED],
        [
            f"10 calls, at most $0.01 {LOST}; {NOTHING}",
            f"{MORE} 20 more calls, at most $0.01, and what has no price or is known "
            "only when it runs.",
        ],
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_plan_says_what_is_in_it_and_what_is_not(name: str) -> None:
    plans, held_back, told = SENTENCES[name]
    lines = plan_lines(
        [planned(**fields) for fields in plans],
        [planned(**fields) for fields in held_back],
    )
    assert lines[1 + len(plans) :] == told
