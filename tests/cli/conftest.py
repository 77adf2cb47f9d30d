"""What tests of commands start from: a scratch suite, and output that can be read."""

from __future__ import annotations

from collections.abc import Iterator

# pytester forgets what a run in this process imported, and numpy loads only once.
import numpy as np  # noqa: F401
import pytest

import pytest_ladder.collection.collect

# As in the tests of the plugin: loaded here, its classes stay the same for all runs.
import pytest_ladder.prefetch.prefetch
import pytest_ladder.results.results  # noqa: F401
from pytest_ladder.cli.main import main
from tests.cli.written_report import Command
from tests.plugin.scratch_suite import Shop
from tests.scripted_server import ScriptedServer


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


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def shop(pytester: pytest.Pytester, server: ScriptedServer) -> Shop:
    return Shop(pytester, server)
