"""What reaches into pytest's private parts, in one place: a new pytest breaks it here.

Each function says what it reaches for, why, and what breaks if it is gone. All are
called on the main thread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

# --- Which fixtures a test uses


def argument_names(item: pytest.Item) -> tuple[str, ...]:
    """Return the names of fixtures and parameters that the function itself takes.

    Reaches for `_fixtureinfo.argnames`: `fixturenames` has the fixtures of fixtures as
    well. Without it no body is known to use `llm` or `judge` before it runs, so none
    can be run ahead, and unneeded recordings cannot be told from needed ones.
    """
    names: tuple[str, ...] = item._fixtureinfo.argnames  # type: ignore[attr-defined]
    return names


def fixture_definitions(item: pytest.Item, name: str) -> Sequence[Any]:
    """Return the definitions of a fixture that a test sees, the one in force last.

    Reaches for `_fixtureinfo.name2fixturedefs`; pytest has no public way to ask which
    of several fixtures of one name a test gets. Without it a user's own fixture named
    `case` or `rung` is taken for the plugin's.
    """
    return all_fixture_definitions(item).get(name, ())


def all_fixture_definitions(item: pytest.Item) -> dict[str, Sequence[Any]]:
    """Return what `fixture_definitions` does, for all fixtures of a test."""
    info: Any = item._fixtureinfo  # type: ignore[attr-defined]
    definitions: dict[str, Sequence[Any]] = info.name2fixturedefs
    return definitions


def shared_value(definition: Any) -> tuple[Any, ...]:
    """Return the value of a fixture that many tests share, in a tuple; or nothing.

    Nothing where it is not set up, failed, or is made anew for each test or class.
    Reaches for `scope` and `cached_result`, a value with its key and what it raised.
    Without them no test runs ahead with fixtures of the user.
    """
    cached = getattr(definition, "cached_result", None)
    is_shared = getattr(definition, "scope", "") in ("session", "package", "module")
    return (
        () if cached is None or cached[2] is not None or not is_shared else (cached[0],)
    )


def is_of_pytest(function: Callable[..., Any]) -> bool:
    """Tell a function of pytest's own.

    Looks for the module name `_pytest`. Since 8.0 what is parametrized directly is a
    fixture that pytest defines; taken for the user's, no parametrized body is run
    ahead.
    """
    return function.__module__.partition(".")[0] == "_pytest"


# --- How a test is parametrized


@contextmanager
def parametrize_replaced(
    metafunc: pytest.Metafunc, convert: Callable[[list[str], list[Any]], list[Any]]
) -> Iterator[None]:
    """Let `convert` see, and change, the values of each call of `parametrize`.

    It gets the names of the arguments and the values, and returns the values. Replaces
    the method `metafunc.parametrize` on this one object: marks and hooks of other
    plugins all come through it, and pytest has no hook for it. If pytest called
    something else, dicts in `parametrize("case", …)` would not become cases.
    """
    original: Callable[..., None] = metafunc.parametrize

    def parametrize(
        argnames: Any, argvalues: Iterable[Any], *args: Any, **kwargs: Any
    ) -> None:
        values = convert(names_in(argnames), list(argvalues))
        original(argnames, values, *args, **kwargs)

    metafunc.parametrize = parametrize  # type: ignore[method-assign]
    yield
    # Not after an error: pytest drops the object then.
    del metafunc.parametrize


def names_in(argnames: str | Iterable[str]) -> list[str]:
    """Return the names that `parametrize` was given, as a text or a list.

    As pytest's private `ParameterSet._parse_parametrize_args` reads them.
    """
    if isinstance(argnames, str):
        return [name.strip() for name in argnames.split(",")]
    return list(argnames)


def is_parameter_set(value: Any) -> bool:
    """Tell what `pytest.param` made, whose class has no public name."""
    return isinstance(value, type(pytest.param()))


def id_parts(item: pytest.Function) -> Sequence[object]:
    """Return the parts of a test's id, in the order of the calls of `parametrize`.

    Reaches for `callspec._idlist`: the public `callspec.id` is the parts joined by
    "-", which may occur in them, too. Without it a row cannot name its test without
    rung and case.
    """
    parts: Sequence[object] = item.callspec._idlist
    return parts


def with_parameter(
    item: pytest.Function, name: str, value: object, id_part: str
) -> pytest.Function:
    """Make the same test with one more parameter, as `parametrize` would.

    Reaches for `callspec._idlist` and `_fixtureinfo`, so that its id and its fixtures
    are those that collection would have given it. Without them the gate cannot ask for
    more samples.
    """
    callspec = dataclasses.replace(
        item.callspec,
        params={**item.callspec.params, name: value},
        _idlist=[*item.callspec._idlist, id_part],
    )
    made: pytest.Function = type(item).from_parent(
        item.parent,
        name=f"{item.originalname}[{callspec.id}]",
        callspec=callspec,
        fixtureinfo=item._fixtureinfo,
        originalname=item.originalname,
    )
    # Other plugins, and conftests, mark tests when all are collected.
    made.own_markers = list(item.own_markers)
    made.keywords.update({mark.name: mark for mark in item.own_markers})
    return made


# --- Running and reporting


def run_phases(
    item: pytest.Item, following: pytest.Item | None
) -> list[pytest.TestReport]:
    """Run setup, call and teardown of a test, and return the reports unsent.

    Calls `_pytest.runner.runtestprotocol`, which pytest-rerunfailures uses as well; the
    public hook sends the reports. Without it fixtures that the next test does not need
    cannot be ended at a placeholder.
    """
    return runtestprotocol(item, log=False, nextitem=following)


def name_exactly(report: pytest.TestReport, name: str) -> None:
    """Let a made-up report be shown under a name that no test has.

    Reaches for `report._id`: pytest 9.2 takes all behind "[" for parameters, and would
    print such a name with a bracket more than it has. Without it that is all that goes
    wrong.
    """
    if hasattr(report, "id"):
        report._id = dataclasses.replace(report.id, names=(name,), params=None)


def name_in_junit(config: pytest.Config, report: pytest.TestReport) -> None:
    """Correct the name of a made-up report in a JUnit file.

    Looks for the plugin with the method `node_reporter`, pytest's `LogXML`, which
    parses the name anew from the node id. Without it the file has half of the name.
    """
    for plugin in config.pluginmanager.get_plugins():
        if hasattr(plugin, "node_reporter"):
            name = report.nodeid.rpartition("::")[2]
            plugin.node_reporter(report).add_attribute("name", name)


def last_failed(config: pytest.Config) -> dict[str, bool]:
    """Return what `--lf` will run, by node id, to be written to.

    Reaches for `lastfailed` of the plugin "lfplugin", which has no public face. Without
    it `--lf` does not run again the misses of a share that was too low.
    """
    plugin: Any = config.pluginmanager.get_plugin("lfplugin")
    return plugin.lastfailed if plugin is not None else {}


def count_more_tests(config: pytest.Config, more: int) -> None:
    """Let the terminal expect more reports than tests were collected.

    Adds to `testscollected` of the plugin "session", by which the terminal reckons how
    many percent are over. Without it the terminal counts beyond 100 %.
    """
    session: Any = config.pluginmanager.get_plugin("session")
    if session is not None:
        session.testscollected += more
