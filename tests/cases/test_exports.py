"""Rows of other tools and data sets: what is asked, what is expected, what is not."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_ladder.cases.exports import EXPORTS, read_as, understands
from pytest_ladder.cases.fields import CHECKS
from pytest_ladder.cases.load import load_cases
from pytest_ladder.core.case import Case
from pytest_ladder.errors import ConfigError, LadderWarning

SYSTEM = {"role": "system", "content": "S"}
USER = {"role": "user", "content": "U"}
ASSISTANT = {"role": "assistant", "content": "A"}


class Known(NamedTuple):
    row: dict[str, Any]
    input: Any
    expected: Any
    metadata: Mapping[str, Any] = {}
    context: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


ROWS: dict[str, list[Known]] = {
    "promptfoo (tests)": [
        Known(
            {
                "description": "one",
                "vars": {"question": "q", "lang": "de"},
                "assert": [{"type": "icontains", "value": "x"}],
            },
            "q",
            "x",
            {
                "description": "one",
                "lang": "de",
                "assert": [{"type": "icontains", "value": "x"}],
            },
        ),
        Known({"vars": {"topic": "t"}}, "t", None),
        Known(
            {"vars": {"a": "x", "b": 2}}, '{"a":"x","b":2}', None, {"a": "x", "b": 2}
        ),
    ],
    "promptfoo (table)": [
        Known(
            {"question": "q", "__expected": "contains: Paris", "__description": "d"},
            "q",
            "Paris",
            {"description": "d", "assert": [{"type": "contains", "value": "Paris"}]},
        ),
        Known(
            {"city": "c", "__expected1": "equals:x", "__expected2": "cost(0.5)"},
            "c",
            "x",
            {"assert": [{"type": "equals", "value": "x"}]},
        ),
    ],
    "chat messages": [
        Known({"messages": [SYSTEM, USER, ASSISTANT]}, [SYSTEM, USER], "A"),
        Known({"messages": [USER, ASSISTANT, USER]}, [USER, ASSISTANT, USER], None),
        Known({"messages": [SYSTEM, USER]}, [SYSTEM, USER], None),
        Known(
            {"messages": [USER, {"role": "assistant", "tool_calls": [{"id": "c"}]}]},
            [USER],
            [{"id": "c"}],
        ),
        Known(
            {"messages": [USER, ASSISTANT], "ideal": "E"}, [USER], "E", {"reply": "A"}
        ),
    ],
    "OpenAI batch": [
        Known(
            {
                "custom_id": "r1",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": "m", "messages": [SYSTEM, USER]},
            },
            [SYSTEM, USER],
            None,
            {"method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}},
        ),
        Known(
            {
                "custom_id": "r2",
                "url": "/v1/responses",
                "body": {"model": "m", "input": "U", "max_output_tokens": 5},
            },
            "U",
            None,
            {"url": "/v1/responses", "body": {"model": "m", "max_output_tokens": 5}},
        ),
    ],
    "Hugging Face rows": [
        Known(
            {
                "row_idx": 3,
                "row": {"question": "q", "answers": {"text": ["a", "a"]}},
                "truncated_cells": [],
            },
            "q",
            "a",
        ),
    ],
    "ShareGPT": [
        Known(
            {
                "conversations": [
                    {"from": "system", "value": "S"},
                    {"from": "human", "value": "U"},
                    {"from": "gpt", "value": "A"},
                ]
            },
            [SYSTEM, USER],
            "A",
        ),
        Known({"conversations": [USER, ASSISTANT]}, [USER], "A"),
    ],
    "Ragas": [
        Known(
            {
                "user_input": "q",
                "reference": "r",
                "response": "model",
                "retrieved_contexts": ["x"],
                "reference_contexts": ["gold"],
            },
            "q",
            "r",
            {"response": "model", "retrieved_contexts": ["x"]},
            ("gold",),
        ),
        Known(
            {"user_input": [{"content": "U", "type": "human"}], "reference": "r"},
            [USER],
            "r",
        ),
        Known(
            {"user_input": "q", "reference": "r", "metadata": [{"source": "kb"}]},
            "q",
            "r",
            {"metadata": [{"source": "kb"}]},
        ),
    ],
    "MMLU-Pro": [
        Known(
            {"question": "q", "options": ["x", "y"], "answer": "B", "answer_index": 1},
            "q",
            "B",
            {"options": ["x", "y"], "answer_index": 1, "choices": ["x", "y"]},
            choices=("x", "y"),
        ),
        # MedQA's.
        Known(
            {"question": "q", "options": {"A": "x", "B": "y"}, "answer": "y"},
            "q",
            "y",
            {"options": {"A": "x", "B": "y"}, "choices": ["x", "y"]},
            choices=("x", "y"),
        ),
        Known(
            {"question": "q", "options": ["x", "y"], "correct_answer": "x"},
            "q",
            "x",
            {"choices": ["x", "y"]},
            choices=("x", "y"),
        ),
    ],
    "MMLU (table)": [
        Known(
            {"Question": "q", "A": "x", "B": "y", "C": "z", "Answer": "C"},
            "q",
            "C",
            {"choices": ["x", "y", "z"]},
            choices=("x", "y", "z"),
        ),
        Known(
            {"question": "q", "A": "x", "B": "y", "correct_answer": "B"},
            "q",
            "B",
            {"choices": ["x", "y"]},
            choices=("x", "y"),
        ),
    ],
    "Ragas, or what has replies beside": [
        *(
            Known(
                {"question": "q", "answer": "a reply", name: "right"},
                "q",
                "right",
                {"answer": "a reply"},
            )
            for name in (
                *("expected_answer", "reference_answer", "correct_answer"),
                *("gold_answer", "expected_response", "Reference Answer"),
            )
        ),
        Known({"prompt": "q", "referenceResponse": "right"}, "q", "right"),
        Known(
            {"question": "q", "ground_truth": "t", "contexts": ["c"], "answer": "m"},
            "q",
            "t",
            {"ground_truth": "t", "answer": "m"},
            ("c",),
        ),
        Known(
            {"question": "q", "ground_truths": ["t"], "answer": "m"},
            "q",
            "t",
            {"ground_truths": ["t"], "answer": "m"},
        ),
        Known(
            {"question": "q", "ground_truth": None, "answer": "m"},
            "q",
            None,
            {"ground_truth": None, "answer": "m"},
        ),
        Known(
            {"input": "q", "ground_truth": "g", "expected": "e"},
            "q",
            "e",
            {"ground_truth": "g"},
        ),
        Known(
            {"query": "q", "answer": "m", "reference": "r"}, "q", "r", {"answer": "m"}
        ),
    ],
    "MLflow": [
        # Any text of a list that is expected would do; facts have to hold all.
        Known(
            {"inputs": {"q": "q"}, "expectations": {"expected_facts": ["f", "g"]}},
            "q",
            {"expected_facts": ["f", "g"]},
            {"expectations": {"expected_facts": ["f", "g"]}},
        ),
        Known(
            {
                "inputs": {"question": "q"},
                "expectations": {"expected_response": "e", "expected_facts": ["f"]},
                "outputs": "m",
            },
            "q",
            "e",
            {
                "expectations": {"expected_response": "e", "expected_facts": ["f"]},
                "outputs": "m",
            },
        ),
    ],
    "LangSmith": [
        Known(
            {"inputs": {"question": "q"}, "outputs": {"answer": "a"}, "id": "1"},
            "q",
            "a",
            {"outputs": {"answer": "a"}},
        ),
        Known(
            {"inputs": {"q": "q", "lang": "de"}, "outputs": {"a": "a", "s": ["t"]}},
            '{"q":"q","lang":"de"}',
            {"a": "a", "s": ["t"]},
            {"outputs": {"a": "a", "s": ["t"]}},
        ),
        Known(
            {
                "inputs": {"messages": [USER]},
                "outputs": {"messages": [USER, ASSISTANT]},
            },
            [USER],
            "A",
            {"outputs": {"messages": [USER, ASSISTANT]}},
        ),
        Known(
            {
                "inputs": {"question": "q"},
                "outputs": {"answer": "m"},
                "reference_outputs": {"answer": "a"},
            },
            "q",
            "a",
            {"outputs": {"answer": "m"}, "reference_outputs": {"answer": "a"}},
        ),
    ],
    "Langfuse": [
        Known(
            {
                "input": {"q": "q"},
                "expectedOutput": "e",
                "datasetId": "d",
                "metadata": None,
            },
            "q",
            "e",
            {"datasetId": "d", "expectedOutput": "e"},
        )
    ],
    "DeepEval": [
        Known(
            {
                "input": "q",
                "actual_output": "m",
                "expected_output": "e",
                "context": ["gold"],
                "retrieval_context": ["found"],
            },
            "q",
            "e",
            {"actual_output": "m", "retrieval_context": ["found"]},
            ("gold",),
        ),
        Known(
            {
                "input": "q",
                "actualOutput": None,
                "expectedOutput": "e",
                "context": [],
                "retrievalContext": ["found"],
            },
            "q",
            "e",
            {
                "actualOutput": None,
                "expectedOutput": "e",
                "retrievalContext": ["found"],
            },
            ("found",),
        ),
    ],
    "ARC": [
        Known(
            {
                "id": "M1",
                "question": "q",
                "choices": {"text": ["x", "y"], "label": ["1", "2"]},
                "answerKey": "2",
            },
            "q",
            "B",
            {"choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"},
            choices=("x", "y"),
        ),
        Known(
            {
                "question": {
                    "stem": "q",
                    "choices": [
                        {"text": "x", "label": "A"},
                        {"text": "y", "label": "B"},
                    ],
                },
                "answerKey": "A",
            },
            "q",
            "A",
            {
                "answerKey": "A",
                "choices": [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}],
            },
            choices=("x", "y"),
        ),
        Known(
            {
                "question_stem": "q",
                "choices": {"text": ["x", "y"], "label": ["A", "B"]},
                "answerKey": "B",
            },
            "q",
            "B",
            {"choices": {"text": ["x", "y"], "label": ["A", "B"]}},
            choices=("x", "y"),
        ),
    ],
    "SQuAD": [
        Known(
            {
                "question": "q",
                "context": "c",
                "answers": {"text": ["a", "a"], "answer_start": [1, 1]},
            },
            "q",
            "a",
            {"answers": {"text": ["a", "a"], "answer_start": [1, 1]}},
            ("c",),
        ),
        Known(
            {"question": "q", "answers": ["a", "b"]},
            "q",
            ["a", "b"],
            {"answers": ["a", "b"]},
        ),
        Known({"question": "q", "answers": []}, "q", None, {"answers": []}),
    ],
    "Alpaca": [
        Known(
            {"instruction": "Do", "input": "x", "output": "y"},
            "Do\n\nx",
            "y",
            {"instruction": "Do", "output": "y"},
        ),
        Known(
            {"instruction": "Do", "input": "", "output": "y"},
            "Do",
            "y",
            {"instruction": "Do", "output": "y"},
        ),
        Known(
            {"instruction": "Do", "context": "c", "response": "y"},
            "Do",
            "y",
            {},
            ("c",),
        ),
    ],
    "GSM8K": [
        Known(
            {"question": "q", "answer": "4*252 = <<4*252=1008>>1,008\n#### 1,008"},
            "q",
            "1,008",
            {"solution": "4*252 = <<4*252=1008>>1,008\n#### 1,008"},
        )
    ],
    "TruthfulQA": [
        Known(
            {"question": "q", "best_answer": "b", "incorrect_answers": ["i"]},
            "q",
            "b",
            {"best_answer": "b", "incorrect_answers": ["i"]},
        )
    ],
    "prompts with completions": [
        Known({"prompt": "p", "completion": "c"}, "p", "c", {"completion": "c"})
    ],
    "Braintrust": [Known({"q": "q", "a": "a"}, "q", "a")],
}
BY_NAMES: dict[str, Known] = {
    "openai/evals": Known(
        {"input": [SYSTEM, USER], "ideal": ["a", "b"]}, [SYSTEM, USER], ["a", "b"]
    ),
    "Inspect": Known(
        {"input": "q", "target": "B", "choices": ["x", "y"], "id": 1},
        "q",
        "B",
        {"choices": ["x", "y"]},
        choices=("x", "y"),
    ),
    "MMLU": Known(
        {"question": "q", "subject": "s", "choices": ["x", "y"], "answer": 1},
        "q",
        1,
        {"subject": "s", "choices": ["x", "y"]},
        choices=("x", "y"),
    ),
    "Braintrust, full": Known(
        {"input": {"q": "q"}, "expected": {"a": "a"}, "tags": None, "_xact_id": "1"},
        "q",
        {"a": "a"},
        {"_xact_id": "1"},
    ),
    "a name in another case": Known(
        {"question": "q", "Answer": "a"}, "q", "a", {"Answer": "a"}
    ),
    "an instruction beside": Known(
        {"input": "q", "instruction": "Be brief.", "expected": "e"},
        "q",
        "e",
        {"instruction": "Be brief."},
    ),
    "what is expected, by its name": Known(
        {"input": "q", "answers": ["x"], "outputs": {"a": "m"}, "expected": "e"},
        "q",
        "e",
        {"answers": ["x"], "outputs": {"a": "m"}},
    ),
    "no final answer": Known({"question": "q", "answer": "x #### 4"}, "q", "x #### 4"),
    "an answer that is all there is": Known(
        {"input": "q", "expected": None, "answer": "a"}, "q", "a"
    ),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str, name: str) -> list[Case]:
    Path(name).write_text(text, encoding="utf-8")
    return load_cases(name, folder=Path(), where="t")


def check(known: Known, case: Case) -> None:
    assert (case.input, case.expected) == (known.input, known.expected)
    assert (case.context, case.choices) == (known.context, known.choices)


def test_every_known_export_is_in_the_table() -> None:
    assert list(ROWS) == [export.tool for export in EXPORTS]


def test_no_tool_claims_rows_with_our_own_names_alone() -> None:
    # So such rows are read without any of this being loaded.
    for count in range(len(CHECKS) + 1):
        for names in itertools.combinations(CHECKS, count):
            row = dict.fromkeys(names, "x")
            assert read_as(row) == (row, "")
            assert not understands(names)


@pytest.mark.filterwarnings("ignore::pytest_ladder.errors.LadderWarning")
@pytest.mark.parametrize(
    ("tool", "known"),
    [
        *((tool, known) for tool, rows in ROWS.items() for known in rows),
        *(("", known) for known in BY_NAMES.values()),
    ],
)
def test_an_export_is_read_in_every_format(tool: str, known: Known) -> None:
    assert read_as(known.row)[1] == tool
    line = json.dumps(known.row)
    (case,) = load_cases([known.row], folder=Path(), where="t")
    check(known, case)
    assert {**known.metadata, **case.metadata} == case.metadata
    for name, text in {
        "c.jsonl": line,
        "c.json": f"[{line}]",
        "c.yaml": f"- {line}",
    }.items():
        (same,) = load(text, name)
        check(known, same)
        assert (same.id, same.content_hash) == (case.id, case.content_hash)


def test_a_page_of_the_datasets_server_is_read(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    rows = [{"row_idx": n, "row": {"question": f"q{n}", "answer": "x"}} for n in (0, 1)]
    page = {"features": [{"name": "question"}], "rows": rows, "num_rows_total": 2}
    path.write_text(json.dumps(page))
    found = [
        (case.input, case.expected)
        for case in load_cases(path.name, folder=path.parent, where="t")
    ]
    assert found == [("q0", "x"), ("q1", "x")]


def test_requests_of_a_batch_keep_their_ids(tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    asked = {"custom_id": "r7", "url": "/v1/completions", "body": {"prompt": "U"}}
    path.write_text(json.dumps(asked) + "\n")
    assert [
        (case.id, case.input)
        for case in load_cases(path.name, folder=path.parent, where="t")
    ] == [("r7", "U")]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            {"custom_id": "r1", "response": {"status_code": 200, "body": {}}},
            "this is the output of a batch, which has replies and none of what was "
            "asked; read the batch's input file.",
        ),
        (
            {"custom_id": "r1", "response": None, "error": {"code": "x"}},
            "this is the output of a batch, which has replies",
        ),
        (
            {"row_idx": 0, "row": {"question": "q"}, "truncated_cells": ["question"]},
            "the server has cut `question` of this row short; ask it for fewer rows",
        ),
    ],
)
def test_wrapped_rows_that_lack_what_is_asked_are_refused(
    tmp_path: Path, row: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(ConfigError) as told:
        load_cases(path.name, folder=path.parent, where="t")
    assert "cases.jsonl:1: " in str(told.value)
    assert problem in str(told.value)


@pytest.mark.filterwarnings("ignore::pytest_ladder.errors.LadderWarning")
@pytest.mark.parametrize("tool", ROWS)
def test_ids_and_metadata_stay_what_the_first_release_made_of_a_row(tool: str) -> None:
    """It read rows by exact names, and what it had no name for was metadata."""
    for row, *_ in ROWS[tool]:
        names = {"question", "query", "input", "inputs", "prompt"} & row.keys()
        if not names or (row.get("context") and row.get("retrieval_context")):
            continue
        if {"answer", "reference"} <= row.keys():
            continue
        (name,) = names if "instruction" not in row else {"input"}
        if isinstance(row[name], dict) and "stem" in row[name]:
            continue
        metadata = {k: v for k, v in row.items() if k not in FIELDS}
        first = {"input": row[name], "metadata": metadata}
        context = row.get("contexts") or row.get("context")
        if context:
            first["context"] = context
        (before,) = load_cases([first], folder=Path(), where="t")
        (now,) = load_cases([row], folder=Path(), where="t")
        assert now.id == row.get("id", before.id)
        assert metadata.keys() <= now.metadata.keys()


FIELDS = {
    *("id", "input", "question", "query", "inputs", "prompt", "expected", "target"),
    *("ideal", "answer", "expected_output", "reference", "context", "contexts"),
    *("retrieval_context", "metadata"),
}

ASSERTIONS: dict[str, tuple[Any, list[str]]] = {
    "Paris": ("Paris", []),
    "equals: Paris": ("Paris", []),
    "contains:Paris": ("Paris", []),
    "icontains: a: b": ("a: b", []),
    "starts-with: x": ("x", []),
    "Note: this": ("Note: this", []),
    "12:30": ("12:30", []),
    "regex: ^P": (None, ["regex"]),
    "is-json": (None, ["is-json"]),
    'is-json: {"a": 1}': (None, ["is-json"]),
    "llm-rubric: is nice": (None, ["llm-rubric"]),
    "grade: is nice": (None, ["llm-rubric"]),
    "not-contains: z": (None, ["not-contains"]),
    "javascript: output.length > 2": (None, ["javascript"]),
    "fn:output": (None, ["javascript"]),
    "similar(0.8): Paris": (None, ["similar"]),
    "contains-any: a, b": (None, ["contains-any"]),
    "python: file://x.py": (None, ["python"]),
}


@pytest.mark.parametrize("cell", ASSERTIONS)
def test_an_assertion_is_read_or_named_as_not_read(cell: str) -> None:
    expected, unread = ASSERTIONS[cell]
    row = {"question": "q", "__expected": cell}
    if unread:
        with pytest.warns(
            LadderWarning, match=rf"not in `expected`: {unread[0]} \(1 t"
        ):
            (case,) = load_cases([row], folder=Path(), where="t")
        assert [each["type"] for each in case.metadata["assert"]] == unread
    else:
        (case,) = load_cases([row], folder=Path(), where="t")
    assert case.expected == expected


PROMPTFOO = """\
prompts: [file://p.txt]
providers: [openai:gpt-5-nano]
defaultTest:
  vars: {lang: de}
  assert:
    - {type: latency, threshold: 100}
tests:
  - vars: {question: "When?"}
    assert:
      - type: contains
        value: 12:30
  - vars: {question: "Where?", lang: en}
"""
SQUAD = {
    "version": "2",
    "data": [
        {
            "title": "T",
            "paragraphs": [
                {
                    "context": "C",
                    "qas": [
                        {"id": "1", "question": "q", "answers": [{"text": "a"}]},
                        {"id": "2", "question": "r", "answers": []},
                    ],
                }
            ],
        }
    ],
}


def test_a_configuration_of_promptfoo_is_read_with_its_defaults() -> None:
    with pytest.warns(LadderWarning, match=r"latency \(2 times\)"):
        first, second = load(PROMPTFOO, "promptfooconfig.yaml")
    assert (first.input, first.expected) == ("When?", "12:30")
    assert first.metadata["lang"] == "de"
    assert second.metadata["lang"] == "en"
    assert len(first.metadata["assert"]) == 2
    broken = PROMPTFOO.replace('{question: "Where?", lang: en}', "file://x")
    with pytest.raises(
        ConfigError, match=r"promptfooconfig\.yaml:12: the case has no "
    ):
        load(broken, "promptfooconfig.yaml")


def test_documents_with_a_list_of_cases_are_read() -> None:
    with pytest.warns(LadderWarning, match="1 row of SQuAD with an empty `answers`"):
        cases = load(json.dumps(SQUAD), "train.json")
    assert [(c.id, c.input, c.expected, c.context) for c in cases] == [
        ("1", "q", "a", ("C",)),
        ("2", "r", None, ("C",)),
    ]
    evals = "name: n\ncases:\n- {name: x, inputs: {q: q}, expected_output: e}\n"
    (case,) = load(evals, "evals.yaml")
    assert (case.input, case.expected, case.metadata) == ("q", "e", {"name": "x"})


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            {"conversations": [{"from": "alien", "value": "U"}]},
            "`conversations` holds turns of `alien`; known are `system`, `developer`, ",
        ),
        (
            {"vars": {"question": "file://q.txt"}},
            "the input is 'file://q.txt', which promptfoo loads and this does not; ",
        ),
        ({"vars": "file://vars.yaml"}, "the case has no `input` (or "),
        ({"input": "q", "question": "r", "ground_truth": "t"}, "both say the input"),
        ({"ideal": "a", "target": "b", "input": "q"}, "both say the expected"),
    ],
)
def test_what_is_ambiguous_is_refused(row: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_cases([row], folder=Path(), where="t")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (
            {"input": "q", "expcted": "a"},
            "`expcted` is no field of a case and went to ",
        ),
        ({"input": "q", "refrence": "a"}, "did you mean `reference`?"),
        ({"input": "q", "contxt": "a", "expected": "b"}, "did you mean `context`?"),
        (
            {"input": "q", "output": "a"},
            "no case says what is expected; if one of `out",
        ),
        (
            {"inputs": {"q": "q"}, "outputs": {"a": "m"}, "run_type": "llm"},
            "if one of `outputs` does, and is not what a model answered, name it",
        ),
        ({"prompt": "p", "chosen_response": "c"}, "if one of `chosen_response` does"),
        (
            {"question": "q", "choices": "a|b", "answer": "a"},
            "`choices` is no list of 2",
        ),
    ],
)
def test_what_may_be_a_mistake_deserves_a_word_once(
    row: dict[str, Any], word: str
) -> None:
    rows = [{**row, "n": n} for n in range(3)]
    with pytest.warns(LadderWarning) as caught:
        load_cases(rows, folder=Path(), where="t.py")
    (warning,) = caught
    assert str(warning.message).startswith("t.py: ")
    assert word in str(warning.message)


@pytest.mark.parametrize(
    "row",
    [
        {"input": "q", "content": "x", "expected": "y"},
        {"input": "q", "question_id": "x", "expected": "y"},
        {"input": "q", "team": "a", "n": 1},
        {"input": "q", "expected": "a", "output": "m", "label": "l"},
        {"user_input": "q", "retrieved_contexts": ["c"], "reference": "r"},
        {"question": "q", "retrieved_contexts": ["c"], "ground_truth": "r"},
    ],
)
def test_other_names_go_to_the_metadata_without_a_word(row: dict[str, Any]) -> None:
    # Caught here: a `LadderWarning` stays a word where warnings are errors.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (case,) = load_cases([row], folder=Path(), where="t")
    assert not caught
    assert case.metadata.keys() < row.keys()


def test_a_word_breaks_no_suite_whose_warnings_are_errors() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        load_cases([{"input": "q", "expcted": "a"}], folder=Path(), where="t")
    (warning,) = caught
    assert str(warning.message).startswith("t: `expcted` is no field of a case")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.jsonl", '{"imput": "q", "expected": "a"}'),
        ("c.json", '[{"imput": "q", "expected": "a"}]'),
        ("c.yaml", "- imput: q\n  expected: a\n"),
        ("c.csv", "imput,expected\nq,a\n"),
    ],
)
def test_a_misspelt_input_gets_a_hint(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match="did you mean `input`"):
        load(text, name)
