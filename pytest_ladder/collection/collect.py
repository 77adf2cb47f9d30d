"""Collection: which tests are ladder tests, and over which rungs and cases they run."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.collection.markers import (
    _count,
    _exceptions,
    _is_graded,
    _judged,
    _level,
    _options,
    _pack,
    _share,
    _task,
    _weight,
)
from pytest_ladder.core.case import Case
from pytest_ladder.core.rung import Rung
from pytest_ladder.core.score import Level
from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.session import fixtures
from pytest_ladder.session.ladder_test import SAMPLE, LadderTest, Shape, rung_of
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.xdist import is_worker
from pytest_ladder.text.phrases import shown

# Enough to see whether a bar of 85 % is in reach at all.
_LITMUS_CASES = 20


def generate(
    session: LadderSession, metafunc: pytest.Metafunc
) -> Generator[None, None, None]:
    """Run a test function over rungs, cases and samples, if it is a ladder test.

    Rungs come first in the test's id, then what the user parametrizes, then cases.
    """
    try:
        test = _ladder_test(session, metafunc)
        if test is None:
            return (yield)
        rungs = test.opened.rungs
    except LadderError as error:
        _complain(session, error)
        return (yield)
    metafunc.parametrize("rung", rungs, indirect=True, scope="session")
    watched = _watch_parametrize(metafunc, test)
    try:
        yield
    except LadderError as error:
        _complain(session, error)
        return None
    del metafunc.parametrize
    kinds = [kind for kind, _ in watched]
    if _is_ours(metafunc, "case") and "case" not in kinds and not test.pack:
        metafunc.parametrize("case", test.cases, indirect=True)
        watched.append(("case", len(test.cases)))
    if test.samples > 1 and not test.pack:
        metafunc.fixturenames.append(SAMPLE)
        later = [f"s{number}" for number in range(2, test.samples + 1)]
        metafunc.parametrize(
            SAMPLE,
            range(1, test.samples + 1),
            ids=[pytest.HIDDEN_PARAM, *later],
            indirect=True,
        )
    session.tests[test.nodeid] = test
    session.shapes[test.nodeid] = Shape(
        parameters=("rung", *(kind for kind, _ in watched)),
        items=math.prod(length for _, length in watched)
        * (1 if test.pack else test.samples),
    )
    _let_given_use_our_fixtures(metafunc)
    return None


def parameter_id(value: object) -> str | None:
    """Name rungs and cases in test ids as they are, in any script."""
    return value.id if isinstance(value, Rung | Case) else None


def finish(session: LadderSession, items: list[pytest.Item]) -> None:
    """Order the collected tests; raises `pytest.UsageError` for mistakes found."""
    try:
        # What these take is loaded by the runs that have one only.
        if session.settings.budget is not None:
            from pytest_ladder.collection.plan import check_budget

            check_budget(session)
        baseline = session.settings.baseline
        if baseline is not None:
            from pytest_ladder.results.finish import check_baseline

            check_baseline(session, baseline)
        if not session.problems:
            _order(session, items)
            if session.settings.mode in ("climb", "litmus"):
                _prepare(session, items)
    except LadderError as error:
        session.problems.append(str(error))
    if session.problems:
        _refuse(session, items)


def _refuse(session: LadderSession, items: list[pytest.Item]) -> None:
    """Run nothing; a worker of xdist says why as its controller expects it."""
    problems = "\n".join(dict.fromkeys(session.problems))
    if not is_worker(session.config):
        raise pytest.UsageError(problems)
    items.clear()
    report = pytest.CollectReport(
        nodeid="ladder", outcome="failed", longrepr=problems, result=[]
    )
    session.config.hook.pytest_collectreport(report=report)


def _prepare(session: LadderSession, items: list[pytest.Item]) -> None:
    """Write down what there is to climb; leave a litmus a few cases."""
    from pytest_ladder.scheduling import climb, climb_plan

    plan = climb_plan.plan_of(session, items)
    if session.settings.mode == "climb":
        climb.check(session, plan)
        return
    kept = climb_plan.sample_of(plan, _LITMUS_CASES)
    climb_plan.check_context(session, [items[place] for place in kept])
    left = [item for place, item in enumerate(items) if place not in kept]
    session.config.hook.pytest_deselected(items=left)
    items[:] = [item for place, item in enumerate(items) if place in kept]


def _order(session: LadderSession, items: list[pytest.Item]) -> None:
    """Sort ladder tests rung by rung, cheapest first, and cheap checks before judges.

    Other tests keep their place.
    """
    places = [index for index, item in enumerate(items) if rung_of(item) is not None]
    ranks: dict[int, int] = {}
    for opened in session.opened:
        ranks.update({id(rung): rank for rank, rung in enumerate(opened.rungs)})
    mine = [(session.record_of(items[index]), items[index]) for index in places]
    levels = list(Level)
    mine.sort(
        key=lambda one: (
            ranks[id(rung_of(one[1]))],
            levels.index(one[0].test.level) if one[0] else 0,
        )
    )
    session.funnel.expect(record for record, _ in mine if record is not None)
    for index, (_, item) in zip(places, mine, strict=True):
        items[index] = item


def _complain(session: LadderSession, error: LadderError) -> None:
    """Keep a mistake for the end of collection, where pytest can say it in a line.

    A worker of xdist reports it as a collection error: its exit status is not read.
    """
    if is_worker(session.config):
        raise pytest.Collector.CollectError(str(error)) from error
    if str(error) not in session.problems:
        session.problems.append(str(error))


def _ladder_test(
    session: LadderSession, metafunc: pytest.Metafunc
) -> LadderTest | None:
    definition = metafunc.definition
    uses = {name for name in fixtures.NAMES if _is_ours(metafunc, name)}
    if not uses or not _is_ours(metafunc, "rung"):
        return None
    opened = session.ladder_for(definition.path.parent)
    if opened is None:
        return None
    where = f"{definition.nodeid}"
    level, level_options = _level(definition, where)
    options = _options(definition, where)
    cases = _cases(options.get("cases"), definition.path, opened)
    judged = None
    if "verdict" in uses:
        judged = _judged(level, level_options, opened, where)
    if "case" in uses and not cases and not _parametrizes(definition, "case"):
        raise ConfigError(
            f"{where} uses `case` or `reply` but has no cases; add "
            "@pytest.mark.ladder(cases='cases.jsonl')."
        )
    return LadderTest(
        nodeid=definition.nodeid,
        path=definition.path,
        opened=opened,
        level=level,
        at_least=_share(level_options.get("at_least", 1.0), where),
        cases=cases,
        task=_task(options.get("task"), where),
        samples=_count(options.get("samples", session.settings.samples), where),
        weight=_weight(options.get("weight", 1.0), where),
        miss=_exceptions(options.get("miss", ()), where),
        external=bool(options.get("external", False)),
        ahead=bool(options.get("ahead", True)),
        asks=bool({"reply", "verdict"} & uses),
        judges=bool({"judge", "verdict"} & uses),
        judged=judged,
        scores="score" in uses or _is_graded(judged),
        pack=_pack(options.get("pack", False), uses, cases, where),
    )


def _is_ours(metafunc: pytest.Metafunc, name: str) -> bool:
    """Tell whether a fixture of the test is the plugin's and not the user's own.

    pytest has no public way to ask which definition of a fixture a test gets.
    """
    if name not in metafunc.fixturenames:
        return False
    definitions = metafunc.definition._fixtureinfo.name2fixturedefs.get(name)
    if not definitions:
        return False
    return getattr(definitions[-1].func, "__module__", "") == fixtures.__name__


def _cases(source: Any, module: Path, opened: OpenLadder) -> tuple[Case, ...]:
    """Load the cases of a marker; a path is relative to the test file."""
    if source is None:
        return ()
    if callable(source) and inspect.iscoroutinefunction(source):
        raise ConfigError(f"{module}: cases={source!r} must be a plain function.")
    if isinstance(source, str | Path):
        source = str(module.parent / source)
    return opened.cases(source, module)


def _parametrizes(definition: pytest.Item, name: str) -> bool:
    return any(
        mark.args and name in _names(mark.args[0])
        for mark in definition.iter_markers("parametrize")
    )


def _names(argnames: str | Iterable[str]) -> list[str]:
    if isinstance(argnames, str):
        return [name.strip() for name in argnames.split(",")]
    return list(argnames)


def _let_given_use_our_fixtures(metafunc: pytest.Metafunc) -> None:
    """Spare Hypothesis's check of function-scoped fixtures for `reply` and `case`.

    It guards against state that one example leaves to the next; ours have none.
    """
    function = metafunc.function
    if not hasattr(function, "hypothesis"):
        return
    from hypothesis import HealthCheck, settings

    # There is no public way to ask a test for its settings.
    chosen = getattr(function, "_hypothesis_internal_use_settings", settings())
    suppressed = {*chosen.suppress_health_check, HealthCheck.function_scoped_fixture}
    relaxed = settings(chosen, suppress_health_check=tuple(suppressed))
    function._hypothesis_internal_use_settings = relaxed


def _watch_parametrize(
    metafunc: pytest.Metafunc, test: LadderTest
) -> list[tuple[str, int]]:
    """Note what others parametrize, and with how many values; their cases become ours.

    Noted is `case` or `other` for each call.
    """
    watched: list[tuple[str, int]] = []
    original: Callable[..., None] = metafunc.parametrize

    def parametrize(
        argnames: Any, argvalues: Iterable[Any], *args: Any, **kwargs: Any
    ) -> None:
        names, values = _names(argnames), list(argvalues)
        # Of no values pytest makes one item that is skipped.
        if "case" in names and values:
            values = _cases_of(values, names, metafunc, test.opened)
        watched.append(("case" if "case" in names else "other", max(1, len(values))))
        original(argnames, values, *args, **kwargs)

    # Marks and other plugins' hooks all come through this method.
    metafunc.parametrize = parametrize  # type: ignore[method-assign]
    return watched


def _cases_of(
    values: list[Any], names: list[str], metafunc: pytest.Metafunc, opened: OpenLadder
) -> list[Any]:
    """Turn the dicts of a user's `parametrize("case", …)` into cases."""
    at, definition = names.index("case"), metafunc.definition
    rows = [_row(value, single=len(names) == 1) for value in values]
    try:
        cases = opened.cases([row[at] for row in rows], definition.path)
    except ConfigError as error:
        path, line, _ = definition.reportinfo()
        where = f"{shown(Path(path))}:{(line or 0) + 1}: {definition.name}"
        problem = str(error).partition(": ")[2]
        raise ConfigError(f"{where}: parametrize: {problem}") from None
    converted: list[Any] = []
    for value, row, case in zip(values, rows, cases, strict=True):
        row[at] = case
        named = _is_parameter_set(value)
        marks, name = (value.marks, value.id) if named else ((), None)
        converted.append(pytest.param(*row, marks=marks, id=name))
    return converted


def _row(value: Any, *, single: bool) -> list[Any]:
    """Return the values of one parameter set, made by `pytest.param` or not."""
    if _is_parameter_set(value):
        return list(value.values)
    return [value] if single else list(value)


def _is_parameter_set(value: Any) -> bool:
    return isinstance(value, type(pytest.param()))
