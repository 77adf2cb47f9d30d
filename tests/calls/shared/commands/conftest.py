from __future__ import annotations

from pathlib import Path

import pytest

from tests.calls.shared.commands.checkout import Checkout
from tests.postgres_server import Database


@pytest.fixture
def checkout(
    tmp_path: Path,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Checkout:
    return Checkout(tmp_path, database, monkeypatch, capsys)
