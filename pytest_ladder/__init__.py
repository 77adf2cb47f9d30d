"""LLM evals as pytest runs: which rung is good enough, and what it costs.

Names are imported when they are first asked for, because pytest imports this
package in every suite of an environment, whether the suite uses it or not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_ladder.calls.lanes.scripted import ScriptedModel
    from pytest_ladder.cases.choices import score_choice
    from pytest_ladder.core.case import Case
    from pytest_ladder.core.reply import Reply, Retrieved, Usage
    from pytest_ladder.core.row import Row
    from pytest_ladder.core.rung import Model, Rung, Strategy, Tier
    from pytest_ladder.core.score import Level, Score, Verdict
    from pytest_ladder.errors import (
        CallError,
        ConfigError,
        JudgeError,
        LadderError,
        LocalModelError,
        MissingReply,
        ReplyNotJson,
    )
    from pytest_ladder.judging.retrieval_metrics import (
        document_recall,
        precision,
        reciprocal_rank,
    )
    from pytest_ladder.prompting.prompter import Estimate, Prompt, Prompter, at_once
    from pytest_ladder.prompting.single_turn import SingleTurn
    from pytest_ladder.reporting.public import WrittenReport, read_report
    from pytest_ladder.session.llm import logged

# Here, and not asked of the package's metadata: every report names it, and reading all
# of that with its README takes as long as three replayed tests.
__version__ = "0.2.0.dev0"

__all__ = [
    "CallError",
    "Case",
    "ConfigError",
    "Estimate",
    "JudgeError",
    "LadderError",
    "Level",
    "LocalModelError",
    "MissingReply",
    "Model",
    "Prompt",
    "Prompter",
    "Reply",
    "ReplyNotJson",
    "Retrieved",
    "Row",
    "Rung",
    "Score",
    "ScriptedModel",
    "SingleTurn",
    "Strategy",
    "Tier",
    "Usage",
    "Verdict",
    "WrittenReport",
    "at_once",
    "document_recall",
    "logged",
    "precision",
    "read_report",
    "reciprocal_rank",
    "score_choice",
]

_HOMES = {
    "calls.lanes.scripted": ("ScriptedModel",),
    "errors": (
        "CallError",
        "ConfigError",
        "JudgeError",
        "LadderError",
        "LocalModelError",
        "MissingReply",
        "ReplyNotJson",
    ),
    "judging.retrieval_metrics": ("document_recall", "precision", "reciprocal_rank"),
    "cases.choices": ("score_choice",),
    "core.case": ("Case",),
    "core.reply": ("Reply", "Retrieved", "Usage"),
    "core.row": ("Row",),
    "core.rung": ("Model", "Rung", "Strategy", "Tier"),
    "core.score": ("Level", "Score", "Verdict"),
    "reporting.public": ("WrittenReport", "read_report"),
    "prompting.prompter": ("Estimate", "Prompt", "Prompter", "at_once"),
    "prompting.single_turn": ("SingleTurn",),
    "session.llm": ("logged",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
