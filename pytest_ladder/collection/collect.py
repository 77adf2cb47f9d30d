"""Collection: which tests are ladder tests, and over which rungs and cases they run.

`generate` is called for each test function, and makes a `LadderTest` of those that use
a fixture of the plugin in reach of a `ladder.toml`; `finish` is called once, with all
tests, and orders them. What the markers say is read by `markers`.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.collection import markers, own_fixtures, tagged_shares
from pytest_ladder.collection.selection import select
from pytest_ladder.core.case import Case
from pytest_ladder.core.rung import Rung
from pytest_ladder.core.score import Level
from pytest_ladder.errors import ConfigError, LadderError
from pytest_ladder.session import fixtures
from pytest_ladder.session.hypothesis_internals import (
    allow_function_scoped_fixtures,
    is_property,
)
from pytest_ladder.session.ladder_test import (
    SAMPLE,
    LadderItem,
    LadderTest,
    Shape,
)
from pytest_ladder.session.open_ladder import OpenLadder
from pytest_ladder.session.pytest_internals import (
    is_parameter_set,
    names_in,
    parametrize_replaced,
)
from pytest_ladder.session.session import LadderSession
from pytest_ladder.session.xdist import is_elsewhere, is_worker
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
    if "rung" in metafunc.fixturenames:
        metafunc.parametrize("rung", rungs, indirect=True, scope="session")
    else:
        # Only a parameter, which pytest need not set up, nor sort items by.
        metafunc.fixturenames.append("rung")
        metafunc.parametrize("rung", rungs, indirect=True, scope="function")
        metafunc.fixturenames.remove("rung")
    parametrized = _Parametrized(metafunc, test.opened)
    try:
        with parametrize_replaced(metafunc, parametrized.note):
            yield
    except LadderError as error:
        _complain(session, error)
        return None
    _over_cases_and_samples(session, metafunc, test, parametrized)
    if is_property(metafunc.function):
        allow_function_scoped_fixtures(metafunc.function)
    return None


def _over_cases_and_samples(
    session: LadderSession,
    metafunc: pytest.Metafunc,
    test: LadderTest,
    parametrized: _Parametrized,
) -> None:
    """Run a test over what its own `parametrize` left to do, and note its shape."""
    calls = parametrized.calls
    kinds = [kind for kind, _ in calls]
    if own_fixtures.is_ours(metafunc, "case") and "case" not in kinds and not test.pack:
        metafunc.parametrize("case", test.cases, indirect=True)
        calls.append(("case", len(test.cases)))
        parametrized.cases += test.cases
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
    others = math.prod(length for _, length in calls)
    session.shapes[test.nodeid] = Shape(
        parameters=("rung", *(kind for kind, _ in calls)),
        items=others * (1 if test.pack else test.samples),
        rows=others * test.samples * (len(test.cases) if test.pack else 1),
        cases=test.cases if test.pack else tuple(parametrized.cases),
    )
    try:
        tagged_shares.check(metafunc.definition, test, session.shapes[test.nodeid])
    except LadderError as error:
        _complain(session, error)


def parameter_id(value: object) -> str | None:
    """Name rungs and cases in test ids as they are, in any script.

    Where the language of the machine has no such letters they are escaped, as pytest
    does: it puts the id of each test into an environment variable.
    """
    if not isinstance(value, Rung | Case):
        return None
    if not value.id.isascii():
        try:
            os.fsencode(value.id)
        except UnicodeEncodeError:
            return value.id.encode("ascii", "backslashreplace").decode()
    return value.id


def finish(session: LadderSession, items: list[pytest.Item]) -> None:
    """Order the collected tests; raises `pytest.UsageError` for mistakes found."""
    try:
        # What these take is loaded by the runs that have one only.
        if session.settings.budget is not None:
            from pytest_ladder.collection.spending import check_budget

            check_budget(session)
        if session.settings.live or session.settings.plan:
            from pytest_ladder.collection.spending import check_most_usd

            check_most_usd(session)
        baseline = session.settings.baseline
        if baseline is not None:
            from pytest_ladder.results.output import check_baseline

            check_baseline(session, baseline)
        _check_globs(session)
        if not session.problems:
            select(session, items)
            _order(session, items)
            if session.settings.mode in ("climb", "litmus"):
                _prepare(session, items)
            looks_up = session.settings.plan or not session.config.option.collectonly
            # Workers on several machines have to use one.
            if looks_up and (session.names_store or is_elsewhere(session.config)):
                from pytest_ladder.collection.shared_replies import use_store

                use_store(session, items)
    except LadderError as error:
        session.problems.append(str(error))
    if session.problems:
        _refuse(session, items)


def _check_globs(session: LadderSession) -> None:
    """Refuse a pattern of `--ladder-rungs` that matches no rung of any ladder."""
    opened = session.opened
    for glob in session.settings.rungs:
        if opened and not any(ladder.matches(glob) for ladder in opened):
            raise opened[0].unmatched([glob])


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
    eligible = climb_plan.with_context(session, items)
    kept = climb_plan.sample_of(plan, _LITMUS_CASES, eligible)
    deselected = [item for index, item in enumerate(items) if index not in kept]
    session.config.hook.pytest_deselected(items=deselected)
    items[:] = [item for index, item in enumerate(items) if index in kept]


def _order(session: LadderSession, items: list[pytest.Item]) -> None:
    """Sort ladder tests rung by rung, cheapest first, and cheap checks before judges.

    Other tests keep their place.
    """
    made = [session.item_of(item) for item in items]
    indices = [index for index, item in enumerate(made) if item is not None]
    ranks: dict[int, int] = {}
    for opened in session.opened:
        ranks.update({id(rung): rank for rank, rung in enumerate(opened.rungs)})
    levels = list(Level)

    def rank(item: LadderItem) -> tuple[int, int]:
        return ranks[id(item.rung)], levels.index(item.test.level)

    tests = sorted(filter(None, made), key=rank)
    session.cheap_checks.expect(tests)
    for index, item in zip(indices, tests, strict=True):
        items[index] = item.function


def _complain(session: LadderSession, error: LadderError) -> None:
    """Keep a mistake for the end of collection, where pytest can print it as one line.

    A worker of xdist reports it as a collection error: its exit status is not read.
    """
    if is_worker(session.config):
        raise pytest.Collector.CollectError(str(error)) from error
    if str(error) not in session.problems:
        session.problems.append(str(error))


def _ladder_test(
    session: LadderSession, metafunc: pytest.Metafunc
) -> LadderTest | None:
    """Return what a function is as a ladder test; None: it is none.

    Raises `ConfigError` for a mistake in its markers, cases or configuration.
    """
    definition = metafunc.definition
    uses = {name for name in fixtures.NAMES if own_fixtures.is_ours(metafunc, name)}
    own = own_fixtures.named_as_ours(metafunc)
    if not uses and not own:
        return None
    opened = session.ladder_for(definition.path.parent)
    if opened is None:
        return None
    own_fixtures.check(definition.nodeid, uses, own)
    return _as_marked(session, opened, definition, uses) if uses else None


def _as_marked(
    session: LadderSession, opened: OpenLadder, definition: Any, uses: set[str]
) -> LadderTest:
    """Make a ladder test by its markers; `uses` are the fixtures it takes of ours."""
    where = definition.nodeid
    level, level_options = markers.level_of(definition, where)
    shares = tagged_shares.shares_of(definition, level)
    options = markers.ladder_options(definition, where)
    cases = _cases(options.get("cases"), definition.path, opened)
    judged = None
    if "verdict" in uses:
        judged = markers.judged_of(level, level_options, opened, where)
    elif "judge" not in uses:
        markers.check_unasked(level_options, where)
    if "case" in uses and not cases and not _parametrizes(definition, "case"):
        raise ConfigError(
            f"{where} uses `case` or `reply` but has no cases; add "
            "@pytest.mark.ladder(cases='cases.jsonl')."
        )
    ahead = markers.ahead_of(options.get("ahead", True), where)
    return LadderTest(
        nodeid=definition.nodeid,
        path=definition.path,
        opened=opened,
        level=level,
        at_least=markers.share_of(level_options.get("at_least", 1.0), where),
        shares=shares,
        cases=cases,
        task=markers.task_of(options.get("task"), where),
        samples=markers.count_of(
            options.get("samples", session.settings.samples), where
        ),
        weight=markers.weight_of(options.get("weight", 1.0), where),
        miss=markers.exceptions_of(options.get("miss", ()), where),
        external=bool(options.get("external", False)),
        may_run_ahead=bool(ahead),
        ahead_in_fixtures=ahead == "fixtures",
        uses_reply=bool({"reply", "verdict"} & uses),
        uses_judge=bool({"judge", "verdict"} & uses),
        judged=judged,
        # A judge that a body calls may be asked for a grade.
        uses_score=bool({"score", "judge"} & uses)
        or (judged is not None and judged.graded),
        pack=markers.is_packed(options.get("pack", False), uses, cases, where),
    )


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
        mark.args and name in names_in(mark.args[0])
        for mark in definition.iter_markers("parametrize")
    )


class _Parametrized:
    """Notes what others parametrize a test with, and turns dicts into cases."""

    def __init__(self, metafunc: pytest.Metafunc, opened: OpenLadder) -> None:
        self._metafunc = metafunc
        self._opened = opened
        self.calls: list[tuple[str, int]] = []
        """For each call of `parametrize`: `case` or `other`, and how many values."""
        self.cases: list[Case] = []

    def note(self, names: list[str], values: list[Any]) -> list[Any]:
        """Note a call, and return the values to use; raises `ConfigError`."""
        # Of no values pytest makes one item that is skipped.
        if "case" in names and values:
            values, cases = _cases_of(values, names, self._metafunc, self._opened)
            self.cases += cases
        kind = "case" if "case" in names else "other"
        self.calls.append((kind, max(1, len(values))))
        return values


def _cases_of(
    values: list[Any], names: list[str], metafunc: pytest.Metafunc, opened: OpenLadder
) -> tuple[list[Any], tuple[Case, ...]]:
    """Turn the dicts of a user's `parametrize("case", …)` into cases.

    Returns the values with cases in them, and these.
    """
    column, definition = names.index("case"), metafunc.definition
    rows = [_row(value, single=len(names) == 1) for value in values]
    path, line, _ = definition.reportinfo()
    told = f"{shown(Path(path))}:{(line or 0) + 1}: {definition.name}: parametrize"
    cases = opened.cases([row[column] for row in rows], definition.path, told)
    converted: list[Any] = []
    for value, row, case in zip(values, rows, cases, strict=True):
        row[column] = case
        is_set = is_parameter_set(value)
        marks, name = (value.marks, value.id) if is_set else ((), None)
        converted.append(pytest.param(*row, marks=marks, id=name))
    return converted, cases


def _row(value: Any, *, single: bool) -> list[Any]:
    """Return the values of one parameter set, made by `pytest.param` or not."""
    if is_parameter_set(value):
        return list(value.values)
    return [value] if single else list(value)
