from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.cases.load import load_cases
from pytest_ladder.core.case import Case
from pytest_ladder.errors import ConfigError

GENERATED = re.compile(r"[a-z0-9-]{1,32}-[0-9a-f]{6}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(folder: Path, text: str | bytes, name: str = "cases.jsonl") -> list[Case]:
    data = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(data)
    return load_cases(name, folder=folder, where="test_x.py")


def listed(*rows: Any) -> list[Case]:
    return load_cases(list(rows), folder=Path(), where="test_x.py")


FORMATS = {
    "cases.jsonl": (
        '{"id": "a", "input": "Hi", "expected": "x, y", "tags": ["s", "t"], "n": "1"}\n'
        '\n{"id": "b", "input": "Ho\\u2028"}\n'
    ),
    "cases.json": (
        '[\n{"id": "a", "input": "Hi", "expected": "x, y", "tags": ["s", "t"], '
        '"n": "1"},\n{"id": "b", "input": "Ho\\u2028"}]'
    ),
    "cases.csv": (
        'id,input,expected,tags,n\na,Hi,"x, y","s, t",1\r\n\nb,Ho\u2028,,,\n'
    ),
    "cases.yaml": (
        "# two\n- id: a\n  input: Hi\n  expected: x, y\n  tags: [s, t]\n  n: '1'\n"
        '- {id: b, input: "Ho\\u2028"}\n'
    ),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "bom"])
def test_every_format_says_the_same(folder: Path, name: str, mark: str) -> None:
    assert load(folder, mark + FORMATS[name], name) == [
        Case(
            id="a",
            input="Hi",
            expected="x, y",
            tags=("s", "t"),
            metadata={"n": "1"},
            source=name,
        ),
        Case(id="b", input="Ho\u2028", source=name),
    ]


def test_a_list_over_several_lines_is_read_whatever_it_is_called(folder: Path) -> None:
    (folder / "c.jsonl").write_text('[\n  {"input": "a input", "id": "input"}\n]\n')
    (case,) = load_cases("c.jsonl", folder=folder, where="t")
    assert (case.id, case.input) == ("input", "a input")


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("input", ["input", "question", "prompt", "query", "inputs"]),
        (
            "expected",
            ["expected", "target", "ideal", "answer", "expected_output", "reference"],
        ),
    ],
)
def test_peers_names_are_understood(field: str, names: list[str]) -> None:
    for name in names:
        (case,) = listed({"input": "i", name: "x"} if field != "input" else {name: "x"})
        assert getattr(case, field) == "x"
        assert case.metadata == {}


@pytest.mark.parametrize("name", ["context", "contexts", "retrieval_context"])
@pytest.mark.parametrize(
    "value",
    ["p", ["p"], [{"text": "p", "score": 1}], {"page_content": "p"}, ("p",)],
)
def test_context_comes_in_many_forms(name: str, value: Any) -> None:
    (case,) = listed({"input": "i", name: value})
    assert case.context == ("p",)


def test_unknown_keys_join_the_metadata() -> None:
    (case,) = listed({"input": "i", "team": "a", "metadata": {"n": 1}})
    assert case.metadata == {"team": "a", "n": 1}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"question": "Hi"}, "Hi"),
        ({"a": 1, "b": "é"}, '{"a":1,"b":"é"}'),
        ({"n": 1}, '{"n":1}'),
        ({"messages": [{"role": "user", "content": "Hi"}]}, None),
        ([{"role": "user", "content": "Hi"}], None),
    ],
)
def test_structured_inputs_become_text_or_messages(value: Any, expected: Any) -> None:
    (case,) = listed({"inputs": value})
    assert case.input == (expected or [{"role": "user", "content": "Hi"}])


def test_yaml_leaves_answers_and_dates_the_texts_they_are(folder: Path) -> None:
    text = "- {input: a, expected: no}\n- {input: b, expected: 2024-05-01}\n"
    text += "- {input: c, expected: true}\n- {input: d, expected: 45}\n"
    values = [case.expected for case in load(folder, text, "c.yml")]
    assert values == ["no", "2024-05-01", True, 45]


def test_yaml_makes_no_objects(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"c\.yml:1: the file is not valid YAML"):
        load(folder, "- !!python/object/apply:os.getcwd []\n", "c.yml")


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("- input: a\n---\n- input: b\n", "put all cases into one list, without `---`"),
        ("- input: a\n  expected: %5\n", "put the text in quotes"),
        ("- input: a\n  expected: @me\n", "put the text in quotes"),
        ("- input: a: b\n", "put texts that hold `: ` or `#` in quotes"),
    ],
)
def test_a_mistake_in_yaml_says_how_to_mend_it(
    folder: Path, text: str, fix: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(fix)):
        load(folder, text, "c.yml")


def test_generated_ids_are_readable_and_short() -> None:
    texts = {
        "How long is the refund window, please?": "how-long-is-the-refund-window",
        "Rückgabe nach 30 Tagen?": "ruckgabe-nach-30-tagen",
        "x" * 50: "x" * 32,
        "返品の期間は?": "case",
        "": "case",
        "…[]/": "case",
    }
    for text, slug in texts.items():
        (case,) = listed({"input": text})
        assert case.id.rpartition("-")[0] == slug
        assert GENERATED.fullmatch(case.id)


def test_generated_ids_are_the_same_in_every_process() -> None:
    code = (
        "from pathlib import Path; from pytest_ladder.cases.load import load_cases;"
        "print(load_cases([{'input': 'Hi', 'n': {'b': 1, 'a': 2}}], folder=Path(), "
        "where='x')[0].id)"
    )
    ids = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert ids == {"hi-58cb36\n"}


def test_a_corrected_label_keeps_the_generated_id() -> None:
    (one,) = listed({"input": "Hi", "expected": "a"})
    (other,) = listed({"input": "Hi", "expected": "b", "tags": ["x"]})
    (elsewhere,) = listed({"input": "Hi", "context": "c"})
    assert one.id == other.id != elsewhere.id


def test_ids_may_be_numbers_and_of_any_script() -> None:
    ids = ["返品-期間", 7, " r\u00fcck ", "q1/a::b", "हिन्दी", "می‌خواهم"]
    cases = listed(*({"id": i, "input": str(i)} for i in ids))
    assert [case.id for case in cases] == [str(i).strip() for i in ids]


def test_sources_are_named_from_the_folder(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "tests").mkdir()
    (folder / "data" / "c.jsonl").write_text('{"input": "a"}')
    for start, name, expected in (
        (folder, "data/c.jsonl", "data/c.jsonl"),
        (folder, folder / "data" / "c.jsonl", "data/c.jsonl"),
        (folder / "tests", "../data/c.jsonl", "../data/c.jsonl"),
    ):
        (case,) = load_cases(name, folder=start, where="t")
        assert case.source == expected
    assert listed({"input": "a"})[0].source == "test_x.py"


def test_functions_lists_and_cases_are_sources() -> None:
    made = Case(id="made", input="i", context=("c",), expected=0, source="s.jsonl")
    rows: list[Any] = [made, {"input": "j"}, Case(id="", input="k")]
    for source in (lambda: rows, lambda: iter(rows), tuple(rows)):
        first, second, third = load_cases(source, folder=Path(), where="t")
        assert first == made
        assert second.source == third.source == "t"
        assert GENERATED.fullmatch(third.id)


def test_many_cases_of_one_slug_get_ids_of_their_own(folder: Path) -> None:
    text = "\n".join(f'{{"input": "返品{n}"}}' for n in range(20_000))
    cases = load(folder, text)
    assert len({case.id for case in cases}) == 20_000
    assert cases == load(folder, text)


def test_a_hundred_thousand_lines_load_quickly(folder: Path) -> None:
    rows = (
        {"question": f"How long is refund window {n}?", "answer": f"{n} days", "n": n}
        for n in range(100_000)
    )
    (folder / "big.jsonl").write_text("\n".join(map(json.dumps, rows)))
    start = time.process_time()
    assert len(load_cases("big.jsonl", folder=folder, where="t")) == 100_000
    assert time.process_time() - start < 20


MISTAKES = {
    "broken line": (
        "c.jsonl",
        '{"input": "a"}\n\n{"input": "b",}\n',
        "c.jsonl:3: the line is not valid JSON (trailing comma in object); every line "
        "holds one JSON object.",
    ),
    "a key twice": (
        "c.jsonl",
        '{"input": "a"}\n{"input": "b", "expected": "c", "expected": "d"}\n',
        "c.jsonl:2: `expected` stands there twice; keep one of the two.",
    ),
    "a key twice in a list": (
        "c.json",
        '[{"input": "a"},\n {"input": "b", "expected": "c", "expected": "d"}]',
        "c.json:2: `expected` stands there twice; keep one of the two.",
    ),
    "a key twice in YAML": (
        "c.yaml",
        "- input: a\n  metadata:\n    n: 1\n    n: 2\n",
        "c.yaml:4: `n` stands in line 3 already, for the same case or object; keep one "
        "of the two.",
    ),
    "a text that a comma cuts in YAML": (
        "c.yaml",
        "- {input: a, expected: 1,000}\n",
        "c.yaml:1: `000` has no value; put a text that holds commas in quotes, and "
        "write `: ` behind a key.",
    ),
    "duplicate id": (
        "c.jsonl",
        '{"id": 1, "input": "a"}\n\n{"id": "1", "input": "b"}',
        'c.jsonl:3: the id "1" is already used at c.jsonl:1; rename one.',
    ),
    "duplicate case": (
        "c.jsonl",
        '{"input": "a"}\n{"input": "a", "expected": "b"}',
        "c.jsonl:2: the same case stands already at c.jsonl:1; remove one, or give "
        "each an id of its own.",
    ),
    "an input of nothing": (
        "c.jsonl",
        '{"id": "a", "question": null, "expected": "b"}',
        "c.jsonl:1: the case has no `input`: `question` is null; write what is asked.",
    ),
    "no input": (
        "c.jsonl",
        '{"text": "a", "label": "b"}',
        "c.jsonl:1: the case has no `input` (or `question`, `prompt`, `query`, "
        "`inputs`); its keys are `text`, `label`.",
    ),
    "two names": (
        "c.jsonl",
        '{"prompt": "a", "question": "b"}',
        "c.jsonl:1: `prompt` and `question` both say the input; keep one of them.",
    ),
    "not an object": (
        "c.jsonl",
        '"a"',
        'c.jsonl:1: a case is an object with an input, not a text; write {"input": …}.',
    ),
    "number as input": (
        "c.jsonl",
        '{"input": 5}',
        "c.jsonl:1: the input is a number; write a text in quotes or a list of chat "
        "messages.",
    ),
    "no chat message": (
        "c.jsonl",
        '{"input": [{"role": "user", "content": "a"}, "b"]}',
        "c.jsonl:1: message 2 of the input is no chat message; write "
        '{"role": "user", "content": "…"}.',
    ),
    "no user": (
        "c.jsonl",
        '{"input": [{"role": "system", "content": "a"}]}',
        "c.jsonl:1: no message of the input is the user's; add one with the role "
        "`user`.",
    ),
    "wrong tags": (
        "c.jsonl",
        '{"input": "a", "tags": 3}',
        "c.jsonl:1: tags holds a number; write a list of texts.",
    ),
    "wrong context": (
        "c.jsonl",
        '{"input": "a", "context": [{"id": 1}]}',
        "c.jsonl:1: a passage of the context is an object; write a text, or an object "
        "with a `text`.",
    ),
    "wrong metadata": (
        "c.jsonl",
        '{"input": "a", "metadata": []}',
        'c.jsonl:1: the metadata is a list; write an object such as {"team": "a"}.',
    ),
    "metadata twice": (
        "c.jsonl",
        '{"input": "a", "n": 1, "metadata": {"n": 2}}',
        "c.jsonl:1: `n` stands in the case and in its metadata; keep one of them.",
    ),
    "control character": (
        "c.jsonl",
        '{"id": "a\\nb", "input": "a"}',
        "c.jsonl:1: the id 'a\\nb' holds a control character; use letters and digits "
        "of any script.",
    ),
    "bracket": (
        "c.jsonl",
        '{"id": "a[1]", "input": "a"}',
        "c.jsonl:1: the id 'a[1]' holds a bracket, which pytest keeps for parameters; "
        "use ( and ).",
    ),
    "empty id": (
        "c.jsonl",
        '{"id": " ", "input": "a"}',
        "c.jsonl:1: the id is empty; write one, or leave it out and one is made.",
    ),
    "id of a wrong type": (
        "c.jsonl",
        '{"id": 1.5, "input": "a"}',
        "c.jsonl:1: the id is a number; write a text or a whole number.",
    ),
    "empty": (
        "c.jsonl",
        "\n \n",
        "c.jsonl:1: there are no cases; write at least one, such as "
        '{"input": "How long is the refund window?", "expected": "45 days"}.',
    ),
    "not UTF-8": (
        "c.jsonl",
        b'{"input": "a"}\n{"input": "R\xfcckgabe"}\n',
        "c.jsonl:2: the text is not UTF-8 (byte 0xfc); save the file as UTF-8.",
    ),
    "unknown suffix": (
        "c.xlsx",
        "",
        "c.xlsx: cases are not read from `.xlsx` files; use one of `.jsonl`, "
        "`.ndjson`, `.csv`, `.tsv`, `.json`, `.yaml`, `.yml`, `.parquet`, also packed "
        "as `.gz`, `.bz2`, `.xz`.",
    ),
    "no header": (
        "c.csv",
        "How long?,45 days\n",
        "c.csv:1: the first row names no column for the input; it holds `How long?`, "
        "`45 days` (between commas); begin with a row of names such as "
        "`id,input,expected`.",
    ),
    "two columns": (
        "c.csv",
        "input,n,n\na,1,2\n",
        "c.csv:1: two columns are named `n`; rename one.",
    ),
    "unquoted comma": (
        "c.csv",
        'input,expected\n"a\nb",c\nd, e,f\n',
        "c.csv:4: the row has 3 cells and the header 2; put a text that holds commas "
        "in quotes.",
    ),
    "unclosed quote": (
        "c.csv",
        'input\n"a\n',
        "c.csv:2: the line is not valid CSV (unexpected end of data); put a text that "
        'holds commas, quotes or line breaks in quotes, and write "" for a quote '
        "inside.",
    ),
    "metadata in CSV": (
        "c.csv",
        "input,metadata\na,team a\n",
        "c.csv:2: metadata is not a JSON object (invalid character); write one such "
        'as {"team": "a"}, or use a column per key.',
    ),
    "empty CSV": (
        "c.csv",
        "input\n",
        "c.csv:1: there are no cases; write at least one, such as "
        '{"input": "How long is the refund window?", "expected": "45 days"}.',
    ),
    "broken JSON": (
        "c.json",
        '[\n{"input": "a"},\n{"input" "b"}\n]',
        "c.json:3: the file is not valid JSON (expected ':'); correct it, or name it "
        ".jsonl if every line is an object of its own.",
    ),
    "JSON that ends": (
        "c.json",
        '[\n{"input": "a"}\n',
        "c.json:2: the file is not valid JSON (Input data was truncated); correct it, "
        "or name it .jsonl if every line is an object of its own.",
    ),
    "JSON object": (
        "c.json",
        '{"cases": []}',
        "c.json: the file holds an object where a list of cases is needed; put the "
        "cases in [ … ] or write one `- ` for each.",
    ),
    "third of a JSON list": (
        "c.json",
        '[{"input": "a"},\n {"input": "b"}, {"input": "c"},\n\n 5]',
        "c.json:4: a case is an object with an input, not a number; write "
        '{"input": …}.',
    ),
    "repeated rows of a JSON list": (
        "c.json",
        '[\n{"input": "a"},\n{"input": "a"}]',
        "c.json:3: the same case stands already at c.json:2; remove one, or give each "
        "an id of its own.",
    ),
    "YAML object": (
        "c.yaml",
        "cases: []\n",
        "c.yaml: the file holds an object where a list of cases is needed; put "
        "the cases in [ … ] or write one `- ` for each.",
    ),
    "second of a YAML list": (
        "c.yaml",
        "- input: a\n  expected: b\n- output: c\n",
        "c.yaml:3: the case has no `input` (or `question`, `prompt`, `query`, "
        "`inputs`); its keys are `output`.",
    ),
}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [pytest.param(*row, id=key.replace(" ", "-")) for key, row in MISTAKES.items()],
)
def test_a_broken_file_gets_one_sentence_with_its_line(
    folder: Path, name: str, text: str | bytes, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, name)
    assert str(caught.value) == expected


def test_broken_yaml_names_the_line(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"c\.yaml:2: the file is not valid YAML"):
        load(folder, "- input: a\n- input: b: c\n", "c.yaml")


def test_a_missing_file_is_named_with_where_it_was_looked_for(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_cases("no.jsonl", folder=folder, where="t")
    assert str(caught.value) == (
        f"no.jsonl: there is no such file (looked at {folder}/no.jsonl); create it or "
        "correct the path."
    )


async def _coming() -> list[Any]:
    return []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (5, "t.py: a number is no source of cases; give a list of dicts, a function "),
        ({"input": "a"}, "t.py: an object is no source of cases; "),
        (lambda: None, "t.py: null is no source of cases; "),
        (lambda: "c.jsonl", "t.py: a text is no source of cases; "),
        (_coming, "t.py: _coming is async; cases come from a plain function, "),
        ([], "t.py: case 1: there are no cases; "),
        ([{"input": "a"}, "b"], "t.py: case 2: a case is an object with an input, "),
        ([{"input": "a", "n": object()}], "t.py: case 1: no id can be made from the "),
        ([{"id": "a[", "input": "a"}], "t.py: case 1: the id 'a[' holds a bracket"),
    ],
)
def test_sources_that_are_none_are_refused(source: Any, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_cases(source, folder=Path(), where="t.py")
    assert str(caught.value).startswith(expected)


def test_an_error_of_the_users_function_stays_theirs() -> None:
    def broken() -> list[Any]:
        raise KeyError("theirs")

    with pytest.raises(KeyError, match="theirs"):
        load_cases(broken, folder=Path(), where="t.py")
