from __future__ import annotations

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ladder.text import numbers, untrusted


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "n/a"),
        (0.84, "84.0 %"),
        (2 / 3, "66.7 %"),
        (0.0, "0.0 %"),
        (1.0, "100.0 %"),
        (0.9999, "99.9 %"),
        (0.0001, "0.1 %"),
    ],
)
def test_percent(share: float | None, text: str) -> None:
    assert numbers.percent(share) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0.84, 0.7531, 0.9009, 100), "84.0 % (75.3-90.1, n=100)"),
        ((1.0, 0.5, 1.0, 1200), "100.0 % (50.0-100.0, n=1,200)"),
        ((0.5, None, None, 4), "50.0 % (n/a, n=4)"),
        ((None, None, None, 0), "n/a"),
    ],
)
def test_quality(
    arguments: tuple[float | None, float | None, float | None, int], text: str
) -> None:
    assert numbers.quality(*arguments) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "unknown"),
        (math.nan, "unknown"),
        (math.inf, "unknown"),
        (0, "$0"),
        (5e-8, "<$0.000001"),
        (0.0000123456, "$0.0000123"),
        (0.0312, "$0.0312"),
        (0.03125, "$0.0312"),
        (0.05, "$0.05"),
        (0.5, "$0.50"),
        (0.9996, "$1.00"),
        (1.2, "$1.20"),
        (12.345, "$12.35"),
        (123.4, "$123"),
        (12300, "$12,300"),
        (-1.2, "-$1.20"),
    ],
)
def test_dollars(usd: float | None, text: str) -> None:
    assert numbers.dollars(usd) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (None, "n/a"),
        (math.inf, "n/a"),
        (0, "0 ms"),
        (0.0001, "<1 ms"),
        (0.012, "12 ms"),
        (0.0999, "0.10 s"),
        (0.12, "0.12 s"),
        (0.999, "1.0 s"),
        (1.3, "1.3 s"),
        (9.99, "10 s"),
        (13.2, "13 s"),
        (59.9, "1 min"),
        (90, "1.5 min"),
        (120, "2 min"),
        (3599, "1 h"),
        (5400, "1.5 h"),
    ],
)
def test_seconds(duration: float | None, text: str) -> None:
    assert numbers.seconds(duration) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 calls"), (1, "1 call"), (1200, "1,200 calls")]
)
def test_count(number: int, text: str) -> None:
    assert numbers.count(number, "call") == text


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("急須", 4), ("ｱ", 1), ("e\u0301", 1), ("\u200d", 0), ("▰▸", 2)],
)
def test_display_width(text: str, width: int) -> None:
    assert untrusted.display_width(text) == width


def test_pad_counts_columns_and_not_characters() -> None:
    assert untrusted.pad("急須", 6) == "急須  "
    assert untrusted.pad("急須", 6, right=True) == "  急須"
    assert untrusted.pad("longer", 3) == "longer"


@pytest.mark.parametrize(
    ("text", "width", "clipped"),
    [
        ("refund", 6, "refund"),
        ("refunds", 6, "refun…"),
        ("急須と湯呑", 6, "急須…"),
        ("a long word", 8, "a long…"),
    ],
)
def test_clip(text: str, width: int, clipped: str) -> None:
    assert untrusted.clip(text, width) == clipped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\tand  more", "two lines and more"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1b]never ended", "never ended"),
        ("\x1b[2J\x1b[Hgone\x07\x00", "gone"),
        ("\x9b31mred", "31mred"),
        ("\u202etxt.exe\u2066", "txt.exe"),
        ("line\u2028end\x85", "line end"),
        ("half \ud800 pair", "half pair"),
        ("क्\u200dष", "क्\u200dष"),
        ("お茶の返品", "お茶の返品"),
    ],
)
def test_plain_keeps_words_and_drops_what_steers_a_terminal(
    text: str, shown: str
) -> None:
    assert untrusted.plain(text) == shown


@given(st.text(), st.integers(1, 30))
def test_plain_never_breaks_a_line_steers_or_overflows(text: str, width: int) -> None:
    shown = untrusted.plain(text, width)
    assert untrusted.display_width(shown) <= width
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}


def test_lines_keep_their_indent_and_nothing_that_is_not_seen() -> None:
    text = "def f():\r\n\treturn 1\x1b[31m\u202e\n\n  end \ud800"
    assert untrusted.plain_lines(text) == ["def f():", "    return 1", "", "  end"]


def test_plain_is_quick_and_says_so_when_it_cuts_hostile_text() -> None:
    assert untrusted.plain("\x1b]" * 1_000_000).endswith("…")
    assert len(untrusted.plain("a" + "\u0301" * 100_000)) < 2000


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain words, done.", "plain words, done."),
        ("snake_case of t.py::test_a", "snake_case of t.py::test_a"),
        ("0.37 s", "0.37 s"),
        ("_a_ *b*", "&#95;a&#95; &#42;b&#42;"),
        ("[a](http://x)", "&#91;a&#93;(http&#58;//x)"),
        ("![i](x)", "!&#91;i&#93;(x)"),
        ("<img src=x onerror=y>", "&#60;img src=x onerror=y&#62;"),
        ("</details>", "&#60;/details&#62;"),
        ("&lt;", "&#38;lt;"),
        ("a | b", "a &#124; b"),
        ("```\nfence", "&#96;&#96;&#96; fence"),
        ("\\*", "&#92;&#42;"),
        ("~~gone~~ $x$", "&#126;&#126;gone&#126;&#126; &#36;x&#36;"),
        ("# title", "&#35;\u200b title"),
        ("- item", "&#45; item"),
        ("12) item", "12&#41; item"),
        ("12.", "12&#46;"),
        ("80.0 % (65.2-89.5, n=40) of 40.", "80.0 % (65.2-89.5, n=40) of 40."),
        ("-32.5 points, p < 0.05", "-32.5 points, p < 0.05"),
        ("---", "&#45;--"),
        ("=> R&D > 5 & more <", "&#61;&#62; R&#38;D > 5 & more &#60;"),
        ("> quoted <b >", "&#62; quoted &#60;b &#62;"),
        ("&ltb", "&#38;ltb"),
        ("www.example.com", "www&#46;example.com"),
        ("mailto:me", "mailto&#58;me"),
        (":tada:", "&#58;tada:"),
        ("thanks @octocat", "thanks &#64;\u200boctocat"),
        ("fixes #12 and GH-12", "fixes &#35;\u200b12 and GH-\u200b12"),
    ],
)
def test_markdown_text_leaves_nothing_to_interpret(text: str, escaped: str) -> None:
    assert untrusted.markdown_text(text) == escaped


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\uff1d"])
def test_csv_cell_defuses_formulas(start: str) -> None:
    assert untrusted.csv_cell(f"{start}cmd()") == f"'{start}cmd()"


def test_csv_cell_leaves_other_text_alone() -> None:
    assert untrusted.csv_cell("smol/few-shot=1") == "smol/few-shot=1"


@pytest.mark.parametrize(
    ("share", "text"), [(0.85, "85 %"), (0.925, "92.5 %"), (1.0, "100 %"), (0.0, "0 %")]
)
def test_a_bar_is_shown_as_it_was_set(share: float, text: str) -> None:
    assert numbers.bar(share) == text


def test_differences_are_points_with_their_sign() -> None:
    assert numbers.points(0.025) == "+2.5 points"
    assert numbers.points(-0.01) == "-1.0 points"
    # Nothing is lost where the sign alone would say so.
    assert numbers.points(-0.0004) == "+0.0 points"
    assert numbers.margin(0.03) == "3 points"
    assert numbers.margin(0.01) == "1 point"
    assert numbers.margin(0.025) == "2.5 points"
    assert numbers.points_between(-0.04, 0.002) == "-4.0 to +0.2"
    assert numbers.points_between(None, None) == "n/a"


@pytest.mark.parametrize(
    ("usd_per_1k", "text"),
    [
        (None, "unknown per 1,000 calls"),
        (0.0, "$0 per 1,000 calls"),
        (0.0206, "$0.0206 per 1,000 calls"),
        (0.000417, "$0.417 per million calls"),
        (0.00000997, "$0.00997 per million calls"),
    ],
)
def test_tiny_prices_are_written_for_a_million_calls(
    usd_per_1k: float | None, text: str
) -> None:
    assert numbers.per_calls(usd_per_1k) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0.81, "$0.81 per extra good answer"),
        (0.000286, "$0.286 per 1,000 extra good answers"),
        (5e-7, "$0.50 per million extra good answers"),
    ],
)
def test_what_a_good_answer_costs_never_begins_with_many_zeros(
    usd: float, text: str
) -> None:
    assert numbers.per_answer(usd) == text
