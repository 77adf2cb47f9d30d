from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.row import Outcome, Row, UsedReply
from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.decide.cost import Spend
from pytest_ladder.decide.matrix import Matrix, build_matrix
from pytest_ladder.reporting.report import Report, RunInfo, report_on
from pytest_ladder.reporting.sentences.matrix import spend_line
from pytest_ladder.reporting.terminal.lines import (
    ASCII,
    UNICODE,
    Glyphs,
    glyphs_for,
)
from pytest_ladder.reporting.terminal.matrix import matrix_lines
from pytest_ladder.reporting.terminal.report import decision_lines, report_lines
from pytest_ladder.text.untrusted import display_width

INFO = RunInfo(
    id="run", started="2026-01-02T03:04:05Z", mode="matrix", current="smol/few-shot"
)
COSTS = {"zero-shot": 1e-5, "few-shot": 2e-5, "rag": 0.0012, "few-shot-rag": None}


def some_rungs(*names: str) -> list[Rung]:
    model = Model(name="smol", tier=Tier.OFF_THE_SHELF, id="scripted/smol")
    return [Rung(model=model, strategy=Strategy(name=name)) for name in names]


def some_rows(
    name: str, passes: int, n: int = 100, *, live: bool = True, **fields: Any
) -> list[Row]:
    cost = COSTS[name]
    return [
        Row(
            **{
                "test": "t.py::test_a",
                "rung": f"smol/{name}",
                "level": Level.CHEAP,
                "source": "c.jsonl",
                "case": str(number),
                "outcome": Outcome.PASSED if number < passes else Outcome.MISSED,
                "score": float(number < passes),
                "replies": (
                    UsedReply(
                        key=f"{name}-{number}", live=live, cost_usd=cost, latency_s=0.25
                    ),
                ),
                **fields,
            }
        )
        for number in range(n)
    ]


def a_matrix(*, live: bool = True) -> Matrix:
    rows = [
        *some_rows("zero-shot", 45, live=live),
        *some_rows("few-shot", 62, live=live),
        *some_rows("few-shot-rag", 84, live=live),
    ]
    return build_matrix(
        rows, some_rungs("zero-shot", "few-shot", "rag", "few-shot-rag"), {}
    )


def text_of(matrix: Matrix, width: int = 80, info: RunInfo = INFO) -> str:
    return "\n".join(text for text, _ in matrix_lines(matrix, info, width))


def test_the_table_fits_80_columns() -> None:
    assert text_of(a_matrix()).splitlines() == [
        "  rung                cheap    95 % CI    n  $ per 1k     p50     p95  live",
        "  smol/zero-shot     45.0 %  35.6-54.8  100     $0.01  0.25 s  0.25 s   100",
        "▸ smol/few-shot      62.0 %  52.2-70.9  100     $0.02  0.25 s  0.25 s   100",
        "  smol/few-shot-rag  84.0 %  75.6-89.9  100   unknown  0.25 s  0.25 s   100",
        "▸ smol/few-shot is the current rung",
        "cheapest: smol/zero-shot at $0.01 per 1,000 calls",
        "not run: smol/rag",
        "spent $0.003 on 300 calls, 100 of them of unknown cost and not counted; 0",
        "  replayed",
    ]


def test_beside_live_calls_the_note_speaks_of_the_starred_rungs_alone() -> None:
    rows = [*some_rows("zero-shot", 45, live=False), *some_rows("few-shot", 62)]
    lines = text_of(build_matrix(rows, some_rungs("zero-shot", "few-shot"), {}))
    assert "* latency when recorded; no call of that rung was live" in (
        lines.splitlines()
    )


def test_a_replayed_matrix_stars_the_recorded_latency() -> None:
    lines = text_of(a_matrix(live=False)).splitlines()
    assert lines[0].endswith("$ per 1k    p50*    p95*  replayed")
    assert "* latency when recorded; no call was live" in lines
    assert lines[-2].startswith("replayed 300 calls recorded at $0.003 (100 of unknown")
    assert lines[-1].endswith("nothing")


def test_single_recorded_figures_are_starred_in_a_mixed_table() -> None:
    rows = [*some_rows("zero-shot", 50), *some_rows("few-shot", 60, live=False)]
    matrix = build_matrix(rows, some_rungs("zero-shot", "few-shot"), {})
    lines = text_of(matrix, 100).splitlines()
    assert lines[0].endswith("p50      p95   live/replayed")
    assert lines[1].endswith("0.25 s   0.25 s           100/0")
    assert lines[2].endswith("0.25 s*  0.25 s*          0/100")


@pytest.mark.parametrize(
    ("width", "there", "gone"),
    [
        (100, ["▰▰▰▰▰▱▱▱", "live", "p50", "p95"], []),
        (80, ["live", "p50", "p95"], ["▰"]),
        (74, ["p50", "p95"], ["live"]),
        (66, ["p95"], ["p50", "live"]),
        (60, ["$ per 1k"], ["p95"]),
        (40, ["smol/few-shot-rag", "84.0 %", "$ per 1k"], ["95 % CI"]),
    ],
)
def test_columns_go_in_order_when_there_is_no_room(
    width: int, there: list[str], gone: list[str]
) -> None:
    lines = [text for text, _ in matrix_lines(a_matrix(), INFO, width)]
    table = "\n".join(lines[:4])
    assert all(word in table for word in there)
    assert not any(word in table for word in gone)
    assert max(display_width(line) for line in lines) <= width


def test_long_names_are_shortened_last() -> None:
    table = text_of(a_matrix(), 50).splitlines()[:4]
    assert max(map(display_width, table)) <= 50
    assert table[2].startswith("▸ smol/few-shot   62.0 %")
    assert table[3].startswith("  smol/…shot-rag  84.0 %")


def test_each_level_has_its_columns() -> None:
    rows = [
        *some_rows("zero-shot", 50),
        *some_rows("zero-shot", 20, n=40, level=Level.JUDGED),
        *some_rows("few-shot", 60),
    ]
    matrix = build_matrix(rows, some_rungs("zero-shot", "few-shot"), {})
    lines = text_of(matrix).splitlines()
    assert lines[0].startswith(
        "  rung             cheap    95 % CI    n  judged    95 % CI   n  $ per 1k"
    )
    assert "50.0 %  40.4-59.6  100  50.0 %  35.2-64.8  40" in lines[1]
    assert display_width(lines[1]) <= 80
    # No judged rows on this rung: blank, not 0.
    assert "60.0 %  50.2-69.1  100                            $0.02" in lines[2]


def test_errors_few_cases_clusters_and_stops_are_said_below_the_table() -> None:
    rows = [
        *some_rows("zero-shot", 1, n=2),
        *some_rows("zero-shot", 0, n=1, case="x", outcome=Outcome.ERROR, score=None),
        *some_rows("few-shot", 6, n=12, cluster="doc"),
    ]
    states = {"smol/few-shot": "stopped"}
    matrix = build_matrix(rows, some_rungs("zero-shot", "few-shot"), states)
    lines = dict(matrix_lines(matrix, INFO, 80))
    said = [
        "smol/zero-shot, cheap: 1 error, which no quality counts; coverage 66.7 %.",
        "smol/few-shot was stopped before all cases ran.",
        "cheap: fewer than 10 cases say little.",
        "cheap: too few clusters for an interval.",
    ]
    assert all(lines[text] == {"yellow": True} for text in said)


def test_the_order_note_is_shown() -> None:
    rows = [*some_rows("zero-shot", 1), *some_rows("few-shot", 1)]
    matrix = build_matrix(rows, some_rungs("few-shot", "zero-shot"), {})
    assert "By measured cost smol/zero-shot comes before smol/few-shot;" in text_of(
        matrix
    )


def test_the_current_rung_is_marked_and_bold() -> None:
    bold = [
        text for text, markup in matrix_lines(a_matrix(), INFO, 80) if "bold" in markup
    ]
    assert [text.split()[:2] for text in bold] == [["▸", "smol/few-shot"]]


def a_decided_report() -> Report:
    rows = [*some_rows("zero-shot", 45), *some_rows("few-shot", 62)]
    matrix = build_matrix(
        [*rows, *some_rows("rag", 95)], some_rungs("zero-shot", "few-shot", "rag"), {}
    )
    objective = Objective(kind="good-enough", quality=0.8)
    return report_on(INFO, matrix, [*rows, *some_rows("rag", 95)], objective)


@pytest.mark.parametrize(("glyphs", "marks"), [(UNICODE, "▸✦"), (ASCII, ">+")])
def test_what_ships_and_what_is_recommended_are_marked_without_colour(
    glyphs: Glyphs, marks: str
) -> None:
    lines = [text for text, _ in report_lines(a_decided_report(), 80, glyphs)]
    assert [line.split()[:3] for line in lines[:4]] == [
        ["rung", "verdict", "cheap"],
        ["smol/zero-shot", "fail", "45.0"],
        [marks[0], "smol/few-shot", "fail"],
        [marks[1], "smol/rag", "pass"],
    ]
    assert lines[4:6] == [
        f"{marks[0]} smol/few-shot is the current rung",
        f"{marks[1]} smol/rag is recommended (pass)",
    ]


def test_the_current_rung_can_be_the_one_that_is_recommended() -> None:
    report = a_decided_report()
    info = msgspec.structs.replace(INFO, current="smol/rag")
    lines = dict(report_lines(msgspec.structs.replace(report, info=info), 80))
    (line,) = (text for text in lines if text.startswith("▸✦ smol/rag  "))
    assert lines[line] == {"green": True, "bold": True}
    assert [text.index("smol/") for text in list(lines)[1:4]] == [3, 3, 3]


def test_the_headline_is_one_line_for_a_log_and_wrapped_for_a_reader() -> None:
    report = a_decided_report()
    (whole, markup) = decision_lines(report, 60)[-1]
    assert whole.startswith("PASS: smol/rag ")
    assert len(whole) > 60
    lines = [
        text
        for text, found in decision_lines(report, 60, wrap_headline=True)
        if found == markup
    ]
    assert max(map(len, lines)) <= 60
    assert " ".join(line.strip() for line in lines) == whole


def test_a_note_on_latency_goes_with_its_columns() -> None:
    matrix = a_matrix(live=False)
    assert "* latency" in text_of(matrix, 80)
    assert "* latency" not in text_of(matrix, 60)


def test_rungs_that_were_not_run_share_one_line() -> None:
    rungs = some_rungs("zero-shot", *(f"strategy-{n}" for n in range(30)))
    matrix = build_matrix(some_rows("zero-shot", 5), rungs, {})
    (line,) = [t for t in text_of(matrix).splitlines() if t.startswith("not run: ")]
    assert line == (
        "not run: smol/strategy-0, smol/strategy-1, smol/strategy-2 and 27 more"
    )


def test_a_matrix_without_rows_has_no_table() -> None:
    matrix = build_matrix([], some_rungs("zero-shot"), {})
    assert text_of(matrix) == "not run: smol/zero-shot\nmade no calls; spent nothing"


def test_ascii_terminals_get_ascii_only() -> None:
    for width in (100, 48):
        for text, _ in matrix_lines(a_matrix(), INFO, width, ASCII):
            assert text.isascii()
    lines = [text for text, _ in matrix_lines(a_matrix(), INFO, 100, ASCII)]
    assert lines[2].startswith("> smol/few-shot      #####...  62.0 %")


@pytest.mark.parametrize(
    ("encoding", "glyphs"),
    [
        ("utf-8", UNICODE),
        ("UTF-16", UNICODE),
        ("ascii", ASCII),
        ("cp1252", ASCII),
        ("latin-1", ASCII),
        ("no-such-codec", ASCII),
        (None, ASCII),
    ],
)
def test_glyphs_fit_the_encoding(encoding: str | None, glyphs: object) -> None:
    assert glyphs_for(encoding) == glyphs


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "made no calls; spent nothing"),
        (
            {"live_calls": 480, "product_usd": 0.0123},
            "spent $0.0123 on 480 calls; 0 replayed",
        ),
        (
            {"replayed_calls": 480, "saved_usd": 0.0123},
            "replayed 480 calls recorded at $0.0123; spent nothing",
        ),
        (
            {
                "live_calls": 1,
                "product_usd": 0.01,
                "evaluation_usd": 0.02,
                "replayed_calls": 1200,
                "saved_usd": 3.0,
            },
            "spent $0.03 on 1 call ($0.01 product, $0.02 evaluation); "
            "1,200 replayed recorded at $3.00",
        ),
        (
            {"live_calls": 5, "product_usd": None, "unknown_calls": 5},
            "spent an unknown sum on 5 calls; 0 replayed",
        ),
        (
            {"replayed_calls": 5, "saved_usd": None, "unknown_replayed_calls": 5},
            "replayed 5 calls recorded at unknown cost; spent nothing",
        ),
        ({"lost_calls": 6, "lost_usd": 0.000132}, "6 calls, no reply; $0.000132"),
        (
            {"lost_calls": 1, "lost_usd": None, "lost_at_most": True},
            "1 call, no reply; their cost is unknown",
        ),
        (
            {
                "live_calls": 2,
                "product_usd": 0.5,
                "lost_calls": 1,
                "lost_usd": 0.25,
                "lost_at_most": True,
            },
            "spent $0.50 on 2 calls; 0 replayed. "
            "Besides 1 call, no reply; at most $0.25",
        ),
    ],
)
def test_the_spend_line(changes: dict[str, Any], line: str) -> None:
    nothing: dict[str, Any] = {
        "product_usd": 0.0,
        "evaluation_usd": 0.0,
        "live_calls": 0,
        "replayed_calls": 0,
        "saved_usd": 0.0,
        "unknown_calls": 0,
        "unknown_replayed_calls": 0,
    }
    assert spend_line(Spend(**{**nothing, **changes})) == line
