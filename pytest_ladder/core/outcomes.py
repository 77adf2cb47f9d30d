"""What real use is measured by, as `ladder.toml` declares it: level 3 of the matrix."""

# Annotations are evaluated here, not kept as text: msgspec would compile each of them
# when the first file is read, and that took longer than all else of a run's outcomes.

import datetime
from typing import Literal

import msgspec

from pytest_ladder.core.rung import Table

OutcomeKind = Literal["rate", "mean", "ratio", "rating", "thumbs", "preference"]
FingerprintPart = Literal["prompt", "examples", "corpus", "model", "params"]

TableColumn = Literal[
    "n",
    "successes",
    "mean",
    "sd",
    "se",
    "variance",
    "sum",
    "sum_squares",
    "per_sum",
    "per_sum_squares",
    "cross",
    "before_sum",
    "before_sum_squares",
    "before_cross",
]
"""What a table tells of a variant."""

SOURCES = ("events", "units", "table", "ratings")
"""Keys of an outcome that name its raw files: exactly one of them is set, but for
preferences, which come from reviews."""


class Experiment(Table, frozen=True, kw_only=True):
    """A random assignment of users to rungs."""

    name: str
    """Of letters, digits, `.`, `_` and `-`."""
    variants: dict[str, str]
    """Every variant in the files, with the rung that its users met; an empty text
    leaves one out on purpose."""
    exposures: str | None = None
    """Files (a glob) with who met which variant when; read by `outcomes import`."""
    shares: dict[str, float] | None = None
    """Planned share of each variant, together 1; None: equal."""
    control: str | None = None
    """The variant that others are held against; None: that of the current rung."""
    unit: str | None = None
    """Column of who was assigned; None: the one column that is known as such."""
    columns: dict[Literal["variant", "time", "experiment"], str] = msgspec.field(
        default_factory=dict
    )
    """Other columns, where a file has none, or several, of the known names; a path
    leads into one, such as `properties.plan`."""
    id: str | None = None
    """Only rows of this experiment, where files hold several."""
    zone: str | None = None
    """Time zone, such as Europe/Berlin, of times that name none; None: UTC."""
    dates: Literal["dmy", "mdy"] | None = None
    """Order of day, month and year in times such as 06/07/2026, as spreadsheets write
    them; None: such times are refused."""
    days: tuple[datetime.date, datetime.date] | None = None
    """First and last day of exposure (UTC), both included; None: all."""
    analysis: Literal["sequential", "fixed"] = "sequential"
    """Whether it may be looked at each day, or is decided once, at `units`."""
    units: int | None = None
    """Units of each variant that a fixed analysis waits for, from 2."""
    deployed: str | None = None
    """Git reference of the configuration that users met; None: as at the import."""
    ignore: tuple[FingerprintPart, ...] = ()
    """Parts of a rung that may change without its outcomes getting stale."""


class RealOutcome(Table, frozen=True, kw_only=True):
    """A measure of real use."""

    name: str
    """Of letters, digits, `.`, `_` and `-`."""
    kind: OutcomeKind
    """What is measured of a unit: yes or no, a number, two numbers, a grade, votes."""
    experiment: str | None = None
    """Who was assigned at random; None: use was only observed, or reviewed."""
    primary: bool = False
    """Whether it is level `real` of the matrix; an only outcome is so by itself."""
    goal: Literal["up", "down"] = "up"
    """Whether more is better."""
    bar: float | None = None
    """What is good enough, in the outcome's own unit."""
    guardrail: float | None = None
    """Getting worse by so much, in its unit, blocks a promotion; None: no guardrail."""
    observed: bool = False
    """Whether outcomes without random assignment may decide: confounding accepted."""
    events: str | None = None
    """Files (a glob) with what units did; needs an experiment with `exposures`."""
    event: str | None = None
    """The event that counts; needs `events`."""
    per: str | None = None
    """The event that a ratio is divided by; of events only."""
    value: str | None = None
    """Column with the number of a row; None: events are counted, and of `units` it is
    the one that is known as such."""
    within_hours: float | None = None
    """Hours after the first exposure that count, above 0; None: all that follow."""
    missing: Literal["zero", "skip"] = "zero"
    """What a unit without the event counts in a mean."""
    range: tuple[float, float] | None = None
    """Worst and best possible value of a mean or ratio; values beyond are clipped."""
    before: str | None = None
    """Files with the same measure before exposure (CUPED)."""
    units: str | None = None
    """Files (a glob) with one row for each unit, joined already."""
    table: str | None = None
    """A file with one row for each variant."""
    ratings: str | None = None
    """Files (a glob) with grades or votes."""
    column: str | None = None
    """Column of the grade; None: the one that is known as such."""
    scale: tuple[float | str, ...] | None = None
    """Lowest and highest grade, or the words from worst to best."""
    no_answer: tuple[str, ...] = ()
    """What stands for no answer, such as "N/A", and is left out; an empty cell does."""
    nps: bool = False
    """Whether a scale of 0 to 10 is that of a net promoter score."""
    score: str | None = None
    """Name of the score in exports of other tools, or of the metric in a table; None:
    the only one."""
    decimal: Literal[".", ","] | None = None
    """What stands before the fraction in numbers that are no plain digits: with "," a
    "2.380,5" is 2380.5; None: such numbers are refused."""
    traces: str | None = None
    """Files (a glob) with the traces that votes belong to."""
    rung_from: str | None = None
    """Path in a trace that names its variant or rung, such as `metadata.rung`."""
    columns: dict[
        Literal["unit", "variant", "time", "event", "metric", TableColumn], str
    ] = msgspec.field(default_factory=dict)
    """Other columns, where a file has none, or several, of the known names: of a table
    also those of `n`, `successes`, `mean`, `sd`, `se`, `variance`, `sum`, …"""

    @property
    def is_quality(self) -> bool:
        """Whether its worst and best value are known, so that 0 and 1 mean them."""
        return self.kind != "mean" or self.range is not None

    @property
    def source(self) -> str | None:
        """The key that names its raw files; None for preferences."""
        return next((key for key in SOURCES if getattr(self, key) is not None), None)


class ReviewConfig(Table, frozen=True, kw_only=True):
    """What people are asked about replies."""

    question: str = "Would you send this reply?"
    """Shown above each reply."""
    scale: Literal["binary", "graded"] = "binary"
    """Yes or no, or grades from 1 to 5."""
    raters: int = 2
    """People wanted for each reply, from 1."""
    show: tuple[Literal["input", "context", "expected"], ...] = ("input",)
    """What of the case is shown beside the reply."""
    file: str = "reviews.jsonl"
    """Where verdicts are kept, relative to the configuration file."""
