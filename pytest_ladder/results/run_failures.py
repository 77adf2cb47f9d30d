"""Failures that belong to no test: a share, a budget, an objective, a gate, a verdict.

Too low a share of passes, say, or a budget that was reached. They are reported as tests
are, so that the terminal, JUnit and `--lf` see them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_ladder.core.why import Why
from pytest_ladder.decide.funnel import is_unsure
from pytest_ladder.results import made_reports
from pytest_ladder.results.ladder_result import Items
from pytest_ladder.results.shares import share_reports
from pytest_ladder.session import pytest_internals
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text.numbers import count, dollars

if TYPE_CHECKING:
    from pytest_ladder.calls.coordinator import Spending


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
        *share_reports(session.config, items),
    ]
    for name, reason in decided:
        file, _, rest = name.partition("::")
        reports.append(made_reports.failed(name, reason, (file, None, rest)))
    for failed in reports:
        pytest_internals.count_more_tests(session.config, 1)
        made_reports.send(session.config, failed)


def _verdict_reports(
    config: pytest.Config, items: Items
) -> Iterator[pytest.TestReport]:
    """Yield a failing report for each test that lacks a verdict it needed after all."""
    for nodeid, arrived in items.items():
        lacking = [row.reason for row in arrived.rows if is_unsure(row)]
        if lacking:
            pytest_internals.last_failed(config)[nodeid] = True
            yield made_reports.failed(f"{nodeid} verdict", lacking[0], arrived.location)


def surprising_bills(ladder: LadderSession) -> list[str]:
    """Return a sentence on each bill above what its call had reserved.

    Where the budget was kept all the same; where it was not, they fail the run.
    """
    budget = _budget(ladder)
    if budget is None:
        return []
    if budget.refused().calls > 0 or budget.spent_usd() > budget.cap_usd:
        return []
    return [str(surprise) for surprise in budget.surprises()]


def _budget(ladder: LadderSession) -> Spending | None:
    """Return the budget of a run that has one; a run without never loads it."""
    has_one = ladder.settings.budget is not None
    if not has_one and ladder.settings.live and ladder.names_store:
        has_one = ladder.store.has_caps
    return ladder.engine.budget if has_one else None


def _budget_report(items: Items, ladder: LadderSession) -> Iterator[pytest.TestReport]:
    """Yield a failing report when the budget kept calls from being made.

    And when a provider billed more than was left, if only with the last call.
    """
    # What became of the samples that the gate asked for, the gate says itself.
    collected = [item for item in items.values() if not item.payload.extra]
    over = [item for item in collected if item.payload.why is Why.BUDGET]
    budget = _budget(ladder)
    if budget is None or not items:
        return
    if not over and budget.spent_usd() <= budget.cap_usd:
        return
    sentences = [_spent(budget), *map(str, budget.surprises())]
    if over and not budget.refused().calls:
        # The budget was not used up: nothing bounds what that call may cost.
        reasons = (row.reason for row in over[0].rows if row.over_budget)
        sentences = [next(reasons)]
    location = (over or [*items.values()])[0].location
    problem = " ".join(sentences)
    yield made_reports.failed(f"{location[0]}::ladder budget", problem, location)


def _spent(budget: Spending) -> str:
    """Say what is spent, what was left out, and what it takes to go on."""
    refused, spent = budget.refused(), budget.spent_usd()
    whose = f" of ledger {budget.ledger!r}" if budget.ledger else ""
    sum_spent = f"{dollars(spent)} of {dollars(budget.cap_usd)}{whose} is spent"
    if not refused.calls:
        return f"{sum_spent}; no call was left out."
    needed = math.ceil((spent + refused.usd) * 1.05 * 100) / 100
    more = f"run again with --ladder-budget={needed:.2f}"
    if budget.ledger:
        raised = f"`pytest-ladder budget set {budget.ledger} --usd {needed:.2f}`"
        more = f"have the ledger's owner raise it by {raised} and run again"
    return (
        f"{sum_spent}; left out: {count(refused.calls, 'call')} that may cost up to "
        f"{dollars(refused.usd)}. To make them, {more}; what is stored is not paid "
        "again."
    )
