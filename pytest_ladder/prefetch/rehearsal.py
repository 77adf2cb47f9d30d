"""Rehearsing: which bodies may run ahead of their turn, and how they do."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from pytest_ladder.calls.contract import Request, Served
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.score import Verdict
from pytest_ladder.errors import Abandoned
from pytest_ladder.prompting.retrieval import GOLD
from pytest_ladder.session import fixtures
from pytest_ladder.session.judge import JudgeFixture, verdict_of
from pytest_ladder.session.ladder_test import SAMPLE, Record
from pytest_ladder.session.llm import Llm, Recorder, run_task
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.turns import (
    Rehearsal,
    on_loop_of_its_own,
    run_off_stage,
    wait_off_stage,
)

_OURS = fixtures.NAMES
# How often a rehearsal looks whether the cheap checks of its case are over.
_CHEAP_CHECKS_S = 0.1
_USER_HOOKS = (
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_pyfunc_call",
)
# What changes the whole process would last while a body waits and others run.
_WORLD_CHANGING = frozenset(
    ("patch", "MonkeyPatch", "environ", "putenv", "chdir", "freeze_time", "setlocale")
)


class Choice:
    """Tells what may be asked for, and what may be rehearsed, ahead of its turn."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._fit: dict[str, bool] = {}
        """Bodies that may run twice, by the node id of their function."""
        self._stepped_between: dict[Path, bool] = {}

    def asks_plainly(self, record: Record) -> bool:
        """Tell whether the test's reply depends on rung, case and sample alone."""
        test = record.test
        return (
            test.asks
            and test.task is None
            and (record.case is not None or test.pack)
            and not _has_own_retriever(record)
            and self._may_come_ahead(record)
        )

    def is_rehearsable(self, record: Record) -> bool:
        """Tell whether running the body, or the task, twice is possible and of use."""
        test = record.test
        calls = (
            test.task is not None
            or not {"llm", "judge", "verdict"}.isdisjoint(_arguments_of(record))
            or (test.asks and _has_own_retriever(record))
        )
        if not calls or test.external or not self._may_come_ahead(record):
            return False
        if test.nodeid not in self._fit:
            self._fit[test.nodeid] = self._is_fit(record.item)
        return self._fit[test.nodeid] and not any(record.item.iter_markers("anyio"))

    def _may_come_ahead(self, record: Record) -> bool:
        """Tell whether it is sure that the test will run, and wants real replies."""
        return (
            record.test.ahead
            and not record.rung.model.is_scripted
            and not _may_be_skipped(record.item)
            and not self._is_stepped_between(record.item)
        )

    def _is_stepped_between(self, item: pytest.Item) -> bool:
        """Tell whether the user has hooks between pytest and the test.

        They may skip tests, and a skipped test must not be paid for.
        """
        if item.path not in self._stepped_between:
            implementations = (
                implementation.function
                for name in _USER_HOOKS
                for implementation in getattr(item.ihook, name).get_hookimpls()
            )
            self._stepped_between[item.path] = any(map(self._is_users, implementations))
        return self._stepped_between[item.path]

    def _is_fit(self, item: pytest.Function) -> bool:
        function = _function_of(item)
        return (
            # Others have a class of their own for what they run.
            type(item) is pytest.Function
            and not hasattr(function, "hypothesis")
            and not hasattr(function, "patchings")
            and not any(_changes_the_world(code) for code in _codes_of(function))
            and all(self._is_known(item, name) for name in item.fixturenames)
        )

    def _is_known(self, item: pytest.Function, name: str) -> bool:
        """Tell whether an argument is ours, a parameter, or an installed plugin's.

        Fixtures of the user may have effects that must not come twice.
        """
        asked_for = name in inspect.signature(_function_of(item)).parameters
        if name == "request":
            return not asked_for
        definitions = item._fixtureinfo.name2fixturedefs.get(name, ())
        if not definitions:
            return False
        function = definitions[-1].func
        if function.__module__ == fixtures.__name__:
            return name in (*_OURS, SAMPLE)
        if name in item.callspec.params:
            # Since 8.0, what is parametrized directly is a fixture of pytest's own.
            return bool(function.__module__.startswith("_pytest."))
        # Functions such as setup_module are the user's, behind fixtures of pytest.
        return not (asked_for or "xunit_setup" in name or self._is_users(function))

    def _is_users(self, function: Callable[..., Any]) -> bool:
        """Tell code of the project from what is installed."""
        if function.__module__.split(".", 1)[0] in ("pytest_ladder", "_pytest"):
            return False
        try:
            file = Path(inspect.getsourcefile(function) or "")
        except TypeError:
            return True
        return file.name == "conftest.py" or (
            file.is_relative_to(self._config.rootpath)
            and not {"site-packages", "dist-packages"} & set(file.parts)
        )


def rehearse(session: LadderSession, record: Record) -> None:
    """Run a body once for its replies; whatever comes of it is thrown away."""
    functions = filter(None, (_function_of(record.item), record.test.task))
    codes = tuple(code for function in functions for code in _codes_of(function)[:1])
    with contextlib.suppress(Abandoned), Rehearsal(session.stage, codes) as rehearsal:
        # Inside, so that what the body leaves behind is gone before others run. The
        # real run will tell what was wrong.
        with contextlib.suppress(BaseException):
            _seed(record.item)
            _run(session, record, rehearsal)
        session.stage.finished += 1


def _run(session: LadderSession, record: Record, rehearsal: Rehearsal) -> None:
    item, test = record.item, record.test
    asker = _RehearsalAsker(session, record, rehearsal)
    llm = Llm(record.rung, test.opened.prompter, asker, lambda: record.sample)
    names = _arguments_of(record)
    reply = _reply(record, llm, asker, rehearsal) if test.asks else None
    judge = JudgeFixture(lambda: test.opened.jury(asker), lambda _: None)
    verdict = None
    if test.judged is not None and reply is not None:
        verdict = _verdict(session, record, reply, judge, rehearsal)
    if {"llm", "judge"}.isdisjoint(names):
        # The task called, the strategy did, or a judge was; the body cannot.
        return
    made = {
        "rung": record.rung,
        "case": record.case,
        "llm": llm,
        "score": lambda *_, **__: None,
        "reply": reply,
        "judge": judge,
        "verdict": verdict,
    }
    values = {**item.callspec.params, **made}
    function = getattr(item.cls(), item.originalname) if item.cls else item.function
    result = function(**{name: values[name] for name in names})
    if inspect.iscoroutine(result):
        run_off_stage(result, rehearsal.off)


def _reply(
    record: Record, llm: Llm, asker: _RehearsalAsker, rehearsal: Rehearsal
) -> Reply:
    case, test = record.case, record.test
    assert case is not None
    if test.task is None:
        return llm.ask(case)
    recorder = Recorder(asker)
    inner = Llm(record.rung, test.opened.prompter, recorder, llm.sample)
    task = on_loop_of_its_own(test.task, rehearsal.off)
    return run_task(task, case, inner, recorder).reply


def _verdict(
    session: LadderSession,
    record: Record,
    reply: Reply,
    judge: JudgeFixture,
    rehearsal: Rehearsal,
) -> Verdict | None:
    """Ask for the marker's verdict, once the cheap checks of the case are over."""
    judged, case = record.test.judged, record.case
    assert judged is not None
    assert case is not None
    held_back: bool | None = False
    if record.test.opened.has_funnel:
        held_back = session.funnel.holds_back(record)
    while held_back is None:
        rehearsal.check()
        with rehearsal.off():
            session.funnel.wait(_CHEAP_CHECKS_S)
        held_back = session.funnel.holds_back(record)
    return None if held_back else verdict_of(judge, judged, reply, case)


def _seed(item: pytest.Function) -> None:
    """Let a body draw the random numbers that it will draw in its turn."""
    randomly: Any = item.config.pluginmanager.get_plugin("randomly")
    if randomly is not None:
        randomly.pytest_runtest_call(item)


def _may_be_skipped(item: pytest.Item) -> bool:
    """Tell whether a mark skips a test; a condition that pytest has to read may."""
    for mark in item.iter_markers():
        if mark.name == "skip" or (mark.name == "xfail" and "run" in mark.kwargs):
            return True
        if mark.name == "skipif":
            conditions = (*mark.args, mark.kwargs.get("condition", False))
            if any(isinstance(one, str) or one for one in conditions):
                return True
    return False


def _has_own_retriever(record: Record) -> bool:
    """Tell whether the user's own code makes the prompt."""
    return record.rung.strategy.retriever not in (None, GOLD)


def _function_of(item: pytest.Function) -> Callable[..., Any]:
    """Return the test function; pytest would make an instance of its class."""
    function: Callable[..., Any] = getattr(item.cls or item.module, item.originalname)
    return function


def _arguments_of(record: Record) -> tuple[str, ...]:
    return record.item._fixtureinfo.argnames


def _codes_of(function: Callable[..., Any]) -> list[CodeType]:
    """Return the code of a function and of the functions within it."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return [] if code is None else list(_with_inner(code))


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


def _changes_the_world(code: CodeType) -> bool:
    return not _WORLD_CHANGING.isdisjoint((*code.co_names, *code.co_freevars))


class _RehearsalAsker:
    """Asks for replies, and is off stage while it waits."""

    def __init__(
        self, session: LadderSession, record: Record, rehearsal: Rehearsal
    ) -> None:
        self._engine = session.engine
        self._archive = record.test.opened.archive
        self._rehearsal = rehearsal

    def ask(self, request: Request) -> Served:
        self._rehearsal.check()
        found = self._engine.look_up(request, self._archive)
        if found is not None:
            return found
        future = self._engine.submit(request, self._archive, ahead=True)
        with self._rehearsal.off():
            return future.result()

    async def ask_async(self, request: Request) -> Served:
        self._rehearsal.check()
        wait_off_stage(self._rehearsal.off)
        found = self._engine.look_up(request, self._archive)
        if found is not None:
            return found
        import asyncio

        return await asyncio.wrap_future(
            self._engine.submit(request, self._archive, ahead=True)
        )
