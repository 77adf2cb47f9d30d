from __future__ import annotations

from typing import Any

from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.rung import Build, Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.matrix import build_matrix
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
        a_row("rag", "refund-window", 0, reason="assert '45' in\n'30 days'"),
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
        "<details><summary>smol/rag: 2 missed, 1 error</summary>\n\n"
        "- **broken, t.py::test_a**: error: TimeoutError\n"
        "- **refund-window, t.py::test_a**: assert '45' in '30 days'\n"
        "- **返品, t.py::test_a**, sample 2: no reason\n\n"
        "</details>\n"
    )


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
    page = page_of([a_row("rag", hostile, 0, reason=hostile)])
    line = next(line for line in page.splitlines() if "script" in line)
    for active in ("<", ">", "[", "]", "`", "|", "@t", "#1", "http:", "www.", "\x1b"):
        assert active not in line.replace("&#1", "&#_")
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
        a_row(name, f"{number}-" + "返品" * 100, 0, reason="<|*@a" * 200)
        for name in names
        for number in range(60)
    ]
    page = page_of(rows, *names)
    assert 40_000 < len(page.encode()) < MAX_BYTES
    # Every rung gets its share, none of them all of it.
    assert page.count("<details>") == page.count("</details>") == 40
    assert page.count("more in `rows.jsonl`.") == 40


def test_a_list_that_fits_is_cut_at_a_readable_length() -> None:
    page = page_of([a_row("rag", f"c{number:03}", 0) for number in range(80)])
    assert page.count("no reason") == 50
    assert "- 30 more in `rows.jsonl`.\n" in page


def test_a_ladder_of_hundreds_of_rungs_still_fits() -> None:
    names = [f"s{number}" + "_" * 150 for number in range(400)]
    rows = [a_row(name, "c", score) for name in names for score in (0, None)]
    page = page_of(rows, *names, *(f"not-run-{number}" for number in range(400)))
    assert len(page.encode()) < MAX_BYTES
    assert "more rungs in `matrix.json`." in page
    assert "more rungs are in `rows.jsonl`." in page
