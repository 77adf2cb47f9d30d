"""Where the answer stands in what a model said."""

from __future__ import annotations

import pytest

from pytest_ladder.prompting.extraction import extractor_of

FOUND: dict[str, tuple[str, str | None, str, str | None]] = {
    "last line": ("last-line", None, "One and one.\n\nTwo\n", "Two"),
    "labelled": ("last-line", None, "Hm.\n**Answer:** 2", "2"),
    "label in bold": ("last-line", None, "Hm.\n**Answer: 2**", "2"),
    "label in German": ("last-line", None, "Hm.\nAntwort: zwei", "zwei"),
    "label in Japanese": ("last-line", None, "ええと\n答え\uff1a二", "二"),
    "final answer": ("last-line", None, "Final answer: two cups", "two cups"),
    "a fence at the end": ("last-line", None, "Hm.\nTwo\n```", "Two"),
    "a label alone": ("last-line", None, "Hm.\nAnswer:", None),
    "an empty text": ("last-line", None, " \n ", None),
    "a word like a label": ("last-line", None, "Answering?", "Answering?"),
    "tag": ("tag", None, "Hm.<answer> 2 </answer>", "2"),
    "last tag": ("tag", None, "<answer>1</answer> no: <ANSWER>2</answer>.", "2"),
    "own tag": ("tag", "result", "x<result>2\n3</result>", "2\n3"),
    "no end of a tag": ("tag", None, "Hm.<answer>2", "2"),
    "a tag in a tag": ("tag", None, "<answer>a<answer>2</answer></answer>", "2"),
    "an end in words": ("tag", None, "<answer>2</answer>, then `</answer>`", "2"),
    "a begin in words": ("tag", None, "<answer>2</answer>, not <answer>", "2"),
    "no tag": ("tag", None, "The answer is 2.", None),
    "an empty tag": ("tag", None, "<answer></answer>", None),
    "an end before its begin": ("tag", None, "</answer><answer>", None),
    "regex": ("regex", r"#### (.+)", "1\n#### 2", "2"),
    "regex without a group": ("regex", r"\d+", "1 and 2", "2"),
    "regex not there": ("regex", r"#### (.+)", "2", None),
    "regex of nothing": ("regex", r"x*", "2", None),
    "json": ("json", None, '{"thoughts": "hm", "answer": 2}', "2"),
    "json in a fence": ("json", "$.answer", 'So:\n```\n{"answer": 2}\n```', "2"),
    "json among words": ("json", None, 'So {"answer": 1}; {"answer": 2}!', "2"),
    "json before other json": ("json", None, '{"answer": 2} {"sure": 1}', "2"),
    "json that ends with null": ("json", None, '{"answer": 2} {"answer": null}', None),
    "json path": ("json", "a[1].b", '{"a": [1, {"b": [2]}]}', "[2]"),
    "json without it": ("json", None, '{"thoughts": "hm"}', None),
    "json that ends early": ("json", "a[3]", '{"a": [1]}', None),
    "json of another shape": ("json", "a.b", '{"a": "b"}', None),
    "json of null": ("json", None, '{"answer": null}', None),
    "no json": ("json", None, "{answer: 2}", None),
    "deep json": ("json", None, '{"answer":' * 100_000, None),
}


@pytest.mark.parametrize(
    ("kind", "pattern", "said", "expected"), FOUND.values(), ids=FOUND.keys()
)
def test_an_answer_is_found_where_it_stands_and_nowhere_else(
    kind: str, pattern: str | None, said: str, expected: str | None
) -> None:
    extractor = extractor_of(kind, pattern)
    assert extractor is not None
    found = extractor.find(said, cut_off=False)
    assert (found and found.answer) == expected
    if found is not None:
        assert found.thoughts == said or found.answer not in found.thoughts


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        ("last-line", "First I add one", None),
        ("last-line", "Hm.\nAnswer: 2", "2"),
        ("tag", "Hm.<answer>2, or", None),
    ],
)
def test_a_thought_that_was_cut_off_is_no_answer(
    kind: str, said: str, expected: str | None
) -> None:
    extractor = extractor_of(kind, None)
    assert extractor is not None
    found = extractor.find(said, cut_off=True)
    assert (found and found.answer) == expected


@pytest.mark.parametrize("said", ["<answer>" * 200_000, "\n" * 500_000, "*_" * 200_000])
def test_hostile_texts_take_no_time(said: str) -> None:
    for kind in ("last-line", "tag", "json"):
        extractor = extractor_of(kind, None)
        assert extractor is not None
        extractor.find(said, cut_off=False)
