"""Rubrics are files with a version, and every change of one shows in its hash."""

from __future__ import annotations

import hashlib
from typing import get_args

import msgspec
import pytest

from pytest_ladder.core.case import Case
from pytest_ladder.core.ladder import JudgeConfig
from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import ConfigError
from pytest_ladder.judging.jury import judge_models
from pytest_ladder.judging.prompts import request_of
from pytest_ladder.judging.rubrics import PROMPT_VERSION, Rubric, Scale, library, load

PINNED = {
    "chunk_relevance": "chunk_relevance@1#0b50af65cc88",
    "context_sufficiency": "context_sufficiency@1#c5f95064111f",
    "correctness": "correctness@1#0327b9995f7f",
    "groundedness": "groundedness@1#2c934e311467",
    "guidelines": "guidelines@1#ff55f881a74f",
    "relevance": "relevance@1#27f69391f22d",
    "safety": "safety@1#1fa46eb5b217",
}
PINNED_PROMPT = (1, "3dd0cf4ddd1c")
WITH_HEADER = """\
+++
name = "tone"
version = "3"
scale = "graded"
needs = ["expected"]
+++
The reply sounds like the expected answer."""


@pytest.mark.parametrize("name", library())
def test_a_rubric_that_changes_gets_a_new_version(name: str) -> None:
    # Labels and stored verdicts hold for one text: raise `version`, then pin it here.
    assert load(name).id == PINNED[name]


def test_the_library_is_pinned_whole() -> None:
    assert set(PINNED) == set(library())


def test_words_around_a_rubric_that_change_get_a_new_version() -> None:
    (model,) = judge_models([JudgeConfig(id="openai/judge")])
    rubric = Rubric(name="x", text="Text.", shown=("expected",))
    case = Case(id="a", input="Question?", expected="answer")
    sent = [
        request_of(model, load(rubric, scale), case, Reply(text="reply")).messages
        for scale in get_args(Scale)
    ]
    digest = hashlib.sha256(msgspec.json.encode(sent))
    # Raise PROMPT_VERSION with every change, then pin both here.
    assert (PROMPT_VERSION, digest.hexdigest()[:12]) == PINNED_PROMPT


@pytest.mark.parametrize("name", library())
def test_the_library_is_binary_and_named_after_its_file(name: str) -> None:
    rubric = load(name)
    assert (rubric.name, rubric.scale) == (name, "binary")


def test_a_text_is_a_rubric_whose_version_is_its_hash() -> None:
    one, other = load("Be polite."), load("Be very polite.")
    assert one.id == f"own#{one.hash}"
    assert one.hash != other.hash
    assert one.shown == ("expected",)


def test_a_scale_is_another_rubric() -> None:
    assert load("safety", "graded").scale == "graded"
    assert load("safety", "graded").hash != load("safety").hash


def test_a_text_may_have_a_header() -> None:
    rubric = load(WITH_HEADER)
    assert rubric.id == f"tone@3#{rubric.hash}"
    assert (rubric.scale, rubric.needs, rubric.shown) == ("graded", ("expected",), ())
    assert rubric.text == "The reply sounds like the expected answer."


MISTAKES = {
    "a typo": ("corectness", "did you mean `correctness`"),
    "a word": ("polite", "No rubric is called 'polite'; there are `chunk_relevance`"),
    "nothing": ("", "No rubric is called ''"),
    "no end": ('+++\nname = "x"\nText.', "the header has no end"),
    "no text": ('+++\nname = "x"\n+++\n', "there is no text below the header"),
    "no TOML": ("+++\nname = x\n+++\nText.", "the header cannot be read"),
    "unknown key": ("+++\nnames = 1\n+++\nText.", "it may hold `name`, `version`"),
    "unknown need": ('+++\nneeds = ["luck"]\n+++\nText.', "the header cannot be read"),
}


@pytest.mark.parametrize(("text", "told"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_in_rubrics_are_told(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert told in str(caught.value)
