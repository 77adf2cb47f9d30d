from __future__ import annotations

import math

import pytest
import scipy.special

from pytest_ladder.stats.distributions import chi_square_tail, student, student_tails

FREEDOMS = (1, 1.5, 2, 3.7, 13.999352, 16.961963, 50, 2360.914668, 1e6)


@pytest.mark.parametrize("df", FREEDOMS)
def test_tails_and_quantiles_of_students_t_are_those_of_scipy(df: float) -> None:
    for t in (0, 1e-6, 0.5, 1.96, 5, -12, 40):
        exact = 2 * scipy.special.stdtr(df, -abs(t))
        assert student_tails(t, df) == pytest.approx(exact, rel=1e-6, abs=1e-300)
    for tails in (0.5, 0.1, 0.05, 0.025, 1e-4):
        exact = scipy.special.stdtrit(df, 1 - tails / 2)
        assert student(df, tails) == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize("df", range(1, 20))
def test_the_tail_of_chi_square_is_that_of_scipy(df: int) -> None:
    for x in (0, 0.072, 4.6208, 16.666667, 677.444899):
        exact = scipy.special.chdtrc(df, x)
        assert math.isclose(chi_square_tail(x, df), exact, rel_tol=1e-9)
