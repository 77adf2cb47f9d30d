"""`reply.json()` reads the one JSON value of a text, and guesses between no two."""

from __future__ import annotations

import pytest

from pytest_ladder.core.reply import Reply
from pytest_ladder.errors import ReplyNotJson

READ = {
    "alone": '{"a": 1}',
    "fenced": '```json\n{"a": 1}\n```',
    "fenced as another language": '```python\n{"a": 1}\n```',
    "after thoughts": '<think>{"a": 2}?</think>\n{"a": 1}',
    "fenced after thoughts": 'a is 2, or\n</think>\n```json\n{"a": 1}\n```',
    "one block in words": 'Here you are:\n```json\n{"a": 1}\n```\nEnjoy!',
    "one block without a language": 'Here:\n\n```\n{"a": 1}\n```',
    "one block that never ends": 'Here:\n```json\n{"a": 1}\n',
    "one block in a line": 'It is ```{"a": 1}``` then.',
    "beside a block of code": 'Run\n```sh\nls\n```\nfor\n```json\n{"a": 1}\n```',
    "the same block twice": '```json\n{"a": 1}\n```\nAgain:\n```json\n{"a":1}\n```',
}


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_one_value_is_read(text: str) -> None:
    assert Reply(text=text).json() == {"a": 1}


def test_a_fence_inside_of_a_text_ends_no_block() -> None:
    text = 'So:\n```json\n{"a": "```x```"}\n```\n'
    assert Reply(text=text).json() == {"a": "```x```"}


def test_a_tag_in_the_middle_of_json_ends_no_thoughts() -> None:
    for text in ('{"a": "x</think>y"}', '```json\n{"a": "x</think>y"}\n```'):
        assert Reply(text=text).json() == {"a": "x</think>y"}


MISSED = {
    "two blocks that differ": '```json\n{"a": 1}\n```\nor\n```json\n{"a": 2}\n```',
    "one of two is broken": '```json\n{"a": 1}\n```\nor\n```json\n{"a": 2\n```',
    "a block of code": "```python\nprint(1)\n```",
    "bare in words": 'It is {"a": 1}.',
    "only in thoughts": '<think>{"a": 1}</think> I do not know.',
    "a block in thoughts": '<think>\n```json\n{"a": 1}\n```\n</think> I do not know.',
    "words": "I do not know",
    "nothing": "",
}


@pytest.mark.parametrize("text", MISSED.values(), ids=MISSED)
def test_what_is_not_clear_is_a_miss(text: str) -> None:
    with pytest.raises(ReplyNotJson, match="is not JSON"):
        Reply(text=text).json()
