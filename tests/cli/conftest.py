"""What tests of commands start from: a scratch suite, and output that can be read."""

from __future__ import annotations

import pytest

from pytest_ladder.cli.main import main
from tests.cli.written_report import Command

# Importing it loads the plugin's modules, too, which must stay the same for all runs.
from tests.plugin.conftest import server, shop  # noqa: F401


@pytest.fixture(autouse=True)
def _a_plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    workers = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT")
    for name in ("GITHUB_STEP_SUMMARY", *workers):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as error:  # argparse
            status = int(error.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run
