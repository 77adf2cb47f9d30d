"""The fixture `judge`: the judges of the running test's ladder, with its options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from pytest_ladder.calls.chat import Chat
from pytest_ladder.calls.contract import Request
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.score import Verdict
from pytest_ladder.judging.jury import Jury, Options
from pytest_ladder.judging.pairwise import Preference
from pytest_ladder.judging.rubrics import Rubric
from pytest_ladder.session.ladder_test import Judged


class JudgeFixture:
    """Grades replies by the `[judge]` of the running test's ladder.

    Each verdict is put on the test's row.
    """

    def __init__(
        self, jury: Callable[[], Jury], note: Callable[[Verdict], None]
    ) -> None:
        self._jury = jury
        self._note = note

    @property
    def llm(self) -> Chat:
        """The first model of `[judge]`, called as `llm` is, and paid as a judge.

        For a metric of another library that asks a model: `judge.llm(prompt).text`.
        """
        return self._jury().llm

    def __call__(
        self,
        reply: Reply | str,
        rubric: str | Rubric | None = None,
        **options: Unpack[Options],
    ) -> Verdict:
        """Return the verdict on a reply, by a `rubric` or by a `judge` of that name.

        With `case=` the judge sees the question and what it needs of the case;
        `samples=` asks for several votes, `scale="graded"` for a grade. Raises
        `JudgeError` when a judge gives no usable verdict.
        """
        __tracebackhide__ = True
        verdict = self._jury()(reply, rubric, **options)
        self._note(verdict)
        return verdict

    async def acall(
        self,
        reply: Reply | str,
        rubric: str | Rubric | None = None,
        **options: Unpack[Options],
    ) -> Verdict:
        """Do the same from a coroutine, on any event loop."""
        __tracebackhide__ = True
        verdict = await self._jury().acall(reply, rubric, **options)
        self._note(verdict)
        return verdict

    def prefer(
        self,
        a: Reply | str,
        b: Reply | str,
        rubric: str | Rubric,
        *,
        case: Case | None = None,
    ) -> Preference:
        """Return which of two replies is preferred, asked in both orders."""
        __tracebackhide__ = True
        return self._jury().prefer(a, b, rubric, case=case)


def verdict_of(
    judge: JudgeFixture, judged: Judged, reply: Reply, case: Case
) -> Verdict:
    """Return the verdict that a `judged` marker asks for."""
    __tracebackhide__ = True
    return judge(reply, judged.rubric, **_options(judged, case))


def requests_of(jury: Jury, judged: Judged, reply: Reply, case: Case) -> list[Request]:
    """Return the requests that a `judged` marker's verdict would make; makes none."""
    return jury.requests(reply, judged.rubric, **_options(judged, case))


def _options(judged: Judged, case: Case) -> Options:
    options: Options = {"case": case, "samples": judged.samples}
    if judged.judge is not None:
        options["judge"] = judged.judge
    if judged.scale is not None:
        options["scale"] = judged.scale
    return options
