from __future__ import annotations

import csv
from typing import Any

import msgspec

from pytest_ladder.core.case import WrittenCase
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.row import Exchange, Outcome, Row, UsedReply
from pytest_ladder.core.rung import Build, Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.funnel import funnelled
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.reporting.files.matrix_csv import matrix_csv
from pytest_ladder.reporting.markdown import MAX_BYTES, matrix_markdown
from pytest_ladder.reporting.report import RunInfo, report_on

INFO = RunInfo(
    id="run", started="2026-01-02T03:04:05Z", mode="matrix", current="smol/rag"
)


def some_rungs(*names: str, build: Build | None = None) -> list[Rung]:
    model = Model(name="smol", tier=Tier.FINE_TUNED, id="scripted/smol", build=build)
    return [Rung(model=model, strategy=Strategy(name=name)) for name in names]


def a_row(name: str, case: str, score: float | None, **fields: Any) -> Row:
    outcome = Outcome.PASSED if score == 1 else Outcome.MISSED
    bill = UsedReply(
        key=f"{name}-{case}", live=True, cost_usd=1e-5 * len(name), latency_s=0.25
    )
    values: dict[str, Any] = {
        "test": "t.py::test_a",
        "rung": f"smol/{name}",
        "level": Level.CHEAP,
        "source": "c.jsonl",
        "case": case,
        "outcome": Outcome.ERROR if score is None else outcome,
        "score": score,
        "replies": (bill,),
    }
    return Row(**{**values, **fields})


def page_of(rows: list[Row], *names: str, build: Build | None = None) -> str:
    rungs = some_rungs(*(names or ("rag",)), build=build)
    return matrix_markdown(report_on(INFO, build_matrix(rows, rungs, {}), rows))


def test_the_page_has_headline_table_remarks_spend_and_folded_misses() -> None:
    rows = [
        *(a_row("rag", f"c{number}", 1) for number in range(10)),
        a_row(
            *("rag", "refund-window", 0),
            reason="assert '45' in\n'30 days'",
            text="30 days",
        ),
        a_row("rag", "返品", 0, sample=2),
        a_row("rag", "broken", None, reason="TimeoutError"),
        *(a_row("zero-shot", f"c{number}", 1) for number in range(12)),
    ]
    build = Build(usd=0.35)
    page = page_of(rows, "rag", "zero-shot", "few-shot", build=build)
    assert page == (
        "## pytest-ladder: 2 rungs, cheapest first\n\n"
        "| rung | cheap, 95 % interval | $ per 1,000 calls | build | p50 | p95 "
        "| calls live / replayed | errors |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| **smol/rag** (current) | 83.3 % (55.2-95.3, n=12) | &#36;0.0335 "
        "| &#36;0.35 | 0.25 s | 0.25 s | 13 / 0 | 1 |\n"
        "| smol/zero-shot | 100.0 % (75.8-100.0, n=12) | &#36;0.0935 "
        "| &#36;0.35 | 0.25 s | 0.25 s | 12 / 0 |  |\n\n"
        "```mermaid\n"
        '%%{init: {"xyChart": {"width": 700, "height": 170}, "themeVariables": '
        '{"xyChart": {"plotColorPalette": "#2f6fb0, #e0662e"}}}}%%\n'
        "xychart-beta horizontal\n"
        '    title "Quality at cheap, cheapest rung first"\n'
        '    x-axis ["smol/rag", "smol/zero-shot"]\n'
        '    y-axis "quality in %" 0 --> 100\n'
        "    bar [83.3, 100.0]\n"
        "```\n\n"
        "- Not run: smol/few-shot.\n"
        "- smol/rag, cheap: 1 error, which no quality counts; coverage 92.3 %.\n\n"
        "Spent &#36;0.00147 on 25 calls; 0 replayed.\n\n"
        "### smol/rag (current): 2 of 13 cases missed, 1 error\n\n"
        "- **broken, test_a**: error: TimeoutError\n\n"
        "| missed | got | why |\n"
        "| --- | --- | --- |\n"
        "| **refund-window, test_a** | 30 days | assert '45' in '30 days' |\n"
        "| **返品, test_a** |  |  |\n"
    )


def test_a_rung_that_nobody_stands_on_is_folded_and_groups_its_reasons() -> None:
    rows = [
        *(a_row("rag", f"c{n}", 0, reason="no window") for n in range(5)),
        a_row("rag", "c5", 0, reason="too long"),
        *(a_row("rag", "c6", score, sample=n) for n, score in enumerate([0, 1, 0], 1)),
        a_row("rag", "c7", None, reason="TimeoutError"),
    ]
    info = msgspec.structs.replace(INFO, current=None)
    page = matrix_markdown(
        report_on(info, build_matrix(rows, some_rungs("rag"), {}), rows)
    )
    assert page.endswith(
        "<details><summary>smol/rag: 7 of 8 cases missed, 1 error</summary>\n\n"
        "- **5 cases, test_a**: no window (c0, c1, c2 and 2 more)\n"
        "- **c5, test_a**: too long\n"
        "- **c6, test_a**, 2 of 3 samples: no reason\n"
        "- **c7, test_a**: error: TimeoutError\n\n"
        "</details>\n"
    )


def test_the_current_rung_comes_first_then_the_recommended_one_both_open() -> None:
    names = ("zero-shot", "few-shot", "rag")
    rows = [
        a_row(name, f"c{n:02}", float(n < passed))
        for name, passed in zip(names, (10, 35, 20), strict=True)
        for n in range(40)
    ]
    matrix = build_matrix(rows, some_rungs(*names), {})
    goal = Objective(kind="good-enough", quality=0.8)
    page = matrix_markdown(report_on(INFO, matrix, rows, goal))
    assert "| rung | verdict | cheap, 95 % interval |" in page
    assert "| **smol/rag** (current) | fail | 50.0 %" in page
    assert "| **smol/few-shot** (recommended) | pass | 87.5 %" in page
    current = page.index("\n### smol/rag (current): 20 of 40 cases missed\n")
    recommended = page.index(
        "\n### smol/few-shot (recommended): 5 of 40 cases missed\n"
    )
    other = page.index(
        "<details><summary>smol/zero-shot: 30 of 40 cases missed</summary>"
    )
    assert current < recommended < other


def test_what_the_funnel_held_back_is_one_line_and_each_case_counts_once() -> None:
    judged: dict[str, Any] = {"test": "t.py::test_tone", "level": Level.JUDGED}
    rows = [
        *(a_row("rag", f"c{n}", 0, reason="no window") for n in range(3)),
        *(a_row("rag", f"c{n}", 1, **judged) for n in range(3)),
        *(a_row("rag", f"c{n}", 1) for n in range(3, 6)),
        *(a_row("rag", f"c{n}", 0, reason="rude", **judged) for n in range(3, 5)),
        a_row("rag", "c5", 1, **judged),
    ]
    page = page_of(funnelled(rows))
    assert "### smol/rag (current): 5 of 6 cases missed\n" in page
    assert "- **3 cases, test_a**: no window (c0, c1, c2)\n" in page
    assert "- **2 cases, test_tone**: rude (c3, c4)\n" in page
    assert page.count("funnel") == page.count("The funnel left 3 replies unjudged") == 1


def test_ten_misses_show_question_expected_and_reply_of_every_reason_first() -> None:
    rows = [
        *(a_row("rag", f"a{n:02}", 0, reason="no window") for n in range(20)),
        a_row(
            *("rag", "b", 0),
            reason="rude",
            input="Why?",
            expected="Yes.",
            text="No.",
        ),
    ]
    page = page_of(rows)
    assert "| missed | asked | expected | got | why |\n" in page
    assert "| **b, test_a** | Why? | Yes. | No. | rude |\n" in page
    assert page.count("| **a") == 9
    assert page.endswith("\n11 more in `rows.jsonl`.\n")


def test_rows_of_a_baseline_show_what_their_cases_ask_and_expect() -> None:
    """They stand beside the rows there: two columns were missing."""
    rows = [a_row("rag", "b", 0, text="No.", reason="rude")]
    report = report_on(INFO, build_matrix(rows, some_rungs("rag"), {}), rows)
    asks = WrittenCase(source=rows[0].source, case="b", input="Why?", expected="Yes.")
    report = msgspec.structs.replace(report, cases={rows[0].unit: asks})
    page = matrix_markdown(report)
    assert "| missed | asked | expected | got | why |\n" in page
    assert "| **b, test_a** | Why? | Yes. | No. | rude |\n" in page


def test_without_a_case_the_question_is_that_of_the_call_and_keeps_its_end() -> None:
    passages = "Passage. " * 100
    said = Exchange(
        key="rag-",
        messages=(
            {"role": "user", "content": f"Answer. {passages} How long?"},
            {"role": "assistant", "content": "30 days"},
        ),
        text="30 days",
    )
    rows = [a_row("rag", "", 0, source="t.py::test_a")]
    report = report_on(INFO, build_matrix(rows, some_rungs("rag"), {}), rows)
    report = msgspec.structs.replace(report, exchanges={"rag-": said})
    line = matrix_markdown(report).splitlines()[-1]
    assert line.startswith("| **test_a** | Answer. Passage.")
    assert " … Passage." in line
    assert line.endswith("Passage. How long? |")
    assert len(line) < 250


def test_columns_nobody_needs_are_left_out() -> None:
    page = page_of([a_row("rag", "c", 1)])
    assert page.startswith("## pytest-ladder: smol/rag\n")
    assert "build" not in page
    assert "errors" not in page
    assert "<details>" not in page


def test_text_of_a_model_is_shown_and_never_interpreted() -> None:
    hostile = (
        "</details><script>x</script> @team [click](http://evil.example) "
        "![i](http://evil.example/p.png) | # | #1 www.evil.example\n```\n\x1b[31m"
    )
    texts = dict.fromkeys(("reason", "text", "input", "expected"), hostile)
    rows = [a_row(name, hostile, 0, **texts) for name in ("rag", "zero-shot")]
    page = page_of(rows, "rag", "zero-shot")
    lines = [line for line in page.splitlines() if "script" in line]
    for line in lines:
        for active in ("<", ">", "[", "]", "`", "@t", "#1", "http:", "www.", "\x1b"):
            assert active not in line.replace("&#1", "&#_")
    # One row of a table, and one line that is folded.
    assert [line.count("|") for line in lines] == [6, 0]
    assert page.count("</details>") == 1


def test_recorded_latency_is_starred() -> None:
    bill = UsedReply(key="x", live=False, cost_usd=1.0, latency_s=0.25)
    page = page_of([a_row("rag", "c", 1, replies=(bill,))])
    assert "| 0.25 s\\* | 0.25 s\\* | 0 / 1 |" in page
    assert "\n\\* latency when recorded; no call was live.\n" in page


def test_no_rung_run_is_a_page_too() -> None:
    assert page_of([]) == (
        "## pytest-ladder: no rung was run\n\n- Not run: smol/rag.\n\n"
        "Made no calls; spent nothing.\n"
    )


def test_a_page_stays_below_its_size_and_says_what_is_left_out() -> None:
    names = [f"strategy-{number}" for number in range(40)]
    rows = [
        a_row(name, f"{number}-" + "返品" * 100, 0, reason=f"{number} <|*@a" * 200)
        for name in names
        for number in range(60)
    ]
    page = page_of(rows, *names)
    assert 40_000 < len(page.encode()) < MAX_BYTES
    # Every rung gets its share, none of them all of it.
    assert page.count("<details>") == page.count("</details>") == 40
    assert page.count("more in `rows.jsonl`.") == 40


def test_a_list_that_fits_is_cut_at_a_readable_length() -> None:
    rows = [a_row("few-shot", f"c{n:03}", 0, reason=f"no {n}") for n in range(80)]
    page = page_of(rows, "few-shot")
    assert page.count(": no ") == 20
    assert "- 60 more in `rows.jsonl`.\n" in page


def test_open_rungs_of_hostile_length_leave_room_for_the_others() -> None:
    texts = dict.fromkeys(("reason", "text", "input", "expected"), "<|*@a" * 400)
    names = ("rag", "zero-shot", "few-shot")
    rows = [
        a_row(name, f"{n}-" + "返品" * 100, 0, **(texts | {"reason": f"{n} <|*" * 99}))
        for name in names
        for n in range(60)
    ]
    page = page_of(rows, *names)
    assert len(page.encode()) < MAX_BYTES
    assert page.count("### smol/rag (current): 60 of 60 cases missed") == 1
    assert page.count("<summary>") == 2


def test_a_ladder_of_hundreds_of_rungs_still_fits() -> None:
    names = [f"s{number}" + "_" * 150 for number in range(400)]
    rows = [a_row(name, "c", score) for name in names for score in (0, None)]
    page = page_of(rows, *names, *(f"not-run-{number}" for number in range(400)))
    assert len(page.encode()) < MAX_BYTES
    assert "more rungs in `matrix.json`." in page
    assert "more rungs are in `rows.jsonl`." in page


def test_speed_and_reasoning_are_told_where_replies_tell_them() -> None:
    usage = Usage(input=10, output=100, reasoning=40)
    bill = UsedReply(key="k", live=True, cost_usd=1.0, latency_s=0.5, usage=usage)
    rows = [a_row("think", "a", 1, replies=(bill,)), a_row("plain", "a", 1)]
    page = page_of(rows, "think", "plain")
    assert "| p95 | tokens/s | reasoning tokens | calls live" in page
    assert "| 0.50 s | 200 | 40 | 1 / 0 |" in page
    assert "| 0.25 s |  | 0 | 1 / 0 |" in page
    assert "tokens" not in page_of(rows[1:], "plain")
    matrix = build_matrix(rows, some_rungs("think", "plain"), {})
    lines = {
        line["rung"]: line for line in csv.DictReader(matrix_csv(matrix).split("\n"))
    }
    assert lines["smol/think"]["tokens_per_second"] == "200.0"
    assert lines["smol/think"]["reasoning_tokens"] == "40.0"
    assert lines["smol/plain"]["tokens_per_second"] == ""
