"""Which ladder.toml a command means, where the report lies elsewhere."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from pytest_ladder.judging.calibration.labels import line_of
from pytest_ladder.reporting.files.write import write_report
from tests.cli.written_report import Command
from tests.judging.judged_rows import a_report, labels_for, some_rows

M = '[[model]]\nname = "m"\ntier = "off-the-shelf"\nid = "openai/m"\n'
ROWS = some_rows(30, 10)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout whose suite lies in a folder of it; its root is here."""
    root = tmp_path / "checkout"
    suite = root / "examples" / "shop"
    suite.mkdir(parents=True)
    (suite / "ladder.toml").write_text(M)
    labels = labels_for(ROWS, 20, 2, 2, 6)
    (suite / "labels.jsonl").write_text("".join(map(line_of, labels)))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    monkeypatch.chdir(root)
    return root


def put(folder: Path, ladder: str) -> None:
    made = a_report(ROWS)
    info = msgspec.structs.replace(made.info, ladder=ladder)
    write_report(folder, msgspec.structs.replace(made, info=info))


@pytest.mark.parametrize(
    "folder", ["ladder-report", "../download"], ids=["written here", "downloaded"]
)
def test_a_report_knows_the_ladder_of_its_suite(
    checkout: Path, command: Command, folder: str
) -> None:
    put(checkout / folder, "examples/shop/ladder.toml")
    status, out, err = command("calibrate", folder)
    assert (status, err) == (0, "")
    assert "30 labels" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("calibrate", "ladder-report"),
        ("label", "ladder-report"),
        ("review", "ladder-report", "--rater", "ann"),
        ("review", "ladder-report", "--rater", "ann", "--ask", "labels"),
    ],
    ids=lambda words: " ".join(words),
)
@pytest.mark.parametrize(
    "named",
    ["", "{}/ladder.toml", "../elsewhere/ladder.toml", "examples/no.toml", ".."],
)
def test_a_report_from_elsewhere_names_no_file_beyond_the_checkout(
    checkout: Path, command: Command, arguments: Sequence[str], named: str
) -> None:
    elsewhere = checkout.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "ladder.toml").write_text(M)
    put(checkout / "ladder-report", named.format(elsewhere))
    status, _, err = command(*arguments)
    assert status == 2
    assert "No ladder.toml is in reach of ladder-report or of the working" in err
    assert "call this where there is one: `examples/shop`" in err
    assert not (elsewhere / "labels.jsonl").exists()


def test_a_link_out_of_the_checkout_is_not_followed(
    checkout: Path, command: Command
) -> None:
    (checkout.parent / "other.toml").write_text(M)
    (checkout / "link.toml").symlink_to(checkout.parent / "other.toml")
    put(checkout / "ladder-report", "link.toml")
    assert command("calibrate", "ladder-report")[0] == 2


@pytest.mark.usefixtures("checkout")
def test_outcomes_say_where_there_is_a_ladder(command: Command) -> None:
    status, _, err = command("outcomes", "show")
    assert status == 2
    assert "call this where there is one: `examples/shop`." in err


def test_without_git_the_folder_of_the_suite_is_meant(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = command("outcomes", "show")
    assert status == 2
    assert "call this in the folder of your suite." in err
