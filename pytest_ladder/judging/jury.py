"""Judges: models, or functions, that say whether a reply passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypedDict, Unpack

import msgspec

from pytest_ladder.calls.asker import Asker, Talk
from pytest_ladder.calls.chat import Chat
from pytest_ladder.calls.contract import Request
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Endpoint, Model, Tier
from pytest_ladder.core.score import Verdict
from pytest_ladder.errors import CallError, ConfigError
from pytest_ladder.judging import (
    pairwise,
    prompts,
    retrieval_metrics,
    rubrics,
    verdicts,
)
from pytest_ladder.judging.pairwise import Preference
from pytest_ladder.judging.prompts import IsKept
from pytest_ladder.judging.rubrics import Rubric, Scale
from pytest_ladder.judging.verdicts import Function, Unusable
from pytest_ladder.text.phrases import did_you_mean, listed

# For pytest: what a test's own line asked wrongly is not to be read in lines of ours.
__tracebackhide__ = True


class Options(TypedDict, total=False):
    """How a jury is asked, besides reply and rubric."""

    judge: str | Function
    """A rubric or a metric of the package by its name, or a function."""
    case: Case | None
    scale: Scale
    """Overrides the rubric's own."""
    samples: int
    """Votes of each model; 1 where left out."""


class Jury:
    """One or several models that grade replies: the `judge` of a test."""

    def __init__(
        self,
        models: Sequence[Model],
        asker: Asker,
        note: Callable[[Verdict], None] = lambda _: None,
        unusable: Unusable = lambda _: None,
        *,
        is_kept: IsKept = lambda _: False,
        vision: bool = True,
    ) -> None:
        self.models = tuple(models)
        self._asker = asker
        self._note = note
        """Is told each verdict; called where it was asked for, on any thread."""
        self._unusable = unusable
        self._is_kept = is_kept
        self._vision = vision

    def __repr__(self) -> str:
        return f"<judge {self.id}>"

    @property
    def id(self) -> str:
        """The ids of its models, as verdicts name them."""
        return verdicts.joined(map(verdicts.judge_id, self.models))

    @property
    def llm(self) -> Chat:
        """The first model of `[judge]`, called as `llm` is, and paid as a judge.

        For a metric of another library that asks a model: `judge.llm(prompt).text`.
        Raises `ConfigError` where there is none.
        """
        return Chat(self._models()[0], self._asker, lambda: 1)

    def __call__(
        self,
        reply: Reply | str,
        rubric: str | Rubric | None = None,
        **options: Unpack[Options],
    ) -> Verdict:
        """Return the verdict on a reply, by a `rubric` or by a `judge` of that name.

        With `case=` the judge sees the question and what it needs of the case;
        `samples=` asks for several votes, `scale="graded"` for a grade. Votes are
        pooled: the majority, where half is none, and of grades the median. Raises
        `JudgeError` when a judge gives no usable verdict, `ConfigError` when rubric,
        case or configuration lack something.
        """
        try:
            verdict = self._asker.hold(self._judge(reply, rubric, options))
        except CallError as error:
            raise self._advised(error, options.get("case")) from None
        self._note(verdict)
        return verdict

    async def acall(
        self,
        reply: Reply | str,
        rubric: str | Rubric | None = None,
        **options: Unpack[Options],
    ) -> Verdict:
        """Do the same from a coroutine, on any event loop."""
        try:
            talk = self._judge(reply, rubric, options)
            verdict = await self._asker.hold_async(talk)
        except CallError as error:
            raise self._advised(error, options.get("case")) from None
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
        """Return which of two replies the first model prefers, asked in both orders.

        Raises as a call does.
        """
        models, replies = self._models(), (_as_reply(a), _as_reply(b))
        standard = rubrics.load(rubric)
        subject = models[0], standard, replies, self._shown(case)
        talk = pairwise.prefer(*subject, self._unusable, self._is_kept)
        try:
            return self._asker.hold(talk)
        except CallError as error:
            raise self._advised(error, case) from None

    def requests(
        self,
        reply: Reply | str,
        rubric: str | Rubric | None = None,
        **options: Unpack[Options],
    ) -> list[Request]:
        """Return what a call with these arguments asks, so that it can be asked ahead.

        The repair of an unusable answer is not among it. Raises `ConfigError`.
        """
        standard = standard_of(rubric, options.get("judge"), options.get("scale"))
        if not isinstance(standard, Rubric):
            return []
        return [
            request
            for part in _parts(standard, _as_reply(reply))
            for request in self._votes(part, standard, options)
        ]

    def _judge(
        self,
        reply: Reply | str,
        rubric: str | Rubric | None,
        options: Options,
    ) -> Talk[Verdict]:
        reply, case = _as_reply(reply), options.get("case")
        standard = standard_of(rubric, options.get("judge"), options.get("scale"))
        if not isinstance(standard, Rubric):
            return verdicts.verdict_by(standard, reply, case)
        what = f"case {case.id!r}" if case else "a reply"
        subject = f"{what} by {standard.title}"
        results = []
        for part in _parts(standard, reply):
            votes = []
            for request in self._votes(part, standard, options):
                talk = verdicts.vote(request, standard, subject, self._unusable)
                votes.append((yield from talk))
            results.append(verdicts.pooled(votes))
        if not results:
            return verdicts.nothing_retrieved(standard, self.id)
        return verdicts.share(results) if standard.each == "passage" else results[0]

    def _votes(self, reply: Reply, rubric: Rubric, options: Options) -> list[Request]:
        case = self._shown(options.get("case"))

        def asked(model: Model, vote: int) -> Request:
            seen = [reply]
            if reply.whole_text != reply.text:
                # As an older version showed it to judges.
                seen.append(msgspec.structs.replace(reply, text=reply.whole_text))
            wordings = [
                prompts.request_of(model, rubric, case, one, vote=vote) for one in seen
            ]
            return prompts.kept_wording(wordings, self._is_kept)

        return [
            asked(model, vote)
            for model in self._models()
            for vote in range(1, options.get("samples", 1) + 1)
        ]

    def _shown(self, case: Case | None) -> Case | None:
        """Return a case as judges see it: without images where they take none."""
        if case is None or self._vision or not case.attachments:
            return case
        texts = tuple(f for f in case.attachments if prompts.is_text(f))
        return msgspec.structs.replace(case, attachments=texts)

    def _advised(self, error: CallError, case: Case | None) -> CallError:
        """Return a refusal with what to do about it, if it may be one of images."""
        shown = self._shown(case)
        files = () if shown is None else shown.attachments
        if error.status is None or all(map(prompts.is_text, files)):
            return error
        return error.saying(
            f"{error} The judge was shown what is attached to the case; if its model "
            "takes no such files, set `vision = false` in [judge] of ladder.toml."
        )

    def _models(self) -> tuple[Model, ...]:
        if not self.models:
            raise ConfigError(
                "There is no model that judges; add [judge] with an `id` to "
                "ladder.toml."
            )
        return self.models


def judge_models(endpoints: Iterable[Endpoint]) -> tuple[Model, ...]:
    """Return judges as models, so that they are called, paid and limited like others.

    Their names cannot be those of a [[model]], which have no brackets.
    """
    return tuple(
        Model(
            name="[judge]" if number == 1 else f"[judge {number}]",
            tier=Tier.OFF_THE_SHELF,
            **{name: getattr(endpoint, name) for name in Endpoint.__struct_fields__},
        )
        for number, endpoint in enumerate(endpoints, start=1)
    )


def standard_of(
    rubric: str | Rubric | None = None,
    judge: str | Function | None = None,
    scale: Scale | None = None,
) -> Rubric | Function:
    """Return what `rubric=` or `judge=` names: a rubric, or a function that judges.

    Raises `ConfigError` unless exactly one is given, and for an unknown name.
    """
    if (rubric is None) == (judge is None):
        raise ConfigError(
            'A judge needs one of `rubric="…"`, a text of your own, and `judge="…"`, '
            f"one of {listed(_names())}, or a function."
        )
    if rubric is not None:
        return rubrics.load(rubric, scale)
    if not isinstance(judge, str):
        assert judge is not None
        return judge
    if judge in retrieval_metrics.METRICS:
        return retrieval_metrics.METRICS[judge]
    if judge in rubrics.library():
        return rubrics.load(judge, scale)
    known = f"there are {listed(_names())}; a text of your own goes into `rubric=`."
    raise ConfigError(
        f"No judge is called {judge!r}; {did_you_mean(judge, _names(), known)}"
    )


def _names() -> list[str]:
    return sorted([*rubrics.library(), *retrieval_metrics.METRICS])


def _parts(rubric: Rubric, reply: Reply) -> list[Reply]:
    """Return what is judged by itself: the reply, or it with each of its passages."""
    if "retrieved" in rubric.needs and not reply.retrieved:
        return []
    if rubric.each == "reply":
        return [reply]
    return [msgspec.structs.replace(reply, retrieved=(p,)) for p in reply.retrieved]


def _as_reply(reply: Reply | str) -> Reply:
    return Reply(text=reply) if isinstance(reply, str) else reply
