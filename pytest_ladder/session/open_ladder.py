"""One ladder in use: its configuration, store, prompts, prices and cases."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ladder.calls.prices import PriceTable
from pytest_ladder.calls.store.archive import Archive
from pytest_ladder.cases.load import load_cases
from pytest_ladder.core.case import Case
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.rung import Model, Rung
from pytest_ladder.decide.cost import DEFAULT_VOLUME, build_usd, run_order
from pytest_ladder.errors import ConfigError
from pytest_ladder.prompting.strategies import Strategies
from pytest_ladder.session.litmus import LitmusRung, choose
from pytest_ladder.session.settings import Settings
from pytest_ladder.text.phrases import did_you_mean, listed

if TYPE_CHECKING:
    from pytest_ladder.calls.asker import Asker
    from pytest_ladder.calls.contract import Request
    from pytest_ladder.core.shard import Shard
    from pytest_ladder.decide.matrix import Unit
    from pytest_ladder.decide.real.users import Declared, Users
    from pytest_ladder.judging.jury import Jury


class OpenLadder:
    """A ladder with all that its tests need, and the rungs of this run."""

    def __init__(
        self, ladder: Ladder, settings: Settings, reports: Sequence[Path] = ()
    ) -> None:
        self.ladder = ladder
        self.archive = Archive(ladder.folder)
        self.strategies = Strategies(ladder)
        self._settings = settings
        self.reports = reports
        """Folders of earlier reports: what rungs can do, and what judges said."""
        self._prices = PriceTable()
        self._cases: dict[str, tuple[Case, ...]] = {}
        self.chosen: frozenset[Unit] | None = None
        """The cases of this run, set when all are known; None: all.

        Those that `--ladder-cases` draws, and of these the shard's.
        """
        self.own: frozenset[Unit] | None = None
        """The cases of the suite where its ini file draws them; None: all."""
        self.shard: Shard | None = None
        """Which shard of it this run is, with all that was cut; None: it is none."""

    def lacks(self, case: Case) -> bool:
        """Whether a case is of the suite, and left out."""
        of_suite = self.own is None or (case.source, case.id) in self.own
        return of_suite and self.leaves_out(case)

    def leaves_out(self, case: Case) -> bool:
        """Whether `--ladder-cases` or the shard leaves out a case."""
        return self.chosen is not None and (case.source, case.id) not in self.chosen

    @cached_property
    def ordered(self) -> tuple[Rung, ...]:
        """All rungs in run order, cheapest first."""
        return run_order(self.ladder.rungs, self.volume, self.expected_usd)

    @property
    def volume(self) -> int:
        """Calls over which build cost is spread."""
        objective = self.ladder.objective
        return DEFAULT_VOLUME if objective is None else objective.volume

    def expected_usd(
        self,
        rung: Rung,
        prompt_tokens: float | None = None,
        reply_tokens: float | None = None,
    ) -> float | None:
        """USD that one reply is expected to cost, building left out; None: unknown.

        By the configuration, or by lengths that are known better than that.
        """
        priced = self._prices.price_of(rung.model)
        return self.strategies.expected_usd(
            rung, priced and priced[0], prompt_tokens, reply_tokens
        )

    def has_price(self, model: Model) -> bool:
        """Whether calls of a model have a price: declared, listed or by its machine.

        What no list is about has none to look for: a local model, and a scripted one.
        """
        if model.serve is not None or model.is_scripted or model.is_local:
            return True
        return self._prices.price_of(model) is not None

    @cached_property
    def current(self) -> Rung:
        """The rung that is shipped; the cheapest when the file names none."""
        return self.ladder.current or self.ordered[0]

    @property
    def why_current(self) -> str:
        """What the current rung is where the file names none."""
        priced = [self.expected_usd(rung) is not None for rung in self.ladder.rungs]
        if all(priced):
            return "the cheapest rung"
        return "the cheapest one with a price" if any(priced) else "the first rung"

    @cached_property
    def rungs(self) -> tuple[Rung, ...]:
        """The rungs of this run, in run order; raises `ConfigError` if none is left."""
        selected = self._selected
        if not selected or (self.ladder.tried and selected == (self.current,)):
            raise self.unmatched(self._settings.rungs)
        if self.litmus is not None:
            selected = (self.litmus.rung,)
        for rung in selected:
            # Mistakes in examples and corpora show before anything is called.
            self.strategies.prompter(rung.strategy)
        return selected

    @property
    def tried(self) -> tuple[str, ...]:
        """Ids of the rungs of this run that `--ladder-try` adds."""
        added = {rung.id for rung in self.ladder.tried}
        return tuple(rung.id for rung in self.rungs if rung.id in added)

    @cached_property
    def litmus(self) -> LitmusRung | None:
        """What a litmus tries; None in every other mode. Raises `ConfigError`."""
        if self._settings.mode != "litmus":
            return None
        named = bool(self._settings.rungs)
        return choose(self.ladder, self._selected, self.reports, named=named)

    @property
    def _of_mode(self) -> tuple[Rung, ...]:
        if self._settings.mode != "current":
            return self.ordered
        if not self.ladder.tried:
            return (self.current,)
        beside = (self.current, *self.ladder.tried)
        return tuple(rung for rung in self.ordered if rung in beside)

    @property
    def _selected(self) -> tuple[Rung, ...]:
        return self._matching(self._settings.rungs or ("*",))

    @property
    def of_suite(self) -> tuple[Rung, ...]:
        """The rungs that a whole run of this mode has, and all that this one has.

        What an ini file selects is the suite's own choice; who selects others on the
        command line runs a part of it.
        """
        own = self._settings.own_rungs
        return self._matching((*own, *self._settings.rungs) if own else ("*",))

    def _matching(self, globs: Sequence[str]) -> tuple[Rung, ...]:
        return tuple(
            rung
            for rung in self._of_mode
            if any(fnmatch.fnmatchcase(rung.id, glob) for glob in globs)
            # Without what ships there is nothing to hold a model against.
            or (self.ladder.tried and rung == self.current)
        )

    def matches(self, glob: str) -> bool:
        """Whether a pattern of `--ladder-rungs` matches a rung of this run."""
        return any(fnmatch.fnmatchcase(rung.id, glob) for rung in self._of_mode)

    def unmatched(self, globs: Sequence[str]) -> ConfigError:
        """Return the error for patterns that match no rung of this run."""
        known = [rung.id for rung in self._of_mode]
        for glob in globs:
            if any(fnmatch.fnmatchcase(rung.id, glob) for rung in self.ladder.planned):
                return ConfigError(
                    f"--ladder-rungs={glob} matches only what is planned, which is "
                    f"never called; the rungs of this run are {listed(known)}."
                )
        fix = f"the rungs of this run are {listed(known)}; change the pattern"
        if self._settings.mode == "current":
            fix += " or add --ladder=matrix"
        near = did_you_mean(globs[0], known, f"{fix}.")
        return ConfigError(
            f"--ladder-rungs={','.join(globs)} matches no rung of this run; {near}"
        )

    @cached_property
    def declared(self) -> Declared:
        """Outcomes of real use, as they are committed. Raises `ConfigError`."""
        from pytest_ladder.real.aggregates import declared_of

        return declared_of(self.ladder)

    @cached_property
    def users(self) -> Users:
        """What users did, before anything of the suite is known."""
        from pytest_ladder.decide.real.users import users_of

        return users_of(self.declared)

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

    def jury(self, asker: Asker, *notes: Any) -> Jury:
        """Return the judges of this ladder, who ask through `asker`.

        `notes` are what a `Jury` tells of its verdicts.
        """
        from pytest_ladder.judging.jury import Jury

        def is_kept(request: Request) -> bool:
            return self.archive.find(self.archive.key(request)) is not None

        vision = self.ladder.judge is None or self.ladder.judge.vision
        return Jury(self.judges, asker, *notes, is_kept=is_kept, vision=vision)

    def total_usd(self, rung: Rung) -> float | None:
        """USD that one reply is expected to cost, building spread; None: unknown."""
        usd = self.expected_usd(rung)
        return None if usd is None else usd + build_usd(rung.model, self.volume)

    def cases(
        self, source: Any, module: Path, told: str | None = None
    ) -> tuple[Case, ...]:
        """Load the cases that a test file names, a file once for all its tests.

        `told` is what messages about a list call it; None: the test file.
        """
        where = module.name
        folder = self.ladder.folder
        if module.is_relative_to(folder):
            where = module.relative_to(folder).as_posix()
        if not isinstance(source, str):
            beside = module.parent
            return tuple(load_cases(source, folder=beside, where=where, told=told))
        if source not in self._cases:
            loaded = load_cases(source, folder=folder, where=where)
            self._cases[source] = tuple(loaded)
        return self._cases[source]


def folder_name(folder: Path, root: Path) -> str:
    """Return the path of a ladder as one name, that of its report among several."""
    inside = folder.relative_to(root) if folder.is_relative_to(root) else folder
    return "-".join(part for part in inside.parts if part.strip("/")) or "root"
