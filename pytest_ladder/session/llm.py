"""The `llm` of tests and tasks: a rung's model, also by its strategy, or by a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from pytest_ladder.calls.asker import (
    Asker,
    sum_of_conversation,
    sum_of_external_task,
    sum_of_task,
)
from pytest_ladder.calls.chat import Chat
from pytest_ladder.core.case import Case
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.rung import Rung
from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.prompting.strategies import Strategies
from pytest_ladder.session.app_link import AppCall, AppSide
from pytest_ladder.text.phrases import listed

Task = Callable[[Case, "Llm"], Any]


class Llm(Chat):
    """The model of a rung, which also puts cases to it."""

    def __init__(
        self,
        rung: Rung,
        strategies: Strategies,
        asker: Asker,
        sample: Callable[[], int],
        apps: AppSide,
    ) -> None:
        super().__init__(rung.model, asker, sample)
        self.rung = rung
        self._strategies = strategies
        self._apps = apps

    def __repr__(self) -> str:
        return f"<llm {self.rung.id}>"

    def ask(self, case: Case, **params: Any) -> Reply:
        """Return the reply to a case, put to the model by the rung's strategy."""
        __tracebackhide__ = True
        talk = self._strategies.talk(self.rung, case, self.sample(), params)

        def hold(asker: Asker) -> Reply:
            __tracebackhide__ = True
            return asker.hold(talk)

        return self._asker.as_one(hold, sum_of_conversation)

    @property
    def base_url(self) -> str:
        """Address for an app's OpenAI client; it names this run of this test."""
        return self._apps.link(self._asker).base_url

    @property
    def headers(self) -> dict[str, str]:
        """Headers for an app that serves many tests: they say whose call it is."""
        return self._apps.link(self._asker).headers

    @property
    def calls(self) -> list[AppCall]:
        """What apps asked for this test so far, in the order of the answers."""
        return self._apps.calls

    def env(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return `base`, or this environment, for an app: our address, no real key."""
        return self._apps.link(self._asker).env(base)


def logged(case: Case, llm: Llm) -> str:
    """Answer with what users saw, `case.metadata["reply"]`: a task for logged replies.

    On the rung that said it, `case.metadata["rung"]`; the test is skipped on others.
    Checks and judges then score exactly the replies that people rated; with a `thumb`
    in the case the report says how well they tell liked ones from disliked ones. Raises
    `ConfigError` for a case without either.
    """
    __tracebackhide__ = True
    missing = [key for key in ("reply", "rung") if key not in case.metadata]
    if missing:
        raise ConfigError(
            f"case {case.id} has no {listed(missing)}; task=pytest_ladder.logged needs "
            "the reply that users saw and the id of the rung that gave it, as columns "
            "of the case file."
        )
    if thumb_of(case) is None and case.metadata.get("thumb") not in (None, ""):
        raise ConfigError(
            f"case {case.id}: its `thumb` is neither up nor down; write up or down, 1 "
            "or 0, or leave it empty."
        )
    if case.metadata["rung"] != llm.rung.id:
        pytest.skip(f"{case.id} was answered by {case.metadata['rung']}")
    return str(case.metadata["reply"])


def thumb_of(case: Case) -> bool | None:
    """Return whether the user liked a logged reply; None: nobody says."""
    if not {"thumb", "reply", "rung"} <= case.metadata.keys():
        return None
    # Few suites score logged replies.
    from pytest_ladder.real.sources.values import is_up

    return is_up(str(case.metadata["thumb"]))


def run_task(task: Task, case: Case, llm: Llm, *, external: bool) -> Reply:
    """Run a user's application on a case; its calls add up to one reply.

    The task gets an `llm` like this one, and returns str, dict or Reply; one that is
    `async def` was made a plain function before (`event_loops`). Raises `LadderError`
    for any other result.
    """

    def run(asker: Asker) -> Reply:
        inner = Llm(llm.rung, llm._strategies, asker, llm.sample, llm._apps)
        try:
            return _as_reply(task(case, inner), task)
        finally:
            # What its app still asks would be on no row.
            llm._apps.leave(asker)

    sum_up = sum_of_external_task if external else sum_of_task
    return llm._asker.as_one(run, sum_up)


def _as_reply(result: Any, task: Task) -> Reply:
    if isinstance(result, Reply):
        return result
    if isinstance(result, str):
        return Reply(text=result)
    if isinstance(result, dict):
        return Reply(text=msgspec.json.encode(result).decode())
    name = getattr(task, "__qualname__", repr(task))
    raise LadderError(
        f"The task {name} returned {type(result).__name__}; return str, dict or Reply."
    )
