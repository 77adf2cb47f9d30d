"""`outcomes import --from`: answers that people gave in Label Studio and Argilla."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_ladder.core.review import Grade, PairReview, Review, reply_hash
from pytest_ladder.real.reviews import read_reviews
from pytest_ladder.real.sources.annotations import pseudonym
from tests.real.suite import Suite

PAIR = {"case": "refund", "a": "bot/rag", "b": "bot/few"}
TEXTS = {"text1": "With the law.", "text2": "Without."}
ONE = {"case": "refund", "rung": "bot/rag", "text": "With the law."}
UUID = "3f2b8a4e-8d0f-4c59-9f0a-2a8b61d6f001"


def task(result: Any, data: Any = None, **fields: Any) -> dict[str, Any]:
    """A task of Label Studio with one annotation, as JSON exports it."""
    annotation = {
        "id": 7,
        "completed_by": {"id": 3, "email": "ann@example.org"},
        "result": [
            {"id": "x", "from_name": "q", "to_name": "t", "origin": "manual", **result}
        ],
        "was_cancelled": False,
        "ground_truth": False,
        "lead_time": 12.4,
    }
    return {
        "id": 12,
        "annotations": [annotation | fields],
        "predictions": [],
        "data": PAIR | TEXTS if data is None else data,
        "meta": {},
    }


def imported(suite: Suite, tool: str, content: Any, *more: str) -> list[Review]:
    suite.write("export.json", json.dumps(content))
    said = suite.run("import", "--from", tool, "export.json", *more)
    assert said.status == 0, said
    return list(read_reviews(suite.folder / "reviews.jsonl"))


LS: dict[str, Callable[[], Any]] = {
    "pairwise": lambda: [task({"type": "pairwise", "value": {"selected": "left"}})],
    "choices": lambda: [
        task({"type": "choices", "value": {"choices": ["Left is better"]}})
    ],
    "choice of a rung": lambda: [
        task({"type": "choices", "value": {"choices": ["bot/rag"]}})
    ],
    "taxonomy": lambda: [
        task({"type": "taxonomy", "value": {"taxonomy": [["Better", "Left"]]}})
    ],
    "ranker": lambda: [
        task({"type": "ranker", "value": {"ranker": {"_": ["text1", "text2"]}}})
    ],
    "before 1.0": lambda: [
        {
            "id": 12,
            "completions": [
                {
                    "id": 1,
                    "completed_by": 3,
                    "lead_time": 12.4,
                    "result": [
                        {
                            "from_name": "q",
                            "type": "pairwise",
                            "value": {"selected": "left"},
                        }
                    ],
                },
                {"id": 2, "skipped": True, "result": []},
            ],
            "data": PAIR | TEXTS,
        }
    ],
    "json-min pairwise": lambda: [
        PAIR
        | TEXTS
        | {"id": 12, "annotator": 3, "annotation_id": 7, "lead_time": 12.4}
        | {"q": [{"selected": "left", "type": "Pairwise"}], "created_at": "2026"}
    ],
    "json-min choice": lambda: [
        PAIR
        | TEXTS
        | {"id": 12, "annotator": 3, "annotation_id": 7, "lead_time": 12.4}
        | {"q": "Left", "topic": "money back"}
    ],
}


@pytest.mark.parametrize("shape", LS)
def test_a_choice_of_label_studio_is_a_review(suite: Suite, shape: str) -> None:
    suite.ladder()
    (review,) = imported(suite, "label-studio", LS[shape]())
    assert isinstance(review, PairReview)
    assert (review.a, review.b, review.preferred) == ("bot/few", "bot/rag", "b")
    assert review.a_reply == reply_hash("Without.")
    assert review.b_reply == reply_hash("With the law.")
    assert (review.case, review.rater, review.seconds) == ("refund", "ls-3", 12)
    assert review.left == ("" if shape == "ranker" else "b")


@pytest.mark.parametrize(
    ("result", "scale", "verdict"),
    [
        ({"type": "rating", "value": {"rating": 4}}, "graded", 4),
        ({"type": "choices", "value": {"choices": ["5"]}}, "graded", 5),
        ({"type": "choices", "value": {"choices": ["Yes"]}}, "binary", "pass"),
        (
            {"type": "taxonomy", "value": {"taxonomy": [["Bad", "Wrong"]]}},
            "binary",
            "fail",
        ),
    ],
)
def test_verdicts_of_label_studio_follow_the_scale_of_the_ladder(
    suite: Suite, result: Any, scale: str, verdict: Any
) -> None:
    suite.ladder(f'[review]\nscale = "{scale}"\n')
    (review,) = imported(suite, "label-studio", [task(result, ONE)])
    assert isinstance(review, Grade)
    assert (review.rung, review.verdict) == ("bot/rag", verdict)
    assert review.reply == reply_hash("With the law.")
    rating = [{"id": 12, "annotator": "ann@example.org", "annotation_id": 7, **ONE}]
    if verdict == 4:
        rating[0]["q"] = [{"rating": 3, "type": "Rating"}]
        *_, again = imported(suite, "label-studio", rating)
        assert again.verdict == 3
        assert "ann" not in again.rater


RANKS = [{"value": "reply-1", "rank": 1}, {"value": "reply-2", "rank": 2}]
NAMED = {"case": "refund", "reply-1_rung": "bot/rag", "reply-2_rung": "bot/few"}
FIELDS = {"prompt": "?", "reply-1": "With the law.", "reply-2": "Without."}


def response(value: Any) -> dict[str, Any]:
    return {"value": value, "user_id": UUID, "status": "submitted"}


ARGILLA: dict[str, Callable[[], Any]] = {
    "2.x, nested": lambda: [
        {
            "id": "r1",
            "fields": FIELDS,
            "metadata": NAMED,
            "suggestions": {"q": {"value": RANKS[::-1], "score": 1, "agent": "gpt"}},
            "responses": {"q": [{"value": RANKS, "user_id": UUID}]},
            "vectors": {},
            "_server_id": UUID,
        }
    ],
    "2.x, flat": lambda: [
        FIELDS
        | NAMED
        | {
            "id": "r1",
            "q.responses": [RANKS, RANKS[::-1]],
            "q.responses.users": [UUID, "someone"],
            "q.responses.status": ["submitted", "draft"],
            "q.suggestion": None,
        }
    ],
    "2.x, columns": lambda: {
        "id": ["r1"],
        "fields": [FIELDS],
        "metadata": [NAMED],
        "responses": [{"q": [response(["reply-1", "reply-2"])]}],
    },
    "2.x, by id": lambda: {
        "r1": {
            "fields": FIELDS,
            "metadata": NAMED,
            "responses": {"q": [response(RANKS)]},
        }
    },
    "1.x, data set": lambda: [
        FIELDS
        | {
            "q": [response({"value": ["reply-1", "reply-2"], "rank": [1, 2]})],
            "q-suggestion": None,
            "external_id": None,
            "metadata": json.dumps(NAMED),
        }
    ],
    "server": lambda: {
        "records": [
            {
                "id": "r1",
                "fields": FIELDS,
                "metadata": NAMED,
                "responses": [
                    {
                        "user_id": UUID,
                        "status": "submitted",
                        "values": {"q": {"value": RANKS}},
                    },
                    {"user_id": "x", "status": "discarded", "values": None},
                ],
            }
        ]
    },
}


@pytest.mark.parametrize("shape", ARGILLA)
def test_a_ranking_of_argilla_is_a_choice(suite: Suite, shape: str) -> None:
    suite.ladder()
    (review,) = imported(suite, "argilla", ARGILLA[shape]())
    assert isinstance(review, PairReview)
    assert (review.a, review.b, review.preferred) == ("bot/few", "bot/rag", "b")
    assert review.b_reply == reply_hash("With the law.")
    assert review.rater == pseudonym("argilla", UUID)
    assert UUID not in review.rater


def test_ratings_and_labels_of_argilla_are_verdicts(suite: Suite) -> None:
    suite.ladder('[review]\nscale = "graded"\n')
    record = {"id": "r1", "fields": {"text": "With the law."}, "metadata": dict(ONE)}
    record["responses"] = {
        "quality": [response(5)],
        "tone": [response("formal")],
    }
    suite.write("export.json", json.dumps([record]))
    said = suite.run("import", "--from", "argilla", "export.json")
    assert said.status != 0
    assert "asked `quality`, `tone`; say which with --question quality" in said.err
    (review,) = imported(suite, "argilla", [record], "--question", "quality")
    assert review.verdict == 5


def test_a_table_of_ones_own_is_read_as_well(suite: Suite) -> None:
    suite.ladder()
    suite.write(
        "own.csv",
        "case;a;b;preferred;rater;seconds;text1\n"  # as Excel writes it in Europe
        "refund;bot/rag;bot/few;a;ann;9;With the law.\n"
        "refund;bot/rag;bot/few;bot/few;Ann Smith <ann@example.org>;;\n"
        "refund;bot/rag;bot/few;;ben;;\n",
    )
    said = suite.run("import", "--from", "table", "own.csv")
    assert "2 choices by 2 raters" in said.out
    assert "1 without an answer" in said.out
    first, second = read_reviews(suite.folder / "reviews.jsonl")
    assert (first.verdict, first.rater, first.seconds) == ("b", "ann", 9)
    assert second.verdict == "a"
    assert "example" not in (suite.folder / "reviews.jsonl").read_text()
    suite.write("own.jsonl", '{"case": "refund", "rung": "bot/rag"}\n')
    said = suite.run("import", "--from", "table", "own.jsonl")
    assert "row 1 has neither `preferred` nor `verdict`" in said.err


def test_what_is_there_already_is_not_added_again_and_a_change_replaces(
    suite: Suite,
) -> None:
    suite.ladder()
    first = [task({"type": "pairwise", "value": {"selected": "left"}})]
    assert len(imported(suite, "label-studio", first)) == 1
    said = suite.run("import", "--from", "label-studio", "export.json")
    assert "0 added to reviews.jsonl, 1 were there already" in said.out
    second = [task({"type": "pairwise", "value": {"selected": "right"}})]
    suite.write("export.json", json.dumps(second))
    dry = suite.run("import", "--from", "label-studio", "export.json", "--dry-run")
    assert "1 choice by 1 rater" in dry.out
    assert [r.verdict for r in read_reviews(suite.folder / "reviews.jsonl")] == ["b"]
    (review,) = imported(suite, "label-studio", second)
    assert review.verdict == "a"
    assert len((suite.folder / "reviews.jsonl").read_bytes().splitlines()) == 2


def test_a_preference_is_said_to_come_from_reviews(suite: Suite) -> None:
    suite.ladder('[[outcome]]\nname = "preferred"\nkind = "preference"\n')
    for action in ("check", "import", "show"):
        said = suite.run(action)
        assert said.status == 0
        assert said.out == "preferred: comes from reviews.jsonl; there is none.\n"
    imported(
        suite,
        "label-studio",
        [task({"type": "pairwise", "value": {"selected": "left"}})],
    )
    assert "the report of a run tells it" in suite.run("show").out
    said = suite.run("import", "preferred", "--from", "argilla", "export.json")
    assert "and no [[outcome]]; leave out preferred" in said.err
    assert "--question goes with --from" in suite.run("import", "--question", "q").err


def test_what_is_no_answer_is_counted(suite: Suite) -> None:
    suite.ladder()
    good = task({"type": "pairwise", "value": {"selected": "left"}})
    skipped = task({"type": "pairwise", "value": {}}, was_cancelled=True)
    suite.write(
        "export.json",
        json.dumps([good, skipped, {"id": 3, "annotations": [], "data": {}}]),
    )
    said = suite.run("import", "--from", "label-studio", "export.json")
    assert "1 without an answer, 1 skipped by the annotator" in said.out


def test_a_draft_of_argilla_is_counted_once(suite: Suite) -> None:
    """It was "without an answer" as well, so more was left out than there is."""
    suite.ladder()
    about = {"fields": {}, "metadata": {"case": "c1", "rung": "bot/rag"}}
    given = [
        [{"value": "yes", "user_id": "u", "status": "submitted"}],
        [{"value": "no", "user_id": "u", "status": "draft"}],
        [],
        [],
    ]
    records = [about | {"responses": {"send": answers}} for answers in given]
    suite.write("export.json", json.dumps(records))
    said = suite.run("import", "--from", "argilla", "export.json")
    assert "export.json: 1 verdict by 1 rater" in said.out
    assert "left out: 2 without an answer, 1 not submitted\n" in said.out


@pytest.mark.parametrize(
    ("tool", "content", "sentence"),
    [
        ("label-studio", "nonsense", "export.json: this is not JSON"),
        ("label-studio", "7", "there is no task in it"),
        ("label-studio", "[]", "nobody has answered anything in it"),
        ("label-studio", '[{"text": "x"}]', "entry 1 is no task of Label Studio"),
        ("argilla", '[{"text": "x"}]', "entry 1 is no record of Argilla"),
        ("argila", "[]", "no tool whose exports are known; did you mean `argilla`?"),
        (
            "label-studio",
            json.dumps(
                [task({"type": "pairwise", "value": {"selected": "left"}}, {"x": 1})]
            ),
            "export.json: task 12: it names no case",
        ),
        (
            "label-studio",
            json.dumps(
                [
                    task(
                        {"type": "pairwise", "value": {"selected": "left"}},
                        PAIR | {"a": "bot/ragg"},
                    )
                ]
            ),
            '"bot/ragg" is no rung; did you mean `bot/rag`?',
        ),
        (
            "label-studio",
            json.dumps([task({"type": "choices", "value": {"choices": ["Dunno"]}})]),
            '"Dunno" is no choice between two replies',
        ),
        (
            "label-studio",
            json.dumps([task({"type": "rating", "value": {"rating": 4}}, ONE)]),
            '"4" is not yes or no (pass or fail), which [review] asks for',
        ),
        (
            "argilla",
            json.dumps([{"fields": {}, "metadata": {"case": "c"}}]).replace(
                "}}", '}, "responses": {"q": [{"value": ["x", "y"]}]}}'
            ),
            '"x" was ranked, and nothing says which rung it is',
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence_and_adds_nothing(
    suite: Suite, tool: str, content: str, sentence: str
) -> None:
    suite.ladder()
    suite.write("export.json", content)
    said = suite.run("import", "--from", tool, "export.json")
    assert said.status != 0
    assert sentence in said.err
    assert "Traceback" not in said.err
    assert not (suite.folder / "reviews.jsonl").exists()
