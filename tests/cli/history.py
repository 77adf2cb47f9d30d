"""A scripted history: what the gate says of three changes, each tried twenty times.

`python -m tests.cli.history FOLDER` makes a git repository in FOLDER with a baseline
on main, made of five runs of a made-up model, and a branch for each change: one that
changes nothing, one that costs ten points, one that costs two, and one that costs a
little on so few cases that it can hardly be told. Each is run live against main again
and again, with fresh replies, so that chance is real. A table says how often the gate
was red; the comments for the pull requests are kept in FOLDER/comments, the first of
each verdict.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.scripted_server import ScriptedServer

CASES = 200
RUNS_OF_MAIN = 5
RERUNS = 20
ORDER = "You answer customers of Tanuki Tea. Give the number of days. Be exact."
LADDER = """\
current = "bot/plain"

[[model]]
name = "bot"
tier = "off-the-shelf"
id = "openai/bot"
api_base = "{api_base}"
price = {{ input = 1.0, output = 2.0 }}
params = {{ temperature = 1, max_tokens = 20 }}
limits = {{ concurrency = 16 }}

[[strategy]]
name = "plain"
system = "{system}"
"""
TEST = """\
import pytest

pytestmark = pytest.mark.ladder(cases="cases.jsonl")


@pytest.mark.cheap(at_least=0.5)
def test_answer(reply, case):
    assert case.expected in reply.text
"""


class Change(NamedTuple):
    """What a branch does to the system prompt."""

    name: str
    system: str
    cases: int = CASES


CHANGES = (
    Change("harmless", ORDER + " Thank you."),
    Change("ten-points", ORDER.replace("Give the number of days. ", "")),
    Change("two-points", ORDER.replace(" Be exact.", "")),
    Change("few-cases", ORDER.replace(" of Tanuki Tea", ""), cases=40),
)
# What the model gets wrong without these words, as a share of the cases.
_NEEDS = {"Give the number of days.": 0.11, "Be exact.": 0.015, "of Tanuki Tea": 0.025}
_HEAD = (
    "| change | cases | true points | measured, mean | runs | PASS | FAIL | UNDECIDED "
    "| red | took more samples |"
)
_STEADY, _FLAKY = 0.65, 0.25


class MadeUpModel:
    """Is right with a probability that depends on the question and on the prompt.

    Two thirds of the questions it always knows, a quarter sometimes, a tenth never.
    """

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()

    def __call__(self, body: dict[str, Any]) -> str:
        system, question = (str(one["content"]) for one in body["messages"])
        asked = f"{system}\n{question}"
        self._asked[asked] += 1
        draw = random.Random(f"{asked}\n{self._asked[asked]}").random()
        right = draw < chance(system, question)
        return f"You have {_days(question)} days." if right else "Until next month."


def chance(system: str, question: str) -> float:
    """Return the probability of a right answer."""
    luck = random.Random(question)
    kind, sometimes, hard = luck.random(), luck.random(), luck.random()
    needed = sum(share for words, share in _NEEDS.items() if words not in system)
    if hard < needed:
        return 0.0
    if kind < _STEADY:
        return 1.0
    return sometimes if kind < _STEADY + _FLAKY else 0.0


def quality(system: str, cases: int = CASES) -> float:
    """Return the true quality of a prompt on so many cases, in [0, 1]."""
    return sum(chance(system, _question(n)) for n in range(cases)) / cases


class Repository:
    """A scratch git repository with a ladder in it."""

    def __init__(self, folder: Path, api_base: str, cases: int) -> None:
        self.folder = folder
        self._api_base = api_base
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.write("test_shop.py", TEST)
        known = [
            {"id": f"order-{n}", "input": _question(n), "expected": f"{_days(n)} days"}
            for n in range(cases)
        ]
        self.write("cases.jsonl", "".join(f"{json.dumps(case)}\n" for case in known))
        self.write(".gitignore", "ladder-report/\nruns/\n__pycache__/\n")

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def commit(self, system: str, message: str) -> None:
        """Commit everything, with this system prompt."""
        self.write("ladder.toml", LADDER.format(api_base=self._api_base, system=system))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def git(self, *arguments: str) -> None:
        """Call git; raises `CalledProcessError` when it fails."""
        names = ("-c", "user.name=Tanuki", "-c", "user.email=tanuki@example.com")
        subprocess.run(["git", *names, *arguments], cwd=self.folder, check=True)

    def pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the suite live, with fresh replies."""
        live = ("--ladder-live", "--ladder-refresh", "--ladder-budget=1")
        return self._run("pytest", *live, *arguments)

    def ladder(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call `pytest-ladder`."""
        return self._run("pytest_ladder.cli.main", *arguments)

    def _run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Scripted, and so without a key of anybody's.
        around = {**os.environ, "OPENAI_API_KEY": "none"}
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=around, capture_output=True, text=True
        )


class Outcome(NamedTuple):
    """What the gate said of one run of a branch."""

    verdict: str
    red: bool
    """Whether pytest failed."""
    change: float
    """Measured, as a share."""
    rows: int


def main() -> None:
    """Make the history, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="made anew")
    parser.add_argument("--reruns", type=int, default=RERUNS)
    names = [change.name for change in CHANGES]
    parser.add_argument("--only", choices=names, help="one change instead of all")
    given = parser.parse_args()
    folder: Path = given.folder.resolve()
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "comments").mkdir(parents=True)
    with ScriptedServer(reply=MadeUpModel(), record=False) as server:
        shops: dict[int, Repository] = {}
        _say(_HEAD, "| --- " * _HEAD.count(" |") + "|")
        for change in CHANGES:
            if given.only in (None, change.name):
                if change.cases not in shops:
                    place = folder / f"shop-{change.cases}"
                    shop = Repository(place, server.api_base, change.cases)
                    shops[change.cases] = shop
                    _make_main(shop)
                shop = shops[change.cases]
                came = list(_reruns(shop, change, folder / "comments", given.reruns))
                _say(_line(change, came))


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _make_main(repository: Repository) -> None:
    """Commit main, with a baseline of several runs."""
    repository.commit(ORDER, "shop")
    runs = [f"runs/{number}" for number in range(RUNS_OF_MAIN)]
    for run in runs:
        repository.pytest(f"--ladder-report={run}").check_returncode()
    update = ("baseline", "update", *runs, "--output", "ladder-baseline")
    repository.ladder(*update).check_returncode()
    repository.commit(ORDER, "baseline")


def _line(change: Change, came: Sequence[Outcome]) -> str:
    """Return a line of the table."""
    true = 100 * (quality(change.system, change.cases) - quality(ORDER, change.cases))
    mean = 100 * sum(one.change for one in came) / len(came)
    verdicts = Counter(one.verdict for one in came)
    counts = [verdicts[verdict] for verdict in ("pass", "fail", "undecided")]
    more = sum(one.rows > change.cases for one in came)
    cells = [len(came), *counts, sum(one.red for one in came), more]
    figures = " | ".join(map(str, cells))
    return f"| {change.name} | {change.cases} | {true:+.1f} | {mean:+.1f} | {figures} |"


def _reruns(
    repository: Repository, change: Change, comments: Path, reruns: int
) -> Iterator[Outcome]:
    repository.git("checkout", "--quiet", "-B", change.name, "main")
    repository.commit(change.system, change.name)
    for number in range(1, reruns + 1):
        done = repository.pytest("--ladder-baseline=git:main")
        report = repository.folder / "ladder-report" / "current"
        outcome = _outcome(report, done)
        name = f"{change.name}-{outcome.verdict}"
        if not (comments / f"{name}.md").exists():
            shutil.copy(report / "matrix.md", comments / f"{name}.md")
            (comments / f"{name}.txt").write_text(done.stdout, encoding="utf-8")
            (comments / f"{name}.run").write_text(str(number), encoding="utf-8")
        yield outcome
    repository.git("checkout", "--quiet", "--force", "main")


def _outcome(report: Path, done: subprocess.CompletedProcess[str]) -> Outcome:
    gates = json.loads((report / "matrix.json").read_text(encoding="utf-8"))["gates"]
    verdicts = [gate["verdict"] for gate in gates]
    worst = next(one for one in ("fail", "undecided", "pass") if one in verdicts)
    rows = (report / "rows.jsonl").read_text(encoding="utf-8").count("\n")
    return Outcome(worst, done.returncode != 0, _measured(done.stdout), rows)


def _measured(printed: str) -> float:
    """Return the change of quality that the gate measured, as a share."""
    (line, *_) = [x for x in printed.splitlines() if x.startswith("  quality, cheap")]
    return float(line.rpartition("; ")[2].partition(" points")[0]) / 100


def _question(number: int) -> str:
    return f"How long may I keep order {number}?"


def _days(of: int | str) -> int:
    number = of if isinstance(of, int) else int(of.rpartition(" ")[2].rstrip("?"))
    return 10 + number % 50


if __name__ == "__main__":
    main()
