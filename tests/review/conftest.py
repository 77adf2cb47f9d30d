"""A review that is served, and a rater who has come in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_ladder.review.server import Site
from tests.review.served import Rater, graded_items, served


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "reviews.jsonl"


@pytest.fixture
def site(file: Path) -> Iterator[Site]:
    with served(file, graded_items(), timeout=1.0) as opened:
        yield opened


@pytest.fixture
def ann(site: Site) -> Rater:
    rater = Rater(site.links[0][1])
    rater.enter()
    return rater
