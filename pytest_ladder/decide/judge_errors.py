"""What labels say of a judge's errors, as far as a decision needs to know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import msgspec

from pytest_ladder.stats.judged import JudgeLine

Asked = tuple[str, str, str]
"""Test, judge and rubric: what was asked, and of whom."""

NEEDED = 50
"""Labels of a judge without which its word decides nothing (docs/methods.md §5.5)."""

AS_IT_IS = JudgeLine(0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
"""The line of what no model judged."""


class JudgeErrors(msgspec.Struct, frozen=True, kw_only=True):
    """The errors of one judge on one test, by labels of replies of any run.

    Labels measure the judge, not one wording: they hold for replies that nobody has
    labelled yet.
    """

    labels: int = 0
    """Labelled replies behind it."""
    line: JudgeLine | None = None
    """How its scores follow people's; None: not known."""
    why_not: str = f"0 of {NEEDED} labels for its judge"
    """Why its word may decide nothing, to be read after "undecided with"; empty: it
    may."""

    @property
    def p_none(self) -> float:
        """Chance that it is no judge at all: that its scores do not follow people's."""
        if self.line is None:
            return 1.0
        sd = math.sqrt(self.line.var_slope)
        return NormalDist().cdf(-self.line.slope / sd) if sd else 0.0

    def judged_score(self, people: float) -> float:
        """Return what the judge gives, on average, where people's score is `people`.

        In [0, 1]; the same where its errors are not known.
        """
        if self.line is None or self.why_not:
            return people
        return min(1.0, max(0.0, self.line.base + self.line.slope * people))

    def people_score(self, judged: float) -> float:
        """Return what people give, on average, where the judge gives `judged`.

        It may lie beyond [0, 1] by what the judge's errors are not known; the same
        where they are not known at all.
        """
        if self.line is None or self.why_not:
            return judged
        return (judged - self.line.base) / self.line.slope


def of_all(tests: Sequence[tuple[float, JudgeErrors]]) -> JudgeErrors:
    """Return the errors of the judges of several tests as one, each with its weight.

    As if people passed as much of each test. What one of them lacks, all lack.
    """
    for _, errors in tests:
        if errors.why_not:
            return errors
    total = math.fsum(weight for weight, _ in tests)
    lines = [(weight / total, e.line) for weight, e in tests if e.line is not None]
    # Only the bar of a climb is made of it: how sure it is does not matter there.
    line = JudgeLine(
        base=math.fsum(share * line.base for share, line in lines),
        slope=math.fsum(share * line.slope for share, line in lines),
        var_base=0.0,
        var_slope=0.0,
        covariance=0.0,
        effect=1.0,
    )
    labels = min(errors.labels for _, errors in tests)
    return JudgeErrors(labels=labels, line=line, why_not="")


ErrorsOf = Mapping[Asked, JudgeErrors]
