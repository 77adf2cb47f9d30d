"""An open ladder: the configuration with all that its tests need."""

from __future__ import annotations

import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_ladder import options
from pytest_ladder.calls.archive import Archive
from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.cases import load_cases
from pytest_ladder.config import Ladder
from pytest_ladder.decide.order import DEFAULT_VOLUME, run_order
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.estimate import prompt_tokens
from pytest_ladder.prompting.messages import Prompter
from pytest_ladder.words.case import Case
from pytest_ladder.words.rung import Model, Price, Rung


class OpenLadder:
    """A ladder with all that its tests need, and the rungs of this run."""

    def __init__(self, ladder: Ladder, settings: options.Settings) -> None:
        self.ladder = ladder
        self.archive = Archive(ladder.folder)
        self.prompter = Prompter(ladder)
        self._settings = settings
        self._cases: dict[str, tuple[Case, ...]] = {}

    @cached_property
    def ordered(self) -> tuple[Rung, ...]:
        """All rungs in run order, cheapest first."""
        objective, folder = self.ladder.objective, self.ladder.folder
        prices = PriceTable()

        def price_of(model: Model) -> Price | None:
            found = prices.price_of(model)
            return None if found is None else found[0]

        return run_order(
            self.ladder.rungs,
            DEFAULT_VOLUME if objective is None else objective.volume,
            price_of,
            lambda rung: prompt_tokens(rung.strategy, folder),
        )

    @cached_property
    def current(self) -> Rung:
        """The rung that is shipped; the cheapest when the file names none."""
        return self.ladder.current or self.ordered[0]

    @cached_property
    def rungs(self) -> tuple[Rung, ...]:
        """The rungs of this run, in run order; raises `ConfigError` if none is left."""
        wanted = (self.current,) if self._settings.mode == "current" else self.ordered
        pattern = self._settings.rungs or "*"
        left = tuple(rung for rung in wanted if fnmatch.fnmatchcase(rung.id, pattern))
        for rung in left:
            # Mistakes in examples and corpora show before anything is called.
            self.prompter.prepare(rung.strategy)
        if not left:
            known = ", ".join(rung.id for rung in wanted)
            widen = (
                " or add --ladder=matrix" if self._settings.mode == "current" else ""
            )
            raise ConfigError(
                f"--ladder-rungs={pattern} matches no rung of this run ({known}); "
                f"change the pattern{widen}."
            )
        return left

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
