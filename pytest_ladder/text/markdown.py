"""Parts of a Markdown page, for GitHub; what goes into them is Markdown already."""

from __future__ import annotations

from collections.abc import Sequence


def table_row(cells: Sequence[str]) -> str:
    """Write a line of a table; its cells are Markdown already."""
    return f"| {' | '.join(cells)} |"


def within(lines: Sequence[str], room: int) -> tuple[list[str], int]:
    """Keep the first lines that fit into `room` bytes; count the others."""
    kept: list[str] = []
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return kept, len(lines) - len(kept)


def folded(summary: str, body: str) -> str:
    """Show a line that opens to the rest."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"
