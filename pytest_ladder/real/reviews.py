"""The lines of `reviews.jsonl`, read and written; what they mean is said elsewhere."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pytest_ladder.core.review import Grade, PairReview, Review
from pytest_ladder.disk.files import json_lines, read_text
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import shown

_LOOKS = (
    'a line has `case`, `rung`, `reply` (its hash) and `verdict` ("pass", "fail", a '
    "grade from 1 to 5, or null, which takes it back); or `case`, `a`, `b` and "
    '`preferred` ("a", "b", "tie", "neither" or null)'
)


def line_of(review: Review) -> bytes:
    """Write a review as a line of `reviews.jsonl`, without its end."""
    return msgspec.json.encode(review)


def read_reviews(path: Path) -> tuple[Review, ...]:
    """Read `reviews.jsonl`: of each rater's answers to a question the last one.

    In the order in which they were given; nothing where there is no file. Raises
    `ConfigError` with file and line for one that is damaged.
    """
    if not path.exists():
        return ()
    name, reviews = shown(path), dict[tuple[str, ...], Review]()
    for number, row in json_lines(read_text(path, name), name):
        is_pair = isinstance(row, dict) and "a" in row
        try:
            review: Review = (
                msgspec.convert(row, PairReview)
                if is_pair
                else msgspec.convert(row, Grade)
            )
        except msgspec.ValidationError as error:
            raise ConfigError(
                f"{name}:{number}: this is no review ({error}); {_LOOKS}. Correct the "
                "line or remove it."
            ) from error
        reviews.pop(review.identity, None)
        if review.verdict is not None:
            reviews[review.identity] = review
    return tuple(reviews.values())
