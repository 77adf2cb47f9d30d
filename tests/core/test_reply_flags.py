"""What is odd about a reply, by the finish reasons of several providers."""

from __future__ import annotations

import pytest

from pytest_ladder.core.reply import Reply


@pytest.mark.parametrize(
    ("reason", "flag"),
    [
        ("stop", None),
        ("length", "truncated"),
        ("MAX_TOKENS", "truncated"),
        ("max_tokens", "truncated"),
        ("model_length", "truncated"),
        ("content_filter", "filtered"),
        ("SAFETY", "filtered"),
        ("PROHIBITED_CONTENT", "filtered"),
        ("refusal", "refused"),
        ("anything else", None),
        (None, None),
    ],
)
def test_a_finish_reason_flags_a_reply(reason: str | None, flag: str | None) -> None:
    assert Reply(text="45 days.", finish_reason=reason).flag == flag
