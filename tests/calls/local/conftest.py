"""The real weights, a cache folder of the test's own, and child processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_ladder.calls.local import weights
from pytest_ladder.calls.local.servers import Servers
from tests.calls.local.serving import Child


@pytest.fixture(scope="session")
def smol() -> Path:
    """Return the real weights, from the user's cache."""
    return weights.fetch("smollm2-135m")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache folder of the test's own, which is not there yet."""
    monkeypatch.setenv("LADDER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pytest-ladder"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    own = Servers(tmp_path / "servers", os.getpid())
    yield own
    own.stop_all()


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    started: list[Child] = []

    def start(code: str, *arguments: object) -> Child:
        started.append(Child(code, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.end()
