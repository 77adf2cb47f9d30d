"""What is unknown makes a sum unknown, never smaller."""

from __future__ import annotations

import pytest

from pytest_ladder.stats.sums import mean, total


@pytest.mark.parametrize(
    ("values", "sum_of_all", "mean_of_all"),
    [
        ([0.1] * 10, 1.0, 0.1),
        ([0.0, 0.0], 0.0, 0.0),
        ([1.0, None, 2.0], None, None),
        ([None], None, None),
        ([], None, None),
    ],
)
def test_a_sum_is_known_where_every_part_is(
    values: list[float | None], sum_of_all: float | None, mean_of_all: float | None
) -> None:
    assert total(iter(values)) == sum_of_all
    assert mean(iter(values)) == mean_of_all
