"""Every kind of raw file gives the same sums, whatever tool it came from."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.real.suite import EXPOSURES, JUNE, RESOLVED, Suite, event, events

UNITS = '[[outcome]]\nname = "spent"\nexperiment = "june"\nkind = "mean"\n'
ROWS = [
    {"user_id": f"u{n}", "variant": ("control", "treatment")[n % 2], "value": n}
    for n in range(12)
]
WANTED = {"control": (6, 30), "treatment": (6, 36)}


def as_csv(rows: list[dict[str, Any]], **dialect: Any) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*rows[0]], **dialect)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue()


def files(rows: list[dict[str, Any]]) -> dict[str, str | bytes]:
    """Return the same rows in every kind of file."""
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    return {
        "u.csv": as_csv(rows),
        "u.csv.gz": as_csv(rows),
        "quoted.csv": as_csv(rows, quoting=csv.QUOTE_ALL),
        "half-quoted.csv": as_csv(rows).replace("u7", '"u7"'),
        "newlines.csv": as_csv(rows, lineterminator="\n"),
        "bom.csv": "\ufeff" + as_csv(rows),
        "no-end.csv": as_csv(rows).rstrip(),
        "gaps.csv": as_csv(rows).replace("u7", "\r\nu7"),
        "u.tsv": as_csv(rows, delimiter="\t"),
        "u.jsonl": lines,
        "u.ndjson": lines.replace("\n", "\n\n"),
        "u.jsonl.gz": lines,
        "u.json": json.dumps(rows),
        "object.json": json.dumps({"data": rows, "meta": {"pages": 1}}),
        "u.parquet": as_parquet(rows),
    }


NAMES = [*files(ROWS)]


@pytest.mark.parametrize("name", NAMES)
def test_each_kind_of_file_gives_the_same_sums(suite: Suite, name: str) -> None:
    suite.ladder(JUNE, UNITS, f'units = "traffic/{name}"\n')
    suite.write(f"traffic/{name}", files(ROWS)[name])

    assert suite.sums("spent") == WANTED


@pytest.mark.parametrize("name", NAMES)
def test_exposures_and_events_may_be_of_each_kind(suite: Suite, name: str) -> None:
    """They are read many rows at a time, which is another way through the file."""
    suite.ladder(
        JUNE,
        f'exposures = "traffic/{name}"\ncolumns = {{ time = "value" }}\n',
        UNITS,
        f'events = "traffic/{name}"\nevent = "control"\nvalue = "value"\n'
        'columns = { event = "variant", time = "value" }\n',
    )
    rows = [row | {"value": 1_780_000_000 + int(row["value"])} for row in ROWS]
    suite.write(f"traffic/{name}", files(rows)[name])

    assert suite.sums("spent") == {
        "control": (6, 6 * 1_780_000_000 + 30),
        "treatment": (6, 0),
    }


SYNONYMS = {
    "unit": "unit user user_id subject visitor_id distinct_id context_key stable_id",
    "variant": (
        "variant variation variation_id variant_id group group_id treatment "
        "$feature_flag_response"
    ),
    "time": "time timestamp ts created_at exposed_at",
}


@pytest.mark.parametrize(
    ("role", "name"),
    [(role, name) for role, names in SYNONYMS.items() for name in names.split()],
)
def test_columns_of_exposures_go_by_the_names_of_platforms(
    suite: Suite, role: str, name: str
) -> None:
    suite.ladder(JUNE, EXPOSURES, RESOLVED)
    suite.june()
    path = suite.folder / "traffic/exposures.csv"
    header, rows = path.read_text().split("\n", 1)
    usual = {"unit": "user_id", "variant": "variant", "time": "timestamp"}[role]
    path.write_text(f"{header.replace(usual, name)}\n{rows}")
    suite.write("traffic/events.csv", events(event(0), event(1), event(3)))

    assert suite.sums("resolved") == {"control": (6, 1), "treatment": (6, 2)}


@pytest.mark.parametrize("name", ["value", "revenue", "amount"])
def test_values_of_units_go_by_the_names_of_platforms(suite: Suite, name: str) -> None:
    suite.ladder(JUNE, UNITS, 'units = "u.csv"\n')
    suite.write("u.csv", as_csv(ROWS).replace("value", name, 1))

    assert suite.sums("spent") == WANTED


@pytest.mark.parametrize("name", ["event", "event_name", "name"])
@pytest.mark.parametrize("experiment", ["experiment", "experiment_id", "flag_key"])
def test_events_and_experiments_go_by_the_names_of_platforms(
    suite: Suite, name: str, experiment: str
) -> None:
    suite.ladder(JUNE, EXPOSURES, 'id = "bot-v2"\n', RESOLVED)
    suite.june(16)
    path = suite.folder / "traffic/exposures.csv"
    header, *rows = path.read_text().split("\n")
    named = [f"{row},{'bot-v2' if n < 12 else 'other'}" for n, row in enumerate(rows)]
    path.write_text("\n".join([f"{header},{experiment}", *named]))
    rows_of_events = events(event(0), event(1), event(3))
    suite.write("traffic/events.csv", rows_of_events.replace("event", name, 1))

    assert suite.sums("resolved") == {"control": (6, 1), "treatment": (6, 2)}
    assert suite.aggregate("resolved")["dropped"] == {"of another experiment": 4}


TIMES = [
    "2026-06-01T09:12:00Z",
    "2026-06-01T09:12:00.250Z",
    "2026-06-01T11:12:00+02:00",
    "2026-06-01T09:12:00",
    "2026-06-01 09:12:00",
    "2026-06-01 09:12:00 UTC",
    "1780305120",
    "1780305120.5",
    "1780305120000",
    "1780305120000000",
    "1780305120000000000",
]


@pytest.mark.parametrize("written", TIMES)
def test_times_are_iso_or_seconds_or_parts_of_them(suite: Suite, written: str) -> None:
    suite.ladder(JUNE, EXPOSURES, RESOLVED)
    suite.write(
        "traffic/exposures.csv",
        f"user_id,variant,timestamp\nu1,control,{written}\nu2,treatment,{written}\n",
    )
    early, late = "2026-06-01T09:11:00Z", "2026-06-01T09:13:00Z"
    suite.write(
        "traffic/events.csv",
        events(f"u1,resolved,,{early}\n", f"u1,resolved,,{late}\n"),
    )

    aggregate = suite.imported("resolved")

    assert aggregate["from"] == aggregate["to"] == "2026-06-01"
    assert aggregate["dropped"] == {"event before exposure": 1}


def test_times_without_a_zone_are_said_to_be_taken_as_utc(suite: Suite) -> None:
    suite.ladder(JUNE, EXPOSURES, RESOLVED)
    suite.june()
    path = suite.folder / "traffic/exposures.csv"
    path.write_text(path.read_text().replace("Z", ""))
    suite.write("traffic/events.csv", events(event(0)))

    said = suite.run("check")

    note = "  note: traffic/exposures.csv: times without a zone are taken as UTC "
    note += '(say zone = "Europe/Berlin" in [[experiment]] june where they are of '
    note += "another)."
    assert said.out.splitlines().count(note) == 1


TABLES = {
    "typed by hand": ("rate", "variant,n,successes", "2380,262", "2400,312"),
    "with commas of a sum": ("rate", "variant,units,sum", "2380,262", "2400,312"),
    "mean and sd": ("mean", "variant,n,mean,sd", "100,3,2", "90,4,2"),
    "mean and se": ("mean", "variant,n,mean,se", "100,3,.2", "90,4,.2"),
    "mean and variance": ("mean", "variant,n,mean,variance", "100,3,4", "90,4,4"),
    "GrowthBook": (
        "mean",
        "variation,users,count,main_sum,main_sum_squares",
        "100,90,300,1296",
        "90,80,360,1796",
    ),
    "GrowthBook's ratio": (
        "ratio",
        "variation,users,main_sum,main_sum_squares,denominator_sum,"
        "denominator_sum_squares,main_denominator_sum_product",
        "10,24,96,35,157,119",
        "10,17,49,33,145,80",
    ),
    "GrowthBook's CUPED": (
        "mean",
        "variation,users,main_sum,main_sum_squares,covariate_sum,"
        "covariate_sum_squares,main_covariate_sum_product",
        "8,43.1,242.83,36.2,171.12,203.70",
        "8,37.5,182.33,35.8,165.52,173.56",
    ),
    "Statsig": ("mean", "group,test_units,test_mean,se", "100,3,.2", "90,4,.2"),
    "PostHog": ("rate", "Variant,Exposures,Conversions", "2380,262", "2400,312"),
}


@pytest.mark.parametrize(
    ("column", "said"),
    [("Metric Name", ""), ("What", 'columns = { metric = "What" }\n')],
)
def test_of_a_page_with_several_metrics_one_is_taken(
    suite: Suite, column: str, said: str
) -> None:
    outcome = '[[outcome]]\nname = "t"\nexperiment = "june"\nkind = "rate"\n'
    suite.ladder(JUNE, outcome, f'table = "t.csv"\nscore = "Sales"\n{said}')
    suite.write(
        "t.csv",
        f"{column},Variation,Visitors,Conversions\nCalls,control,90,1\n"
        "Sales,control,90,2\nSales,treatment,80,3\nCalls,treatment,80,4\n",
    )
    assert suite.sums("t") == {"control": (90, 2), "treatment": (80, 3)}


@pytest.mark.parametrize("name", TABLES)
def test_six_numbers_of_a_platforms_page_are_enough(suite: Suite, name: str) -> None:
    kind, header, control, treatment = TABLES[name]
    suite.ladder(
        JUNE,
        f'[[outcome]]\nname = "t"\nexperiment = "june"\nkind = "{kind}"\n',
        'table = "t.csv"\n',
    )
    suite.write("t.csv", f"{header}\ncontrol,{control}\ntreatment,{treatment}\n")

    first, second = suite.imported("t")["variants"]

    of = [float(cell) for cell in control.split(",")]
    assert first["units"] == of[0]
    assert first["share"] == second["share"] == 0.5
    columns = header.split(",")[1:]
    if "mean" in columns or "test_mean" in columns:
        assert first["sum"] == pytest.approx(300)
        assert first["sum_squares"] == pytest.approx(4 * 99 + 900)
    else:
        keys = [
            *("sum", "sum_squares", "per_sum", "per_sum_squares", "cross"),
            *("before_sum", "before_sum_squares", "before_cross"),
        ]
        written = [first[key] for key in keys if key in first]
        assert written == (of[2:] if "count" in columns else of[1:]) or kind == "rate"


def test_columns_of_a_table_may_be_called_anything(suite: Suite) -> None:
    suite.ladder(
        JUNE,
        '[[outcome]]\nname = "t"\nexperiment = "june"\nkind = "mean"\n',
        'table = "t.csv"\ncolumns = { variant = "Variation Name", n = "Besucher", ',
        'mean = "Ø Minuten", sd = "std" }\n',
    )
    header = "Variation Name;Besucher;Ø Minuten;std;stderr\n"
    suite.write("t.csv", header + "control;100;3;2;9\ntreatment;90;4;2;9\n")

    first, second = suite.imported("t")["variants"]

    assert [first["units"], first["sum"]] == [100, 300]
    assert second["sum_squares"] == pytest.approx(4 * 89 + 16 * 90)


VOTES: dict[str, list[dict[str, Any]]] = {
    "own rows": [
        {"trace": f"t{n}", "user": f"u{n % 6}", "thumb": ("up", "down")[n % 3 == 0]}
        for n in range(12)
    ],
    "Langfuse": [
        {
            "id": f"s{n}",
            "traceId": f"t{n}",
            "name": "user-feedback",
            "value": int(n % 3 != 0),
            "source": "API",
            "dataType": "NUMERIC",
        }
        for n in range(12)
    ],
    "LangSmith": [
        {
            "id": f"s{n}",
            "run_id": f"t{n}",
            "key": "thumb",
            "value": None,
            "score": int(n % 3 != 0),
            "session_id": "the project",
            "feedback_source": {"type": "app"},
        }
        for n in range(12)
    ],
    "Phoenix": [
        {
            "span_id": f"t{n}",
            "name": "thumb",
            "annotator_kind": "HUMAN",
            "result": {"label": ("up", "down")[n % 3 == 0], "score": None},
        }
        for n in range(12)
    ],
    "OpenTelemetry": [
        {
            "resourceLogs": [
                {
                    "scopeLogs": [
                        {
                            "logRecords": [
                                {
                                    "traceId": f"t{n}",
                                    "eventName": "gen_ai.evaluation.result",
                                    "attributes": [
                                        {
                                            "key": "gen_ai.evaluation.name",
                                            "value": {"stringValue": "thumb"},
                                        },
                                        {
                                            "key": "gen_ai.evaluation.score.value",
                                            "value": {"doubleValue": int(n % 3 != 0)},
                                        },
                                    ],
                                }
                                for n in range(12)
                            ]
                        }
                    ]
                }
            ]
        }
    ],
}
MACHINES: dict[str, dict[str, Any]] = {
    "Langfuse": {"source": "EVAL"},
    "LangSmith": {"feedback_source": {"type": "model"}},
    "Phoenix": {"annotator_kind": "LLM"},
}
THUMBS = """\
[[outcome]]
name = "thumbs"
kind = "thumbs"
ratings = "traffic/scores.jsonl"
traces = "traffic/traces.jsonl"
rung_from = "metadata.rung"
"""


@pytest.mark.parametrize("tool", VOTES)
def test_thumbs_of_each_tool_are_joined_with_their_traces(
    suite: Suite, tool: str
) -> None:
    suite.ladder(THUMBS)
    votes = VOTES[tool]
    if tool in MACHINES:
        votes = [*votes, *(vote | MACHINES[tool] for vote in votes[:3])]
    suite.lines("traffic/scores.jsonl", votes)
    rungs = ("bot/few", "bot/rag")
    suite.lines(
        "traffic/traces.jsonl",
        # Several observations of a trace make no more of its one vote.
        [
            {"id": f"t{n}", "userId": f"u{n % 6}", "metadata": {"rung": rungs[n % 2]}}
            for n in [*range(12), *range(12)]
        ],
    )

    aggregate = suite.imported("thumbs")

    # Three users of each rung, with two votes each: fewer than five are withheld.
    few, rag = aggregate["variants"]
    assert [few["units"], rag["units"]] == [3, 3]
    left_out = aggregate.get("dropped", {})
    assert left_out == ({"of a machine": 3} if tool in MACHINES else {})
    assert "sum" not in few


def test_a_user_of_several_of_langsmith_s_runs_is_one(suite: Suite) -> None:
    suite.ladder(THUMBS.replace("metadata.rung", "extra.metadata.rung"))
    suite.lines("traffic/scores.jsonl", VOTES["LangSmith"])
    told = {"rung": "bot/few"}
    runs = ({"metadata": {**told, "user_id": f"u{n % 6}"}} for n in range(12))
    suite.lines(
        "traffic/traces.jsonl",
        [{"id": f"t{n}", "extra": extra} for n, extra in enumerate(runs)],
    )

    (few,) = suite.imported("thumbs")["variants"]

    assert (few["units"], few["per_sum"]) == (6, 12)


def test_votes_in_spans_of_opentelemetry_are_found(suite: Suite) -> None:
    def attribute(key: str, value: str) -> dict[str, Any]:
        return {"key": key, "value": {"stringValue": value}}

    suite.ladder(
        '[[outcome]]\nname = "thumbs"\nkind = "thumbs"\nratings = "spans.json"\n'
        'rung_from = "app.rung"\n'
    )
    name, label = "gen_ai.evaluation.name", "gen_ai.evaluation.score.label"
    spans = [
        {
            "traceId": f"t{n}",
            "spanId": f"s{n}",
            "attributes": [attribute("app.rung", "bot/few")],
            "events": [
                {
                    "name": "gen_ai.evaluation.result",
                    "attributes": [
                        attribute("app.rung", "bot/few"),
                        attribute(name, "thumb"),
                        attribute(label, "up" if n else "down"),
                    ],
                }
            ],
        }
        for n in range(6)
    ]
    suite.write(
        "spans.json",
        json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}),
    )

    (few,) = suite.imported("thumbs")["variants"]

    assert (few["units"], few["sum"], few["per_sum"]) == (6, 5, 6)


QUESTION = "How satisfied were you?"
SURVEY = f"""\
[[outcome]]
name = "csat"
experiment = "june"
kind = "rating"
ratings = "csat.csv"
column = "{QUESTION}"
scale = [1, 5]
"""
FORMS = {
    "Google Forms": f'Timestamp,user_id,"{QUESTION}",Why?\n',
    "Qualtrics": (
        f"StartDate,user_id,{QUESTION},Q2\n"
        f'Start Date,user_id,"{QUESTION}\nPlease answer.",Why?\n'
        '"{""ImportId"":""startDate""}","{""ImportId"":""u""}",'
        '"{""ImportId"":""QID1""}","{""ImportId"":""QID2""}"\n'
    ),
    "SurveyMonkey": f"Start,user_id,{QUESTION},Why?\n,,Response,Open-Ended Response\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_with_user_ids_alone_is_joined_with_exposures(
    suite: Suite, form: str
) -> None:
    suite.ladder(JUNE, EXPOSURES, SURVEY)
    suite.june(40)
    answers = "".join(f'6/1/2026 9:00,u{n},{1 + n % 5},"so, so"\n' for n in range(20))
    more = "6/1/2026 9:00,u0,5,changed\n6/1/2026 9:00,u1,,\n6/1/2026 9:00,x,5,\n"
    suite.write("csat.csv", FORMS[form] + answers + more)

    aggregate = suite.imported("csat")

    control, treatment = aggregate["variants"]
    # The last word of u0 counts: a 5 instead of a 1.
    assert control["counts"] == [1, 2, 2, 2, 3]
    assert treatment["counts"] == [2, 2, 2, 2, 2]
    assert [control["units"], control["asked"], control["sum"]] == [10, 20, 34]
    assert aggregate["dropped"] == {
        "replaced by a later one": 1,
        "unknown unit": 1,
        "without an answer": 1,
    }
    rows = {source["name"]: source["rows"] for source in aggregate["sources"]}
    assert rows == {"csat.csv": 23, "traffic/exposures.csv": 40}


def test_who_tried_a_survey_out_is_no_user_of_it(suite: Suite) -> None:
    suite.ladder(JUNE, SURVEY.replace(QUESTION, "Q1"))
    head = (
        'Status,Q1,variant\nResponse Type,How was it?,variant\n"{""ImportId"":""s""}"'
    )
    tried = "Survey Preview,1,control\nSpam,1,control\n1,1,control\n"
    answers = "IP Address,5,control\n0,4,control\nImported,3,control\n" * 2
    suite.write("csat.csv", f"{head},q,v\n{answers}{tried}")

    aggregate = suite.imported("csat")

    (control, *_) = aggregate["variants"]
    assert control["counts"] == [0, 0, 2, 2, 2]
    assert aggregate["dropped"] == {"of a preview, a test or spam": 3}


def test_words_of_a_scale_are_grades_from_the_worst(suite: Suite) -> None:
    suite.ladder(
        '[[outcome]]\nname = "csat"\nkind = "rating"\nratings = "csat.csv"\n'
        'scale = ["bad", "fine", "good"]\n'
    )
    words = ["bad", "fine", "good", "good", "good", "fine"]
    rows = "".join(f"u{n},bot/few,{word}\n" for n, word in enumerate(words))
    suite.write("csat.csv", f"user,rung,answer\n{rows}")

    (few,) = suite.imported("csat")["variants"]

    assert few["counts"] == [1, 2, 3]
    assert few["sum"] == 14


def test_a_net_promoter_score_is_promoters_less_detractors(suite: Suite) -> None:
    suite.ladder(
        '[[outcome]]\nname = "nps"\nkind = "rating"\nratings = "nps.csv"\n'
        "scale = [0, 10]\nnps = true\n"
    )
    grades = [10, 9] * 30 + [8, 7] * 12 + [7] + [6, 0, 3] * 5
    rows = "".join(f"u{n},bot/few,{grade}\n" for n, grade in enumerate(grades))
    suite.write("nps.csv", f"user,rung,rating\n{rows}")

    aggregate = suite.imported("nps")

    (few,) = aggregate["variants"]
    assert (few["units"], few["sum"], few["sum_squares"]) == (100, 45, 75)
    assert sum(few["counts"]) == 100
    assert aggregate["scale"] == [-1, 1]
    # Of 60 promoters, 25 passives and 15 detractors: 0.45, standard error .074.
    assert suite.run("show").out.splitlines()[1] == (
        "▸ bot/few  0.45  0.302-0.598  100 users"
    )
