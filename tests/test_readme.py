"""The README's code runs, and its commands are those that CI runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_ladder.config.load import load_ladder
from pytest_ladder.session import options

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
    case = '{"id": "days", "input": "45 days", "expected": "45 days"}'
    (pytester.path / "cases.jsonl").write_text(case, encoding="utf-8")
    first, *others = blocks("python")
    code = "\n".join([first, *others])
    pytester.makepyfile(code)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=4)


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    (tmp_path / "ladder.toml").write_text(text, encoding="utf-8")
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb/refunds.md").write_text("# Refunds\n45 days", encoding="utf-8")
    example = '{"input": "How long?", "expected": "45 days"}\n'
    (tmp_path / "examples.jsonl").write_text(example * 1, encoding="utf-8")
    ladder = load_ladder(tmp_path / "ladder.toml")
    assert len(ladder.rungs) == 4


def test_every_option_is_documented() -> None:
    for option in options.OPTIONS:
        assert option.flag in README, f"{option.flag} is missing in README.md"


def test_ci_runs_the_command_of_the_readme() -> None:
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    (command,) = re.findall(r"^(python .*\[dev\].*)$", README, re.MULTILINE)
    parts = command.split(" && ")
    assert len(parts) == 3
    assert [line for line in ci if line in parts] == parts


def test_contributors_and_ci_install_the_same() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^(python .*\[dev\].*)$", README, re.MULTILINE)
    assert command in contributing
    for name in ("constraints.txt", "constraints-metrics.txt"):
        assert f"'{name} dev" in contributing
        pins = (ROOT / name).read_text(encoding="utf-8").split()
        assert pins
        assert all(re.fullmatch(r"[a-z0-9-]+==[^=]+", pin) for pin in pins)


def test_the_readme_is_short_enough_to_read() -> None:
    assert 150 <= len(README.splitlines()) <= 250
