"""A scratch ladder with raw files, and what `pytest-ladder outcomes` says of them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_ladder.cli.main import main

LADDER = """\
current = "bot/few"
[[model]]
name = "bot"
id = "openai/gpt-5-nano"
tier = "off-the-shelf"
[[strategy]]
name = "few"
[[strategy]]
name = "rag"
prompt = "Please: {input}"
"""
JUNE = """\
[[experiment]]
name = "june"
variants = { control = "bot/few", treatment = "bot/rag" }
"""
EXPOSURES = 'exposures = "traffic/exposures.csv"\n'
RESOLVED = """\
[[outcome]]
name = "resolved"
experiment = "june"
kind = "rate"
events = "traffic/events.csv"
event = "resolved"
"""


class Said(NamedTuple):
    """What a command ended with."""

    status: int
    out: str
    err: str


class Suite:
    """A folder with a ladder; commands run in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def ladder(self, *parts: str) -> None:
        """Write `ladder.toml`: two rungs, and these parts."""
        self.write("ladder.toml", LADDER + "".join(parts))

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file; one that ends in `.gz` is packed."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = content.encode() if isinstance(content, str) else content
        # Without a time, so that the same content is the same file.
        path.write_bytes(gzip.compress(plain, mtime=0) if name[-3:] == ".gz" else plain)
        return path

    def lines(self, name: str, rows: Iterable[Any]) -> Path:
        """Write a file of JSON lines."""
        return self.write(name, "".join(f"{json.dumps(row)}\n" for row in rows))

    def run(self, *arguments: str) -> Said:
        """Run `pytest-ladder outcomes …`."""
        self._capsys.readouterr()
        status = main(["outcomes", *arguments])
        return Said(status, *self._capsys.readouterr())

    def imported(self, name: str) -> dict[str, Any]:
        """Import an outcome, which must succeed, and return its file."""
        said = self.run("import", name)
        assert said.status == 0, said
        return self.aggregate(name)

    def aggregate(self, name: str) -> dict[str, Any]:
        """Return what is written of an outcome."""
        path = self.folder / "outcomes" / f"{name}.json"
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return read

    def sums(self, name: str) -> dict[str, tuple[int, float | None]]:
        """Import an outcome; returns units and sum of each variant."""
        variants = self.imported(name)["variants"]
        return {one["variant"]: (one["units"], one.get("sum")) for one in variants}

    def june(self, units: int = 12) -> None:
        """Write exposures: even units met the control, odd ones the treatment."""
        rows = (
            f"u{n},{('control', 'treatment')[n % 2]},2026-06-{1 + n % 28:02d}T09:00:00Z"
            for n in range(units)
        )
        self.write(
            "traffic/exposures.csv", "user_id,variant,timestamp\n" + "\n".join(rows)
        )


def event(unit: int, name: str = "resolved", value: str = "", hours: int = 1) -> str:
    """Write an event that comes some hours after the unit of `Suite.june` came."""
    day, hour = 1 + unit % 28 + (9 + hours) // 24, (9 + hours) % 24
    return f"u{unit},{name},{value},2026-06-{day:02d}T{hour:02d}:00:00Z\n"


def events(*rows: str) -> str:
    """Write a file of events."""
    return "user_id,event,value,timestamp\n" + "".join(rows)
