"""A ladder: the configured rungs with objective, judge and gate."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

import msgspec

from pytest_ladder.core.outcomes import Experiment, RealOutcome, ReviewConfig
from pytest_ladder.core.rung import Endpoint, Model, Rung, Strategy, Table
from pytest_ladder.core.score import Level

LABELS = "labels.jsonl"
"""The file of people's labels when the configuration names none."""


class Require(Table, frozen=True, kw_only=True):
    """A criterion that a rung must meet whatever else decides.

    It is about the rows that `level`, `test` and `tag` all name.
    """

    level: Level | None = None
    """The level whose rows count; None: that of `test`, or else of the objective."""
    test: str | None = None
    """A test whose rows alone count: its function's name, or its node id."""
    tag: str | None = None
    """A tag of cases whose rows alone count."""
    at_least: float | None = None
    """The quality that these must have, in [0, 1]."""
    latency_p95_s: float | None = None
    """Or the 95th percentile of their latency at most, in seconds, above 0."""

    @property
    def name(self) -> str:
        """What reports call it: `safety`, `judged de`."""
        parts = [part for part in (self.level, self.test, self.tag) if part]
        if self.latency_p95_s is not None:
            parts.append("p95")
        return " ".join(parts)

    @property
    def is_partial(self) -> bool:
        """Whether it is about some tests or cases of a level only."""
        return self.test is not None or self.tag is not None

    @property
    def where(self) -> str:
        """The rows that it is about: ` in test_tone on cases tagged de`."""
        said = f" in {self.test}" if self.test else ""
        if self.level:
            said += f" at the {self.level} level"
        return f"{said} on cases tagged {self.tag}" if self.tag else said

    def covers(self, test: str, tags: Collection[str]) -> bool:
        """Whether it is about rows of a test, by its node id, on cases with `tags`."""
        return self.names(test) and (self.tag is None or self.tag in tags)

    def names(self, test: str) -> bool:
        """Whether it is about a test, by its node id."""
        file, colons, name = test.partition("::")
        function = file + colons + name.partition("[")[0]
        return self.test is None or any(
            known == self.test or known.endswith(f"::{self.test}")
            for known in (test, function)
        )


class Objective(Table, frozen=True, kw_only=True):
    """What the team wants: a quality, a cost, or as much quality as can be had."""

    kind: str
    """A bar that is met, a cap that is kept, the most quality, or the most value."""
    quality: float | None = None
    """The quality that is good enough, in [0, 1]; required for `good-enough`."""
    level: Level = Level.CHEAP
    """The level that decides."""
    volume: int = 100_000
    """Calls over which build cost is spread, from 1."""
    require: tuple[Require, ...] = ()
    """Constraints, a `[[objective.require]]` each: a rung must meet all."""
    latency_p95_s: float | None = None
    """Constraint: the 95th percentile of latency, in seconds, above 0; the same as a
    `require` of it alone."""
    usd_per_1k: float | None = None
    """The cap in USD per 1,000 calls, build included; required for `budget`."""
    build_hours: float | None = None
    """Constraint: calendar hours that building may take."""
    min_n: int | None = None
    """Constraint: units that a verdict needs at least."""
    tolerance: float = 0.03
    """How far below the best a cheaper rung may be where no bar says what is enough,
    in [0, 1], as long as it is not established that it is worse."""
    best: Literal["quality", "speed"] = "quality"
    """What is best within a `budget`: quality, or the median of live latencies."""
    right_usd: float | None = None
    """What a right answer is worth in USD, above 0; required for `value`."""
    wrong_usd: float | None = None
    """What a wrong answer costs in USD, 0 or more; required for `value`."""
    chance: float | None = None
    """The quality that guessing has, in [0, 1], as 0.25 where four choices are shown: a
    line in the chart of quality against cost. It decides nothing."""

    @property
    def requirements(self) -> tuple[Require, ...]:
        """All that is required, `latency_p95_s` included."""
        if self.latency_p95_s is None:
            return self.require
        return (*self.require, Require(latency_p95_s=self.latency_p95_s))


class JudgeConfig(Endpoint, frozen=True, kw_only=True):
    """The model that grades replies."""

    jury: tuple[Endpoint, ...] = ()
    """More models that vote with it."""
    labels: str | None = None
    """File of people's verdicts, relative to the ladder; None: `labels.jsonl`."""
    funnel: bool = True
    """Whether a case is left unjudged, as a miss, when a cheap check of it missed."""
    vision: bool = True
    """Whether judges are shown images, audio and PDFs of a case; false for a model that
    takes none. Its text files are shown in any case."""


class Gate(Table, frozen=True, kw_only=True):
    """What blocks a pull request: margins against the baseline."""

    undecided: Literal["pass", "fail"] = "pass"
    """What an undecided verdict does to the exit status."""
    quality_drop: float = 0.02
    """Drop of quality that blocks when it is significant, in [0, 1]."""
    cost: float | None = None
    """Rise of cost per call that blocks, as a share: 0.1 is 10 %; None: not gated."""
    latency_p95: float | None = None
    """Rise of p95 latency that blocks, as a share; None: not gated."""
    non_inferiority: float | None = None
    """Margin of the opt-in non-inferiority test, in [0, 1]; None: not tested."""
    anchor: str | None = None
    """An old baseline that those since must not drift away from: `git:REF`, or a
    report's folder, relative to the ladder; None: not looked at."""
    real_drop: float = 0.0
    """How much worse for users a promoted rung may be, in the outcome's unit."""
    real_days: int | None = None
    """Days after which an outcome decides nothing, from 1; None: any age does."""


class GatewayConfig(Table, frozen=True, kw_only=True, rename={"passes": "pass"}):
    """How an app that asks by HTTP is answered."""

    override: tuple[str, ...] = ("*",)
    """Patterns (`fnmatch`) of model names in requests that mean the rung's model."""
    passes: tuple[str, ...] = ()
    """Names of models that stay what they are on every rung: helpers of the app."""
    ignore: tuple[str, ...] = ()
    """Regular expressions of what means nothing in messages: left out of keys."""
    host: str = "127.0.0.1"
    """Address to listen at; `0.0.0.0` lets containers of this machine in."""


class StoreConfig(Table, frozen=True, kw_only=True):
    """The database that machines share."""

    url_env: str = "LADDER_STORE_URL"
    """Name of the variable with its address; not set: this machine alone."""
    schema: str = "ladder"
    """Schema of the tables, so that several projects share a database."""
    ledger: str | None = None
    """What calls draw on besides `--ladder-budget`; its cap is in the database."""


class ReportConfig(Table, frozen=True, kw_only=True):
    """What reports hold."""

    texts: bool = True
    """Whether they hold what cases ask and expect and what models and judges say:
    false keeps it out of every file that is written, JUnit's included."""


class LogConfig(Table, frozen=True, kw_only=True):
    """Where a live matrix or climb is logged when it has ended."""

    mlflow: str | None = None
    """Experiment of MLflow that it goes to, if `MLFLOW_TRACKING_URI` is set."""
    otel: bool = False
    """Whether it goes to the endpoint of OpenTelemetry that the environment names."""


class Ladder(msgspec.Struct, frozen=True, kw_only=True):
    """All rungs of one configuration file, with what is wanted of them."""

    path: Path
    """The configuration file."""
    models: tuple[Model, ...]
    strategies: tuple[Strategy, ...]
    rungs: tuple[Rung, ...]
    """In file order, models first; run and report orders come from cost."""
    planned: tuple[Rung, ...] = ()
    """Rungs of models that are not built yet; neither is among `models` and `rungs`."""
    tried: tuple[Rung, ...] = ()
    """Those of the `rungs` that no file declares: what `--ladder-try` adds."""
    current: Rung | None = None
    """The rung that ships, as declared; None when the file does not say."""
    litmus: Rung | None = None
    """The most capable rung, as declared; None: a report says it."""
    objective: Objective | None = None
    judge: JudgeConfig | None = None
    gate: Gate = Gate()
    experiments: tuple[Experiment, ...] = ()
    outcomes: tuple[RealOutcome, ...] = ()
    """Measures of real use."""
    review: ReviewConfig = ReviewConfig()
    gateway: GatewayConfig = GatewayConfig()
    report: ReportConfig = ReportConfig()
    store: StoreConfig | None = None
    """None: no other machine shares anything with this one."""
    log: LogConfig = LogConfig()

    @property
    def folder(self) -> Path:
        """The folder that paths in the file are relative to."""
        return self.path.parent

    @property
    def labels(self) -> Path:
        """The file of people's verdicts on replies; it need not exist."""
        named = None if self.judge is None else self.judge.labels
        return self.folder / (named or LABELS)

    @property
    def primary(self) -> RealOutcome | None:
        """The outcome that is level `real`; None where none is, or can be."""
        for outcome in self.outcomes:
            if outcome.primary:
                return outcome
        only = self.outcomes[0] if len(self.outcomes) == 1 else None
        return only if only is not None and only.is_quality else None
