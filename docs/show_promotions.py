"""Writes what docs/real-world.md quotes: comments of the gate, sentences of a report.

    python -m docs.show_promotions

The rows are those of examples/support/results; its users are invented, see there.
tests/test_docs.py holds that the page is up to date.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from pytest_ladder.config.load import load_ladder
from pytest_ladder.core.ladder import Gate
from pytest_ladder.decide.gate.compare import gate
from pytest_ladder.decide.gate.result import GateResult
from pytest_ladder.decide.matrix import build_matrix
from pytest_ladder.decide.real.users import Declared
from pytest_ladder.real.aggregates import declared_of
from pytest_ladder.reporting.files.baseline import compared_run
from pytest_ladder.reporting.files.read import read_report, rungs_of
from pytest_ladder.reporting.gate_comment import MARK, gate_markdown
from pytest_ladder.reporting.report import Report, report_on

FOLDER = Path(__file__).parent
PAGE = FOLDER / "real-world.md"
EXAMPLE = FOLDER.parent / "examples/support"
_QUOTED = re.compile(
    r"^(<!-- quoted -->)$.*?^(<!-- end -->)$", re.DOTALL | re.MULTILINE
)
DAY = datetime.date(2026, 7, 1)
PROMOTIONS = (
    ("smol/rag", "smol/few-shot-rag"),
    ("smol/few-shot", "smol/few-shot-rag"),
    ("smol/rag", "smol/few-shot"),
)
"""What shipped, and what a pull request would ship instead."""


class Promotion(NamedTuple):
    """A pull request that changes `current`, and what the gate says of it."""

    shipped: str
    candidate: str
    result: GateResult

    @property
    def comment(self) -> str:
        """The comment from its heading to the cases that flipped, which are folded."""
        whole = gate_markdown(self.result)
        return re.split(r"\n+The verdict rests on", whole)[0].removeprefix(
            f"{MARK}\n\n"
        )

    @property
    def sentences(self) -> str:
        """The comment without its table."""
        return re.sub(r"(^\|.*\n)+\n", "", self.comment, flags=re.MULTILINE)


def promotions() -> Iterator[Promotion]:
    """Hold each promotion to the suite and to June's users."""
    measured, june = read_report(EXAMPLE / "results"), _june()
    for shipped, candidate in PROMOTIONS:
        base, head = (_run(measured, june, rung) for rung in (shipped, candidate))
        result = gate(compared_run(base), compared_run(head), Gate())
        yield Promotion(shipped, candidate, result)


def predictions() -> str:
    """Say how far the cheap checks predict whom the replies help, on June's rungs."""
    june = _june()
    met = [variant.rung for variant in june.aggregates["resolved"].variants]
    users = _run(read_report(EXAMPLE / "results"), june, *met).users
    said = [one.sentence for one in users.proxies if one.outcome == "resolved"]
    return " ".join(said)


def _june() -> Declared:
    """Return June as it was in July: the example moves on, its users stay behind."""
    declared = declared_of(load_ladder(EXAMPLE / "ladder.toml"))
    prints = {
        name: {variant.rung: variant.fingerprint for variant in aggregate.variants}
        for name, aggregate in declared.aggregates.items()
    }
    return msgspec.structs.replace(declared, prints=prints, today=DAY)


def _run(measured: Report, june: Declared, *rungs: str) -> Report:
    """Return what a run of these rungs measures; the first is the one that ships."""
    # Its share is what today's rung reached; in May less was asked.
    rows = [
        msgspec.structs.replace(row, at_least=0.05)
        for row in measured.rows
        if row.rung in rungs
    ]
    own = [one for one in rungs_of(measured) if one.id in rungs]
    info = msgspec.structs.replace(measured.info, mode="current", current=rungs[0])
    objective = measured.objective if len(rungs) > 1 else None
    matrix = build_matrix(rows, own, {})
    return report_on(info, matrix, rows, objective, declared=june)


def quoting(page: str) -> str:
    """Return the page with everything that it quotes as it is now, in its order."""
    first, *others = promotions()
    sentences = [one.sentences for one in others]
    quoted = iter([first.comment, *sentences, predictions()])
    return _QUOTED.sub(
        lambda block: "\n".join([block[1], *_as_quote(next(quoted)), block[2]]), page
    )


def _as_quote(text: str) -> list[str]:
    return [f"> {line}".rstrip() for line in text.splitlines()]


if __name__ == "__main__":
    PAGE.write_text(quoting(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
