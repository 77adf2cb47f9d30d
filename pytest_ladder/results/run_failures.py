"""Shortfalls: what fails a run although no single test does.

Too low a share of passes, and a budget that was reached. They are reported like tests,
so that the terminal, JUnit and `--lf` see them.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ladder.core.row import OVER_BUDGET, Outcome, Row
from pytest_ladder.decide.funnel import is_unsure
from pytest_ladder.results.rows import Payload
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text.numbers import count, dollars

if TYPE_CHECKING:
    from pytest_ladder.calls.one_machine.budget import Budget


@dataclass(kw_only=True)
class Arrived:
    """What came in for one test item; a rerun replaces it."""

    payload: Payload
    location: tuple[str, int | None, str]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Its row, or those of a packed test; none if it was skipped."""
        return self.payload.rows

    @property
    def is_finished(self) -> bool:
        """Whether it ran and nothing broke."""
        broke = any(row.outcome is Outcome.ERROR for row in self.rows)
        return bool(self.rows) and not broke


Items = Mapping[str, Arrived]
"""What came in, by node id."""


def report(
    session: pytest.Session,
    items: Items,
    ladder: LadderSession,
    missed: Iterable[tuple[str, str]],
) -> None:
    """Report every shortfall as a failure.

    `missed` are objectives and gates, by name and reason.
    """
    reports = [
        *_budget_report(items, ladder),
        *_verdict_reports(session.config, items),
        *_share_reports(session.config, items),
    ]
    for name, reason in missed:
        file, _, rest = name.partition("::")
        reports.append(_failed_report(name, reason, (file, None, rest)))
    for failed in reports:
        # One more report than tests: without this the terminal counts to 101 %.
        session.testscollected += 1
        session.config.hook.pytest_runtest_logreport(report=failed)
        _name_in_junit(session.config, failed)
        # Some reports of other tools take a test for over only by its teardown.
        over = _closing_report(failed)
        session.config.hook.pytest_runtest_logreport(report=over)


def partial_shares(items: Items) -> Iterator[str]:
    """Tell of shares that a part of their tests leaves open."""
    for name, arrived in _tests_on_current(items).items():
        expected = _expected(arrived)
        if len(arrived) < expected and _share_problem(arrived) is None:
            yield f"{name}: partial, {len(arrived)} of {expected} ran"


def _last_failed(config: pytest.Config) -> dict[str, bool]:
    """Return what `--lf` will run, to be written to."""
    plugin: Any = config.pluginmanager.get_plugin("lfplugin")
    return plugin.lastfailed if plugin is not None else {}


def _verdict_reports(
    config: pytest.Config, items: Items
) -> Iterator[pytest.TestReport]:
    """Yield a failing report for each test that lacks a verdict it needed after all."""
    for nodeid, arrived in items.items():
        lacking = [row.reason for row in arrived.rows if is_unsure(row)]
        if lacking:
            _last_failed(config)[nodeid] = True
            yield _failed_report(f"{nodeid} verdict", lacking[0], arrived.location)


def _share_reports(config: pytest.Config, items: Items) -> Iterator[pytest.TestReport]:
    last_failed = _last_failed(config)
    for name, arrived in _tests_on_current(items).items():
        problem = _share_problem(arrived)
        if problem is None:
            last_failed.pop(name, None)
            continue
        # `--lf` runs what fell short, and that is the misses.
        ids = {
            id(one) for one in arrived if one.payload.missed and not one.payload.extra
        }
        missed = [nodeid for nodeid, one in items.items() if id(one) in ids]
        last_failed.update(dict.fromkeys(missed, True))
        yield _failed_report(name, problem, arrived[0].location)


def surprising_bills(ladder: LadderSession) -> list[str]:
    """Tell of bills above what their calls had reserved, where the budget held them.

    Those that it did not hold fail the run.
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
    # What the gate asked for is for the gate to tell.
    over = [a for a in items.values() if a.payload.over_budget and not a.payload.extra]
    budget = _budget(ladder)
    if budget is None or not items:
        return
    if not over and budget.spent_usd() <= budget.cap_usd:
        return
    told = [_spent(budget), *map(str, budget.surprises())]
    if over and not budget.refused().calls:
        # Not the sum was in the way, but a call that nothing bounds.
        reasons = (row.reason for row in over[0].rows if row.over_budget)
        told = [next(reasons).removeprefix(f"{OVER_BUDGET}: ")]
    location = (over or [*items.values()])[0].location
    yield _failed_report(f"{location[0]}::ladder budget", " ".join(told), location)


def _spent(budget: Budget) -> str:
    """Say what is spent, what was left out, and what it takes to go on."""
    refused, spent = budget.refused(), budget.spent_usd()
    told = f"{dollars(spent)} of {dollars(budget.cap_usd)} is spent"
    if not refused.calls:
        return f"{told}; no call was left out."
    needed = math.ceil((spent + refused.usd) * 1.05 * 100) / 100
    return (
        f"{told}; left out: {count(refused.calls, 'call')} that may cost up to "
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
    return max(one.payload.expected for one in arrived)


def _share_problem(arrived: list[Arrived]) -> str | None:
    """Say in a sentence why a test's share of passes is too low; None: it is not.

    On a subset of the cases it is too low only if its misses alone are more than
    the whole test allows.
    """
    rows = [row for one in arrived for row in one.rows]
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
    if hasattr(report, "id"):
        # pytest 9.2 takes all behind "[" for parameters, and would print the name
        # with a bracket more than it has.
        report._id = dataclasses.replace(report.id, names=(rest,), params=None)
    return report


def _closing_report(report: pytest.TestReport) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=report.nodeid,
        location=report.location,
        keywords={},
        outcome="passed",
        longrepr=None,
        when="teardown",
    )


def _name_in_junit(config: pytest.Config, report: pytest.TestReport) -> None:
    """Mend the name in a JUnit file, which is parsed anew from the node id."""
    for plugin in config.pluginmanager.get_plugins():
        if hasattr(plugin, "node_reporter"):
            name = report.nodeid.rpartition("::")[2]
            plugin.node_reporter(report).add_attribute("name", name)
