"""The README's code runs, its figures are measured, its commands are those of CI."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_code_runs(pytester: pytest.Pytester) -> None:
    """Against the scripted echo model, which needs neither network nor key."""
    pytester.makefile(
        ".toml",
        ladder="""
            [[model]]
            name = "echo"
            tier = "off-the-shelf"
            id = "scripted/echo"
        """,
    )
    case = '{"id": "japan", "input": "Not Tokyo?", "expected": "Tokyo"}'
    (pytester.path / "cases.jsonl").write_text(case, encoding="utf-8")
    (code,) = blocks("python")
    pytester.makepyfile(code)
    pytester.runpytest_inprocess().assert_outcomes(passed=2)


def test_the_decision_it_shows_is_that_of_the_example() -> None:
    report = json.loads(
        (ROOT / "examples/support/results/matrix.json").read_text(encoding="utf-8")
    )
    rungs = {rung["id"]: rung for rung in report["rungs"]}
    quoted = re.findall(
        r"^([▸✦ ]) (\S+/\S+) +(\w+) +([\d.]+) % .* \$([\d.]+)$", README, re.M
    )
    assert len(quoted) == 4
    for mark, name, verdict, percent, dollars in quoted:
        assert (mark == "▸") == (name == report["run"]["current"])
        assert (mark == "✦") == (name == report["recommendation"]["rung"])
        assert verdict == rungs[name]["levels"]["cheap"]["verdict"]
        assert float(percent) == round(
            rungs[name]["levels"]["cheap"]["quality"] * 100, 1
        )
        assert float(dollars) == round(rungs[name]["cost"]["usd_per_1k"], 4)
    reason = report["recommendation"]["reason"]
    said = re.findall("PASS: (.*), …", README)
    assert len(said) == 1
    assert reason.startswith(said[0])


def test_ci_runs_the_command_of_the_readme() -> None:
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8").split("\n")
    ci = [line.strip() for line in ci]
    (command,) = re.findall(r"^(python .*\[dev\].*)$", README, re.MULTILINE)
    parts = command.split(" && ")
    environment, _, tests = parts
    assert [line for line in ci if line in parts] == [environment, tests]
    # The same pins by uv, which takes a sixth of pip's time.
    assert "packages_into .venv constraints.txt dev,dev-browser" in ci


def test_contributors_and_ci_install_the_same() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^(python .*\[dev\].*)$", README, re.MULTILINE)
    assert command in contributing
    for name in ("constraints.txt", "constraints-metrics.txt"):
        assert f"'{name} dev" in contributing
        pins = (ROOT / name).read_text(encoding="utf-8").split()
        assert pins
        assert all(re.fullmatch(r"[a-z0-9-]+==[^=]+", pin) for pin in pins)


@pytest.mark.processes
def test_the_commands_of_the_example_run_what_they_say(
    pytester: pytest.Pytester,
) -> None:
    """As a plan, which takes the same options and calls nobody."""
    commands = re.findall(r"\.venv/bin/pytest (examples/support .*)$", README, re.M)
    assert len(commands) == 2
    shutil.copytree(
        ROOT / "examples/support",
        pytester.path / "examples/support",
        ignore=shutil.ignore_patterns(".ladder"),
    )
    planned = []
    for command in commands:
        options = command.replace("--ladder-live", "--ladder-plan").split()
        result = pytester.runpytest_subprocess(*options)
        assert result.ret in (0, pytest.ExitCode.NO_TESTS_COLLECTED)
        calls = re.findall(r"^smol/\S+ +(\d+) +(\d+) ", result.stdout.str(), re.M)
        planned.append([int(made) + int(stored) for made, stored in calls])
    assert planned == [[30] * 4, [109] * 4]


def test_the_readme_is_short_enough_to_read() -> None:
    assert 80 <= len(README.splitlines()) <= 170
