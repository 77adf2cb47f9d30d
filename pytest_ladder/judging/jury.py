"""Judges: models, or functions, that say whether a reply passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypedDict, TypeVar, Unpack

import msgspec

from pytest_ladder.calls.chat import Asker, Chat
from pytest_ladder.calls.contract import Request, Served
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Endpoint, Model, Tier
from pytest_ladder.core.score import Verdict
from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.judging import (
    pairwise,
    prompts,
    retrieval_metrics,
    rubrics,
    verdicts,
)
from pytest_ladder.judging.pairwise import Preference
from pytest_ladder.judging.rubrics import Rubric, Scale
from pytest_ladder.judging.verdicts import Function, Talk
from pytest_ladder.text.phrases import did_you_mean, listed

T = TypeVar("T")


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

    def __init__(self, models: Sequence[Model], asker: Asker) -> None:
        self.models = tuple(models)
        self._asker = asker

    def __repr__(self) -> str:
        return f"<judge {self.id}>"

    @property
    def id(self) -> str:
        """The ids of its models, as verdicts name them."""
        return verdicts.joined(map(verdicts.judge_id, self.models))

    @property
    def llm(self) -> Chat:
        """The first model itself; raises `ConfigError` where there is none."""
        return Chat(self._models()[0], self._asker, lambda: 1)

    def __call__(
        self,
        reply: Reply | str,
        rubric: str | Rubric | None = None,
        **options: Unpack[Options],
    ) -> Verdict:
        """Return the verdict on a reply, by a `rubric` or by a `judge` of that name.

        Several votes are pooled: the majority, where half is none, and of grades the
        median. Raises `JudgeError` when a judge gives no usable verdict, `ConfigError`
        when rubric, case or configuration lack something.
        """
        __tracebackhide__ = True
        return _run_talk(self._judge(reply, rubric, **options), self._asker.ask)

    async def acall(
        self,
        reply: Reply | str,
        rubric: str | Rubric | None = None,
        **options: Unpack[Options],
    ) -> Verdict:
        """Do the same from a coroutine, on any event loop."""
        __tracebackhide__ = True
        talk = self._judge(reply, rubric, **options)
        return await _run_talk_async(talk, self._asker.ask_async)

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
        __tracebackhide__ = True
        models, replies = self._models(), (_as_reply(a), _as_reply(b))
        talk = pairwise.prefer(models[0], rubrics.load(rubric), replies, case)
        return _run_talk(talk, self._asker.ask)

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
        rubric: str | Rubric | None = None,
        **options: Unpack[Options],
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
                votes.append((yield from verdicts.vote(request, standard, subject)))
            results.append(verdicts.pooled(votes))
        if not results:
            return verdicts.nothing_retrieved(standard, self.id)
        return verdicts.share(results) if standard.each == "passage" else results[0]

    def _votes(self, reply: Reply, rubric: Rubric, options: Options) -> list[Request]:
        return [
            prompts.request_of(model, rubric, options.get("case"), reply, vote=vote)
            for model in self._models()
            for vote in range(1, options.get("samples", 1) + 1)
        ]

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


def _run_talk(talk: Talk[T], ask: Callable[[Request], Served]) -> T:
    """Ask what a talk asks, one request after another, and return its result."""
    __tracebackhide__ = True
    try:
        request = next(talk)
        while True:
            request = talk.send(ask(request))
    except StopIteration as end:
        value: T = end.value
        return value
    except LadderError as error:
        failed = error
    # The traceback is to show the line of the test that asked, not this one.
    raise failed.with_traceback(None)


async def _run_talk_async(
    talk: Talk[T], ask: Callable[[Request], Awaitable[Served]]
) -> T:
    """Do the same from a coroutine."""
    __tracebackhide__ = True
    try:
        request = next(talk)
        while True:
            request = talk.send(await ask(request))
    except StopIteration as end:
        value: T = end.value
        return value
    except LadderError as error:
        failed = error
    # The traceback is to show the line of the test that asked, not this one.
    raise failed.with_traceback(None)
