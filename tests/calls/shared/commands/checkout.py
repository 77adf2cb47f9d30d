"""Commands of `pytest-ladder` in a checkout that names a shared store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.cli.main import main
from tests.config.test_config_mistakes import SMOL
from tests.postgres_server import Database

VARIABLE = "TEAM_PG"
PASSWORD = "s3cret"


class Checkout:
    """A folder with a ladder, as its owner or as a worker sees it."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.folder = folder
        self.database = database
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.chdir(folder)
        self.write(f'[store]\nurl_env = "{VARIABLE}"\nledger = "team"\n')
        self.is_owner()

    def write(self, tables: str) -> None:
        (self.folder / "ladder.toml").write_text(SMOL + tables, encoding="utf-8")

    def is_owner(self) -> None:
        self.set(self.database.owner_url)

    def is_worker(self) -> None:
        self.set(self.database.worker_url)

    def set(self, url: str) -> None:
        self._monkeypatch.setenv(VARIABLE, url)

    def run(self, *arguments: str) -> str:
        """Return what a command prints that succeeds, and says nothing else."""
        status, out, err = self.tried(*arguments)
        assert (status, err) == (0, "")
        return out

    def refused(self, *arguments: str) -> str:
        """Return the one sentence of a command that cannot be done."""
        status, out, err = self.tried(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("pytest-ladder: ")
        assert err.count("\n") == 1
        return err.removeprefix("pytest-ladder: ").strip()

    def tried(self, *arguments: str) -> tuple[int, str, str]:
        """Return status, output and errors; neither shows a password."""
        status = main(arguments)
        out, err = self._capsys.readouterr()
        assert PASSWORD not in out + err
        return status, out, err

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))


def cells(printed: str) -> list[list[str]]:
    """Return the lines of a table as words."""
    return [line.split() for line in printed.splitlines()]
