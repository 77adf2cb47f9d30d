"""Which rung a litmus tries: the most capable one, as measured or as named.

How a model was made, and what it costs, does not tell what it can do: a tiny model may
be pretrained, and a dear one fail. So a report must say it, or the user.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pytest_ladder.core.ladder import Ladder
from pytest_ladder.core.rung import GOLD, Rung
from pytest_ladder.core.score import Level
from pytest_ladder.errors import ConfigError
from pytest_ladder.text.numbers import percent
from pytest_ladder.text.phrases import listed, shown

_MATRIX = "matrix.json"


class LitmusRung(NamedTuple):
    """The rung of a litmus, with the context of each case, and why this one."""

    rung: Rung
    why: str


class _Measured(msgspec.Struct):
    """What is read of a rung in a report."""

    id: str
    levels: dict[str, dict[str, Any]] = {}


class _Matrix(msgspec.Struct):
    rungs: list[_Measured]
    run: dict[str, Any] = {}


def choose(
    ladder: Ladder, rungs: Sequence[Rung], reports: Iterable[Path], *, named: bool
) -> LitmusRung:
    """Choose among the rungs of a run; `named`: the command line narrowed them.

    `reports` are folders, of which the first that has measured a rung counts. Raises
    `ConfigError` where nothing tells which rung is the most capable.
    """
    if len(rungs) == 1:
        why = "named by --ladder-rungs" if named else "the only rung"
        return LitmusRung(_with_gold_context(rungs[0]), why)
    if ladder.litmus is not None and ladder.litmus in rungs:
        why = f"named by `litmus` in {shown(ladder.path)}"
        return LitmusRung(_with_gold_context(ladder.litmus), why)
    level = ladder.objective.level if ladder.objective else Level.CHEAP
    tried = [folder / _MATRIX for folder in reports]
    for path in tried:
        measured = _qualities(path, level)
        known = [rung for rung in rungs if rung.id in measured]
        if known:
            best = max(known, key=lambda rung: measured[rung.id])
            why = f"measured best in {shown(path)}: {percent(measured[best.id])}"
            return LitmusRung(_with_gold_context(best), why)
    raise ConfigError(
        "--ladder=litmus tries the most capable rung, and nothing tells which of them "
        f"that is ({listed(rung.id for rung in rungs)}): {shown(tried[0])} has "
        "measured none; name one with --ladder-rungs=… or with `litmus` in "
        f"{shown(ladder.path)}, or run --ladder=matrix first."
    )


def _qualities(path: Path, level: Level) -> dict[str, float]:
    """Read what rungs score at a level; empty where there is no readable report."""
    try:
        matrix = msgspec.json.decode(path.read_bytes(), type=_Matrix)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return {}
    if matrix.run.get("mode") == "litmus":
        # Each case came with its context there.
        return {}
    scores = {m.id: m.levels.get(level, {}).get("quality") for m in matrix.rungs}
    return {id_: s for id_, s in scores.items() if isinstance(s, int | float)}


def _with_gold_context(rung: Rung) -> Rung:
    """Return the rung with a retriever that returns the context given in each case."""
    strategy = msgspec.structs.replace(
        rung.strategy, name=GOLD, corpus=None, retriever=GOLD, models=()
    )
    return msgspec.structs.replace(rung, strategy=strategy)
