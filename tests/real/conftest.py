"""A scratch ladder for each test of real use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.suite import Suite


@pytest.fixture
def suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Suite:
    monkeypatch.chdir(tmp_path)
    return Suite(tmp_path, capsys)
