"""Configuration: `ladder.toml`, or `[tool.pytest-ladder]` of pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from pytest_ladder.config import rules
from pytest_ladder.config.models import check_models, check_secrets
from pytest_ladder.config.source import PYPROJECT, Source, decode, read_source
from pytest_ladder.core.ladder import Gate, JudgeConfig, Ladder, Objective
from pytest_ladder.core.rung import Model, Rung, Strategy
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import shown

FILE = "ladder.toml"

_OWN_HEADER = re.compile(
    rb"^\s*\[{1,2}\s*tool\s*\.\s*[\"']?pytest-ladder", re.MULTILINE
)


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file as it is written."""

    current: str | None = None
    objective: Objective | None = None
    model: tuple[Model, ...] = ()
    strategy: tuple[Strategy, ...] = ()
    judge: JudgeConfig | None = None
    gate: Gate = Gate()


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
    file = decode(source, _File)
    strategies = file.strategy or (Strategy(name="zero-shot"),)
    check_models(source, file.model, file.judge)
    rules.check_strategies(source, strategies, file.model)
    if file.objective is not None:
        rules.check_objective(source, file.objective)
    rules.check_gate(source, file.gate)
    rungs = _rungs(file.model, strategies)
    return Ladder(
        path=path,
        models=file.model,
        strategies=strategies,
        rungs=rungs,
        current=_current(source, file.current, rungs),
        objective=file.objective,
        judge=file.judge,
        gate=file.gate,
    )


def _current(
    source: Source, current: str | None, rungs: tuple[Rung, ...]
) -> Rung | None:
    return None if current is None else rules.check_current(source, current, rungs)


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
        return bool(_OWN_HEADER.search(data))
    tool = table.get("tool")
    return isinstance(tool, dict) and "pytest-ladder" in tool
