"""What platforms and people hand over as it is: events, tables, surveys, scores.

Each is the smallest file of its kind, with the names that the platform gives; what is
counted is told by hand. Twelve units; even ones met the control, and of these every
second one was helped.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

import pytest

from tests.real.suite import EXPOSURES, JUNE, RESOLVED, Suite

Row = dict[str, Any]
UNITS = range(12)
HELPED = range(0, 12, 4)
VARIANTS = ("control", "treatment")
SUMS = {"control": (6, 3.0), "treatment": (6, 0.0)}

ONE_FILE = RESOLVED.replace("traffic/events.csv", "all.json")
SEEN = 'exposures = "all.json"\n'


def at(hour: int) -> str:
    return f"2026-06-01T{hour:02d}:00:00Z"


def seconds(hour: int) -> int:
    return 1780272000 + hour * 3600


def table(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def mixpanel() -> list[Row]:
    def row(event: str, unit: int, hour: int, more: Row) -> Row:
        said = {"time": seconds(hour), "distinct_id": f"u{unit}"}
        return {"event": event, "properties": said | more}

    met = []
    for unit in UNITS:
        of = {"Experiment name": "june", "Variant name": VARIANTS[unit % 2]}
        met.append(row("$experiment_started", unit, 9, of))
    return [*met, *(row("resolved", unit, 10, {}) for unit in HELPED)]


def posthog() -> list[Row]:
    def row(event: str, unit: int, hour: int, properties: Row) -> Row:
        return {
            "event": event,
            "distinct_id": f"u{unit}",
            "timestamp": at(hour),
            "properties": properties,
        }

    met = []
    for unit in UNITS:
        for flag, met_it in (("old", True), ("june", VARIANTS[unit % 2])):
            of = {"$feature_flag": flag, "$feature_flag_response": met_it}
            met.append(row("$feature_flag_called", unit, 9, of))
    return [*met, *(row("resolved", unit, 10, {}) for unit in HELPED)]


def segment() -> list[Row]:
    def row(event: str, unit: int, hour: int, **more: Any) -> Row:
        return {
            "event": event,
            "userId": f"u{unit}",
            "timestamp": at(hour),
            "properties": more,
        }

    met = [
        row(
            *("Experiment Viewed", unit, 9),
            variation_id=f"v{unit % 2}",
            variation_name=VARIANTS[unit % 2],
        )
        for unit in UNITS
    ]
    return [*met, *(row("resolved", unit, 10) for unit in HELPED)]


def amplitude() -> list[Row]:
    def row(event: str, unit: int, hour: int, **more: Any) -> Row:
        return {
            "event_type": event,
            "user_id": unit,  # 0 is a user, too.
            "event_time": at(hour).replace("T", " ").replace("Z", ".000000+00:00"),
            "event_properties": more,
        }

    met = [
        row("$exposure", unit, 9, flag_key="june", variant=VARIANTS[unit % 2])
        for unit in UNITS
    ]
    return [*met, *(row("resolved", unit, 10) for unit in HELPED)]


def google_analytics() -> list[Row]:
    def row(event: str, unit: int, hour: int, *params: Row) -> Row:
        session = {"key": "session", "value": {"string_value": None, "int_value": 7}}
        return {
            "event_name": event,
            "event_timestamp": f"{seconds(hour)}000000",
            "user_id": None,
            "user_pseudo_id": f"{unit}.17",
            "event_params": [session, *params],
        }

    met = []
    for unit in UNITS:
        value = {"string_value": VARIANTS[unit % 2], "int_value": None}
        met.append(row("seen", unit, 9, {"key": "arm", "value": value}))
    return [*met, *(row("resolved", unit, 10) for unit in HELPED)]


def unleash() -> list[Row]:
    met = [
        {
            "context": {"userId": f"u{unit}"},
            "variant": VARIANTS[unit % 2],
            "timestamp": at(9),
            "event": "getVariant",
        }
        for unit in UNITS
    ]
    helped = [
        {"event": "resolved", "timestamp": at(10), "context": {"userId": f"u{unit}"}}
        for unit in HELPED
    ]
    return [*met, *helped]


STREAMS: dict[str, tuple[list[Row], str]] = {
    "Mixpanel": (mixpanel(), ""),
    "PostHog": (posthog(), 'id = "june"\n'),
    "Segment": (segment(), ""),
    "Amplitude": (amplitude(), ""),
    "Google Analytics": (
        google_analytics(),
        'columns = { variant = "event_params.arm" }\n',
    ),
    "Unleash": (unleash(), ""),
}


@pytest.mark.parametrize("platform", STREAMS)
def test_exposures_stand_among_other_events_and_names_inside_of_properties(
    suite: Suite, platform: str
) -> None:
    rows, more = STREAMS[platform]
    suite.ladder(JUNE, SEEN, more, ONE_FILE)
    # A JSON a line in a file that is called .json, as BigQuery and Amplitude do.
    suite.lines("all.json", rows)

    assert suite.sums("resolved") == SUMS

    suite.write("all.json", json.dumps({"results": rows, "next": None}, indent=1))
    assert suite.sums("resolved") == SUMS


def test_a_csv_has_properties_as_text_or_as_columns(suite: Suite) -> None:
    outcome = RESOLVED.replace("traffic/events.csv", "all.csv")
    suite.ladder(JUNE, 'exposures = "all.csv"\nid = "june"\n', outcome)
    names = ["event", "distinct_id", "timestamp"]
    rows = [[row[name] for name in names] for row in posthog()]
    said = [row["properties"] for row in posthog()]
    packed = ([*row, json.dumps(one)] for row, one in zip(rows, said, strict=True))
    suite.write("all.csv", table([[*names, "properties"], *packed]))
    assert suite.sums("resolved") == SUMS

    paths = ("$feature_flag", "$feature_flag_response")
    flat = (
        [*row, *(one.get(path, "") for path in paths)]
        for row, one in zip(rows, said, strict=True)
    )
    head = [*names, *(f"properties.{path}" for path in paths)]
    suite.write("all.csv", table([head, *flat]))
    assert suite.sums("resolved") == SUMS


def test_a_path_that_is_in_no_row_is_told_with_those_that_are(suite: Suite) -> None:
    more = 'columns = { variant = "properties.Variant nam" }\n'
    suite.ladder(JUNE, SEEN, more, ONE_FILE)
    suite.lines("all.json", mixpanel())

    assert suite.run("import").err == (
        "pytest-ladder: all.json: no row has `properties.Variant nam`; did you mean "
        "`properties.Variant name`? There are `properties.time`, "
        "`properties.distinct_id`, `properties.Experiment name`, `properties.Variant "
        "name`.\n"
    )


def test_a_column_that_is_not_known_is_told_with_what_is_inside_of_others(
    suite: Suite,
) -> None:
    suite.ladder(JUNE, SEEN, ONE_FILE)
    suite.lines("all.json", google_analytics())

    said = suite.run("import").err

    assert "no column is known as the variant" in said
    assert "inside of them are `event_params.session`, `event_params.arm`" in said


def test_names_may_first_come_in_a_later_row(suite: Suite) -> None:
    paid = '[[outcome]]\nname = "paid"\nexperiment = "june"\nkind = "mean"\n'
    paid += 'events = "all.json"\nevent = "paid"\nvalue = "euros"\n'
    suite.ladder(JUNE, SEEN, paid)
    rows: list[Row] = [{"user": f"u{n}", "event": "came", "time": at(8)} for n in UNITS]
    for unit, row in enumerate([*rows]):
        met = {"event": "met", "time": at(9), "variant": VARIANTS[unit % 2]}
        rows.append({**row, **met})
    rows += [row | {"event": "left"} for row in rows[:12] * 10]
    rows += [rows[n] | {"event": "paid", "time": at(10), "euros": n} for n in HELPED]
    suite.lines("all.json", rows)

    assert suite.sums("paid") == {"control": (6, 12), "treatment": (6, 0)}

    suite.ladder(JUNE, SEEN, paid.replace("euros", "eurs"))
    assert suite.run("import").err == (
        "pytest-ladder: all.json:1: there is no column `eurs`; the columns are "
        "`user`, `event`, `time`, `variant`.\n"
    )


def test_all_columns_that_are_not_known_are_told_at_once(suite: Suite) -> None:
    suite.ladder(JUNE, EXPOSURES, RESOLVED)
    suite.write("traffic/exposures.csv", "Kunde;Variante;Zeit\nk1;control;1\n")
    suite.write("traffic/events.csv", "Kunde;Ereignis;Zeit\nk1;resolved;2\n")

    assert suite.run("import").err == (
        "pytest-ladder: traffic/exposures.csv:1: no column is known as the unit, the "
        'variant or the time (the columns are "Kunde", "Variante", "Zeit"); say unit = '
        '"…" and columns = { variant = "…", time = "…" } in [[experiment]] june, or '
        "put a line with names of columns first.\n"
    )

    named = 'unit = "Kunde"\ncolumns = { variant = "Variante", time = "Zeit" }\n'
    suite.ladder(JUNE, EXPOSURES, named, RESOLVED)
    met = (f"k{n};{VARIANTS[n % 2]};{at(9)}\n" for n in UNITS)
    suite.write("traffic/exposures.csv", "Kunde;Variante;Zeit\n" + "".join(met))
    assert 'say columns = { event = "…" } in [[outcome]] resolved' in (
        suite.run("import").err
    )

    suite.ladder(JUNE, EXPOSURES, named, RESOLVED, 'columns = { event = "Ereignis" }\n')
    helped = (f"k{n};resolved;{at(10)}\n" for n in HELPED)
    suite.write("traffic/events.csv", "Kunde;Ereignis;Zeit\n" + "".join(helped))
    assert suite.sums("resolved") == SUMS


def test_of_columns_that_are_known_the_one_with_variants_is_taken(suite: Suite) -> None:
    variants = 'variants = { false = "bot/few", true = "bot/rag" }\n'
    launched = '[[experiment]]\nname = "june"\n' + variants
    suite.ladder(launched, 'exposures = "seen.csv"\n', RESOLVED)
    rows = [
        ["context_key", "variation_id", "variation_value", "creation_date"],
        *([f"u{unit}", "e4959", ("False", "TRUE")[unit % 2], at(9)] for unit in UNITS),
    ]
    suite.write("seen.csv", table(rows))
    helped = ([f"u{unit}", "resolved", at(10)] for unit in HELPED)
    keys = [["context_key", "event_key", "creation_date"], *helped]
    suite.write("traffic/events.csv", table(keys))

    assert suite.sums("resolved") == {"false": (6, 3), "true": (6, 0)}

    rows[0] = ["user", "group", "variation", "time"]
    rows[1:] = ([f"u{unit}", "a", "b", at(9)] for unit in UNITS)
    suite.write("seen.csv", table(rows))
    assert '"group" and "variation" could both be the variant' in (
        suite.run("import").err
    )


def test_of_columns_that_are_known_the_one_with_the_experiment_is_taken(
    suite: Suite,
) -> None:
    suite.ladder(JUNE, EXPOSURES, 'id = "june-2"\n', RESOLVED)
    head = ["subject", "featureFlag", "experiment", "variation", "timestamp"]
    met = [
        [f"u{unit}", "june", of, variant, at(9)]
        for unit in UNITS
        for of, variant in (("june-1", "old"), ("june-2", VARIANTS[unit % 2]))
    ]
    suite.write("traffic/exposures.csv", table([head, *met]))
    helped = ([f"u{unit}", "resolved", at(10)] for unit in HELPED)
    suite.write("traffic/events.csv", table([["subject", "event", "time"], *helped]))

    assert suite.sums("resolved") == SUMS


def test_days_of_a_spreadsheet_are_days(suite: Suite) -> None:
    suite.ladder(JUNE, EXPOSURES, 'dates = "dmy"\n', RESOLVED)
    met = ([f"u{unit}", VARIANTS[unit % 2], "13.06.2026"] for unit in UNITS)
    suite.write("traffic/exposures.csv", table([["user", "variant", "time"], *met]))
    helped = ([f"u{unit}", "resolved", "13.06.2026"] for unit in HELPED)
    suite.write("traffic/events.csv", table([["user", "event", "time"], *helped]))

    said = suite.run("import")

    assert "its times are days" in said.out
    assert suite.sums("resolved") == SUMS
    assert suite.aggregate("resolved")["from"] == "2026-06-13"


RESULT = '[[outcome]]\nname = "resolved"\nexperiment = "june"\ntable = "t.csv"\n'
RATE = RESULT + 'kind = "rate"\n'
MEAN = RESULT + 'kind = "mean"\n'


def test_both_arms_may_be_in_one_row(suite: Suite) -> None:
    suite.ladder(JUNE, RATE)
    wide = "Control users,Control conversions,Treatment users,Treatment conversions\n"
    suite.write("t.csv", wide + "2021,469,1947,652\n")
    assert suite.sums("resolved") == {"control": (2021, 469), "treatment": (1947, 652)}

    pulse = JUNE.replace("treatment =", "test =")
    suite.ladder(pulse, MEAN, 'score = "sales"\n')
    suite.write(
        "t.csv",
        "metric_name,control_units,test_units,control_mean,test_mean,control_std,"
        "test_std\nsales,100,120,4,5,0.5,0.25\nvisits,100,120,1,2,0.1,0.1\n",
    )
    assert 'or say columns = { sd = "std" } or { se = "std" }' in (
        suite.run("import").err
    )
    suite.ladder(pulse, MEAN, 'score = "sales"\ncolumns = { se = "test_std" }\n')
    assert 'columns = { sd = "std" }' in suite.run("import").err

    suite.ladder(pulse, MEAN, 'score = "sales"\ncolumns = { se = "std" }\n')
    assert suite.sums("resolved") == {"control": (100, 400), "test": (120, 600)}
    control, _ = suite.aggregate("resolved")["variants"]
    # A standard error of 0.5 for 100 units is a standard deviation of 5.
    assert control["sum_squares"] == pytest.approx(99 * 25 + 100 * 16)


def test_a_share_that_is_said_of_one_arm_is_not_taken_for_both(suite: Suite) -> None:
    suite.ladder(JUNE, RATE, 'columns = { n = "control_n" }\n')
    head = "control_n,control_successes,treatment_n,treatment_successes\n"
    suite.write("t.csv", head + "10,5,12,6\n")

    assert "`control_n` is of one variant; leave its name out" in (
        suite.run("import").err
    )


def test_names_are_known_however_they_are_written(suite: Suite) -> None:
    suite.ladder(JUNE, RATE)
    suite.write("t.csv", "Variation Name,Visitors,Conversions\nCONTROL,20,5\n")
    assert "there is no row of treatment" in suite.run("import").err
    suite.write(
        "t.csv", "Variation Name,Visitors,Conversions\nControl,20,5\n Treatment,21,6\n"
    )
    assert suite.sums("resolved") == {"control": (20, 5), "treatment": (21, 6)}


def test_all_conversions_are_not_taken_for_those_of_visitors(suite: Suite) -> None:
    suite.ladder(JUNE, RATE)
    head = "Variation name;Unique visitors;Unique conversions"
    suite.write("t.csv", f"{head}\nControl;20;5\nTreatment;21;6\n")
    assert suite.sums("resolved") == {"control": (20, 5), "treatment": (21, 6)}

    suite.write("t.csv", f"{head};Conversions\nControl;20;5;9\nTreatment;21;6;7\n")
    assert '"Conversions" and "Unique conversions" could both be successes' in (
        suite.run("import").err
    )


def test_variants_that_differ_in_case_alone_stay_two(suite: Suite) -> None:
    suite.ladder(
        '[[experiment]]\nname = "june"\nvariants = { a = "bot/few", A = "bot/rag" }\n',
        RATE,
    )
    suite.write("t.csv", "variant,n,successes\na,20,5\nA,21,6\n")
    assert suite.sums("resolved") == {"a": (20, 5), "A": (21, 6)}


def test_numbers_beyond_all_measure_are_one_sentence(suite: Suite) -> None:
    suite.ladder(JUNE, MEAN)
    suite.write("t.csv", "variant,n,mean,sd\ncontrol,9,1e300,1e200\ntreatment,9,1,1\n")

    assert suite.run("import").err == (
        "pytest-ladder: t.csv:2: sums must be finite numbers, got inf; correct this "
        "row.\n"
    )


THUMBS = '[[outcome]]\nname = "thumbs"\nkind = "thumbs"\n'
TRACED = 'ratings = "s.json"\ntraces = "t.jsonl"\nrung_from = "metadata.arm"\n'


def test_ids_and_variants_that_are_0_are_there(suite: Suite) -> None:
    numbered = (
        '[[experiment]]\nname = "june"\nvariants = { 0 = "bot/few", 1 = "bot/rag"}\n'
    )
    suite.ladder(numbered, THUMBS, 'experiment = "june"\n', TRACED)
    traces = ({"id": n, "userId": n, "metadata": {"arm": n % 2}} for n in UNITS)
    suite.lines("t.jsonl", traces)
    votes = ({"traceId": n, "name": "fb", "value": int(n in HELPED)} for n in UNITS)
    suite.lines("s.json", votes)

    assert suite.sums("thumbs") == {"0": (6, 3), "1": (6, 0)}


def test_scores_of_langfuse_name_their_trace_or_subject(suite: Suite) -> None:
    suite.ladder(THUMBS, TRACED)
    rungs = ("bot/few", "bot/rag")
    suite.lines(
        "t.jsonl", ({"id": f"t{n}", "metadata": {"arm": rungs[n % 2]}} for n in UNITS)
    )
    votes = [
        {
            "id": f"s{n}",
            "name": "fb",
            "value": n in HELPED,
            "subject": {"kind": "trace", "id": f"t{n}"}
            if n % 3
            else {"kind": "observation", "id": f"o{n}", "traceId": f"t{n}"},
        }
        for n in UNITS
    ]
    suite.write("s.json", json.dumps({"data": votes, "meta": {"cursor": None}}))

    assert suite.sums("thumbs") == {"bot/few": (6, 3), "bot/rag": (6, 0)}

    # Version 2 says more of the trace, in an object.
    for n, vote in enumerate(votes):
        vote |= {"traceId": f"t{n}", "subject": None, "trace": {"userId": None}}
    suite.write("s.json", json.dumps({"data": votes, "meta": {"page": 1}}))
    assert suite.sums("thumbs") == {"bot/few": (6, 3), "bot/rag": (6, 0)}


def test_what_says_nothing_is_left_out_where_the_configuration_says_so(
    suite: Suite,
) -> None:
    said = 'ratings = "z.csv"\ncolumn = "Satisfaction"\nno_answer = ["offered"]\n'
    suite.ladder(THUMBS, said)
    answers = ("good", "bad", "", "Offered")
    rows = ([n, "bot/few", answers[n % 4]] for n in UNITS)
    suite.write("z.csv", table([["Requester ID", "rung", "Satisfaction"], *rows]))

    assert "left out: 6 without an answer" in suite.run("import").out
    assert suite.sums("thumbs") == {"bot/few": (6, 3)}


def test_what_surveymonkey_asks_of_several_things_has_its_names_below(
    suite: Suite,
) -> None:
    csat = '[[outcome]]\nname = "csat"\nkind = "rating"\nscale = [1, 5]\n'
    suite.ladder(csat, 'ratings = "s.csv"\ncolumn = "Answer"\n')
    suite.write(
        "s.csv",
        "Respondent ID,rung,How good was each?,\n,,Speed,Answer\n"
        + "".join(f"{n},bot/few,1,{n % 5 + 1}\n" for n in range(10)),
    )

    assert suite.sums("csat") == {"bot/few": (10, 30)}


def test_a_path_to_grades_that_is_in_no_row_is_told(suite: Suite) -> None:
    csat = '[[outcome]]\nname = "csat"\nkind = "rating"\nscale = [1, 5]\n'
    suite.ladder(csat, 'ratings = "t.json"\ncolumn = "answers.number"\n')
    rows = [{"rung": "bot/few", "hidden": {"arm": "a"}, "answers": [{"number": 4}]}]
    suite.write("t.json", json.dumps({"items": rows}))

    assert suite.run("import").err == (
        "pytest-ladder: t.json: no row has `answers.number`; there are `hidden.arm`.\n"
    )


def test_a_number_of_joined_rows_may_have_any_name(suite: Suite) -> None:
    suite.ladder(
        JUNE,
        '[[outcome]]\nname = "minutes"\nexperiment = "june"\nkind = "mean"\n'
        'units = "u.csv"\nvalue = "Minutes"\n',
    )
    rows = ([f"u{unit}", VARIANTS[unit % 2], unit] for unit in UNITS)
    suite.write("u.csv", table([["User ID", "Group Name", "Minutes"], *rows]))

    assert suite.sums("minutes") == {"control": (6, 30), "treatment": (6, 36)}
