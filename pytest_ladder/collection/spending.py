"""Whether bounds on what is spent can be kept: known before the first paid call."""

from __future__ import annotations

from pytest_ladder.calls.contract import Request
from pytest_ladder.calls.prices import PriceTable, cost_of
from pytest_ladder.core.reply import Usage
from pytest_ladder.errors import BudgetReached, ConfigError
from pytest_ladder.session.session import LadderSession
from pytest_ladder.text.phrases import shown


def check_budget(session: LadderSession) -> None:
    """Refuse a budget that cannot be kept; raises `ConfigError`."""
    from pytest_ladder.calls.bounds import worst_usd

    for opened in session.opened:
        judged = any(test.uses_judge for test in session.tests_of(opened))
        judges = opened.judges if judged else ()
        asked = [(rung.model, rung.params) for rung in opened.rungs]
        asked += [(judge, judge.params) for judge in judges]
        for model, params in asked:
            request = Request(model=model, messages=[], params=params)
            try:
                worst_usd(request, PriceTable())
            except BudgetReached as error:
                raise ConfigError(f"--ladder-budget: {error}") from None


def check_most_usd(session: LadderSession) -> None:
    """Refuse `most_usd` where calls have no price; raises `ConfigError`."""
    for opened in session.opened:
        for rung in opened.rungs:
            strategy = rung.strategy
            # An option of strategies with tools, whose class need not be loaded for it.
            if getattr(strategy, "most_usd", None) is None:
                continue
            usd, _ = cost_of(rung.model, Usage(), 0.0, PriceTable())
            if usd is None:
                raise ConfigError(
                    f'{shown(opened.ladder.path)}: strategy "{strategy.name}": '
                    f"most_usd cannot be kept on {rung.id}, for the price of model "
                    f"{rung.model.name!r} is unknown; declare its `price` or `serve`, "
                    "leave that rung out with --ladder-rungs, or remove `most_usd`."
                )
