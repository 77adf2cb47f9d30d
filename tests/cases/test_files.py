"""Files as they lie on disk: packed, in other encodings, and those that are none."""

from __future__ import annotations

import bz2
import datetime
import decimal
import gzip
import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.cases import files
from pytest_ladder.cases.load import load_cases
from pytest_ladder.core.case import Case
from pytest_ladder.errors import ConfigError

LINES = b'{"id": "a", "input": "Hi"}\n{"id": "b", "input": "H\xc3\xb6"}\n'
SAME = [Case(id="a", input="Hi"), Case(id="b", input="Hö")]
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
MARKERS = "keep one of the two sides, and remove the lines that begin with <<<<<<<, "


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(data: bytes, name: str) -> list[Case]:
    Path(name).write_bytes(data)
    return load_cases(name, folder=Path(), where="t")


def same(cases: list[Case]) -> bool:
    return [(case.id, case.input) for case in cases] == [(c.id, c.input) for c in SAME]


def problem(data: bytes, name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(data, name)
    return str(caught.value)


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("c.jsonl", LINES),
        ("C.CSV", b"id,input\na,Hi\nb,H\xc3\xb6\n"),
        ("c.NdJson", LINES),
    ],
)
def test_packed_files_are_read(name: str, data: bytes, packing: str) -> None:
    assert same(load(PACKERS[packing](data), name + packing))


def test_what_is_not_packed_or_cut_short_is_named() -> None:
    packed = gzip.compress(LINES)
    for data in (LINES, packed[:-6], packed[:12], b""):
        said = problem(data, "c.jsonl.gz")
        assert said.startswith("c.jsonl.gz")
        assert "the file cannot be unpacked (" in said or "there are no cases" in said


@pytest.mark.parametrize("packing", PACKERS)
def test_what_unpacks_to_too_much_is_refused(
    packing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 2**20)
    bomb = PACKERS[packing](b" " * (2**20 + 1))
    assert len(bomb) < 2_000
    assert problem(bomb, f"c.csv{packing}") == (
        f"c.csv{packing}: unpacked the file is larger than 1 MiB, which is not read; "
        "unpack it yourself (`.gz`, `.bz2`, `.xz` left out), or split it."
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_texts_of_other_systems_are_read(encoding: str, ends: str) -> None:
    text = LINES.decode().replace("\n", ends)
    assert same(load(text.encode(encoding), "c.jsonl"))
    yaml = "- id: a\n  input: Hi\n- {id: b, input: Hö}\n".replace("\n", ends)
    assert same(load(yaml.encode(encoding), "c.yaml"))


def test_json_lines_are_read_whatever_they_are_called() -> None:
    assert same(load(LINES, "c.json"))
    assert problem(LINES[:-3], "c.json").startswith(
        "c.json:2: the file is not valid JSON (trailing characters); correct it, or "
        "name"
    )


@pytest.mark.parametrize(
    "name", ["c.jsonl", "c.csv", "c.parquet", "c.yaml", "c.csv.gz"]
)
def test_a_git_lfs_pointer_says_how_to_fetch_the_file(name: str) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n"
    assert problem(pointer, name) == (
        f"{name}: this is a Git LFS pointer and not the file itself; run `git lfs "
        "pull`."
    )


CONFLICTS = {
    "c.jsonl": '{"input": "a"}\n<<<<<<< HEAD\n{"input": "b"}\n=======\n',
    "c.csv": "input\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> theirs\n",
    "c2.csv": "id,input\n<<<<<<< HEAD\n1,a\n=======\n1,b\n>>>>>>> theirs\n",
    "c.json": '[\n<<<<<<< HEAD\n{"input": "a"}\n=======\n{"input": "b"}\n]',
    "c.yaml": "- input: a\n<<<<<<< HEAD\n- input: b\n=======\n- input: c\n>>>>>>> x\n",
    "half.jsonl": '{"input": "a"}\n=======\n{"input": "b"}\n>>>>>>> theirs\n',
    "c2.yaml": "- input: a\n=======\n",
}


@pytest.mark.parametrize("name", CONFLICTS)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_conflict_marker_is_named_with_its_line(name: str, ends: str) -> None:
    said = problem(CONFLICTS[name].replace("\n", ends).encode(), name)
    assert said.startswith(f"{name}:2: git left a conflict marker here; {MARKERS}")


def test_a_text_about_conflict_markers_is_a_text() -> None:
    text = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> theirs\n"
    (case,) = load(f'input\n"What is\n{text}?"\n'.encode(), "c.csv")
    assert text in str(case.input)
    (case,) = load(b"- input: |\n    What is\n    <<<<<<< HEAD\n    ?\n", "c.yaml")
    assert "<<<<<<< HEAD" in str(case.input)


@pytest.mark.parametrize("word", ["NaN", "-Infinity", "Infinity", "-NaN"])
def test_a_number_that_json_lacks_is_named_with_its_line(word: str) -> None:
    line = f'{{"input": "a", "n": [1, {word}]}}'
    sentence = f"{word} is no JSON; write null, or leave the key out."
    assert problem(f'{{"input": "b"}}\n{line}'.encode(), "c.jsonl") == (
        f"c.jsonl:2: {sentence}"
    )
    assert problem(f"[\n\n{line}]".encode(), "c.json") == f"c.json:3: {sentence}"


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("None", "write null, or leave the key out"),
        ("undefined", "write null, or leave the key out"),
        ("True", "write true"),
        ("False", "write false"),
    ],
)
def test_a_word_of_another_language_is_named_with_its_line(word: str, fix: str) -> None:
    line = f'{{"input": "a", "expected": {word}}}'
    sentence = f"{word} is no JSON; {fix}."
    assert problem(f"{line}\n".encode(), "c.jsonl") == f"c.jsonl:1: {sentence}"
    assert problem(f"[\n{line}]".encode(), "c.json") == f"c.json:2: {sentence}"


NO_TEXT = {
    "Excel's": (b"PK\x03\x04\x14\x00", "a ZIP file, as Excel's are; save it as CSV"),
    "old Excel's": (b"\xd0\xcf\x11\xe0\xa1", "an old Excel file; save it as CSV"),
    "Parquet": (b"PAR1\x15", "Parquet; name it `.parquet`"),
    "packed": (gzip.compress(b"input\nq\n"), "packed by gzip; put `.gz` behind"),
    "UTF-16 without its mark": ("input\nq\n".encode("utf-16-le"), "as UTF-16 without"),
}


@pytest.mark.parametrize("name", ["c.csv", "c.jsonl", "c.json", "c.yaml", "c.tsv"])
@pytest.mark.parametrize("what", NO_TEXT)
def test_what_is_no_text_is_named(name: str, what: str) -> None:
    data, sentence = NO_TEXT[what]
    assert sentence in problem(data, name)


def test_the_words_are_no_problem_in_texts_and_other_mistakes() -> None:
    (case,) = load(b'{"input": "NaN or -Infinity?"}', "c.jsonl")
    assert case.input == "NaN or -Infinity?"
    assert "trailing comma" in problem(b'{"input": "NaN",}', "c.jsonl")


def parquet(rows: list[dict[str, Any]], name: str = "c.parquet") -> bytes:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), name)
    return Path(name).read_bytes()


def test_parquet_is_read_with_its_own_types() -> None:
    rows = [
        {
            "id": 7,
            "question": "Which?",
            "choices": ["a", "b"],
            "answer": 1,
            "when": datetime.date(2024, 5, 1),
            "price": decimal.Decimal("1.10"),
            "score": float("nan"),
        }
    ]
    (case,) = load(parquet(rows), "c.parquet")
    assert (case.id, case.input, case.expected) == ("7", "Which?", 1)
    assert case.choices == ("a", "b")
    assert case.metadata == {
        "choices": ["a", "b"],
        "when": "2024-05-01",
        "price": "1.10",
        "score": None,
    }


def test_what_is_wrong_in_parquet_is_named_with_its_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [{"id": "a", "input": "b"}, {"id": "a", "input": "c"}]
    assert problem(parquet(rows), "c.parquet") == (
        'c.parquet: row 2: the id "a" is already used at c.parquet: row 1; rename one.'
    )
    assert problem(b"PAR1", "c.parquet").startswith(
        "c.parquet: the file is not valid Parquet ("
    )
    many = [{"id": n, "input": "x" * 1_000} for n in range(5_000)]
    data = parquet(many)
    monkeypatch.setattr("pytest_ladder.cases.tables.MOST_BYTES", 2**20)
    assert len(data) < 100_000
    assert "larger than" in problem(data, "c.parquet")


def test_parquet_without_pyarrow_says_which_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = parquet([{"input": "a"}])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert problem(data, "c.parquet") == (
        "c.parquet: Parquet is read by pyarrow, which is not installed; run pip "
        "install 'pytest-ladder[parquet]'."
    )
