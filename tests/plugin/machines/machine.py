"""A machine: a checkout and a temporary folder of its own, and pytest as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests.plugin.scratch_suite import ANSWER, LADDER
from tests.scripted_server import ScriptedServer, says

SECRET = "s3cret"
"""What the password of each database begins with, which nothing may show."""
ROOT = Path(__file__).parents[3]
VARIABLE = "TEAM_STORE_URL"
STORE = f'\n[store]\nurl_env = "{VARIABLE}"\n'
USAGE = {"prompt_tokens": 40, "completion_tokens": 20}
REPLY_USD = (40 * 1.0 + 20 * 2.0) / 1e6


class Ended(NamedTuple):
    """What came of a run."""

    code: int
    said: str

    def counts(self) -> dict[str, int]:
        """Return outcomes by their name in pytest's last line."""
        last = self.said.rstrip().splitlines()[-1]
        return {name: int(n) for n, name in re.findall(r"(\d+) (\w+)", last)}


class Machine:
    """Runs the suite as a machine of its own would."""

    def __init__(
        self, folder: Path, server: ScriptedServer, store_url: str, cases: int
    ) -> None:
        self.folder = folder / "checkout"
        self.server = server
        self.store_url = store_url
        self.temporary = folder / "tmp"
        self.output = subprocess.PIPE
        """Where runs print: to a pipe, or to a file that is open, by its number."""
        for made in (self.folder, self.temporary):
            made.mkdir(parents=True)
        self.write("test_shop.py", "import pytest\n" + ANSWER)
        self.ladder(STORE)
        lines = [
            json.dumps({"id": f"c{n}", "input": f"say {n}", "expected": str(n)})
            for n in range(cases)
        ]
        self.write("cases.jsonl", "\n".join(lines) + "\n")

    def ladder(self, more: str) -> None:
        """Write ladder.toml, with more at its end."""
        model = LADDER.format(api_base=self.server.api_base)
        self.write("ladder.toml", model + more)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        around = {
            **os.environ,
            "TMPDIR": str(self.temporary),
            VARIABLE: self.store_url,
            "PYTHONPATH": str(ROOT),
            # No line of it is wrapped.
            "COLUMNS": "1000",
            **environment,
        }
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        return subprocess.Popen(
            [*command, *arguments],
            cwd=self.folder,
            env=around,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **environment: str) -> Ended:
        return ended(self.start(*arguments, **environment))

    def matrix(self, report: str = "ladder-report/current") -> dict[str, Any]:
        path = self.folder / report / "matrix.json"
        matrix: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return matrix


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a run, two minutes at most."""
    try:
        said, _ = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert SECRET not in said
    return Ended(process.returncode, said)


def costs(body: dict[str, Any]) -> Any:
    """Answer with the prompt, for `REPLY_USD`."""
    return says(str(body["messages"][-1]["content"]), usage=USAGE)
