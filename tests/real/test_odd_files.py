"""What people's files are like: other separators, numbers, times, words; half empty."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Iterable

import pytest

from pytest_ladder.errors import BadRow
from pytest_ladder.real.sources.exports import first_of, rows_in
from pytest_ladder.real.sources.sniffing import Start, start_of
from pytest_ladder.real.sources.times import Order, many_seconds, seconds_of
from pytest_ladder.real.sources.values import is_up, number_in, yes_or_no
from tests.real.suite import EXPOSURES, JUNE, RESOLVED, Suite, event, events


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("2380", 2380, 2380),
        ("-14.5", -14.5, None),
        ("1e3", 1000, None),
        ("2,380", 2380, 2.38),
        ("2.380", 2.38, 2380),
        ("2.380,5", None, 2380.5),
        ("2,380.5", 2380.5, None),
        ("1,234,567", 1234567, None),
        ("0,42", None, 0.42),
        ("2 380", 2380, 2380),
        ("2\u202f380,50", None, 2380.5),
        ("2'380.5", 2380.5, None),
        ("2,38,0", None, None),
        ("1_000", None, None),
        ("nan", None, None),
        ("∞", None, None),
    ],
)
def test_a_number_is_read_as_its_outcome_says(
    text: str, point: float | None, comma: float | None
) -> None:
    for decimal, expected in ((".", point), (",", comma)):
        if expected is None:
            with pytest.raises(BadRow):
                number_in(text, 0, "n", decimal)  # type: ignore[arg-type]
        else:
            assert number_in(text, 0, "n", decimal) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2,380", 'may be 2380 or 2.38; say decimal = "." (2380) or decimal = ","'),
        ("2.380,5", 'reads as 2380.5; say decimal = "," in the [[outcome]], or write'),
        ("2,380.5", 'reads as 2380.5; say decimal = "."'),
        ("0,42", "reads as 0.42"),
        ("11.0 %", "a percentage; write 0.11, or 11 where the outcome is counted in"),
        ("$12.50", "write the number alone, without the currency"),
        ("12 €", "write the number alone"),
        ("n/a", "leave the cell empty or write a number"),
    ],
)
def test_a_number_that_nobody_can_be_sure_of_says_what_was_seen(
    text: str, sentence: str
) -> None:
    with pytest.raises(BadRow) as bad:
        number_in(text, 3, "amount")
    assert bad.value.row == 3
    assert bad.value.problem.startswith(f'amount is "{text}"')
    assert sentence in bad.value.problem


def test_yes_no_and_thumbs_are_known_in_many_spellings() -> None:
    for word in ("TRUE", "Yes", "y", "1", "1.0", "on", "✓", " true "):
        assert yes_or_no(word) is True, word
    for word in ("False", "NO", "f", "0", "off"):
        assert yes_or_no(word) is False, word
    for word in (
        "👍",
        "👍🏽",
        ":thumbsup:",
        "thumbs_up",
        "THUMBS-UP",
        "+1",
        "yes",
        "Like",
    ):
        assert is_up(word) is True, word
    for word in ("👎", "thumbs down", "-1", "No", "not_helpful", "downvote", "0"):
        assert is_up(word) is False, word
    for word in ("maybe", "2", "", "0.5"):
        assert (yes_or_no(word), is_up(word)) == (None, None), word


NOON = datetime.datetime(2026, 6, 7, 12, tzinfo=datetime.UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        *("2026-06-07T12:00:00Z", "2026-06-07 12:00:00", "2026-06-07T14:00:00+02:00"),
        *("2026-06-07 12:00:00 UTC", "2026-06-07 08:00:00 -0400", "2026/06/07 12:00"),
        *("20260607T120000Z", "2026-06-07T12:00:00.000000000Z"),
        *(f"{NOON:.0f}", f"{NOON:.3f}", f"{1000 * NOON:.0f}", f"{1e6 * NOON:.0f}"),
    ],
)
def test_times_are_known_in_many_forms(text: str) -> None:
    assert seconds_of(text) == NOON
    assert many_seconds([text, text])[1] == NOON


@pytest.mark.parametrize(
    "text", ["07.06.2026", "6/7/2026 12:00", "noon", "", "46180.5"]
)
def test_a_time_that_could_be_another_is_none(text: str) -> None:
    with pytest.raises(BadRow, match="is no time; write 2026-06-07T10:00:00Z"):
        many_seconds([text])


@pytest.mark.parametrize(
    ("text", "order"),
    [
        *(("07.06.2026 12:00", "dmy"), ("7/6/2026 12:00:00", "dmy")),
        *(("6/7/2026 12:00 PM", "mdy"), ("06/07/2026, 12:00:00 p.m.", "mdy")),
        ("2026-06-07T12:00:00Z", "mdy"),
    ],
)
def test_times_of_a_spreadsheet_are_read_in_the_order_that_is_said(
    text: str, order: Order
) -> None:
    assert many_seconds([text], order=order)[0] == NOON


def test_midnight_and_days_of_a_spreadsheet() -> None:
    midnight, day = many_seconds(["6/7/2026 12:05 AM", "6/7/2026"], order="mdy")
    assert (midnight, day) == (NOON - 12 * 3600 + 300, NOON - 12 * 3600)
    with pytest.raises(BadRow, match='"31/12/2026" is no time; write 2026-06-07T'):
        many_seconds(["31/12/2026"], order="mdy")


def test_a_zone_before_the_letter_of_another_is_no_time() -> None:
    with pytest.raises(BadRow, match="is no time"):
        many_seconds(["2026-06-07T12+02:00Z"])


def test_a_day_is_its_first_second_or_its_last() -> None:
    assert seconds_of("2026-06-07") == NOON - 12 * 3600
    assert seconds_of("2026-06-07", day_ends=True) == NOON + 12 * 3600 - 1


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a,b\n1,2\n", Start(",")),
        ("a;b\n1,5;2\n", Start(";")),
        ("a\tb\n1\t2\n", Start("\t")),
        ('When;"How, all in all?"\n1;"a, b"\n', Start(";")),
        ("When;How, all in all?\n1;good\n2;bad\n", Start(";")),
        ("sep=;\na;b\n1;2\n", Start(";", 1)),
        ("a\n1\n", Start(",")),
        ("id;text\n" + 9 * f"1;{'x, y' * 500}\n", Start(";")),
        ("", Start(",")),
        ("a,b;c\n1,2;3\n", Start(",")),
    ],
)
def test_what_is_between_cells_is_seen(text: str, start: Start) -> None:
    assert start_of(io.BufferedReader(io.BytesIO(text.encode())), ",") == start


def test_json_that_an_export_keeps_as_text_is_looked_into() -> None:
    metadata = {"rung": "bot/few", "deep": {"er": [1]}}
    for packed in (json.dumps(metadata), json.dumps(json.dumps(metadata)), metadata):
        (row,) = rows_in({"id": "t1", "metadata": packed})
        assert first_of(row, ["metadata.rung"]) == "bot/few"
        assert first_of(row, ["metadata.deep.er"]) == [1]
        assert first_of(row, ["metadata.none", "id"]) == "t1"
    (row,) = rows_in({"metadata": "{'rung': 1}"})
    assert first_of(row, ["metadata.rung"]) is None


UNITS = '[[outcome]]\nname = "paid"\nexperiment = "june"\nunits = "u.csv"\n'
THUMBS = (
    '[[outcome]]\nname = "thumbs"\nkind = "thumbs"\nratings = "s.csv"\n'
    'traces = "t.csv"\nrung_from = "metadata.rung"\n'
)


def table(rows: Iterable[Iterable[object]], delimiter: str = ",") -> str:
    """Write a CSV."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def test_a_german_spreadsheet_is_read(suite: Suite) -> None:
    suite.ladder(JUNE, UNITS, 'kind = "mean"\ndecimal = ","\n')
    rows = [(f"u{n}", ("control", "treatment")[n % 2], "1.000,5") for n in range(12)]
    suite.write("u.csv", "sep=;\n" + table([("user", "variant", "value"), *rows], ";"))
    assert suite.sums("paid") == {"control": (6, 6003), "treatment": (6, 6003)}


def test_a_question_over_lines_and_stars_are_a_forms_own(suite: Suite) -> None:
    question = 'Wie war die "Antwort"?\n(5 Sterne: sehr gut)'
    suite.ladder(
        JUNE,
        '[[outcome]]\nname = "csat"\nkind = "rating"\nexperiment = "june"\n'
        'ratings = "s.csv"\nscale = [1, 5]\n'
        "column = 'Wie war die \"Antwort\"? (5 Sterne: sehr gut)'\n",
    )
    drawn = ["★★★★☆", "⭐⭐⭐⭐", "★ ★ ★ ★", "🌟🌟🌟🌟", "⭐️⭐️⭐️⭐️", "4"]
    rows = [("control", stars) for stars in drawn]
    suite.write("s.csv", table([("variant", question), *rows], ";"))
    assert suite.sums("csat")["control"] == (6, 24)
    suite.write("s.csv", table([("variant", question), *rows, ("control", "☆")]))
    assert "s.csv:9: 0 is not on the scale 1 to 5" in suite.run("check").err


def test_a_share_typed_as_a_mean_says_which_kind_it_is(suite: Suite) -> None:
    units = UNITS.replace("units =", "table =")
    suite.ladder(JUNE, units, 'kind = "rate"\n')
    rows = [("group", "test_units", "test_mean", "sd"), ("control", 900, 0.12, 0.325)]
    suite.write("u.csv", table(rows))
    assert 'or say kind = "mean"' in suite.run("check").err


def test_a_unit_with_two_values_is_counted_apart_from_a_copy(suite: Suite) -> None:
    suite.ladder(JUNE, UNITS, 'kind = "mean"\n')
    rows = [(f"u{n}", ("control", "treatment")[n % 2], -n) for n in range(12)]
    twice = [("u0", "control", 0), ("u1", "treatment", 5)]
    suite.write("u.csv", table([("user", "variant", "value"), *rows, *twice]))
    assert suite.sums("paid")["treatment"] == (6, -36)
    assert suite.aggregate("paid")["dropped"] == {
        "duplicate row": 1,
        "duplicate row with another value (the first counts)": 1,
    }


def thumbs(suite: Suite, rung: str, trace: str = "t{}") -> None:
    """Write twelve thumbs, and their traces as Langfuse's CSV has them."""
    metadata = json.dumps({"rung": rung})
    suite.ladder(THUMBS)
    traces = [(f"t{n}", f"u{n}", metadata, "x") for n in range(24)]
    suite.write("t.csv", table([("id", "userId", "metadata", "input"), *traces]))
    votes = [(trace.format(n), ("True", "False")[n % 2]) for n in range(12)]
    suite.write("s.csv", table([("traceId", "value"), *votes]))


def test_metadata_as_text_names_the_rung_and_replies_are_counted(suite: Suite) -> None:
    thumbs(suite, "bot/rag")
    (rag,) = suite.imported("thumbs")["variants"]
    assert (rag["rung"], rag["units"], rag["sum"]) == ("bot/rag", 12, 6)
    assert rag["replies"] == 24
    assert "of the replies 50.0 % of 24 (bot/rag) got a thumb" in suite.run("show").out


def test_replies_of_users_who_are_left_out_are_not_waited_for(suite: Suite) -> None:
    suite.ladder(JUNE, THUMBS, 'experiment = "june"\n')
    of = ("bot/few", "bot/rag")
    # u0 voted in both arms; each of the others has two replies of one arm.
    traces = [(f"t{n}", f"u{n // 2}", {"rung": of[n // 2 % 2]}) for n in range(26)]
    traces[1] = ("t1", "u0", {"rung": of[1]})
    cells = [(name, user, json.dumps(about)) for name, user, about in traces]
    suite.write("t.csv", table([("id", "userId", "metadata"), *cells]))
    votes = [(f"t{n}", n % 4 < 2) for n in (0, 1, *range(2, 26, 2))]
    suite.write("s.csv", table([("traceId", "value"), *votes]))
    few, rag = suite.imported("thumbs")["variants"]
    assert (few["units"], few["replies"]) == (6, 12)
    assert (rag["units"], rag["replies"]) == (6, 12)


@pytest.mark.parametrize(
    ("rung", "trace", "fix"),
    [
        ("", "t{}", 'the traces say nothing under "metadata.rung"'),
        ("bot/rag", "other{}", "12 answers name a trace that is not in t.csv"),
        ("bot/ragg", "t{}", 'by its trace "bot/ragg" is not a rung; did you mean'),
    ],
)
def test_answers_of_no_known_rung_say_what_to_look_at(
    suite: Suite, rung: str, trace: str, fix: str
) -> None:
    thumbs(suite, rung, trace)
    said = suite.run("import")
    assert said.status == 1
    assert fix in said.err


def test_who_answers_in_two_arms_is_left_out(suite: Suite) -> None:
    suite.ladder(
        JUNE,
        '[[outcome]]\nname = "csat"\nkind = "rating"\nexperiment = "june"\n'
        'ratings = "s.csv"\nscale = [1, 5]\n',
    )
    rows = [(f"u{n}", ("control", "treatment")[n % 2], 4) for n in range(12)]
    rows += [("u0", "treatment", 1)]
    suite.write("s.csv", table([("user", "variant", "rating"), *rows]))
    assert suite.sums("csat") == {"control": (5, 20), "treatment": (6, 24)}
    assert suite.aggregate("csat")["dropped"] == {"several variants": 1}


def test_events_of_days_are_after_an_exposure_of_their_day(suite: Suite) -> None:
    """Two of a day are two: nothing says that they were logged twice."""
    suite.ladder(
        JUNE, EXPOSURES, RESOLVED.replace('"rate"', '"mean"'), 'value = "value"\n'
    )
    suite.june()
    rows = [(f"u{n}", "resolved", 1, f"2026-06-{1 + n:02d}") for n in range(12)]
    suite.write(
        "traffic/events.csv",
        table([("user_id", "event", "value", "timestamp"), *rows, rows[0]]),
    )
    assert suite.sums("resolved") == {"control": (6, 7), "treatment": (6, 6)}
    assert "its times are days" in suite.run("check").out


def test_events_before_most_exposures_look_as_of_another_zone(suite: Suite) -> None:
    suite.ladder(JUNE, EXPOSURES, RESOLVED)
    suite.june()
    rows = [event(n, hours=-1) for n in range(8)] + [event(9)]
    suite.write("traffic/events.csv", events(*rows))
    assert "88.9 % of its events come before the exposure" in suite.run("check").out


def test_times_of_a_zone_are_read_by_it(suite: Suite) -> None:
    """At 11:30 in Berlin it was 9:30 in the zone of the exposures, 9:00."""
    suite.ladder(
        JUNE, EXPOSURES, 'zone = "Europe/Berlin"\n', RESOLVED, "within_hours = 1\n"
    )
    suite.june()
    did = event(0).replace("T10:00:00Z", " 11:30:00")
    late = event(1).replace("T10:00:00Z", " 12:30:00")
    suite.write("traffic/events.csv", events(did, late))
    assert suite.sums("resolved")["control"] == (6, 1)
    assert suite.sums("resolved")["treatment"][1] == 0
    suite.ladder(JUNE, EXPOSURES, 'zone = "Europe/Berlinn"\n', RESOLVED)
    assert (
        "`Europe/Berlinn` is no time zone that is known here" in suite.run("check").err
    )


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("e.csv", "", "e.csv: the file is empty"),
        ("e.jsonl", "", "e.jsonl: the file is empty"),
        ("e.jsonl", "\n\n", "e.jsonl: the file is empty"),
        ("e.json", "[]", "e.json: the file is empty"),
        ("e.parquet", "", "e.parquet: row 1: this cannot be read"),
        ("e.csv", "u1,control,9\n", "put a line with names of columns first"),
        ("e.xlsx", "PK", "this is no kind of file that can be read"),
    ],
)
def test_a_file_with_nothing_in_it_says_so(
    suite: Suite, name: str, content: str, sentence: str
) -> None:
    suite.ladder(JUNE, f'exposures = "{name}"\n', RESOLVED)
    suite.write(name, content)
    said = suite.run("check")
    assert said.status == 1
    assert sentence in said.err


def test_a_file_is_unpacked_whatever_it_is_called(suite: Suite) -> None:
    suite.ladder(JUNE, UNITS.replace("u.csv", "u-*"), 'kind = "rate"\n')
    rows = [(f"u{n}", ("control", "treatment")[n % 2], "Yes") for n in range(12)]
    text = table([("user", "variant", "value"), *rows])
    packed = suite.write("packed.gz", text).read_bytes()
    suite.write("u-1.csv", packed)
    (suite.folder / "u-2.csv.gz").write_text(text.replace("u1", "w1"), encoding="utf-8")
    assert suite.sums("paid")["control"][0] == 7


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_what_a_spreadsheet_saves_as_unicode_text_is_read(
    suite: Suite, encoding: str, ending: str
) -> None:
    suite.june()
    path = suite.folder / "traffic/exposures.csv"
    plain = path.read_text().replace("u0", "ü🙂").replace("\n", "\r\n")
    path.unlink()
    suite.write(f"traffic/exposures.csv{ending}", f"\ufeff{plain}".encode(encoding))
    exposures = EXPOSURES.replace(".csv", f".csv{ending}")
    suite.ladder(JUNE, exposures, RESOLVED)
    suite.write("traffic/events.csv", events(event(1)).replace("u1", "ü🙂"))
    assert suite.sums("resolved") == {"control": (6, 1), "treatment": (6, 0)}


def test_a_text_in_utf_16_that_breaks_off_is_told(suite: Suite) -> None:
    suite.june()
    path = suite.folder / "traffic/exposures.csv"
    path.write_bytes(path.read_text().encode("utf-16")[:-1])
    suite.ladder(JUNE, EXPOSURES, RESOLVED)
    suite.write("traffic/events.csv", events(event(1)))
    said = suite.run("import")
    assert said.status != 0
    assert "traffic/exposures.csv" in said.err
    assert "it begins as a text in UTF-16, and is none" in said.err
