"""Under which names raw files tell of rungs: variants of an experiment, or rung ids."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from pytest_ladder.core.outcomes import Experiment
from pytest_ladder.real.sources.reading import RawFile
from pytest_ladder.real.sources.values import told
from pytest_ladder.text.phrases import did_you_mean, listed


class Variants:
    """What a file may call the rungs of an outcome."""

    def __init__(
        self,
        experiment: Experiment | None,
        rungs: Iterable[str],
        others: Iterable[Experiment] = (),
    ) -> None:
        """`others` are experiments that an outcome without one could be of."""
        self._experiment = experiment
        self._others = tuple(others)
        self._names = {rung: rung for rung in rungs}
        if experiment is not None:
            met = {rung: name for name, rung in experiment.variants.items() if rung}
            self._names = met | {name: name for name in experiment.variants}
        self._folded = by_folded(self._names)
        self.declared = () if experiment is None else tuple(experiment.variants)
        """Variants of the experiment."""

    def known(self, text: str | None) -> str | None:
        """Return the same as `named`; None for what is neither."""
        text = text or ""
        name = self._names.get(text)
        return name or self._names.get(self._folded.get(folded(text), ""))

    def named(
        self, file: RawFile, line: int, text: str, *, by_trace: bool = False
    ) -> str:
        """Return the variant that a row names, or the rung where there are none.

        `by_trace`: not the row does, but the trace that it is about. Raises
        `ConfigError` for what is neither.
        """
        name = self.known(text)
        if name is not None:
            return name
        head = "by its trace " if by_trace else ""
        if self._experiment is not None:
            raise file.error(line, head + unknown_variant(text, self._experiment))
        fitting = [one.name for one in self._others if one.variants.get(text)]
        if fitting:
            raise file.error(
                line,
                f"{head}{told(text)} is not a rung, and a variant of [[experiment]] "
                f'{listed(fitting)}; say experiment = "{fitting[0]}" in the '
                "[[outcome]].",
            )
        among = f"the rungs are {listed(self._names)}."
        near = did_you_mean(text[:60], self._names, among)
        raise file.error(
            line,
            f"{head}{told(text)} is not a rung; {near} Correct it there, or give the "
            "rung of each variant in an [[experiment]].",
        )


def by_folded(names: Iterable[str]) -> dict[str, str]:
    """Return names by what is left of them when `folded`, but those that fall together.

    People and platforms write `Control`, `control` and `control ` alike.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(folded(name), []).append(name)
    return {key: own[0] for key, own in found.items() if len(own) == 1}


def folded(text: str) -> str:
    """Leave out of a variant's name what makes no difference.

    A flag that is on is `true` or 1, by the tool that writes it.
    """
    plain = unicodedata.normalize("NFC", text.strip()).casefold()
    return {"true": "1", "false": "0"}.get(plain, plain)


def unknown_variant(variant: str, experiment: Experiment) -> str:
    """Say that a variant is in a file and not in the configuration."""
    known = experiment.variants
    near = did_you_mean(variant[:60], known, f"the variants are {listed(known)}.")
    is_bare = re.fullmatch(r"[A-Za-z0-9_-]{1,24}", variant)
    key = variant if is_bare else told(variant)
    return (
        f"the variant {told(variant)} is no key of [[experiment]] {experiment.name}'s "
        f'variants; add it, or write {key} = "" to leave it out: {near}'
    )
