"""Failures that belong to no test: a share, a budget, an objective, a gate, a verdict.

Too low a share of passes, say, or a budget that was reached. They are reported as tests
are, so that the terminal, JUnit and `--lf` see them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_ladder.core.row import OVER_BUDGET, Outcome
from pytest_ladder.decide.funnel import is_unsure
from pytest_ladder.results.ladder_result import Arrived, Items
from pytest_ladder.session import pytest_internals
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text.numbers import count, dollars

if TYPE_CHECKING:
    from pytest_ladder.calls.one_machine.budget import Budget


def report(
    session: pytest.Session,
    items: Items,
    ladder: LadderSession,
    decided: Iterable[tuple[str, str]],
) -> None:
    """Report all that fails the run.

    `decided` are the objectives and gates that do, by name and reason.
    """
    reports = [
        *_budget_report(items, ladder),
        *_verdict_reports(session.config, items),
        *_share_reports(session.config, items),
    ]
    for name, reason in decided:
        file, _, rest = name.partition("::")
        reports.append(_failed_report(name, reason, (file, None, rest)))
    for failed in reports:
        pytest_internals.count_more_tests(session.config, 1)
        session.config.hook.pytest_runtest_logreport(report=failed)
        pytest_internals.name_in_junit(session.config, failed)
        # Some other plugins take a test for over only when its teardown is reported.
        teardown = _teardown_report(failed)
        session.config.hook.pytest_runtest_logreport(report=teardown)


def partial_shares(items: Items) -> Iterator[str]:
    """Yield a sentence on each share that is open: a part of its tests did not run."""
    for name, arrived in _tests_on_current(items).items():
        expected = _expected(arrived)
        if len(arrived) < expected and _share_problem(arrived) is None:
            yield f"{name}: partial, {len(arrived)} of {expected} ran"


def _verdict_reports(
    config: pytest.Config, items: Items
) -> Iterator[pytest.TestReport]:
    """Yield a failing report for each test that lacks a verdict it needed after all."""
    for nodeid, arrived in items.items():
        lacking = [row.reason for row in arrived.rows if is_unsure(row)]
        if lacking:
            pytest_internals.last_failed(config)[nodeid] = True
            yield _failed_report(f"{nodeid} verdict", lacking[0], arrived.location)


def _share_reports(config: pytest.Config, items: Items) -> Iterator[pytest.TestReport]:
    last_failed = pytest_internals.last_failed(config)
    for name, arrived in _tests_on_current(items).items():
        problem = _share_problem(arrived)
        if problem is None:
            last_failed.pop(name, None)
            continue
        # `--lf` runs the misses again.
        of_share = {id(item) for item in arrived if not item.payload.extra}
        missed = [
            nodeid
            for nodeid, item in items.items()
            if item.payload.missed and id(item) in of_share
        ]
        last_failed.update(dict.fromkeys(missed, True))
        yield _failed_report(name, problem, arrived[0].location)


def surprising_bills(ladder: LadderSession) -> list[str]:
    """Return a sentence on each bill above what its call had reserved.

    Where the budget was kept all the same; where it was not, they fail the run.
    """
    budget = _budget(ladder)
    if budget is None or _is_reached(budget):
        return []
    return [str(surprise) for surprise in budget.surprises()]


def _budget(ladder: LadderSession) -> Budget | None:
    """Return the budget of a run that has one; a run without never loads it."""
    return None if ladder.settings.budget is None else ladder.engine.budget


def _is_reached(budget: Budget) -> bool:
    return budget.refused().calls > 0 or budget.spent_usd() > budget.cap_usd


def _budget_report(items: Items, ladder: LadderSession) -> Iterator[pytest.TestReport]:
    """Yield a failing report when the budget kept calls from being made.

    And when a provider billed more than was left, if only with the last call.
    """
    # What became of the samples that the gate asked for, the gate says itself.
    collected = [item for item in items.values() if not item.payload.extra]
    over = [item for item in collected if item.payload.over_budget]
    budget = _budget(ladder)
    if budget is None or not items:
        return
    if not over and budget.spent_usd() <= budget.cap_usd:
        return
    sentences = [_spent(budget), *map(str, budget.surprises())]
    if over and not budget.refused().calls:
        # The budget was not used up: nothing bounds what that call may cost.
        reasons = (row.reason for row in over[0].rows if row.over_budget)
        sentences = [next(reasons).removeprefix(f"{OVER_BUDGET}: ")]
    location = (over or [*items.values()])[0].location
    problem = " ".join(sentences)
    yield _failed_report(f"{location[0]}::ladder budget", problem, location)


def _spent(budget: Budget) -> str:
    """Say what is spent, what was left out, and what it takes to go on."""
    refused, spent = budget.refused(), budget.spent_usd()
    sum_spent = f"{dollars(spent)} of {dollars(budget.cap_usd)} is spent"
    if not refused.calls:
        return f"{sum_spent}; no call was left out."
    needed = math.ceil((spent + refused.usd) * 1.05 * 100) / 100
    return (
        f"{sum_spent}; left out: {count(refused.calls, 'call')} that may cost up to "
        f"{dollars(refused.usd)}. To make them, run again with "
        f"--ladder-budget={needed:.2f}; what is stored is not paid again."
    )


def _tests_on_current(items: Items) -> dict[str, list[Arrived]]:
    """Group what the current rung left by test, under the name of its share."""
    groups: dict[str, list[Arrived]] = defaultdict(list)
    for arrived in items.values():
        payload = arrived.payload
        shared = payload.current and payload.at_least < 1 and not payload.packed
        if arrived.rows and shared:
            groups[f"{payload.test}[{payload.rung}] share"].append(arrived)
    return groups


def _expected(arrived: list[Arrived]) -> int:
    """Count the items of a test on the current rung, before any was deselected."""
    return max(item.payload.expected for item in arrived)


def _share_problem(arrived: list[Arrived]) -> str | None:
    """Say in a sentence why a test's share of passes is too low; None: it is not.

    On a subset of the cases it is too low only if its misses alone are more than
    the whole test allows.
    """
    rows = [row for item in arrived for row in item.rows]
    finished = [row for row in rows if row.outcome is not Outcome.ERROR]
    missed = sum(row.outcome is Outcome.MISSED for row in finished)
    payload = arrived[0].payload
    total = _expected(arrived)
    # The same care for floating point as `required passes` in the methods.
    required = math.ceil(payload.at_least * total - 1e-9)
    if missed <= total - required:
        return None
    passed = len(finished) - missed
    part = "" if len(rows) >= total else f" (a part of its {total})"
    return (
        f"{passed} of {len(finished)} passed{part}; at_least={payload.at_least} "
        f"needs {required} of {total}. The misses are listed by -rm and run again by "
        "--lf."
    )


def _failed_report(
    name: str, problem: str, location: tuple[str, int | None, str]
) -> pytest.TestReport:
    """Make a failing report that belongs to none of the run's items."""
    file, line, _ = location
    rest = name.partition("::")[2]
    report = pytest.TestReport(
        nodeid=name,
        location=(file, line, rest.replace("::", ".")),
        keywords={},
        outcome="failed",
        longrepr=problem,
        when="call",
    )
    pytest_internals.name_exactly(report, rest)
    return report


def _teardown_report(report: pytest.TestReport) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=report.nodeid,
        location=report.location,
        keywords={},
        outcome="passed",
        longrepr=None,
        when="teardown",
    )
