"""The comment on a pull request, and the same on a terminal."""

from __future__ import annotations

import re

import msgspec
import pytest

from pytest_ladder.core.ladder import Gate
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.result import GateResult
from pytest_ladder.reporting.gate_comment import (
    MARK,
    MAX_BYTES,
    gate_markdown,
    report_markdown,
)
from pytest_ladder.reporting.sentences.gate import gate_lines
from tests.decide.gate.baseline_and_change import changed, report, rows, side

FINE = [1.0] * 30
HOSTILE = (
    "@octocat ![x](http://a/b.png) [click](javascript:alert(1)) <img src=x> "
    "</details><script>alert(1)</script> ``` # heading\n\n| a | b | \x1b[31m \u202e "
    "#12 https://evil.example <!-- --> &lt;b&gt; $x$ GH-12 :rocket: __bold__"
)


def a_result(text: str = "fine", **terms: float) -> GateResult:
    before, after = changed(11, 3, 100, 90)
    old = side(rows(before, usd=0.001))
    new = side(rows(after, usd=0.0012, text=text, reason=text))
    return gate(old, new, Gate(**terms))  # type: ignore[arg-type]


def test_it_says_the_verdict_and_what_it_rests_on() -> None:
    page = gate_markdown(a_result(cost=0.1))
    assert page.startswith(f"{MARK}\n\n## pytest-ladder gate: fail\n\n**FAIL: Quality")
    table = [line for line in page.splitlines() if line.startswith("| ")]
    assert table[2] == (
        "| quality, cheap, test_shop.py | 90.0 % (82.6-94.5, n=100) "
        "| 82.0 % (73.3-88.3, n=100) | -8.0 points (-16.2 to -0.8), p = 0.018 |"
    )
    assert table[3] == (
        "| &#36; per 1,000 calls | &#36;1.00 | &#36;1.20 | +20.0 % (+20.0 to +20.0) |"
    )
    assert table[4].startswith("| p95 latency, live | 1.0 s (1.0 s to 1.0 s, n=100) |")
    assert "FAIL: The cost changed by +20.0 %" in page
    assert re.search(r"sees a true drop of (8|9|10)\.\d points 4 times in 5", page)
    assert "### 11 cases worse, most frequent first" in page
    assert "### 3 cases better, most frequent first" in page


def test_it_does_not_promise_to_see_drops_of_more_than_everything() -> None:
    before, after = changed(3, 0, 3, 3)
    page = gate_markdown(gate(side(rows(before)), side(rows(after)), Gate()))
    assert "cheap: too little (3 cases) to see any drop 4 times in 5" in page
    assert "sees a true drop" not in page


def test_flips_show_both_replies_folded() -> None:
    page = gate_markdown(a_result())
    flip = page[page.index("<details><summary>c000") :]
    flip = flip[: flip.index("</details>")]
    assert flip.splitlines() == [
        "<details><summary>c000, test_answer: passed 1 of 1 → 0 of 1</summary>",
        "",
        "Before:",
        "",
        "> reply 0 scored 1.0",
        "",
        "After:",
        "",
        "> fine",
        "",
        "fine",
        "",
    ]


def test_a_single_flip_and_graded_samples_are_said_as_they_are() -> None:
    old = side(rows([[1.0, 1.0, 1.0, 1.0, 0.0], *[[1.0] * 5] * 29]))
    new = side(rows([[0.0, 0.0, 0.0], [0.25, 0.3, 0.5], *[[1.0] * 3] * 28]))
    page = gate_markdown(gate(old, new))
    assert "passed 4 of 5 → 0 of 3" in page
    assert "passed 5 of 5 → 35.0 % of 3" in page
    fixed = gate_markdown(gate(side(rows([0.0, *FINE])), side(rows([1.0, *FINE]))))
    assert "### 1 case better\n" in fixed
    assert "may flip by chance" in fixed
    assert "may flip" not in gate_markdown(gate(side(rows(FINE)), side(rows(FINE))))


def test_a_report_says_first_what_the_gate_says() -> None:
    made = report(rows(FINE))
    assert report_markdown(made).startswith("## pytest-ladder: bot/plain")
    held = msgspec.structs.replace(made, gate=a_result())
    page = report_markdown(held)
    assert page.startswith(MARK)
    assert page.index("gate: fail") < page.index("## pytest-ladder: bot/plain")
    # Of a matrix with many misses as many as still fit.
    hostile = report([row for _ in "ab" for row in rows([0.0] * 99, text=HOSTILE * 9)])
    page = report_markdown(msgspec.structs.replace(hostile, gate=a_result("x" * 400)))
    assert page.index("gate: fail") < page.index("cases missed") < 60_000
    assert len(page.encode()) < 60_000
    large = msgspec.structs.replace(made, gate=a_result("x" * 600))
    many = msgspec.structs.replace(large, rows=rows([0.0] * 400, reason="y" * 900))
    assert len(report_markdown(many).encode()) < 60_000


def test_hostile_replies_and_names_stay_text() -> None:
    before, after = changed(11, 3, 100, 90)
    names = {"test": f"t.py::test_a[{HOSTILE}]", "case": HOSTILE, "text": HOSTILE}
    old, new = (
        side(rows(one, **names, source=[f"{n}" for n in range(100)]))
        for one in (before, after)
    )
    page = gate_markdown(gate(old, new), edited=[HOSTILE])
    ours = re.sub(
        r"</?(details|summary)>|^<!-- pytest-ladder gate -->|^> ", "", page, flags=re.M
    )
    ours = re.sub(r"^> \[!WARNING\]|^\[!WARNING\]", "", ours, flags=re.M)
    assert "<" not in ours
    assert "![" not in ours
    assert "](" not in ours
    assert "`" not in ours
    assert "://" not in ours
    assert "@o" not in ours
    assert not re.search(r"#\d\d\b(?!;)", ours.replace("&#", ""))
    assert "\x1b" not in page
    assert "\u202e" not in page
    for line in gate_lines(gate(old, new)):
        assert line.isprintable()


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "<" * 100_000, "茶" * 100_000, HOSTILE * 999]
)
def test_it_stays_below_60_kb(text: str) -> None:
    n = 400
    before, after = changed(200, 100, n, 240)
    old = side(
        [
            *rows(before, text=text, case=[f"{i}-{text[:500]}" for i in range(n)]),
            *rows(before[:200], source=[f"gone-{i}-{text[:300]}" for i in range(200)]),
        ]
    )
    new = side(
        rows(
            after, text=text, reason=text, case=[f"{i}-{text[:500]}" for i in range(n)]
        )
    )
    page = gate_markdown(
        gate(old, new), edited=[f"{i}{text[:400]}" for i in range(500)]
    )
    assert 20_000 < len(page.encode()) < MAX_BYTES
    assert page.count("<details>") == page.count("</details>")
    assert re.search(r"And [\d,]+ more cases\.", page)


def test_many_suites_are_counted_when_they_do_not_fit() -> None:
    before = [
        row for n in range(200) for row in rows([1.0] * 10, test=f"{n:0>50}.py::test_a")
    ]
    page = gate_markdown(gate(side(before), side(before)))
    assert re.search(r"And \d+ more suites\.", page)
    assert len(page.encode()) < MAX_BYTES


def test_edited_recordings_stand_on_top() -> None:
    page = gate_markdown(a_result(), edited=["recordings/test_shop.jsonl"])
    warning = "> This change edits 1 recording: replies"
    assert page.index(warning) < page.index("**FAIL")
    assert (
        "- recordings/test\\_shop.jsonl" in page or "recordings/test_shop.jsonl" in page
    )


def test_a_broken_gate_is_a_comment_too() -> None:
    page = gate_markdown(gate(side([]), side([])))
    assert "## pytest-ladder gate: broken" in page
    assert "**BROKEN: The baseline has no row of bot/plain" in page


def test_the_terminal_says_the_same() -> None:
    lines = list(gate_lines(a_result()))
    assert lines[0].startswith(
        "gate: FAIL: Quality (cheap, test_shop.py) went from 90.0 %"
    )
    assert "  c000 got worse: 1/1 -> 0/1 (test_shop.py::test_answer)" in lines
    assert lines[-1] == "  and 9 more cases flipped"


def test_cases_that_flipped_on_several_tests_count_once() -> None:
    old, new = [], []
    for test, worse in (("a", 11), ("b", 8)):
        before, after = changed(worse, 0, 20, 20)
        old += rows(before, test=f"test_shop.py::test_{test}")
        new += rows(after, test=f"test_shop.py::test_{test}")
    result = gate(side(old), side(new), Gate())
    assert len(result.flips) == 19
    assert list(gate_lines(result))[-1] == "  and 6 more cases flipped"
    assert "### 11 cases worse" in gate_markdown(result)


def test_tests_of_one_name_in_two_files_are_told_apart() -> None:
    old, new = [], []
    for file in ("shop.py", "till.py"):
        before, after = changed(1, 0, 20, 20)
        old += rows(before, test=f"{file}::test_answer")
        new += rows(after, test=f"{file}::test_answer")
    page = gate_markdown(gate(side(old), side(new), Gate()))
    assert "<summary>c000, shop.py::test_answer: passed" in page
    assert "<summary>c000, till.py::test_answer: passed" in page


def test_cases_that_were_not_compared_are_named() -> None:
    old = rows([1.0] * 40)
    new = [*rows([1.0] * 39, case_hash=["new", *(f"h{n}" for n in range(1, 39))])]
    page = gate_markdown(gate(side(old), side(new)))
    assert "- Not compared: 1 case changed, 1 case dropped." in page
    assert (
        "<details><summary>1 case changed, not compared</summary>\n\n- c000\n" in page
    )
    assert (
        "<details><summary>1 case dropped, not compared</summary>\n\n- c039\n" in page
    )


def test_cases_that_are_read_differently_have_not_changed() -> None:
    old = rows([1.0] * 40)
    hashes = ["new", "edited", *(f"h{n}" for n in range(2, 40))]
    new = rows([1.0] * 40, case_hash=hashes, former_hash=["h0", "other", *[""] * 38])
    page = gate_markdown(gate(side(old), side(new)))
    assert "- Not compared: 1 case changed, 1 case read differently since 0.2" in page
    assert (
        "<details><summary>1 case read differently since 0.2, not compared</summary>"
        "\n\n- c000\n" in page
    )
