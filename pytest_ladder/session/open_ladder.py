"""One ladder in use: its configuration, store, prompts, prices and cases."""

from __future__ import annotations

import fnmatch
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.cases.load import load_cases
from pytest_ladder.core.case import Case
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.rung import Model, Price, Rung
from pytest_ladder.decide.cost import DEFAULT_VOLUME, build_usd, run_order, use_usd
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.messages import Prompter, prompt_tokens
from pytest_ladder.prompting.retrieval import GOLD
from pytest_ladder.session import options

if TYPE_CHECKING:
    from pytest_ladder.calls.chat import Asker
    from pytest_ladder.judging.jury import Jury


class OpenLadder:
    """A ladder with all that its tests need, and the rungs of this run."""

    def __init__(self, ladder: Ladder, settings: options.Settings) -> None:
        self.ladder = ladder
        self.archive = Archive(ladder.folder)
        self.prompter = Prompter(ladder)
        self._settings = settings
        self._prices = PriceTable()
        self._cases: dict[str, tuple[Case, ...]] = {}

    @cached_property
    def ordered(self) -> tuple[Rung, ...]:
        """All rungs in run order, cheapest first."""
        return run_order(
            self.ladder.rungs, self.volume, self._price_of, self._prompt_tokens
        )

    @property
    def volume(self) -> int:
        """Calls over which build cost is spread."""
        objective = self.ladder.objective
        return DEFAULT_VOLUME if objective is None else objective.volume

    def expected_usd(self, rung: Rung) -> float | None:
        """USD that one call is expected to cost, building left out; None: unknown."""
        return use_usd(
            rung.model, self._price_of(rung.model), self._prompt_tokens(rung)
        )

    @cached_property
    def current(self) -> Rung:
        """The rung that is shipped; the cheapest when the file names none."""
        return self.ladder.current or self.ordered[0]

    @cached_property
    def rungs(self) -> tuple[Rung, ...]:
        """The rungs of this run, in run order; raises `ConfigError` if none is left."""
        of_mode = (self.current,) if self._settings.mode == "current" else self.ordered
        pattern = self._settings.rungs or "*"
        selected = tuple(r for r in of_mode if fnmatch.fnmatchcase(r.id, pattern))
        if self._settings.mode == "litmus" and selected:
            selected = (_with_gold_context(selected[-1]),)
        for rung in selected:
            # Mistakes in examples and corpora show before anything is called.
            self.prompter.prepare(rung.strategy)
        if not selected:
            known = ", ".join(rung.id for rung in of_mode)
            widen = (
                " or add --ladder=matrix" if self._settings.mode == "current" else ""
            )
            raise ConfigError(
                f"--ladder-rungs={pattern} matches no rung of this run ({known}); "
                f"change the pattern{widen}."
            )
        return selected

    @property
    def judges(self) -> tuple[Model, ...]:
        """The models that grade replies; empty where none is configured."""
        from pytest_ladder.judging.jury import judge_models

        judge = self.ladder.judge
        return () if judge is None else judge_models([judge, *judge.jury])

    @property
    def has_funnel(self) -> bool:
        """Whether a case that missed a cheap check is not judged."""
        return self.ladder.judge is None or self.ladder.judge.funnel

    def jury(self, asker: Asker) -> Jury:
        """Return the judges of this ladder, who ask through `asker`."""
        from pytest_ladder.judging.jury import Jury

        return Jury(self.judges, asker)

    def total_usd(self, rung: Rung) -> float | None:
        """USD that one call is expected to cost, building spread; None: unknown."""
        usd = self.expected_usd(rung)
        return None if usd is None else usd + build_usd(rung.model, self.volume)

    def _price_of(self, model: Model) -> Price | None:
        priced = self._prices.price_of(model)
        return None if priced is None else priced[0]

    def _prompt_tokens(self, rung: Rung) -> float:
        return prompt_tokens(rung.strategy, self.ladder.folder)

    def cases(self, source: Any, module: Path) -> tuple[Case, ...]:
        """Load the cases that a test file names, a file once for all its tests."""
        where = module.name
        folder = self.ladder.folder
        if module.is_relative_to(folder):
            where = module.relative_to(folder).as_posix()
        if not isinstance(source, str):
            return tuple(load_cases(source, folder=folder, where=where))
        if source not in self._cases:
            loaded = load_cases(source, folder=folder, where=where)
            self._cases[source] = tuple(loaded)
        return self._cases[source]


def _with_gold_context(rung: Rung) -> Rung:
    """Return the rung with a retriever that returns the context given in each case."""
    strategy = msgspec.structs.replace(
        rung.strategy, name=GOLD, corpus=None, retriever=GOLD, models=()
    )
    return msgspec.structs.replace(rung, strategy=strategy)
