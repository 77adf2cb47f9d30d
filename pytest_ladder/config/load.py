"""Configuration: `ladder.toml`, or `[tool.pytest-ladder]` of pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.config import rules
from pytest_ladder.config.models import check_models, check_secrets
from pytest_ladder.config.source import PYPROJECT, Source, decode, read_source
from pytest_ladder.core.ladder import (
    Gate,
    GatewayConfig,
    JudgeConfig,
    Ladder,
    LogConfig,
    Objective,
    ReportConfig,
    StoreConfig,
)
from pytest_ladder.core.outcomes import Experiment, RealOutcome, ReviewConfig
from pytest_ladder.core.rung import SETTINGS, Model, Rung, Strategy
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import shown

FILE = "ladder.toml"

_OWN_HEADER = rb"(?m)^\s*\[{1,2}\s*tool\s*\.\s*[\"']?pytest-ladder"


class LadderFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file as it is written."""

    current: str | None = None
    litmus: str | None = None
    objective: Objective | None = None
    model: tuple[Model, ...] = ()
    strategy: tuple[dict[str, Any], ...] = ()
    """What each may set depends on what it uses."""
    judge: JudgeConfig | None = None
    gate: Gate = Gate()
    experiment: tuple[Experiment, ...] = ()
    outcome: tuple[RealOutcome, ...] = ()
    review: ReviewConfig = ReviewConfig()
    gateway: GatewayConfig = GatewayConfig()
    report: ReportConfig = ReportConfig()
    store: StoreConfig | None = None
    log: LogConfig = LogConfig()


def find_ladder(start: Path) -> Path | None:
    """Return the configuration in reach of a folder: the nearest one upward.

    Nothing is remembered: callers that ask often keep the answers. Raises
    `ConfigError` when one folder holds both kinds of configuration.
    """
    for folder in (start, *start.parents):
        own, shared = folder / FILE, folder / PYPROJECT
        has_own, has_shared = own.is_file(), _has_table(shared)
        if has_own and has_shared:
            raise ConfigError(
                f"{shown(own)} and [tool.pytest-ladder] in {shown(shared)} are in one "
                "folder; keep one of them."
            )
        if has_own or has_shared:
            return own if has_own else shared
    return None


def load_ladder(path: Path) -> Ladder:
    """Read a configuration file. Raises `ConfigError` for its first mistake."""
    source = read_source(path)
    # First, so that no other message can repeat a key.
    check_secrets(source)
    file = decode(source, LadderFile)
    strategies = rules.read_strategies(source, len(file.strategy), LadderFile)
    if any(not SETTINGS.isdisjoint(table) for table in file.strategy):
        # Most strategies have their prompts in the file, and leave all else to models.
        from pytest_ladder.config.strategy_settings import settled

        strategies = settled(source, strategies)
    strategies = strategies or (Strategy(name="zero-shot"),)
    check_models(source, file.model, file.judge)
    rules.check_strategies(source, strategies, file.model)
    _check_parts(source, file)
    models = tuple(model for model in file.model if not model.planned)
    planned = tuple(model for model in file.model if model.planned)
    rungs = _rungs(models, strategies)
    later = _rungs(planned, strategies)
    current = _named(source, "current", file.current, rungs, later)
    if file.experiment or file.outcome or "review" in source.table:
        # Most suites know nothing of users.
        from pytest_ladder.config import outcomes

        outcomes.check_experiments(source, file.experiment, rungs, current)
        outcomes.check_outcomes(source, file.outcome, file.experiment)
        outcomes.check_review(source, file.review)
    return Ladder(
        path=path,
        models=models,
        strategies=strategies,
        rungs=rungs,
        planned=later,
        current=current,
        litmus=_named(source, "litmus", file.litmus, rungs, later),
        objective=file.objective,
        judge=file.judge,
        gate=file.gate,
        experiments=file.experiment,
        outcomes=file.outcome,
        review=file.review,
        gateway=file.gateway,
        report=file.report,
        store=file.store,
        log=file.log,
    )


def _check_parts(source: Source, file: LadderFile) -> None:
    """Check the tables that ask nothing of others; rules of rare ones load late."""
    if file.objective is not None:
        rules.check_objective(source, file.objective)
    rules.check_gate(source, file.gate)
    if "gateway" in source.table:
        # Most suites have no app.
        from pytest_ladder.config import gateway

        gateway.check_gateway(source, file.gateway)
    if file.store is not None:
        # Most suites share nothing.
        from pytest_ladder.config import store

        store.check_store(source, file.store)
    if file.log.mlflow is not None:
        # Most suites are logged nowhere.
        from pytest_ladder.config import log

        log.check_log(source, file.log)


def _named(
    source: Source,
    key: str,
    rung: str | None,
    rungs: tuple[Rung, ...],
    planned: tuple[Rung, ...],
) -> Rung | None:
    if rung is None:
        return None
    return rules.check_rung(source, key, rung, rungs, planned)


def _rungs(
    models: tuple[Model, ...], strategies: tuple[Strategy, ...]
) -> tuple[Rung, ...]:
    return tuple(
        Rung(model=model, strategy=strategy)
        for model in models
        for strategy in strategies
        if rules.suits(strategy, model)
    )


def _has_table(path: Path) -> bool:
    """Whether a pyproject.toml has a table of ours; most are never parsed."""
    if not path.is_file():
        return False
    data = path.read_bytes()
    if b"pytest-ladder" not in data:
        return False
    try:
        table = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # Ours if it looks so: loading it then says what is broken and where.
        return bool(re.search(_OWN_HEADER, data))
    tool = table.get("tool")
    return isinstance(tool, dict) and "pytest-ladder" in tool
