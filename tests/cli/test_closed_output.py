"""A reader that has read enough, as `| head -1` has, ends a command quietly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.written_report import written

GATE = ["gate", "a", "a", "--output", "a/out"]
REPORT = ["report", "a", "--output", "a/out"]


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [
        (GATE, ""),
        (GATE, "1"),
        (REPORT, ""),
        (REPORT, "1"),
        (["gate", "--help"], ""),
    ],
    ids=lambda one: one if isinstance(one, str) else one[0],
)
def test_nobody_reads_on(tmp_path: Path, arguments: list[str], unbuffered: str) -> None:
    written(tmp_path / "a")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "pytest_ladder.cli.main", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
    # What was to be written does not depend on who reads along.
    assert (tmp_path / "a/out").exists() is ("--output" in arguments)
