"""How commands print: a line, and a report."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.terminal.lines import glyphs_for
from pytest_ladder.reporting.terminal.report import decision_lines, report_lines
from pytest_ladder.text.phrases import shown


def say(line: str) -> None:
    """Print a line, without control characters and in what the terminal can show."""
    encoding = sys.stdout.encoding or "ascii"
    visible = "".join(character for character in line if character.isprintable())
    sys.stdout.write(visible.encode(encoding, "replace").decode(encoding) + "\n")


def show(report: Report, written: Path | None) -> None:
    """Print the matrix and, the last line, the headline, as pytest does.

    `written` is the folder of the report, None where none was written.
    """
    width = shutil.get_terminal_size().columns
    glyphs = glyphs_for(sys.stdout.encoding)
    for line, _ in report_lines(report, width, glyphs):
        say(line)
    if report.against is not None:
        from pytest_ladder.reporting.against_text import against_lines

        for text in against_lines(report.against, width, glyphs.ellipsis):
            say(text)
    if report.gate is not None:
        from pytest_ladder.reporting.sentences.gate import gate_lines

        for text in gate_lines(report.gate):
            say(text)
    if written is not None:
        say(f"report: {shown(written)}")
    on_terminal = sys.stdout.isatty()
    for line, _ in decision_lines(report, width, wrap_headline=on_terminal):
        say(line)
