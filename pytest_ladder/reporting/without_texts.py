"""A report without what was asked, expected and said: `[report] texts = false`.

Numbers, names, verdicts and why a row has no score stay. Done once, before anything is
written, so that no writer has to think of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from pytest_ladder.core.row import Row
from pytest_ladder.core.why import Why
from pytest_ladder.errors import ConfigError
from pytest_ladder.reporting.report import Report

if TYPE_CHECKING:
    from pytest_ladder.decide.against import RungAgainst
    from pytest_ladder.decide.gate.result import Flip, GateResult

F = TypeVar("F", "GateResult", "RungAgainst")

LEFT_OUT = "Texts are kept out of reports ([report] texts = false)"
_OWN_WORDS = frozenset({Why.BUDGET, Why.NO_REPLY, Why.NOT_RUN, Why.FUNNEL, Why.UNSURE})
"""Whose reasons are sentences of pytest-ladder; others quote a reply or a server."""


def without_texts(report: Report) -> Report:
    """Leave out inputs, what is expected, replies, and reasons that may quote them."""
    against = report.against
    if against is not None:
        rungs = tuple(map(_silent_flips, against.rungs))
        against = msgspec.structs.replace(against, rungs=rungs)
    return msgspec.structs.replace(
        report,
        info=msgspec.structs.replace(report.info, texts=False),
        rows=silent_rows(report.rows),
        exchanges={},
        cases={},
        gate=report.gate and _silent_flips(report.gate),
        against=against,
    )


def check_replies(report: Report) -> None:
    """Raise `ConfigError` for a report without replies to ask people about."""
    if not report.info.texts:
        raise ConfigError(
            "The report has no replies to show: [report] texts = false in ladder.toml "
            "kept them out; take one of a run without it."
        )


def silent_rows(rows: Sequence[Row]) -> list[Row]:
    """Return rows with all that they measured, and nothing that anybody said."""
    return [_silent(row) for row in rows]


def _silent(row: Row) -> Row:
    verdict = row.verdict
    if verdict is not None:  # One that failed the reply is false.
        verdict = msgspec.structs.replace(verdict, reason="")
    return msgspec.structs.replace(
        row,
        text="",
        said="",
        input="",
        expected="",
        reason=row.reason if row.why in _OWN_WORDS else "",
        verdict=verdict,
    )


def _silent_flips(holder: F) -> F:
    return msgspec.structs.replace(holder, flips=tuple(map(_silent_flip, holder.flips)))


def _silent_flip(flip: Flip) -> Flip:
    return msgspec.structs.replace(
        flip,
        before=msgspec.structs.replace(flip.before, text="", reason=""),
        after=msgspec.structs.replace(flip.after, text="", reason=""),
    )
