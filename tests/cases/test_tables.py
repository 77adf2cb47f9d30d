"""Tables as spreadsheets, pandas and people write them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.cases.load import load_cases
from pytest_ladder.core.case import Case
from pytest_ladder.errors import ConfigError

ONE = [("1", "say Paris", "Paris")]
TABLES: dict[str, tuple[str, str, list[tuple[Any, ...]]]] = {
    "blanks after commas": (
        "c.csv",
        "id, input, expected\n1, say Paris, Paris\n",
        ONE,
    ),
    "blanks everywhere": (
        "c.csv",
        " id ,input , expected\n 1 ,say Paris\t,Paris ",
        ONE,
    ),
    "quotes after blanks": (
        "c.csv",
        'id, input, expected\n1, "say Paris", "Paris, now"\n',
        [("1", "say Paris", "Paris, now")],
    ),
    "blanks behind quotes": (
        "c.csv",
        'id , "input" , expected\n"1" , "say ""Paris"", please" , "Paris"  \n',
        [("1", 'say "Paris", please', "Paris")],
    ),
    "blanks in quotes stay": (
        "c.csv",
        'id,input,expected\n1,say Paris, " Paris ""x"" "\n',
        [("1", "say Paris", ' Paris "x" ')],
    ),
    "names in any case": ("c.csv", "ID,Question,Answer\n1,say Paris,Paris\n", ONE),
    "names in two words": (
        "c.csv",
        "Id,INPUT,Expected Output\n1,say Paris,Paris\n",
        ONE,
    ),
    "semicolons": ("c.csv", "id;input;expected\n1;say Paris;Paris\n", ONE),
    "semicolons and commas": (
        "c.csv",
        "id;input;expected\n1;a, b;c, d\n",
        [("1", "a, b", "c, d")],
    ),
    "tabs in CSV": ("c.csv", "id\tinput\texpected\n1\tsay Paris\tParis\n", ONE),
    "bars": ("c.csv", "id|input|expected\n1|say Paris|Paris\n", ONE),
    "a declared separator": (
        "c.csv",
        "sep=;\nid;input;expected\n1;say Paris;Paris",
        ONE,
    ),
    "an odd declared one": (
        "c.csv",
        '"sep=^"\r\nid^input^expected\r\n1^say Paris^Paris',
        ONE,
    ),
    "a declared comma": ("c.csv", "sep=,\nid,input,expected\n1,say Paris,Paris\n", ONE),
    "a declared one in capitals": (
        "c.csv",
        "SEP=;\r\nid;input;expected\r\n1;say Paris;Paris",
        ONE,
    ),
    "blanks that do not break": (
        "c.csv",
        "id,\u00a0input,expected\u00a0\n1,\u00a0say Paris,Paris\u00a0\n",
        ONE,
    ),
    "the same in TSV": (
        "c.tsv",
        "id\tinput\texpected\n1\t\u00a0say Paris\tParis\u00a0\n",
        ONE,
    ),
    "empty columns": (
        "c.csv",
        "id,input,expected,,\n1,say Paris,Paris,,\n2,b,c\n3,d,e,,,\n",
        [*ONE, ("2", "b", "c"), ("3", "d", "e")],
    ),
    "old Macs": ("c.csv", "id,input,expected\r1,say Paris,Paris\r", ONE),
    "TSV": ("c.tsv", "id\tinput\texpected\n1\tsay Paris\tParis\t\n", ONE),
    "TSV with commas": (
        "c.tsv",
        "input\texpected\na, b\tc\n",
        [("a-b-", "a, b", "c")],
    ),
    "commas in TSV": ("c.tsv", "id,input,expected\n1,say Paris,Paris\n", ONE),
    "one column": ("c.csv", "input\na; b | c\n", [("a-b-c-", "a; b | c", None)]),
    "a long cell": (
        "c.csv",
        f"id,input\n1,{'x' * 150_000}\n",
        [("1", "x" * 150_000, None)],
    ),
    "Markdown's": (
        "c.csv",
        "| id | input | expected |\n|---|:-:|-:|\n| 1 | say Paris | Paris |\n",
        ONE,
    ),
    "blanks in empty rows": (
        "c.csv",
        "id,input,expected\n , ,\n1,say Paris,Paris\n,,\n",
        ONE,
    ),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str | bytes, name: str = "c.csv") -> list[Case]:
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return load_cases(name, folder=Path(), where="t")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("table", TABLES)
def test_tables_are_read_as_they_are(table: str, encoding: str) -> None:
    name, text, rows = TABLES[table]
    cases = load(text.encode(encoding), name)
    for case, (id_, asked, expected) in zip(cases, rows, strict=True):
        assert case.id.startswith(id_)
        assert (case.input, case.expected) == (asked, expected)
        assert case.metadata == {}


def test_a_column_that_only_pandas_names_stays_what_it_was() -> None:
    cases = load(",input,expected\n0,a,b\n1,c,d\n")
    assert [case.metadata for case in cases] == [{"": "0"}, {"": "1"}]


def test_a_long_cell_leaves_the_limit_of_the_process() -> None:
    before = csv.field_size_limit()
    load(TABLES["a long cell"][1])
    assert csv.field_size_limit() == before


def test_cells_without_blanks_keep_the_ids_that_cells_with_blanks_had() -> None:
    """The second hash is that of release 0.1, which kept the blanks."""
    (case,) = load("input,expected\n say Paris, Paris\n")
    (same,) = load("input,expected\nsay Paris,Paris\n")
    with_blanks = Case(id="", input=" say Paris", expected=" Paris")
    assert case.former_hash == with_blanks.content_hash
    assert case.content_hash == same.content_hash
    assert same.former_hash == ""


LISTS = {
    "pandas": repr(["c1", "it's, c2"]),
    "JSON": json.dumps(["c1", "it's, c2"]),
    "numpy": "['c1' \"it's, c2\"]",
    "numpy, on lines": "['c1'\n \"it's, c2\"]",
}


@pytest.mark.parametrize("name", ["context", "contexts", "retrieval_context"])
@pytest.mark.parametrize("cell", LISTS.values(), ids=LISTS)
def test_a_list_in_a_cell_is_several_passages(cell: str, name: str) -> None:
    """Issue 17: pandas writes a list as Python prints it."""
    quoted = cell.replace('"', '""')
    (case,) = load(f'question,{name},ground_truth\nq,"{quoted}",t\n')
    assert case.context == ("c1", "it's, c2")
    assert case.expected == "t"


def test_a_test_set_of_ragas_is_read_as_pandas_writes_it() -> None:
    (case,) = load(
        "user_input,reference_contexts,retrieved_contexts,reference,metadata\n"
        "q,\"['g']\",\"['m' 'n']\",r,\"[{'source': 'kb'}]\"\n"
    )
    assert (case.input, case.expected, case.context) == ("q", "r", ("g",))
    assert case.metadata["retrieved_contexts"] == ["m", "n"]
    assert case.metadata["metadata"] == [{"source": "kb"}]


@pytest.mark.parametrize(
    "text", ["[see page 4]", "['a' 'b", "['a'b']", "[1] says so", "[]x", "['a',", "["]
)
def test_a_text_in_brackets_is_a_text(text: str) -> None:
    quoted = text.replace('"', '""')
    (case,) = load(f'input,context\nq,"{quoted}"\n')
    assert case.context == (text,)


@pytest.mark.parametrize("cell", ["de; mood", "de |mood", '"de, mood"', "de;mood"])
def test_tags_are_separated_by_what_people_take(cell: str) -> None:
    (case,) = load(f"input,tags,relevant\nq,{cell},a|b.md\n")
    assert case.tags == ("de", "mood")
    # Ids of documents may hold anything.
    assert case.relevant == ("a|b.md",)


@pytest.mark.parametrize(
    ("cell", "read"),
    [('"=""001"""', "001"), ('="12,50"', "12,50"), ('="A"', '="A"'), ("=1+1", "=1+1")],
)
def test_what_an_export_keeps_excel_from_reading_is_read(cell: str, read: str) -> None:
    (case,) = load(f"id;input;expected\n{cell};q;{cell}\n")
    assert (case.id, case.expected) == (read, read)


def test_lists_of_tags_are_read_as_pandas_writes_them() -> None:
    first, second = load(
        "input,tags,relevant\nq,\"['a', 'b']\",\"['x']\"\nr,\"a, b\",x\n"
    )
    assert first.tags == second.tags == ("a", "b")
    assert first.relevant == second.relevant == ("x",)


@pytest.mark.parametrize(
    "row",
    [
        {"inputs": {"question": "Q"}, "outputs": {"answer": "A"}},
        {"inputs": {"question": "Q"}, "expectations": {"expected_response": "A"}},
        {"input": "Q", "expectedOutput": "A", "sourceTraceId": "t"},
        {"input": {"q": "Q"}, "expectedOutput": ["A"], "sourceObservationId": None},
        {"input": "[Q]", "expectedOutput": None, "sourceTraceId": None},
    ],
)
def test_cells_that_a_tool_writes_as_json_say_what_its_rows_say(
    row: dict[str, Any],
) -> None:
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(row)
    writer.writerow(json.dumps(each) if each else each for each in row.values())
    (case,), (told,) = load(table.getvalue()), load(json.dumps(row), "c.jsonl")
    assert (case.input, case.expected) == (told.input, told.expected)


def test_json_of_no_tool_is_a_text() -> None:
    (case,) = load('input,expected\n"{""q"": 1}","[""A""]"\n')
    assert (case.input, case.expected) == ('{"q": 1}', '["A"]')


def test_choices_in_a_cell_are_a_list_in_json_or_python() -> None:
    for cell in ('[""a"", ""b""]', "['a', 'b']"):
        (case,) = load(f'question,choices,answer\nq,"{cell}",1\n')
        assert case.choices == ("a", "b")


MISTAKES = {
    "no such column": (
        "c.csv",
        "qestion;answr\na;b\n",
        "c.csv:1: the first row names no column for the input; did you mean "
        "`question`? It holds `qestion`, `answr` (between semicolons); begin with a "
        "row of names such as `id;input;expected`.",
    ),
    "no such column in TSV": (
        "c.tsv",
        "text\tlabel\na\tb\n",
        "c.tsv:1: the first row names no column for the input; it holds `text`, "
        "`label` (between tabs); begin with a row of names such as "
        "`id\tinput\texpected`.",
    ),
    "declared and wrong": (
        "c.csv",
        "sep=,\nn;text\n1;a\n",
        "c.csv:2: the first row names no column for the input; it holds `n;text` "
        "(between commas); begin with a row of names such as `id,input,expected`.",
    ),
    "a value without a name": (
        "c.csv",
        "id,input,expected,,\n1,a,b,,x\n",
        "c.csv:2: 'x' stands in a column without a name, of which there are several; "
        "name the column, or empty it.",
    ),
    "a semicolon too many": (
        "c.csv",
        "id;input\n1;a;b\n",
        "c.csv:2: the row has 3 cells and the header 2; put a text that holds "
        "semicolons in quotes.",
    ),
    "a line break without quotes": (
        "c.csv",
        "id,input,expected\n1,How\nlong?,b\n",
        "c.csv:2: the row has 2 cells and the header 3; put a text that holds line "
        "breaks in quotes, and write the last cells of a row even if they are empty.",
    ),
    "a last cell that is missing": (
        "c.csv",
        "input;expected\na;b\nc\n",
        "c.csv:3: the row has 1 cell and the header 2; put a text that holds line "
        "breaks in quotes, and write the last cells of a row even if they are empty.",
    ),
    "text behind quotes": (
        "c.csv",
        'id,input\n1,"a" b\n',
        "c.csv:2: the line is not valid CSV (',' expected after '\"'); put a text that "
        'holds commas, quotes or line breaks in quotes, and write "" for a quote '
        "inside.",
    ),
    "a quote of an earlier line": (
        "c.csv",
        'sep=,\nid,input\n1,"a\nb"\n2,"c\n3,"d"\n',
        "c.csv:5: the line is not valid CSV (',' expected after '\"' in line 6); put a "
        'text that holds commas, quotes or line breaks in quotes, and write "" for a '
        "quote inside.",
    ),
    "a quote within a row of several lines": (
        "c.csv",
        'id,input,expected\r\n1,"a\u2028\r\nb","c\r\nd" e\r\n',
        "c.csv:3: the line is not valid CSV (',' expected after '\"' in line 4); put a "
        'text that holds commas, quotes or line breaks in quotes, and write "" for a '
        "quote inside.",
    ),
    "a quote that is never closed": (
        "c.csv",
        'id,input\n1,"a\n2,b\n3,c\n',
        "c.csv:2: the line is not valid CSV (unexpected end of data in line 4); put a "
        'text that holds commas, quotes or line breaks in quotes, and write "" for a '
        "quote inside.",
    ),
    "lines count from the top": (
        "c.csv",
        'sep=;\nid;input\n1;"a\nb"\n1;c\n',
        'c.csv:5: the id "1" is already used at c.csv:3; rename one.',
    ),
}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [pytest.param(*row, id=key.replace(" ", "-")) for key, row in MISTAKES.items()],
)
def test_what_is_not_understood_is_said_with_what_was_seen(
    name: str, text: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, name)
    assert str(caught.value) == expected


def test_an_empty_input_says_the_same_in_every_format() -> None:
    texts = {
        "c.csv": "input,expected\n  ,x\n",
        "c.tsv": "input\texpected\n\tx\n",
        "c.jsonl": '\n{"input": " ", "expected": "x"}\n',
        "c.json": '[\n{"input": "", "expected": "x"}]',
        "c.yaml": "\n- input: ''\n",
    }
    for name, text in texts.items():
        with pytest.raises(ConfigError) as caught:
            load(text, name)
        sentence = "the input is empty; write one, or leave the case out."
        assert str(caught.value) == f"{name}:2: {sentence}"
