"""How commands print: a line, and a report."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec

from pytest_ladder.reporting.report import Report
from pytest_ladder.reporting.terminal.lines import glyphs_for
from pytest_ladder.reporting.terminal.report import decision_lines, report_lines
from pytest_ladder.text.phrases import shown
from pytest_ladder.text.untrusted import clip, plain

_BAR = 20
"""Signs of the progress bar."""


def say(line: str) -> None:
    """Print a line, without control characters and in what the terminal can show."""
    encoding = sys.stdout.encoding or "ascii"
    visible = "".join(character for character in line if character.isprintable())
    sys.stdout.write(visible.encode(encoding, "replace").decode(encoding) + "\n")


def say_json(value: Any) -> None:
    """Print a value as JSON, for programs."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    sys.stdout.write(f"{text}\n")


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


class ProgressLine:
    """A line on the terminal that says how far long work is; none in a file."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._width = 0

    def __call__(self, label: str, share: float, done: str) -> None:
        """Show a bar: `share` is in [0, 1], `done` what is done, as `1,200 rows`."""
        if self._is_shown:
            signs = round(_BAR * min(1.0, share))
            bar = f"[{'#' * signs}{'.' * (_BAR - signs)}]"
            self._write(f"{bar} {clip(plain(label), 40)}: {done}")

    def rows(self, label: str, share: float, rows: int) -> None:
        """Show how many rows were read."""
        self(label, share, f"{rows:,} rows")

    def end(self) -> None:
        """Take the line away."""
        if self._width:
            self._write("")
            sys.stderr.write("\r")
            self._width = 0

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r{text.ljust(self._width)}")
        sys.stderr.flush()
        self._width = len(text) or self._width
