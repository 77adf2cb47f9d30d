"""Files with one row for each unit, joined already: its variant and its value."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from pytest_ladder.core.aggregate import SEVERAL, VariantSums
from pytest_ladder.core.outcomes import Experiment, RealOutcome
from pytest_ladder.errors import ConfigError
from pytest_ladder.real.sources.naming import say_columns
from pytest_ladder.real.sources.reading import CLIPPED, NO_UNIT, RawFile
from pytest_ladder.real.sources.values import number_at, told, yes_or_no
from pytest_ladder.real.sources.variants import Variants
from pytest_ladder.text.phrases import listed

OTHER_VALUE = "duplicate row with another value (the first counts)"

Measure = tuple[float, float, float]
"""Value, denominator and the measure before, of one unit."""


class UnitRows:
    """What one-row-a-unit files say, by variant; later files add to earlier ones."""

    def __init__(
        self, outcome: RealOutcome, experiment: Experiment | None, variants: Variants
    ) -> None:
        self._outcome = outcome
        self._experiment = experiment
        self._variants = variants
        self._units: dict[str, str | None] = {}
        """Variant of each unit; None: it met several."""
        self._measures: dict[str, Measure] = {}
        self.has_before = False
        self.dropped: Counter[str] = Counter()
        self.unit_column = ""

    def read(self, file: RawFile) -> None:
        """Take a file in. Raises `ConfigError` for a row that cannot be."""
        columns = self._columns(file)
        needs_per = self._outcome.kind in ("ratio", "thumbs")
        for line, (who, variant, value, per, before) in file.rows(columns):
            variant = self._variants.named(file, line, variant)
            if not who:
                self.dropped[NO_UNIT] += 1
                continue
            if not value.strip() or (needs_per and not per.strip()):
                self.dropped["without a value"] += 1
                continue
            measure = (
                self._value(file, line, columns[2], value),
                self._number(file, line, columns[3], per) if needs_per else 0.0,
                self._number(file, line, columns[4], before) if before.strip() else 0.0,
            )
            self._check_votes(file, line, measure)
            known = self._units.setdefault(who, variant)
            if known != variant:
                self._units[who] = None
            elif who in self._measures:
                is_same = self._measures[who] == measure
                self.dropped["duplicate row" if is_same else OTHER_VALUE] += 1
            else:
                self._measures[who] = measure

    def sums(self) -> list[tuple[str, VariantSums]]:
        """Return (variant, its sums), units that met several left out and counted."""
        of: dict[str, list[Measure]] = {}
        for who, variant in self._units.items():
            if variant is not None:
                of.setdefault(variant, []).append(self._measures[who])
        several = sum(variant is None for variant in self._units.values())
        self.dropped[SEVERAL] = several
        return [(variant, self._of(measures)) for variant, measures in of.items()]

    def _of(self, measures: list[Measure]) -> VariantSums:
        total = math.fsum
        more: dict[str, Any] = {}
        if self._outcome.kind in ("ratio", "thumbs"):
            more |= {
                "per_sum": total(per for _, per, _ in measures),
                "per_sum_squares": total(per * per for _, per, _ in measures),
                "cross": total(value * per for value, per, _ in measures),
            }
        if self.has_before:
            more |= {
                "before_sum": total(before for *_, before in measures),
                "before_sum_squares": total(before * before for *_, before in measures),
                "before_cross": total(value * before for value, _, before in measures),
            }
        return VariantSums(
            variant="",
            rung="",
            units=len(measures),
            sum=total(value for value, *_ in measures),
            sum_squares=total(value * value for value, *_ in measures),
            **more,
        )

    def _columns(self, file: RawFile) -> list[str | None]:
        outcome, experiment = self._outcome, self._experiment
        head = f"in [[outcome]] {outcome.name}"
        unit = outcome.columns.get("unit") or (experiment.unit if experiment else None)
        self.unit_column = file.column("unit", unit, say_columns(["unit"], head))
        variant = file.column(
            "variant",
            outcome.columns.get("variant"),
            say_columns(["variant"], head),
            self._variants.known,
        )
        value = file.column("value", outcome.value, f'say value = "…" {head}')
        per = file.find_column("per", None, head)
        before = file.find_column("before", None, head)
        self.has_before = before is not None
        if per is None and outcome.kind in ("ratio", "thumbs"):
            raise ConfigError(
                f'{file.label}:1: a "{outcome.kind}" needs a column `per`, the '
                f"denominator, and there are {listed(file.columns)}; add it."
            )
        return [self.unit_column, variant, value, per, before]

    def _check_votes(self, file: RawFile, line: int, measure: Measure) -> None:
        value, per, _ = measure
        if per < 0:
            raise file.error(line, f"per is {per:g}; a denominator is 0 or more.")
        if self._outcome.kind == "thumbs" and not 0 <= value <= per:
            raise file.error(
                line, f"{value:g} thumbs up of {per:g} votes; correct one of them."
            )

    def _number(self, file: RawFile, line: int, column: str | None, text: str) -> float:
        return number_at(file.error, line, column, text, self._outcome.decimal)

    def _value(self, file: RawFile, line: int, column: str | None, text: str) -> float:
        outcome = self._outcome
        if outcome.kind == "rate":
            said = yes_or_no(text)
            if said is not None:
                return float(said)
            raise file.error(
                line,
                f"{column} is {told(text)}, and a rate is of 0 and 1 (or yes and no, "
                'true and false); write one of them, or kind = "mean".',
            )
        value = self._number(file, line, column, text)
        if outcome.range is None:
            return value
        low, high = sorted(outcome.range)
        self.dropped[CLIPPED] += not low <= value <= high
        return min(high, max(low, value))
