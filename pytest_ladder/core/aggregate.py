"""What is kept of real use: sums over the users of each rung, no user and no text.

The JSON of `outcomes/NAME.json`, which is committed. Older files must stay readable:
fields are only ever added, and each has a default.
"""

# Annotations are evaluated here, not kept as text: msgspec would compile each of them
# when the first file is read, and that took longer than all else of a run's outcomes.

import datetime
from typing import Literal

import msgspec

from pytest_ladder.core.outcomes import OutcomeKind

SCHEMA = "pytest-ladder-outcome/1"

SEVERAL = "several variants"
"""The reason in `Aggregate.dropped` of units that met more than one variant."""

UNKNOWN = "unknown"
"""The fingerprint of a rung whose files are not here, such as weights."""

LEAST_UNITS = 5
"""Units of a variant below which its sums are withheld: they could tell of a person."""


class VariantSums(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of the users of one rung.

    `sum` is over units: of successes (rate), values (mean), numerators (ratio), up
    votes (thumbs) or grades. It is None, as are the others, where it is withheld.
    """

    variant: str
    rung: str
    fingerprint: str = ""
    """Of what was deployed; empty: nobody said."""
    share: float | None = None
    """Planned share of units; None: not assigned at random."""
    units: int
    sum: float | None = None
    sum_squares: float | None = None
    per_sum: float | None = None
    """Of denominators, such as votes."""
    per_sum_squares: float | None = None
    cross: float | None = None
    """Of numerator times denominator."""
    before_sum: float | None = None
    """Of the same measure before exposure."""
    before_sum_squares: float | None = None
    before_cross: float | None = None
    """Of the measure times that before exposure."""
    counts: tuple[int, ...] = ()
    """Answers for each grade, from the lowest; of ratings only."""
    asked: int | None = None
    """Units that were exposed, where only those that answered are summed; None: all
    units are, or nobody knows who was asked."""

    replies: int | None = None
    """Of the rung, with a vote or without; of thumbs with traces only."""

    @property
    def assigned(self) -> int:
        """Units whose number the split of an experiment is tested by."""
        return self.units if self.asked is None else self.asked


class Look(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One import that brought new data."""

    to: datetime.date
    """The last day that it covers."""
    units: int
    """Of all variants."""
    differences: dict[str, tuple[float, float, float]] = {}
    """Of each variant from the control, as it was told: difference, low and high."""


class SourceFile(msgspec.Struct, frozen=True, kw_only=True):
    """A raw file that was read; it stays where it is."""

    name: str
    rows: int
    sha256: str


class Aggregate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One outcome, as it was imported."""

    schema: str = msgspec.field(default=SCHEMA)
    name: str
    kind: OutcomeKind
    goal: Literal["up", "down"] = "up"
    experiment: str | None = None
    unit: str | None = None
    """Column of who was assigned."""
    assigned: Literal["random", "observed"] = "observed"
    analysis: Literal["sequential", "fixed"] = "sequential"
    planned_units: int | None = None
    """Units of each variant at which a fixed analysis is decided."""
    control: str | None = None
    """The variant that others are held against."""
    scale: tuple[float | str, ...] = ()
    """Of grades: the lowest and the highest, or words from worst to best; -1 and 1 of a
    net promoter score, where `counts` are of 0 to 10."""
    range: tuple[float, float] | None = None
    first: datetime.date | None = msgspec.field(default=None, name="from")
    """First day of exposure, or of answers (UTC)."""
    last: datetime.date | None = msgspec.field(default=None, name="to")
    deployed: str | None = None
    """Git reference of the configuration that users met."""
    looks: tuple[Look, ...] = ()
    variants: tuple[VariantSums, ...] = ()
    leaks: dict[str, int] = {}
    """Units of variants that should have had none."""
    dropped: dict[str, int] = {}
    """Rows or units that were left out, by the reason."""
    sources: tuple[SourceFile, ...] = ()

    @property
    def units(self) -> int:
        """Units of all variants."""
        return sum(variant.units for variant in self.variants)

    @property
    def several(self) -> int:
        """Units that met several variants, and are left out."""
        return self.dropped.get(SEVERAL, 0)

    def of_rung(self, rung: str) -> VariantSums | None:
        """Return what is known of a rung's users; None: it met none."""
        for variant in self.variants:
            if variant.rung == rung:
                return variant
        return None
