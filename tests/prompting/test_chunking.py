from __future__ import annotations

import re

import pytest

from pytest_ladder.prompting.chunking import MOST_WORDS, chunk


def words(prefix: str, count: int) -> str:
    return " ".join(f"{prefix}{n}" for n in range(count))


def sentences(prefix: str, count: int) -> str:
    return " ".join(f"{words(f'{prefix}{n}x', 10).capitalize()}." for n in range(count))


def test_a_short_document_stays_whole() -> None:
    text = "# Title\n\nOne.\n\n## Part\n\nTwo.\n"
    assert chunk(text) == [text.strip()]
    assert chunk(f"{words('a', 200)}\n") == [words("a", 200)]


@pytest.mark.parametrize("text", ["", " \n"])
def test_nothing_makes_no_passage(text: str) -> None:
    assert chunk(text) == []


def test_a_title_is_put_in_front_unless_the_text_has_it() -> None:
    assert chunk("Body.", "Title") == ["Title\n\nBody."]
    assert chunk("Title: body.", "Title") == ["Title: body."]


def test_a_long_document_is_cut_at_headings_that_its_passages_carry() -> None:
    text = (
        f"# Tea\n\n{words('a', 130)}\n\n## Green\n\n### Gyokuro\n\n"
        f"{words('b', 130)}\n\n"
        f"## Black\n\n{words('c', 60)}\n\n# Milk\n\n{words('d', 60)}\n"
    )
    assert chunk(text) == [
        f"# Tea\n\n{words('a', 130)}",
        f"# Tea\n## Green\n### Gyokuro\n\n{words('b', 130)}",
        f"# Tea\n## Black\n\n{words('c', 60)}\n\n# Milk\n\n{words('d', 60)}",
    ]


def test_a_long_section_is_cut_at_paragraphs_then_sentences() -> None:
    text = f"# T\n\n{sentences('a', 9)}\n\n{sentences('b', 9)}\n\n{sentences('c', 30)}"
    passages = chunk(text)
    assert passages[0] == f"# T\n\n{sentences('a', 9)}\n\n{sentences('b', 9)}"
    assert len(passages) == 3
    for passage in passages:
        assert passage.startswith("# T\n\n")
        assert passage.endswith(".")
        assert 100 <= len(passage.split()) <= MOST_WORDS + 2


def test_the_first_line_of_a_plain_text_is_its_title() -> None:
    passages = chunk(f"Sending goods back\n\n{sentences('a', 30)}")
    assert len(passages) == 2
    assert all(passage.startswith("Sending goods back\n\n") for passage in passages)


def test_unspaced_scripts_are_measured_and_cut_too() -> None:
    passages = chunk("お茶は八十度で淹れます。" * 60)
    assert [len(passage) for passage in passages] == [360, 360]
    assert all(passage.endswith("。") for passage in passages)
    assert [len(passage) for passage in chunk("茶" * 500)] == [400, 100]


def test_a_comment_in_code_is_no_heading() -> None:
    text = f"# T\n\n```sh\n# comment\nrun\n```\n\n{words('a', 250)}"
    first, second = chunk(text)
    assert first.startswith("# T\n\n```sh\n# comment\nrun\n```\n\na0")
    assert second.startswith("# T\n\na")


@pytest.mark.parametrize(
    "text",
    [
        f"Intro {words('i', 50)}\n\n# A\n\n## Empty\n\n# B\n\n{words('b', 300)}",
        f"{words('w', 500)}",
        "\n".join(f"- item {n} {words('x', 9)}" for n in range(60)),
        f"# A\n\n{sentences('s', 25)}\n## B\n{sentences('t', 25)}\n\n## Last",
    ],
)
def test_no_word_is_lost(text: str) -> None:
    passages = chunk(text)
    assert set(re.findall(r"\S+", text)) == set(re.findall(r"\S+", " ".join(passages)))
    assert max(len(p.split()) for p in passages) <= MOST_WORDS + 10
