from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.retrieval import Corpus, Function, Gold, read_passages
from pytest_ladder.prompting.search import Index, tokenize

KB = {
    "returns.md": "# Sending goods back\n\nA return label is valid for 16 days.",
    "sub/tea.txt": "Gyokuro is brewed at 50 degrees.",
    "sub/返品.md": "# 返品\n\n返品は三十日以内にお願いします。送料は無料です。",
    ".hidden/x.md": "A return label nobody sees.",
    "notes.pdf": "A return label in a format that is not read.",
}


def case(text: str, **fields: object) -> Case:
    return Case(id="c", input=text, **fields)  # type: ignore[arg-type]


@pytest.fixture
def kb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in KB.items():
        path = tmp_path / "kb" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "kb"


@pytest.mark.parametrize(
    ("query", "sources"),
    [
        ("My RETURN label?", ["returns.md"]),
        ("gyokuro, days", ["sub/tea.txt", "returns.md"]),
        ("返品の送料はいくらですか?", ["sub/返品.md"]),
        ("zebra", []),
        ("", []),
        ("?!", []),
    ],
)
def test_passages_that_share_words_are_found_in_any_script(
    kb: Path, query: str, sources: list[str]
) -> None:
    found = Corpus(kb).search(case(query), 3)
    assert [passage.source for passage in found] == sources
    assert [passage.rank for passage in found] == [*range(1, len(sources) + 1)]


def test_searching_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert Index(["tea"]).best("tea", 1) == [0]
    assert caplog.records == []


def test_no_more_than_top_k_come_back_and_equals_keep_their_order() -> None:
    index = Index(["tea one", "milk", "tea one", "tea one"])
    assert index.best("tea", 2) == [0, 2]
    assert index.best("milk tea", 9) == [1, 0, 2, 3]


@pytest.mark.parametrize("texts", [["a"], ["!"], ["!", "a"]])
def test_the_smallest_corpora_work(texts: list[str]) -> None:
    assert Index(texts).best("a b", 3) == [n for n, t in enumerate(texts) if t == "a"]


def test_words_are_cut_alike_in_every_script() -> None:
    assert tokenize("Don't, \uff21BC-12_x") == ["don", "t", "abc", "12", "x"]
    assert tokenize("返品はPDFで") == ["返品", "品は", "pdf", "で"]
    assert tokenize("हिन्दी में") == ["हनद", "म"]
    assert tokenize("Straße") == ["strasse"]


def test_ranking_is_the_same_in_every_process() -> None:
    code = (
        "from pytest_ladder.prompting.search import Index;"
        "texts = [f'tea {n % 7} pot {n % 5} cup {n % 3}' for n in range(60)];"
        "print(Index(texts).best('cup 1 tea 3 pot 2', 60))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_rows_of_jsonl_are_documents(tmp_path: Path) -> None:
    path = tmp_path / "kb.jsonl"
    path.write_text(
        '{"id": 7, "content": "Tea.", "title": "Brewing"}\n\n'
        '{"source": "web/a", "page_content": "Milk."}\n{"text": "Cup."}\n'
    )
    passages = [(p.source, p.text) for p in read_passages(path)]
    assert passages == [
        ("7", "Brewing\n\nTea."),
        ("web/a", "Milk."),
        ("kb.jsonl#4", "Cup."),
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "a.jsonl",
            '{"text": "a"}\n{"body": "b"}',
            "kb/a.jsonl:2: the row has no text; write an object with a `text` (or "
            "`content`, `page_content`).",
        ),
        ("a.jsonl", "[]", "kb/a.jsonl:1: the row has no text; "),
        ("a.jsonl", "{", "kb/a.jsonl:1: the line is not valid JSON "),
        ("a.md", "R\xfcckgabe", "kb/a.md:1: the text is not UTF-8 (byte 0xfc); "),
        ("a.md", " ", "kb: the corpus holds no text; put documents there that end in "),
        ("a.pdf", "a", "kb: the corpus holds no text; "),
    ],
)
def test_a_corpus_that_cannot_be_read_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str,
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        read_passages(tmp_path / "kb")
    assert str(caught.value).startswith(expected)


def test_gold_is_the_whole_context_of_the_case() -> None:
    found = Gold().search(case("q", context=("a", "b"), relevant=("x.md", "y.md")), 1)
    assert [(p.source, p.rank, p.text) for p in found] == [
        ("x.md", 1, "a"),
        ("y.md", 2, "b"),
    ]
    assert [p.source for p in Gold().search(case("q", context=("a",)), 1)] == ["gold"]
    assert Gold().search(case("q"), 3) == ()


RETRIEVERS = """
import ladder_test_helper
asked = []
def texts(query, top_k):
    asked.append((query, top_k))
    return ["a", "b", "c"]
def pairs(query, top_k):
    return (("s", "a"), ["t", "b"])
def dicts(query, top_k):
    return [{"source": "s", "content": "a", "score": 1}, {"text": "b"}]
async def late(query, top_k):
    return []
def later(query, top_k):
    return late(query, top_k)
def none(query, top_k): ...
def numbers(query, top_k):
    return [1]
def one(query): ...
def broken(query, top_k):
    return {}["no such"]
value = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "ladder_test_retrievers.py").write_text(RETRIEVERS)
    (tmp_path / "ladder_test_helper.py").write_text("")
    (tmp_path / "ladder_test_broken.py").write_text("import ladder_test_no_such\n")
    (tmp_path / "ladder_test_unfinished.py").write_text("1 / 0\n")
    (tmp_path / "ladder_test_halved.py").write_text("def f(\n")
    yield tmp_path
    for name in [n for n in sys.modules if n.startswith("ladder_test_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("texts", [(..., "a"), (..., "b")]),
        ("pairs", [("s", "a"), ("t", "b")]),
        ("dicts", [("s", "a"), (..., "b")]),
    ],
)
def test_a_function_retrieves_in_several_forms(
    folder: Path, name: str, expected: list[tuple[object, str]]
) -> None:
    before = list(sys.path)
    spec = f"ladder_test_retrievers:{name}"
    function = Function(spec, folder)
    assert sys.path == before
    found = function.search(case("q"), 2)
    assert [(p.source, p.text) for p in found] == [
        (spec if source is ... else source, text) for source, text in expected
    ]
    if name == "texts":
        assert sys.modules["ladder_test_retrievers"].asked == [("q", 2)]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("ladder_test_retrievers:late", "is async; write a plain function"),
        ("ladder_test_retrievers:later", "is async; write a plain function"),
        ("ladder_test_retrievers:none", "returned null; return a list of passages."),
        ("ladder_test_retrievers:numbers", "returned a passage that is a number; "),
        ("ladder_test_retrievers:value", "is no function; name one."),
        ("ladder_test_retrievers:one", "takes (query), and is called with the text "),
        ("ladder_test_retrievers:broken", "raised KeyError: 'no such' in "),
        ("ladder_test_unfinished:f", "cannot be imported: ladder_test_unfinished rais"),
        ("ladder_test_halved:f", "cannot be imported: ladder_test_halved raised Synta"),
        ("ladder_test_retrievers:gone", "cannot be imported (module "),
        ("ladder_test_gone:f", "cannot be imported (No module named "),
        ("ladder_test_broken:f", "cannot be imported (No module named 'ladder_test_no"),
    ],
)
def test_a_function_that_does_not_retrieve_is_named(
    folder: Path, spec: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Function(spec, folder).search(case("q"), 2)
    assert str(caught.value).startswith(f"the retriever {spec} {problem}")


def sources(kb: Path, query: str, **words: str) -> list[str]:
    return [p.source for p in Corpus(kb, **words).search(case(query), 3)]


def test_stop_words_and_stems_are_an_option_and_never_the_default(kb: Path) -> None:
    (kb / "the.txt").write_text("the the is the, at the", encoding="utf-8")
    query = "What is the brewing temperature at the start?"
    assert sources(kb, query)[0] == "the.txt"
    assert "the.txt" not in sources(kb, query, stopwords="english")
    assert sources(kb, "brewing") == []
    assert sources(kb, "brewing", stemmer="english") == ["sub/tea.txt"]
    both = {"stopwords": "english", "stemmer": "english"}
    assert sources(kb, query, **both) == ["sub/tea.txt"]
    # Other scripts are cut as before.
    assert sources(kb, "返品の送料", **both) == ["sub/返品.md"]


CASE_RETRIEVERS = """
def plain(query, top_k):
    return [
        {"source": "a.md", "id": 7, "text": "A"},
        {"id": "b", "text": "B"},
        {"text": "C"},
        {"id": 3, "text": "D"},
    ]

def wants_case(query, top_k, case):
    return [(case.id, f"{query} {case.expected}")]

def wants_case_by_default(query, top_k=3, case=None):
    return [case.id]

def wants_three(query, top_k, asked):
    return [asked.id]

def has_its_own_third(query, top_k, index="mine"):
    return [index]

class Search:
    def __call__(self, query, top_k, case):
        return [case.id]

made = Search()
"""


def own_retriever(folder: Path, name: str) -> Function:
    (folder / "own_retrievers.py").write_text(CASE_RETRIEVERS, encoding="utf-8")
    return Function(f"own_retrievers:{name}", folder)


def test_id_and_source_of_what_a_function_returns_are_kept(tmp_path: Path) -> None:
    found = own_retriever(tmp_path, "plain").search(case("?"), 4)
    assert [(p.source, p.id, p.text) for p in found] == [
        ("a.md", "7", "A"),
        ("b", "b", "B"),
        ("own_retrievers:plain", "", "C"),
        ("3", "3", "D"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wants_case", "tea? hot"),
        ("wants_case_by_default", "c"),
        ("wants_three", "c"),
        ("has_its_own_third", "mine"),
        ("made", "c"),
    ],
)
def test_a_function_that_takes_it_gets_the_case(
    tmp_path: Path, name: str, text: str
) -> None:
    found = own_retriever(tmp_path, name).search(case("tea?", expected="hot"), 3)
    assert [passage.text for passage in found] == [text]
