"""What is wrong with a raw file is said in one sentence: file, line and fix."""

from __future__ import annotations

from typing import Any

import pytest

from tests.real.suite import EXPOSURES, JUNE, RESOLVED, Suite, event, events

SEEN = "user_id,variant,timestamp\n"
AT = "2026-06-01T09:00:00Z"
MINUTES = """\
[[outcome]]
name = "minutes"
experiment = "june"
kind = "mean"
events = "traffic/events.csv"
event = "closed"
value = "value"
"""
UNITS = """\
[[outcome]]
name = "resolved"
experiment = "june"
kind = "rate"
units = "traffic/units.csv"
"""
CSAT = """\
[[outcome]]
name = "csat"
kind = "rating"
ratings = "traffic/csat.csv"
scale = [1, 5]
"""
WORDS = CSAT.replace("[1, 5]", '["bad", "fine", "good"]')
THUMBS = """\
[[outcome]]
name = "thumbs"
kind = "thumbs"
ratings = "traffic/thumbs.jsonl"
"""


SEVERAL = "Metric,variant,n,successes\nSales,control,9,2\nCalls,control,9,3\n"


def table(kind: str = "rate") -> str:
    return JUNE + (
        f'[[outcome]]\nname = "resolved"\nexperiment = "june"\nkind = "{kind}"\n'
        'table = "table.csv"\n'
    )


EXPERIMENT = JUNE + EXPOSURES
BOTH = EXPERIMENT + RESOLVED
OK = SEEN + f"u1,control,{AT}\n"

MISTAKES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a variant that nobody declared": (
        BOTH,
        {"exposures.csv": SEEN + f"u1,control,{AT}\nu2,treatmnt,{AT}\n"},
        'traffic/exposures.csv:3: the variant "treatmnt" is no key of [[experiment]] '
        'june\'s variants; add it, or write treatmnt = "" to leave it out: did '
        "you mean `treatment`? The variants are `control`, `treatment`.",
    ),
    "two columns that could be the unit": (
        BOTH,
        {"exposures.csv": f"user_id,visitor_id,variant,time\nu1,v1,control,{AT}\n"},
        'traffic/exposures.csv:1: "user_id" and "visitor_id" could both be the unit; '
        'say unit = "…" in [[experiment]] june.',
    ),
    "no column of the variant": (
        BOTH,
        {"exposures.csv": f"user_id,arm,time\nu1,control,{AT}\n"},
        "traffic/exposures.csv:1: no column is known as the variant (the columns are "
        '"user_id", "arm", "time"); say columns = { variant = "…" } in [[experiment]] '
        "june, or put a line with names of columns first.",
    ),
    "no column of the time": (
        BOTH,
        {"exposures.csv": "user_id,variant,when\nu1,control,x\n"},
        "traffic/exposures.csv:1: no column is known as the time (the columns are "
        '"user_id", "variant", "when"); say columns = { time = "…" } in [[experiment]] '
        "june, or put a line with names of columns first.",
    ),
    "a column that is not there": (
        EXPERIMENT + 'unit = "user"\n' + RESOLVED,
        {"exposures.csv": OK},
        "traffic/exposures.csv:1: there is no column `user`; did you mean `user_id`? "
        "The columns are `user_id`, `variant`, `timestamp`.",
    ),
    "a day and month that could be either": (
        BOTH,
        {
            "exposures.csv": OK,
            "events.csv": events("u1,opened,,\n", "u1,resolved,,06/07/2026\n"),
        },
        'traffic/events.csv:3: "06/07/2026" is no time; write 2026-06-07T10:00:00Z, '
        'or say dates = "dmy" (the day first) or "mdy" in the [[experiment]].',
    ),
    "a time among quoted cells over two lines": (
        BOTH,
        {
            "exposures.csv": OK,
            "events.csv": events('u1,"opened\nand read",,\n', "u1,resolved,,noon\n"),
        },
        'traffic/events.csv:4: "noon" is no time; write 2026-06-07T10:00:00Z.',
    ),
    "a number that is none": (
        EXPERIMENT + MINUTES,
        {
            "exposures.csv": OK,
            "events.csv": events(f"u1,closed,1,{AT}\n", f"u1,closed,n/a,{AT}\n"),
        },
        'traffic/events.csv:3: value is "n/a"; leave the cell empty or write a number.',
    ),
    "a number that is not finite": (
        EXPERIMENT + MINUTES,
        {"exposures.csv": OK, "events.csv": events(f"u1,closed,inf,{AT}\n")},
        'traffic/events.csv:2: value is "inf"; leave the cell empty or write a number.',
    ),
    "a row with a cell too many": (
        BOTH,
        {"exposures.csv": OK + f"u2,control,{AT},\n"},
        "traffic/exposures.csv:3: 4 cells where the header has 3; correct this line.",
    ),
    "a row with a cell too few before one with one too many": (
        BOTH,
        {"exposures.csv": OK + f"u2,control\nu3,control,{AT},\n"},
        "traffic/exposures.csv:3: 2 cells where the header has 3; correct this line.",
    ),
    "two short rows that make one": (
        BOTH,
        {"exposures.csv": OK + "u2\n\nu3\n"},
        "traffic/exposures.csv:3: 1 cells where the header has 3; correct this line.",
    ),
    "text that is not UTF-8": (
        BOTH,
        {"exposures.csv": OK.encode() + b"\xff\xfe,control,now\n"},
        "traffic/exposures.csv:3: the text is not UTF-8; save the file as UTF-8.",
    ),
    "an empty file": (
        BOTH,
        {"exposures.csv": ""},
        "traffic/exposures.csv: the file is empty; export it again.",
    ),
    "events of other units": (
        BOTH,
        {
            "exposures.csv": OK,
            "events.csv": events(*(event(n) for n in (1, 2, 3))),
        },
        "traffic/events.csv: 66.7 % of events are of units that were never exposed: is "
        '"user_id" the same in both files? Correct it, or say columns = { unit = "…" } '
        "in [[outcome]] resolved.",
    ),
    "a ratio over nothing": (
        EXPERIMENT + RESOLVED.replace('"rate"', '"ratio"') + 'per = "started"\n',
        {"exposures.csv": OK, "events.csv": events(event(1))},
        "resolved: no unit of control has a started; the ratio is undefined.",
    ),
    "a rate that is neither 0 nor 1": (
        JUNE + UNITS,
        {"units.csv": "user_id,variant,value\nu1,control,2\n"},
        'traffic/units.csv:2: value is "2", and a rate is of 0 and 1 (or yes and '
        'no, true and false); write one of them, or kind = "mean".',
    ),
    "a unit row of a variant that nobody declared": (
        JUNE + UNITS,
        {"units.csv": "user_id,variant,value\nu1,contrl,1\n"},
        'traffic/units.csv:2: the variant "contrl" is no key of [[experiment]] '
        'june\'s variants; add it, or write contrl = "" to leave it out: did you '
        "mean `control`? The variants are `control`, `treatment`.",
    ),
    "more successes than units": (
        table(),
        {"../table.csv": "variant,n,successes\ncontrol,262,270\n"},
        "table.csv:2: 270 successes of 262 units; write a whole number between 0 and "
        "n.",
    ),
    "successes below 0": (
        table(),
        {"../table.csv": "variant,n,successes\ncontrol,262,-1\n"},
        "table.csv:2: -1 successes of 262 units; write a whole number between 0 and n.",
    ),
    "half a success": (
        table(),
        {"../table.csv": "variant,n,successes\ncontrol,262,1.5\n"},
        "table.csv:2: 1.5 successes of 262 units; write a whole number between 0 and "
        "n.",
    ),
    "a spread of which nobody knows what it is": (
        table("mean"),
        {"../table.csv": "variant,n,mean,std\ncontrol,262,1,1\n"},
        'table.csv:1: "std" may be a standard deviation or error; rename it sd or se, '
        'or say columns = { sd = "std" } or { se = "std" } in [[outcome]] resolved.',
    ),
    "Statsig's spread": (
        table("mean"),
        {"../table.csv": "variant,test_units,test_mean,test_std\ncontrol,262,1,1\n"},
        'table.csv:1: "test_std" may be a standard deviation or error; rename it sd or '
        'se, or say columns = { sd = "test_std" } or { se = "test_std" } in '
        "[[outcome]] resolved.",
    ),
    "sums that no units have": (
        table("mean"),
        {
            "../table.csv": "variant,n,sum,sum_squares\ncontrol,3,3,3\n"
            "treatment,8,26,80\n"
        },
        "table.csv:3: the sum of squares 80 is below sum²/n 84.5; these are not of the "
        "same units; correct this row.",
    ),
    "two columns of the same number": (
        table(),
        {"../table.csv": "variant,n,units,successes\ncontrol,262,262,27\n"},
        'table.csv:1: "n" and "units" could both be n; keep one, or say columns = '
        '{ n = "…" } in [[outcome]] resolved.',
    ),
    "a variant with two rows": (
        table(),
        {"../table.csv": "variant,n,successes\ncontrol,9,2\ncontrol,8,1\n"},
        "table.csv:3: control has a row above; keep one.",
    ),
    "a table of several metrics": (
        table(),
        {"../table.csv": SEVERAL},
        'table.csv:3: the table holds several metrics ("Sales", "Calls", …); say '
        'score = "…" in [[outcome]] resolved.',
    ),
    "a metric that the table has not": (
        table() + 'score = "Sale"\n',
        {"../table.csv": SEVERAL},
        'table.csv:1: no row is of the metric "Sale"; did you mean `Sales`? The '
        'metrics are "Sales", "Calls".',
    ),
    "a metric where no column names one": (
        table() + 'score = "Sales"\n',
        {"../table.csv": "variant,n,successes\ncontrol,9,2\n"},
        "table.csv:1: no column is known as the metric (the columns are "
        '"variant", "n", "successes"); say columns = { metric = "…" } in [[outcome]] '
        "resolved, or leave out score.",
    ),
    "a variant without a row": (
        table(),
        {"../table.csv": "variant,n,successes\ncontrol,9,2\n"},
        'table.csv: there is no row of treatment; add it, or write treatment = "" in '
        "[[experiment]] june.",
    ),
    "a table that says too little": (
        table("mean"),
        {"../table.csv": "variant,n,mean\ncontrol,9,2\n"},
        'table.csv:1: a "mean" needs the columns `n`, `mean`, `sd` or `n`, `mean`, '
        "`se` or `n`, `mean`, `variance` or `n`, `sum`, `sum_squares` beside the "
        "variant, and there are `variant`, `n`, `mean`; add what is missing, or say "
        'which columns hold it, as in columns = { n = "…" } in [[outcome]] resolved.',
    ),
    "a count that a spreadsheet wrote with a point": (
        table(),
        {"../table.csv": "variant;n;successes\ncontrol;3.000;1.000\n"},
        'table.csv:2: n is "3.000", which may be 3 or 3000; say decimal = "." (3) or '
        'decimal = "," (3000) in the [[outcome]], or write plain digits.',
    ),
    "a column of numbers that is not there": (
        table() + 'columns = { n = "Visitor" }\n',
        {"../table.csv": "variant,Visitors,successes\ncontrol,9,2\n"},
        "table.csv:1: there is no column `Visitor`; did you mean `Visitors`? The "
        "columns are `variant`, `Visitors`, `successes`.",
    ),
    "a grade beyond the scale": (
        CSAT,
        {"csat.csv": "user,rung,rating\nu1,bot/few,5\nu2,bot/few,7\n"},
        "traffic/csat.csv:3: 7 is not on the scale 1 to 5; correct it or the scale of "
        "[[outcome]] csat.",
    ),
    "a grade in words": (
        CSAT,
        {"csat.csv": "user,rung,rating\nu1,bot/few,5\nu2,bot/few,1 - bad\n"},
        'traffic/csat.csv:3: the grade is "1 - bad"; leave the cell empty or write a '
        'number. Answers in words want scale = ["worst", …, "best"]. What says nothing '
        'goes into no_answer = ["…"].',
    ),
    "a word that is not of the scale": (
        WORDS,
        {"csat.csv": "user,rung,rating\nu1,bot/few,fime\n"},
        'traffic/csat.csv:2: "fime" is no word of the scale; did you mean `fine`? '
        "The scale is `bad`, `fine`, `good`. What says nothing goes into no_answer = "
        '["…"].',
    ),
    "an answer about no rung": (
        CSAT,
        {"csat.csv": "user,rung,rating\nu1,bot/fex,5\n"},
        'traffic/csat.csv:2: "bot/fex" is not a rung; did you mean `bot/few`? The '
        "rungs are `bot/few`, `bot/rag`. Correct it there, or give the "
        "rung of each variant in an [[experiment]].",
    ),
    "answers that nobody can tell the rung of": (
        CSAT,
        {"csat.csv": "user,rating\nu1,5\n"},
        "traffic/csat.csv:1: no column says which variant or rung an answer is about, "
        "or who gave it (an experiment with `exposures` knows what they met); say "
        'columns = { variant = "…" } or { unit = "…" } in [[outcome]] csat.',
    ),
    "two columns of one name": (
        CSAT + 'column = "Q1"\n',
        {"csat.csv": "user,rung,Q1,Q1\nu1,bot/few,5,5\n"},
        "traffic/csat.csv:1: two columns are called `Q1`; rename one.",
    ),
    "no thumb": (
        THUMBS,
        {"thumbs.jsonl": '{"user":"u1","rung":"bot/few","thumb":"maybe"}\n'},
        'traffic/thumbs.jsonl:1: "maybe" is no thumb; write up or down, or 1 or 0; '
        'grades of more steps are kind = "rating". What says nothing goes into '
        'no_answer = ["…"].',
    ),
    "several scores": (
        THUMBS,
        {
            "thumbs.jsonl": '{"trace":"t","name":"a","value":1,"rung":"bot/few"}\n'
            '{"trace":"t","name":"b","value":1,"rung":"bot/few"}\n'
        },
        'traffic/thumbs.jsonl: it holds the scores "a", "b"; say score = "…" in '
        "[[outcome]] thumbs.",
    ),
    "a line that is no JSON": (
        THUMBS,
        {"thumbs.jsonl": '{"user":"u1","rung":"bot/few","thumb":"up"}\n{"user":\n'},
        "traffic/thumbs.jsonl:2: this is not JSON (Expecting value); correct this "
        "line.",
    ),
    "a row that is no object": (
        THUMBS,
        {"thumbs.jsonl": "[1]\n"},
        'traffic/thumbs.jsonl:1: a row is an object, such as {"user": "u1", …}; '
        "correct this line.",
    ),
    "a file that is named and missing": (
        BOTH,
        {},
        "ladder.toml: [[experiment]] june: exposures: there is no file "
        "`traffic/exposures.csv` in .; export it, or correct the path.",
    ),
    "a kind of file that nobody reads": (
        JUNE + UNITS.replace(".csv", ".xlsx"),
        {"units.xlsx": "PK"},
        "traffic/units.xlsx: this is no kind of file that can be read; use `.csv`, "
        "`.tsv`, `.jsonl`, `.ndjson`, `.json`, `.parquet`, packed by gzip or not.",
    ),
    "Parquet that is none": (
        JUNE + UNITS.replace(".csv", ".parquet"),
        {"units.parquet": "PK"},
        "traffic/units.parquet: row 1: this cannot be read (Parquet file size is 2 "
        "bytes, smaller than the minimum file footer (8 bytes)); correct this line.",
    ),
    "a packed file that is cut off": (
        JUNE + UNITS.replace(".csv", ".csv.gz"),
        {"../traffic/units.csv.gz": None},
        "traffic/units.csv.gz:1: this cannot be read (Compressed file ended before the "
        "end-of-stream marker was reached); export the file again.",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_file_is_one_sentence_and_nothing_is_written(
    suite: Suite, mistake: str
) -> None:
    toml, files, sentence = MISTAKES[mistake]
    suite.ladder(toml)
    for name, content in files.items():
        if content is None:
            rows = "user_id,variant,value\n" + "u1,control,1\n"
            whole = suite.write("traffic/units.csv.gz", rows).read_bytes()
            (suite.folder / "traffic/units.csv.gz").write_bytes(whole[:-4])
        else:
            suite.write(name[3:] if name[:3] == "../" else f"traffic/{name}", content)

    said = suite.run("import")

    assert said.err == f"pytest-ladder: {sentence}\n"
    assert said.status == 1
    assert not (suite.folder / "outcomes").exists()
