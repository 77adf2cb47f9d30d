"""The funnel holds in every sample, and the gate's own samples are for the gate."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.plugin.scratch_suite import CHANGED, JUDGE, LADDER, Run, Shop

CASES = [
    {"id": f"c{n}", "input": f"say {n}", "tags": ["odd"] if n % 2 else []}
    for n in range(16)
]
HEAD = 'pytestmark = pytest.mark.ladder(cases="cases.jsonl")\n'
CHEAP = """
@pytest.mark.cheap(at_least=0.5)
def test_answer(reply):
    assert reply.text.startswith("right")
"""
JUDGED = """
@pytest.mark.judged(at_least=0.1, rubric="It is polite.")
def test_tone(verdict):
    assert verdict, verdict.reason
"""
GATED = ("--ladder-live", "--ladder-baseline=base")
MISSES = 5
"""Cases that the change answers wrong, each time."""


class Model:
    """Answers wrong once a prompt is changed, in some cases; its judge likes it all.

    `varies`: each reply has words of its own.
    """

    def __init__(self, *, varies: bool = False) -> None:
        self.varies = varies
        self.asked: Counter[str] = Counter()

    def __call__(self, body: dict[str, Any]) -> str:
        self.asked[body["model"]] += 1
        if body["model"] == "judge":
            return json.dumps({"reason": "it is", "verdict": "pass"})
        prompt = body["messages"][-1]["content"]
        is_wrong = prompt in {f"say {n}?" for n in range(MISSES)}
        said = f"{'wrong' if is_wrong else 'right'}: {prompt}"
        return f"{said} {self.asked['bot']}" if self.varies else said


def gated(
    shop: Shop, source: str, *arguments: str, model: Model, temperature: int = 0
) -> pytest.RunResult:
    """Run a suite for its baseline, then its change, live and with a gate."""
    shop.server.reply = model
    shop.cases(CASES)
    shop.test(source)
    new = f"temperature = {temperature}"
    shop.ladder(LADDER.replace("temperature = 0", new) + JUDGE)
    shop.run("--ladder-live", "--ladder-report=base")
    shop.ladder(CHANGED.replace("temperature = 0", new) + JUDGE)
    model.asked.clear()
    return shop.run(*GATED, *arguments)


def rows_of(shop: Shop, test: str) -> Counter[tuple[int, str]]:
    """Count the rows of a test by sample and outcome."""
    return Counter(
        (row.get("sample", 1), row["outcome"])
        for row in shop.rows()
        if row["test"].endswith(test)
    )


def in_each(*samples: int) -> dict[tuple[int, str], int]:
    """Say that the wrong cases missed in each of these samples, and no other."""
    right = len(CASES) - MISSES
    return {
        (sample, outcome): n
        for sample in samples
        for outcome, n in (("missed", MISSES), ("passed", right))
    }


@pytest.mark.parametrize(
    ("judged", "workers"),
    [
        (JUDGED, ()),
        (JUDGED, ("-n2",)),
        (JUDGED.replace("@pytest", "@pytest.mark.ladder(pack=True)\n@pytest"), ()),
    ],
    ids=["plain", "xdist", "packed"],
)
def test_a_reply_that_cannot_vary_is_judged_once(
    shop: Shop, judged: str, workers: tuple[str, ...]
) -> None:
    model = Model()
    result = gated(shop, HEAD + judged + CHEAP, *workers, model=model)
    result.stdout.fnmatch_lines(["ladder gate: *more samples of every case are taken."])
    assert rows_of(shop, "test_answer") == in_each(1, 2)
    assert rows_of(shop, "test_tone") == in_each(1)
    assert model.asked["bot"] == 2 * len(CASES)
    if not workers:
        assert model.asked["judge"] == len(CASES) - MISSES


@pytest.mark.parametrize("fixture", ["llm", "judge"])
def test_a_check_without_a_third_sample_counts_for_the_same_reply(
    shop: Shop, fixture: str
) -> None:
    # What such a test asks is not known, so its replies may vary.
    judged = JUDGED.replace("(verdict)", f"(verdict, {fixture})")
    model = Model()
    gated(shop, HEAD + CHEAP + judged, model=model)
    assert rows_of(shop, "test_answer") == in_each(1, 2)
    assert rows_of(shop, "test_tone") == in_each(1, 2, 3)
    # Of equal replies there is one verdict.
    assert model.asked["judge"] == len(CASES) - MISSES


def test_replies_that_vary_are_checked_before_each_is_judged(shop: Shop) -> None:
    model = Model(varies=True)
    gated(shop, HEAD + JUDGED + CHEAP, model=model, temperature=1)
    assert rows_of(shop, "test_answer") == in_each(1, 2, 3)
    assert rows_of(shop, "test_tone") == in_each(1, 2, 3)
    assert model.asked == {"bot": 3 * len(CASES), "judge": 3 * (len(CASES) - MISSES)}


def test_samples_of_the_users_own_are_held_back_as_well(shop: Shop, run: Run) -> None:
    shop.server.reply = model = Model()
    shop.cases(CASES)
    more = JUDGED.replace("@", "@pytest.mark.ladder(samples=3)\n@")
    shop.test(HEAD + more + CHEAP)
    shop.ladder(CHANGED + JUDGE)
    run("--ladder-live")
    assert rows_of(shop, "test_answer") == in_each(1)
    assert rows_of(shop, "test_tone") == in_each(1, 2, 3)
    before = model.asked.copy()
    replayed = run()
    assert rows_of(shop, "test_tone") == in_each(1, 2, 3)
    assert (replayed.ret, model.asked) == (0, before)


def test_another_reply_is_not_held_to_the_checks_of_one(shop: Shop) -> None:
    shop.server.reply = Model(varies=True)
    shop.cases(CASES)
    more = JUDGED.replace("@", "@pytest.mark.ladder(samples=2)\n@")
    shop.test(HEAD + more + CHEAP)
    shop.ladder(CHANGED + JUDGE)
    shop.run("--ladder-live")
    assert rows_of(shop, "test_tone") == {**in_each(1), (2, "passed"): len(CASES)}


def test_shares_are_of_what_was_collected(shop: Shop) -> None:
    cheap = CHEAP.replace("0.5", "0.7")  # 11 of 16 pass, and 12 are needed.
    tagged = '@pytest.mark.cheap(at_least=0.75, tag="odd")'
    source = HEAD + cheap.replace("@", f"{tagged}\n@", 1)
    result = gated(shop, source, model=Model(varies=True), temperature=1)
    assert rows_of(shop, "test_answer") == in_each(1, 2, 3)
    said = "11 of 16 passed; at_least=0.7 needs 12 of 16."
    result.stdout.fnmatch_lines([f"*{said} The misses are*"])
    gates = {gate["name"]: gate for gate in shop.matrix()["gates"]}
    whole = "at_least, test_shop.py::test_answer"
    assert gates[whole]["reason"] == f"test_shop.py::test_answer: {said}"
    assert "6 of 8 passed; at_least=0.75" in gates[f"{whole}[odd]"]["reason"]
    failed = [line for line in result.outlines if line.startswith("FAILED")]
    assert [line.partition(" - ")[0] for line in failed if "share" in line] == [
        "FAILED test_shop.py::test_answer[bot/plain] share"
    ]


def test_it_says_which_figures_rest_on_the_first_samples(shop: Shop) -> None:
    free = """
@pytest.mark.cheap(at_least=0.1)
def test_free(llm, case):
    assert llm.ask(case).text.startswith("right")
"""
    shop.test(HEAD + free, "test_free.py")
    result = gated(shop, HEAD + CHEAP, model=Model())
    result.stdout.fnmatch_lines(
        [
            "  One sample of every case*are means over 3, but for those of cheap, "
            "test_shop.py: replies did not vary*"
        ]
    )
    assert rows_of(shop, "test_free") == in_each(1, 2, 3)
