"""Machines as users have them: their languages, read-only folders, CI variables."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.plugin.scratch_suite import ANSWER, CASES, Shop


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "worker"])
def test_a_case_of_any_script_runs_where_the_machine_has_ascii_only(
    shop: Shop, workers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.cases([{"id": "größe-返品", "input": "say ö", "expected": "ö"}])
    shop.test(ANSWER)
    for name, value in {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }.items():
        monkeypatch.setenv(name, value)
    result = shop.pytester.runpytest_subprocess("--ladder-live", "-v", *workers)
    result.assert_outcomes(passed=1)
    (row,) = shop.rows()
    assert (row["case"], row["text"]) == ("größe-返品", "say ö")


@pytest.fixture
def read_only(shop: Shop) -> Iterator[Callable[[], None]]:
    """Turn the folder of the shop into one that takes no files, until the test ends."""
    folder = str(shop.path)
    mounted = False

    def lock() -> None:
        nonlocal mounted
        for command in (
            ["mount", "--bind", folder, folder],
            ["mount", "-o", "remount,bind,ro", folder],
        ):
            if subprocess.run(command, capture_output=True, check=False).returncode:
                pytest.skip("mounting is not allowed here")
            mounted = True

    yield lock
    if mounted:
        # Lazily: this process stands in it still.
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a folder")
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "worker"])
@pytest.mark.parametrize("kept", ["store", "recordings"])
def test_a_green_replay_in_a_read_only_checkout_stays_green(
    shop: Shop, read_only: Callable[[], None], workers: tuple[str, ...], kept: str
) -> None:
    shop.cases(CASES[:2])
    shop.test(ANSWER)
    shop.run("--ladder-live")
    if kept == "recordings":
        shutil.rmtree(shop.path / ".ladder")
    shutil.rmtree(shop.path / "ladder-report")
    read_only()
    result = shop.run("-p", "no:cacheprovider", *workers)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    said = result.stdout.str()
    assert "The report could not be written to" in said
    assert "Read-only file system" in said
    assert "report: " not in said
    # A folder that was asked for is missed.
    asked = shop.run("-p", "no:cacheprovider", "--ladder-report=here", *workers)
    assert asked.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a folder")
def test_a_miss_in_a_read_only_checkout_is_a_miss(
    shop: Shop, read_only: Callable[[], None]
) -> None:
    shop.test(ANSWER)
    shop.run("--ladder-live")
    read_only()
    assert shop.run("-p", "no:cacheprovider").ret == pytest.ExitCode.TESTS_FAILED


def test_recordings_that_cannot_be_written_get_a_sentence_and_fail_the_run(
    shop: Shop,
) -> None:
    shop.cases(CASES[:2])
    shop.test(ANSWER)
    shop.write("recordings", "a file, no folder")
    result = shop.run("--ladder-live")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (line,) = (x for x in result.outlines if "recordings could not" in x)
    assert line == (
        "recordings/test_shop.jsonl: the recordings could not be written (File "
        "exists); make the folder one that takes files, and run again: what is stored "
        "is not paid for again."
    )
    (shop.path / "recordings").unlink()
    assert shop.run("--ladder-live").ret == pytest.ExitCode.OK
    assert shop.server.count == 2


@pytest.mark.parametrize("place", ["no/folder/summary.md", "."])
def test_a_summary_that_cannot_be_written_is_a_warning_that_names_the_variable(
    shop: Shop, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.cases(CASES[:2])
    shop.test(ANSWER)
    path = shop.path / place
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    result = shop.run("--ladder-live")
    assert result.ret == pytest.ExitCode.OK
    assert (
        f"GITHUB_STEP_SUMMARY={path}: the matrix could not be added to that file ("
        in (result.stdout.str())
    )
    assert (shop.path / "ladder-report/current/matrix.json").is_file()
