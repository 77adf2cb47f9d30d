"""The third level of the example: its users are invented, and said to be so."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.cli.main import main
from tests.examples.test_example_support import FOLDER

NAMES = ("csat", "escalated", "minutes", "resolved", "thumbs")
SUMS = ("units", "sum", "sum_squares", "per_sum", "per_sum_squares", "cross", "counts")


def sums(folder: Path, names: Sequence[str] = NAMES) -> dict[str, dict[str, list[Any]]]:
    """Return what was summed up of each outcome and rung."""
    return {
        name: {
            variant["rung"]: [variant.get(key) for key in SUMS]
            for variant in json.loads(
                (folder / f"outcomes/{name}.json").read_text(encoding="utf-8")
            )["variants"]
        }
        for name in names
    }


def test_june_is_drawn_again_and_comes_to_what_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else, in examples/support: remove outcomes/, and simulate and import 1 to 4."""
    for name in ("ladder.toml", "examples.jsonl"):
        shutil.copy(FOLDER / name, tmp_path)
    shutil.copytree(FOLDER / "kb", tmp_path / "kb")
    simulate = importlib.import_module("examples.support.simulate_june")
    simulate.write(tmp_path / "traffic")
    monkeypatch.chdir(tmp_path)
    assert main(["outcomes", "import"]) == 0
    assert sums(tmp_path) == sums(FOLDER)


def test_six_numbers_typed_by_hand_are_enough_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (FOLDER.parents[1] / "docs/real-world.md").read_text(encoding="utf-8")
    declared = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0]
    (table,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    ladder = (FOLDER / "ladder.toml").read_text(encoding="utf-8")
    without = ladder[: ladder.index("# Level 3")]
    (tmp_path / "ladder.toml").write_text(without + declared, encoding="utf-8")
    (tmp_path / "june.csv").write_text(table, encoding="utf-8")
    shutil.copy(FOLDER / "examples.jsonl", tmp_path)
    shutil.copytree(FOLDER / "kb", tmp_path / "kb")
    monkeypatch.chdir(tmp_path)
    assert main(["outcomes", "import"]) == 0
    typed = sums(tmp_path, ["resolved"])["resolved"]
    counted = sums(FOLDER)["resolved"]
    assert typed == {rung: counted[rung] for rung in typed}


def test_users_of_june_met_what_real_models_replied() -> None:
    simulate = importlib.import_module("examples.support.simulate_june")
    text = (FOLDER / "june-replies.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    right = {
        rung: sum(
            simulate.kind_of(row, row["replies"][rung]).startswith("the right")
            for row in rows
        )
        for rung in simulate.VARIANTS.values()
    }
    # As in results/README.md when they were frozen.
    assert right == {"smol/few-shot": 10, "smol/rag": 10, "smol/few-shot-rag": 16}
    assert len(rows) == 109


def test_tests_of_users_hold_on_what_ships_and_are_skipped_where_nobody_was(
    pytester: pytest.Pytester,
) -> None:
    shutil.copytree(
        FOLDER,
        pytester.path / "support",
        ignore=shutil.ignore_patterns(".ladder", "traffic", "build", "models"),
    )
    # The example's own tests may be imported in this process, under the same names.
    result = pytester.runpytest_inprocess(
        *("support", "-m", "real", "--ladder=matrix", "-rs", "--import-mode=importlib")
    )
    # Fewer than 30 % of the users of smol/few-shot and of smol/rag got help.
    found = result.parseoutcomes()
    assert [found[name] for name in ("passed", "missed", "skipped")] == [4, 2, 2]
    result.stdout.fnmatch_lines(["*no user has met smol/zero-shot*"])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("examples/support/README.md", "6,000 **invented** ones"),
        ("examples/support/ladder.toml", "June never happened"),
        ("examples/support/test_users.py", "invented"),
        ("docs/real-world.md", "**the users are invented**"),
    ],
    ids=lambda one: one if "/" in one else None,
)
def test_wherever_june_is_told_it_is_called_invented(name: str, told: str) -> None:
    assert told in (FOLDER.parents[1] / name).read_text(encoding="utf-8")


def test_no_row_of_anybody_is_committed() -> None:
    ignored = (FOLDER.parents[1] / ".gitignore").read_text(encoding="utf-8")
    assert "examples/support/traffic/" in ignored.splitlines()
    for path in (FOLDER / "outcomes").iterdir():
        assert not any(f'"u{n:04}"' in path.read_text("utf-8") for n in range(100))
