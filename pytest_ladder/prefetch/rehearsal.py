"""Rehearsals: which bodies may run before their tests do, and how one is run.

A rehearsal is one run of a test's body, or of its task, on a thread of `prefetch`, for
the replies that it asks for. It must have no effect that a second run would see: so
`EarlyChoice` takes only bodies whose fixtures are the plugin's or an installed plugin's
(or, with `ahead="fixtures"`, the user's, shared by many tests and set up), that no mark
or hook of the user may skip, and whose code changes nothing of the whole process.
`rehearse` runs one, with a turn of its own (see `session/turns`), which it gives up
whenever it waits for a reply.

`EarlyChoice` is asked by the main thread, and under the lock `_choosing` of `prefetch`
by other threads; two that ask about one test at once come to the same answer. All else
runs on the thread of the rehearsal, or on one that its body started. When a rehearsal
is not needed any more, after Ctrl-C, say, `Abandoned` is raised where it asks or waits;
it is no `Exception`, so that no `except` of the user keeps it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ladder.calls.asker import Asker
from pytest_ladder.calls.contract import Request
from pytest_ladder.core.reply import Reply
from pytest_ladder.core.score import Verdict
from pytest_ladder.errors import Abandoned
from pytest_ladder.prefetch.rehearsed_apps import rehearsed_apps
from pytest_ladder.session import fixtures
from pytest_ladder.session.app_link import AppSide, NoApps
from pytest_ladder.session.event_loops import (
    as_plain_function,
    let_others_run_when_idle,
    run_coroutine,
)
from pytest_ladder.session.hypothesis_internals import is_property
from pytest_ladder.session.ladder_test import SAMPLE, LadderItem
from pytest_ladder.session.llm import Llm, run_task
from pytest_ladder.session.pytest_internals import (
    argument_names,
    fixture_definitions,
    is_of_pytest,
    shared_value,
)
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.turns import Rehearsal

if TYPE_CHECKING:
    from pytest_ladder.judging.jury import Jury

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


# By them an app says on whose behalf it asks.
_ADDRESSES = frozenset({"headers", "env", "base_url"})


class EarlyChoice:
    """Tells which replies may be asked for, and which bodies rehearsed, early."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._repeatable: dict[str, bool] = {}
        """Whether a body may run twice, by the node id of its function."""
        self._user_hooks: dict[Path, bool] = {}
        """Whether the user has hooks around the tests of a file."""

    def has_known_request(self, item: LadderItem) -> bool:
        """Tell whether rung, case and sample alone say what its reply asks first."""
        test = item.test
        return (
            test.uses_reply
            and test.task is None
            and (item.case is not None or test.pack)
            and not item.has_own_retriever
            and self._may_be_early(item)
        )

    def is_rehearsable(self, item: LadderItem) -> bool:
        """Tell whether running the body, or the task, twice is possible and of use."""
        test = item.test
        calls = (
            test.task is not None
            or not {"llm", "judge", "verdict"}.isdisjoint(argument_names(item.function))
            or (test.uses_reply and not _is_known(item))
        )
        if not calls or test.external or not self._may_be_early(item):
            return False
        if test.nodeid not in self._repeatable:
            self._repeatable[test.nodeid] = self._is_repeatable(item)
        repeatable = self._repeatable[test.nodeid]
        return repeatable and not any(item.function.iter_markers("anyio"))

    def is_set_up(self, item: LadderItem, running: LadderItem | None) -> bool:
        """Tell whether the user's own fixtures are there that a body needs.

        They are those of the rung of the test that runs.
        """
        if not item.test.ahead_in_fixtures:
            return True
        names = self._own_fixtures(item.function)
        is_of_rung = running is not None and running.rung is item.rung
        return not names or (is_of_rung and all(map(_values(item.function), names)))

    def _may_be_early(self, item: LadderItem) -> bool:
        """Tell whether it is sure that the test will run, and wants real replies."""
        marks = item.function.iter_markers("xfail")
        return (
            item.test.may_run_ahead
            and not item.rung.model.is_scripted
            and item.is_skipped is False
            # `xfail(run=False)` keeps a body from running as well.
            and not any("run" in mark.kwargs for mark in marks)
            and not self._has_user_hooks(item.function)
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

    def _is_repeatable(self, ladder_item: LadderItem) -> bool:
        item, test = ladder_item.function, ladder_item.test
        function = _function_of(item)
        own = self._own_fixtures(item) if test.ahead_in_fixtures else ()
        if own and not _gives_an_address(function, test.task):
            # Whose call it is would not be known, of several in the app at once.
            return False
        return (
            # Plugins have classes of their own for tests that they run in another way.
            type(item) is pytest.Function
            and not is_property(function)
            # `unittest.mock.patch` replaces things of the whole process.
            and not hasattr(function, "patchings")
            and not _stops_the_clock(function)
            and all(
                _CHANGING_THE_PROCESS.isdisjoint((*code.co_names, *code.co_freevars))
                for code in _codes_of(function)
            )
            and all(
                name in own or self._is_known(item, name) for name in item.fixturenames
            )
        )

    def _own_fixtures(self, item: pytest.Function) -> list[str]:
        """Return the fixtures of the user, and `ladder_env` on which apps rest."""
        return [
            name
            for name in item.fixturenames
            if name not in item.callspec.params
            and name != "request"
            and (name == "ladder_env" or not self._is_known(item, name))
        ]

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
            known = name in (*fixtures.NAMES, SAMPLE)
            return known and name not in ("outcomes", "ladder_env")
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


def rehearse(session: LadderSession, item: LadderItem) -> None:
    """Run a body once for its replies; whatever comes of it is dropped.

    Called on a thread of `prefetch`.
    """
    functions = filter(None, (_function_of(item.function), item.test.task))
    codes = tuple(code for function in functions for code in _codes_of(function)[:1])
    with contextlib.suppress(Abandoned), Rehearsal(session.turns, codes) as rehearsal:
        # Whatever the body raises: the real run will show it. Inside the rehearsal, so
        # that what the traceback keeps alive is gone before others run.
        with contextlib.suppress(BaseException), contextlib.ExitStack() as stack:
            _seed_random_numbers(item.function)
            apps: AppSide = NoApps()
            if item.test.ahead_in_fixtures:
                apps = stack.enter_context(rehearsed_apps(session, item, rehearsal))
            _run_body(session, item, rehearsal, apps)
        session.turns.finished += 1


def _run_body(
    session: LadderSession, item: LadderItem, rehearsal: Rehearsal, apps: AppSide
) -> None:
    function, test = item.function, item.test
    asker = _asker(session, item, rehearsal)
    llm = Llm(item.rung, test.opened.strategies, asker, lambda: item.sample, apps)
    names = argument_names(item.function)
    reply = _reply(item, llm, rehearsal) if test.uses_reply else None
    judge = test.opened.jury(asker)
    verdict = None
    if test.judged is not None and reply is not None:
        verdict = _verdict(session, item, reply, judge, rehearsal)
    if {"llm", "judge"}.isdisjoint(names):
        # All calls are made: the body itself cannot make one.
        return
    own = {
        "rung": item.rung,
        "case": item.case,
        "llm": llm,
        "score": lambda *_, **__: None,
        "reply": reply,
        "judge": judge,
        "verdict": verdict,
    }
    values = {**function.callspec.params, **own}
    method, cls = function.originalname, function.cls
    values |= {name: _values(function)(name)[0] for name in names if name not in values}
    body = getattr(cls(), method) if cls else function.function
    result = body(**{name: values[name] for name in names})
    if inspect.iscoroutine(result):
        run_coroutine(result, rehearsal.others_run)


def _reply(item: LadderItem, llm: Llm, rehearsal: Rehearsal) -> Reply:
    case, test = item.case, item.test
    assert case is not None
    if test.task is None:
        return llm.ask(case)
    task = as_plain_function(test.task, rehearsal.others_run)
    return run_task(task, case, llm, external=test.external)


def _verdict(
    session: LadderSession,
    item: LadderItem,
    reply: Reply,
    judge: Jury,
    rehearsal: Rehearsal,
) -> Verdict | None:
    """Ask for the marker's verdict, once the cheap checks of the case are over."""
    judged, case = item.test.judged, item.case
    assert judged is not None
    assert case is not None
    missed: bool | None = False
    if item.test.opened.has_funnel:
        missed = session.cheap_checks.any_missed(item, reply)
    while missed is None:
        rehearsal.check()
        with rehearsal.others_run():
            session.cheap_checks.wait(_CHEAP_CHECKS_S)
        missed = session.cheap_checks.any_missed(item, reply)
    return None if missed else judged.verdict(judge, reply, case)


def _seed_random_numbers(item: pytest.Function) -> None:
    """Let a body draw the random numbers that it will draw when its test runs.

    pytest-randomly seeds them before each test, by a hook that is called here.
    """
    randomly: Any = item.config.pluginmanager.get_plugin("randomly")
    if randomly is not None:
        randomly.pytest_runtest_call(item)


def _is_known(item: LadderItem) -> bool:
    """Tell whether all that the reply asks is known before anything is asked."""
    is_known = item.test.opened.strategies.all_is_known(item.rung.strategy)
    return is_known and not item.has_own_retriever


def _function_of(item: pytest.Function) -> Callable[..., Any]:
    """Return the test function; pytest would make an instance of its class."""
    function: Callable[..., Any] = getattr(item.cls or item.module, item.originalname)
    return function


def _codes_of(function: Callable[..., Any]) -> list[CodeType]:
    """Return the code of a function and of the functions within it."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return [] if code is None else list(_with_inner(code))


def _stops_the_clock(function: Callable[..., Any]) -> bool:
    """Tell a function that freezegun's or time-machine's decorator is wrapped around.

    Their clocks are those of the process, and must be set going in reverse order.
    """
    while (inner := getattr(function, "__wrapped__", None)) is not None:
        home = str(getattr(function, "__globals__", {}).get("__name__", ""))
        if home.partition(".")[0] in ("freezegun", "time_machine"):
            return True
        function = inner
    return False


def _values(item: pytest.Function) -> Callable[[str], tuple[Any, ...]]:
    """Return what looks up the value of a fixture that is set up, in a tuple."""

    def value(name: str) -> tuple[Any, ...]:
        definitions = fixture_definitions(item, name)
        return shared_value(definitions[-1]) if definitions else ()

    return value


def _gives_an_address(*functions: Callable[..., Any] | None) -> bool:
    """Tell whether code says whose call it is, so that many may be in an app."""
    return any(
        not _ADDRESSES.isdisjoint(code.co_names)
        for function in functions
        if function is not None
        for code in _codes_of(function)
    )


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


def _asker(session: LadderSession, item: LadderItem, rehearsal: Rehearsal) -> Asker:
    """Return what asks for one rehearsal, and lets others run while it waits.

    Called on the thread of the rehearsal, and on those that its body starts.
    """
    archive = item.test.opened.archive

    def serve(request: Request) -> Reply:
        rehearsal.check()
        return session.engine.ask(request, archive, ahead=rehearsal.others_run)

    async def serve_async(request: Request) -> Reply:
        rehearsal.check()
        let_others_run_when_idle(rehearsal.others_run)
        return await session.engine.ask_async(request, archive, ahead=True)

    begin = functools.partial(session.engine.begin, archive)
    return Asker(serve, serve_async, begin=begin)
