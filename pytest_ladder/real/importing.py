"""Raw files become aggregates: what `outcomes import` does, outcome by outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pytest_ladder.core.aggregate import Aggregate, VariantSums
from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.outcomes import (
    Experiment,
    RealOutcome,
)
from pytest_ladder.decide.real.states import experiment_problems, freshness_of
from pytest_ladder.errors import ConfigError
from pytest_ladder.real.aggregates import FOLDER, read_aggregate
from pytest_ladder.real.building import Builder, Read
from pytest_ladder.real.sources.exposures import Exposed
from pytest_ladder.real.sources.files import matching, refuse_tracked
from pytest_ladder.real.sources.joining import Counted, read_events
from pytest_ladder.real.sources.ratings import read_traces
from pytest_ladder.real.sources.reading import Progress, RawFile
from pytest_ladder.real.sources.tables import read_table
from pytest_ladder.real.sources.times import day_of
from pytest_ladder.real.sources.unit_rows import UnitRows
from pytest_ladder.real.sources.variants import Variants
from pytest_ladder.real.sources.votes import Votes
from pytest_ladder.text.phrases import listed, shown


class Imported(NamedTuple):
    """One outcome, read anew."""

    outcome: RealOutcome
    old: Aggregate | None
    """What is committed; None: nothing is."""
    new: Aggregate | None
    """None: there is no data yet."""
    problems: tuple[str, ...] = ()
    """Why nothing is decided by it, although it was read."""
    notes: tuple[str, ...] = ()
    """What is worth knowing, and no problem."""


class Importer:
    """Reads the raw files of a ladder's outcomes, each file once."""

    def __init__(self, ladder: Ladder, progress: Progress | None = None) -> None:
        self._ladder = ladder
        self._progress = progress
        self._builder = Builder(ladder)
        self._experiments = {one.name: one for one in ladder.experiments}
        self._exposed: dict[str, tuple[Exposed, list[RawFile]]] = {}
        """Units of each experiment, with the files that told of them."""

    def read(self, outcomes: Sequence[RealOutcome]) -> list[Imported]:
        """Read these outcomes. Raises `ConfigError` for the first broken file.

        Those without data yet are told by `new` being None; preferences come from
        reviews, and are left out.
        """
        by_events = self._of_events([one for one in outcomes if one.events is not None])
        imported = []
        for outcome in outcomes:
            if outcome.kind == "preference":
                continue
            read = by_events.get(outcome.name) or self._of_files(outcome)
            imported.append(self._imported(outcome, read))
        return imported

    def _of_files(self, outcome: RealOutcome) -> Read | None:
        """Read an outcome that has files of its own; None: there are none yet."""
        experiment = self._experiments.get(outcome.experiment or "")
        key = outcome.source or ""
        files = self._files(f"[[outcome]] {outcome.name}: {key}", getattr(outcome, key))
        if not files:
            return None
        rungs = [rung.id for rung in self._ladder.rungs]
        variants = Variants(experiment, rungs, self._ladder.experiments)
        if key == "table":
            return self._of_table(outcome, experiment, files, variants)
        refuse_tracked(self._ladder.folder, [file.path for file in files])
        if key == "units":
            rows = UnitRows(outcome, experiment, variants)
            for file in files:
                rows.read(file)
            return Read(rows.sums(), rows.dropped, files, unit=rows.unit_column)
        return self._of_ratings(outcome, experiment, files, variants)

    def _of_table(
        self,
        outcome: RealOutcome,
        experiment: Experiment | None,
        files: list[RawFile],
        variants: Variants,
    ) -> Read:
        sums: dict[str, VariantSums] = {}
        for file in files:
            for name, own in read_table(file, outcome, variants).items():
                if name in sums:
                    raise ConfigError(
                        f"{file.label}: {name} is in {files[0].label} too; keep one."
                    )
                sums[name] = own
        for name, rung in (experiment.variants if experiment else {}).items():
            if rung and name not in sums:
                raise ConfigError(
                    f"{files[0].label}: there is no row of {name}; add it, or write "
                    f'{name} = "" in [[experiment]] {outcome.experiment}.'
                )
        return Read([*sums.items()], {}, files)

    def _of_events(self, outcomes: Sequence[RealOutcome]) -> dict[str, Read | None]:
        """Read outcomes of events; files that several share are read once."""
        read: dict[str, Read | None] = {}
        for name in dict.fromkeys(one.experiment for one in outcomes):
            own = [one for one in outcomes if one.experiment == name]
            exposed, exposures = self._exposures(self._experiments[name or ""])
            read |= self._of_experiment(exposed, exposures, own)
        return read

    def _of_experiment(
        self, exposed: Exposed, exposures: list[RawFile], own: Sequence[RealOutcome]
    ) -> dict[str, Read | None]:
        counted = {one.name: Counted(one, exposed) for one in own}
        files: dict[str, list[RawFile]] = {one.name: [] for one in own}
        for key, before in (("events", False), ("before", True)):
            for glob in dict.fromkeys(getattr(one, key) for one in own):
                if glob is None:
                    continue
                sharing = [one for one in own if getattr(one, key) == glob]
                where = f"[[outcome]] {sharing[0].name}: {key}"
                found = self._files(where, glob)
                refuse_tracked(self._ladder.folder, [file.path for file in found])
                for file in found:
                    takers = [counted[one.name] for one in sharing]
                    read_events(file, takers, exposed, before=before)
                for one in sharing:
                    files[one.name] += found
        return {
            one.name: Read(
                counted[one.name].sums(),
                exposed.dropped + counted[one.name].dropped,
                [*exposures, *files[one.name]],
                exposed.days,
                exposed.leaks,
                exposed.unit_column,
                notes=counted[one.name].notes,
            )
            if exposures and files[one.name]
            else None
            for one in own
        }

    def _of_ratings(
        self,
        outcome: RealOutcome,
        experiment: Experiment | None,
        files: list[RawFile],
        variants: Variants,
    ) -> Read:
        trace_files = []
        if outcome.traces is not None:
            where = f"[[outcome]] {outcome.name}: traces"
            trace_files = self._files(where, outcome.traces)
            refuse_tracked(self._ladder.folder, [file.path for file in trace_files])
        exposed, exposures = (
            self._exposures(experiment)
            if experiment is not None and experiment.exposures is not None
            else (None, [])
        )
        traces = read_traces(trace_files, outcome)
        said = Votes(outcome, variants, traces, exposed)
        for file in files:
            said.read(file)
        times = said.times
        return Read(
            said.sums(),
            said.dropped + exposed.dropped if exposed else said.dropped,
            [*files, *trace_files, *exposures],
            days=(day_of(min(times)), day_of(max(times))) if times else None,
            leaks=exposed.leaks if exposed else {},
            unit=exposed.unit_column if exposed else None,
            is_split=exposed is not None,
            notes=said.notes,
        )

    def _exposures(self, experiment: Experiment) -> tuple[Exposed, list[RawFile]]:
        """Read who met what, once for all outcomes of an experiment."""
        if experiment.name not in self._exposed:
            where = f"[[experiment]] {experiment.name}: exposures"
            files = self._files(where, experiment.exposures or "")
            refuse_tracked(self._ladder.folder, [file.path for file in files])
            exposed = Exposed(experiment)
            exposed.read(files)
            self._exposed[experiment.name] = exposed, files
        return self._exposed[experiment.name]

    def _files(self, where: str, glob: str) -> list[RawFile]:
        folder = self._ladder.folder
        return [
            RawFile(path, self._progress)
            for path in matching(folder, glob, f"{shown(self._ladder.path)}: {where}")
        ]

    def _imported(self, outcome: RealOutcome, read: Read | None) -> Imported:
        path = self._ladder.folder / FOLDER / f"{outcome.name}.json"
        old = read_aggregate(path) if path.is_file() else None
        if read is None:
            return Imported(outcome, old, None)
        new = self._builder.aggregate(outcome, read, old)
        notes = [*read.notes]
        told = (f"{file.label}: {note}" for file in read.files for note in file.notes)
        notes += dict.fromkeys(told)
        experiment = self._experiments.get(outcome.experiment or "")
        fresh = freshness_of(new, self._builder.prints_of(experiment, None))
        if fresh.unknown:
            notes.append(
                f"of {listed(fresh.unknown)} no fingerprint is known, for files such "
                "as weights are not on this machine; import again where they are"
            )
        if fresh.changed:
            notes.append(
                f"{listed(fresh.changed)} changed since users met it, so this decides "
                "nothing; say `deployed` in its [[experiment]], or delete "
                f"{FOLDER}/{outcome.name}.json where users met what is configured now"
            )
        problems = tuple(sentence for _, sentence in experiment_problems(new))
        return Imported(outcome, old, new, problems, tuple(notes))
