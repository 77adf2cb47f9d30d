"""What users paid for with an old version is theirs with this one.

Each folder `tests/data/from_COMMIT/` holds what that commit wrote; its README says how.
Nothing listens at the address in its ladder.toml, and no key is set.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.written_report import Command, files_of

DATA = Path(__file__).parents[1] / "data"
OLD = sorted(DATA.glob("from_*"))
REAL_NAMES = {
    "ladder": ".ladder",
    "report": "ladder-report",
    "baseline": "ladder-baseline",
}
"""Of what git would ignore under its own name; all else lies there as it is called."""
QUALITY = ("quality", "n", "missed", "errors", "coverage")
"""All that a level says but for its interval: grades have a better formula since."""
COST = ("usd_per_1k", "serve_usd_per_1k", "build_usd", "build_hours", "known")


class Upgraded:
    """The suite of a user who has just installed this version."""

    def __init__(self, pytester: pytest.Pytester, old: Path) -> None:
        self.old = old
        self.path = pytester.path
        self._pytester = pytester
        shutil.copytree(old / "suite", self.path, dirs_exist_ok=True)
        (self.path / "shop.py").rename(self.path / "test_shop.py")

    def bring(self, *names: str) -> None:
        """Put old files into their places."""
        for name in names:
            source, target = self.old / name, self.path / REAL_NAMES.get(name, name)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)

    def run(self, *arguments: str) -> pytest.RunResult:
        return self._pytester.runpytest_inprocess(*arguments)

    def matrix(self, folder: str = "ladder-report") -> dict[str, Any]:
        return matrix_in(self.path / folder)

    def recorded(self) -> list[dict[str, Any]]:
        return lines_of(self.path / "recordings/test_shop.jsonl")


@pytest.fixture(params=OLD, ids=[folder.name for folder in OLD])
def upgraded(
    pytester: pytest.Pytester,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Upgraded:
    monkeypatch.delenv("TANUKI_KEY", raising=False)
    return Upgraded(pytester, request.param)


def matrix_in(folder: Path) -> dict[str, Any]:
    text = (folder / "matrix.json").read_text(encoding="utf-8")
    matrix: dict[str, Any] = json.loads(text)
    return matrix


def lines_of(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def outcomes_in(folder: Path, rungs: Sequence[str]) -> dict[str, tuple[str, Any]]:
    """Say of every row what came out."""
    return {
        f"{row['test']} {row['rung']} {row.get('case', '')} {row.get('sample', 1)}": (
            (row["outcome"], row.get("score"))
        )
        for row in lines_of(folder / "rows.jsonl")
        if row["rung"] in rungs
    }


def figures_in(folder: Path, rungs: Sequence[str]) -> dict[str, Any]:
    """Return what a matrix says of rungs, but for what is about this run alone."""
    return {
        rung["id"]: {
            "cost": {name: rung["cost"].get(name) for name in COST},
            # How many of them were thoughts is told since.
            "tokens": {**(rung["tokens"] or {}), "reasoning": None},
            "state": rung["state"],
            "levels": {
                level: {name: cell.get(name) for name in QUALITY}
                | {"inside": cell["low"] <= cell["quality"] <= cell["high"]}
                for level, cell in rung["levels"].items()
            },
        }
        for rung in matrix_in(folder)["rungs"]
        if rung["id"] in rungs
    }


def assert_replayed(
    upgraded: Upgraded, folder: str, rungs: Sequence[str], replies: int
) -> None:
    """Check that a report is made of kept replies, and says what the old one said."""
    spend = upgraded.matrix(folder)["spend"]
    assert (spend["live_calls"], spend["product_usd"]) == (0, 0)
    assert spend["evaluation_usd"] == 0
    assert spend["replayed_calls"] == replies
    new, old = upgraded.path / folder, upgraded.old / "report"
    assert outcomes_in(new, rungs) == outcomes_in(old, rungs)
    assert figures_in(new, rungs) == figures_in(old, rungs)


def assert_nothing_is_missing(result: pytest.RunResult) -> None:
    assert result.ret == 0
    for words in ("*not stored*", "*No reply of*", "*no stored replies*"):
        result.stdout.no_fnmatch_line(words)


def assert_in_order(checked: tuple[int, str, str], recordings: int) -> None:
    status, told, _ = checked
    assert (status, told.splitlines()[-1]) == (
        0,
        f"{recordings} recordings: nothing to do",
    )


@pytest.mark.parametrize("spends", [(), ("--ladder-live",)], ids=["replay", "live"])
def test_all_rungs_come_from_the_store_alone(
    upgraded: Upgraded, command: Command, spends: tuple[str, ...]
) -> None:
    upgraded.bring("ladder", "labels.jsonl")
    result = upgraded.run("--ladder=matrix", *spends)
    assert_nothing_is_missing(result)
    old = matrix_in(upgraded.old / "report")
    rungs = [rung["id"] for rung in old["rungs"]]
    assert_replayed(upgraded, "ladder-report", rungs, old["spend"]["live_calls"])
    new, advice = upgraded.matrix()["recommendation"], old["recommendation"]
    assert (new["rung"], new["verdict"]) == (advice["rung"], advice["verdict"])
    # What people said of the old replies, they said of these.
    labels = f"--labels={upgraded.old / 'labels.jsonl'}"
    measured = command("calibrate", upgraded.old / "report", labels)
    assert command("calibrate", upgraded.path / "ladder-report", labels) == measured
    assert (measured[0], "20 labels" in measured[1]) == (0, True)


def test_what_ships_comes_from_the_recordings_alone(
    upgraded: Upgraded, command: Command
) -> None:
    upgraded.bring("recordings", "labels.jsonl", "baseline")
    before = files_of(upgraded.path / "recordings")
    result = upgraded.run("--ladder-baseline=ladder-baseline")
    assert_nothing_is_missing(result)
    ships = matrix_in(upgraded.old / "report")["run"]["current"]
    report = "ladder-report/current"
    assert_replayed(upgraded, report, [ships], len(upgraded.recorded()))
    gates = upgraded.matrix(report)["gates"]
    assert {gate["verdict"] for gate in gates} == {"pass"}
    assert command("gate", "ladder-baseline", report)[0] == 0
    assert files_of(upgraded.path / "recordings") == before
    assert not (upgraded.path / ".ladder/store.sqlite").exists()


def test_recordings_are_made_again_from_the_store(
    upgraded: Upgraded, command: Command
) -> None:
    upgraded.bring("ladder")
    assert_nothing_is_missing(upgraded.run("--ladder-live"))
    assert upgraded.matrix("ladder-report/current")["spend"]["live_calls"] == 0
    made_again = {one["key"] for one in upgraded.recorded()}
    old = {one["key"] for one in lines_of(upgraded.old / "recordings/test_shop.jsonl")}
    assert len(made_again) == len(old)
    assert_in_order(command("recordings", "check"), len(old))


def test_the_commands_read_old_files(upgraded: Upgraded, command: Command) -> None:
    upgraded.bring("recordings", "labels.jsonl", "baseline", "report")
    assert_in_order(command("recordings", "check"), len(upgraded.recorded()))
    status, told, errors = command("gate", "ladder-baseline", "ladder-report")
    assert (status, errors) == (0, "")
    assert told.startswith("gate: PASS")
    status, told, errors = command("report", "ladder-report", "--output", "again")
    assert (status, errors) == (0, "")
    old = matrix_in(upgraded.old / "report")
    rungs = [rung["id"] for rung in old["rungs"]]
    again = upgraded.path / "again"
    assert figures_in(again, rungs) == figures_in(upgraded.old / "report", rungs)
    assert matrix_in(again)["spend"] == old["spend"]
    # What rows said in a sentence only, they say by a code now.
    unjudged = [row for row in lines_of(again / "rows.jsonl") if row.get("why")]
    assert [(row["why"], row["reason"][:7]) for row in unjudged] == [
        ("funnel", "funnel:")
    ]
    exchanges = "exchanges.jsonl"
    assert len(lines_of(again / exchanges)) == len(
        lines_of(upgraded.old / "report" / exchanges)
    )


def test_a_climb_goes_on_with_its_seed(upgraded: Upgraded) -> None:
    """Another order of the cases would ask for replies that were never paid for."""
    upgraded.bring("ladder")
    # A climb takes no test that is packed.
    result = upgraded.run("--ladder=climb", "--ladder-live", "-k", "not packed")
    assert_nothing_is_missing(result)
    kept = json.loads((upgraded.old / "ladder/seeds.json").read_text(encoding="utf-8"))
    ((*_, seed),) = kept.values()
    climbed = upgraded.matrix("ladder-report/climb")
    assert (climbed["run"]["seed"], climbed["spend"]["live_calls"]) == (seed, 0)
    assert seed != 0
