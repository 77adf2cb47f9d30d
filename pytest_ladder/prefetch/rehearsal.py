"""Rehearsals: which bodies may run before their tests do, and how one is run.

A rehearsal is one run of a test's body, or of its task, on a thread of `prefetch`, for
the replies that it asks for. It must have no effect that a second run would see: so
`Choice` takes only bodies whose fixtures are the plugin's or an installed plugin's,
that no mark or hook of the user may skip, and whose code changes nothing of the whole
process. `rehearse` runs one, with a turn of its own (see `session/turns`), which it
gives up whenever it waits for a reply.

`Choice` is asked by the main thread, and under the lock `_choosing` of `prefetch` by
other threads; two that ask about one test at once come to the same answer. All else
runs on the thread of the rehearsal, or on one that its body started. When a rehearsal
is not needed any more, after Ctrl-C, say, `Abandoned` is raised where it asks or waits;
it is no `Exception`, so that no `except` of the user keeps it.
"""

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
from pytest_ladder.session import fixtures
from pytest_ladder.session.event_loops import (
    as_plain_function,
    let_others_run_when_idle,
    run_coroutine,
)
from pytest_ladder.session.hypothesis_internals import is_property
from pytest_ladder.session.judge import JudgeFixture, verdict_of
from pytest_ladder.session.ladder_test import SAMPLE, Record
from pytest_ladder.session.llm import Llm, Recorder, run_task
from pytest_ladder.session.pytest_internals import (
    argument_names,
    fixture_definitions,
    is_of_pytest,
)
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.turns import Rehearsal

# How often a rehearsal looks whether the cheap checks of its case are over.
_CHEAP_CHECKS_S = 0.1
_USER_HOOKS = (
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_pyfunc_call",
)
# Names of what changes the whole process: while a body waits, others would see it.
_CHANGING_THE_PROCESS = frozenset(
    ("patch", "MonkeyPatch", "environ", "putenv", "chdir", "freeze_time", "setlocale")
)


class Choice:
    """Tells which replies may be asked for, and which bodies rehearsed, early."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._repeatable: dict[str, bool] = {}
        """Whether a body may run twice, by the node id of its function."""
        self._user_hooks: dict[Path, bool] = {}
        """Whether the user has hooks around the tests of a file."""

    def has_known_request(self, record: Record) -> bool:
        """Tell whether the test's reply depends on rung, case and sample alone."""
        test = record.test
        return (
            test.uses_reply
            and test.task is None
            and (record.case is not None or test.pack)
            and not record.has_own_retriever
            and self._may_be_early(record)
        )

    def is_rehearsable(self, record: Record) -> bool:
        """Tell whether running the body, or the task, twice is possible and of use."""
        test = record.test
        calls = (
            test.task is not None
            or not {"llm", "judge", "verdict"}.isdisjoint(_arguments_of(record))
            or (test.uses_reply and record.has_own_retriever)
        )
        if not calls or test.external or not self._may_be_early(record):
            return False
        if test.nodeid not in self._repeatable:
            self._repeatable[test.nodeid] = self._is_repeatable(record.item)
        repeatable = self._repeatable[test.nodeid]
        return repeatable and not any(record.item.iter_markers("anyio"))

    def _may_be_early(self, record: Record) -> bool:
        """Tell whether it is sure that the test will run, and wants real replies."""
        return (
            record.test.may_run_ahead
            and not record.rung.model.is_scripted
            and not _may_be_skipped(record.item)
            and not self._has_user_hooks(record.item)
        )

    def _has_user_hooks(self, item: pytest.Item) -> bool:
        """Tell whether the user's conftests have hooks around the test.

        They may skip tests, and a skipped test must not be paid for.
        """
        if item.path not in self._user_hooks:
            implementations = (
                implementation.function
                for name in _USER_HOOKS
                for implementation in getattr(item.ihook, name).get_hookimpls()
            )
            self._user_hooks[item.path] = any(map(self._is_users, implementations))
        return self._user_hooks[item.path]

    def _is_repeatable(self, item: pytest.Function) -> bool:
        function = _function_of(item)
        return (
            # Plugins have classes of their own for tests that they run in another way.
            type(item) is pytest.Function
            and not is_property(function)
            # `unittest.mock.patch` replaces things of the whole process.
            and not hasattr(function, "patchings")
            and not any(_changes_the_process(code) for code in _codes_of(function))
            and all(self._is_known(item, name) for name in item.fixturenames)
        )

    def _is_known(self, item: pytest.Function, name: str) -> bool:
        """Tell whether a fixture is a parameter, or of this or an installed plugin.

        Fixtures of the user may have effects that must not come twice.
        """
        asked_for = name in inspect.signature(_function_of(item)).parameters
        if name == "request":
            return not asked_for
        definitions = fixture_definitions(item, name)
        if not definitions:
            return False
        function = definitions[-1].func
        if function.__module__ == fixtures.__name__:
            return name in (*fixtures.NAMES, SAMPLE)
        if name in item.callspec.params:
            return is_of_pytest(function)
        # Functions such as setup_module are the user's, behind fixtures of pytest.
        return not (asked_for or "xunit_setup" in name or self._is_users(function))

    def _is_users(self, function: Callable[..., Any]) -> bool:
        """Tell code of the project from what is installed."""
        own = function.__module__.partition(".")[0] == "pytest_ladder"
        if own or is_of_pytest(function):
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
    """Run a body once for its replies; whatever comes of it is dropped.

    Called on a thread of `prefetch`.
    """
    functions = filter(None, (_function_of(record.item), record.test.task))
    codes = tuple(code for function in functions for code in _codes_of(function)[:1])
    with contextlib.suppress(Abandoned), Rehearsal(session.turns, codes) as rehearsal:
        # Whatever the body raises: the real run will show it. Inside the rehearsal, so
        # that what the traceback keeps alive is gone before others run.
        with contextlib.suppress(BaseException):
            _seed_random_numbers(record.item)
            _run(session, record, rehearsal)
        session.turns.finished += 1


def _run(session: LadderSession, record: Record, rehearsal: Rehearsal) -> None:
    item, test = record.item, record.test
    asker = _RehearsalAsker(session, record, rehearsal)
    llm = Llm(record.rung, test.opened.prompter, asker, lambda: record.sample)
    names = _arguments_of(record)
    reply = _reply(record, llm, asker, rehearsal) if test.uses_reply else None
    judge = JudgeFixture(lambda: test.opened.jury(asker), lambda _: None)
    verdict = None
    if test.judged is not None and reply is not None:
        verdict = _verdict(session, record, reply, judge, rehearsal)
    if {"llm", "judge"}.isdisjoint(names):
        # All calls are made: the body itself cannot make one.
        return
    own = {
        "rung": record.rung,
        "case": record.case,
        "llm": llm,
        "score": lambda *_, **__: None,
        "reply": reply,
        "judge": judge,
        "verdict": verdict,
    }
    values = {**item.callspec.params, **own}
    function = getattr(item.cls(), item.originalname) if item.cls else item.function
    result = function(**{name: values[name] for name in names})
    if inspect.iscoroutine(result):
        run_coroutine(result, rehearsal.others_run)


def _reply(
    record: Record, llm: Llm, asker: _RehearsalAsker, rehearsal: Rehearsal
) -> Reply:
    case, test = record.case, record.test
    assert case is not None
    if test.task is None:
        return llm.ask(case)
    recorder = Recorder(asker)
    inner = Llm(record.rung, test.opened.prompter, recorder, llm.sample)
    task = as_plain_function(test.task, rehearsal.others_run)
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
    missed: bool | None = False
    if record.test.opened.has_funnel:
        missed = session.cheap_checks.any_missed(record)
    while missed is None:
        rehearsal.check()
        with rehearsal.others_run():
            session.cheap_checks.wait(_CHEAP_CHECKS_S)
        missed = session.cheap_checks.any_missed(record)
    return None if missed else verdict_of(judge, judged, reply, case)


def _seed_random_numbers(item: pytest.Function) -> None:
    """Let a body draw the random numbers that it will draw when its test runs.

    pytest-randomly seeds them before each test, by a hook that is called here.
    """
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
            if any(isinstance(each, str) or each for each in conditions):
                return True
    return False


def _function_of(item: pytest.Function) -> Callable[..., Any]:
    """Return the test function; pytest would make an instance of its class."""
    function: Callable[..., Any] = getattr(item.cls or item.module, item.originalname)
    return function


def _arguments_of(record: Record) -> tuple[str, ...]:
    return argument_names(record.item)


def _codes_of(function: Callable[..., Any]) -> list[CodeType]:
    """Return the code of a function and of the functions within it."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return [] if code is None else list(_with_inner(code))


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


def _changes_the_process(code: CodeType) -> bool:
    return not _CHANGING_THE_PROCESS.isdisjoint((*code.co_names, *code.co_freevars))


class _RehearsalAsker:
    """Asks for the replies of one rehearsal, and lets others run while it waits.

    Called on the thread of the rehearsal, and on those that its body starts.
    """

    def __init__(
        self, session: LadderSession, record: Record, rehearsal: Rehearsal
    ) -> None:
        self._engine = session.engine
        self._archive = record.test.opened.archive
        self._rehearsal = rehearsal

    def ask(self, request: Request) -> Served:
        self._rehearsal.check()
        stored = self._engine.look_up(request, self._archive)
        if stored is not None:
            return stored
        future = self._engine.submit(request, self._archive, ahead=True)
        with self._rehearsal.others_run():
            return future.result()

    async def ask_async(self, request: Request) -> Served:
        self._rehearsal.check()
        let_others_run_when_idle(self._rehearsal.others_run)
        stored = self._engine.look_up(request, self._archive)
        if stored is not None:
            return stored
        import asyncio

        return await asyncio.wrap_future(
            self._engine.submit(request, self._archive, ahead=True)
        )
