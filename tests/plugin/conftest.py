"""The scratch suite, and how to run it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator

import pytest

import pytest_ladder
from tests.plugin.scratch_suite import Shop
from tests.scripted_server import ScriptedServer

# pytester forgets what a run in this process imported. Loaded here, the package's
# modules stay the same for all runs, as their classes must, and no run loads them anew:
# a tenth of what it takes. `integrations` would bring plugins that a run is to load.
for _module in pkgutil.walk_packages(pytest_ladder.__path__, "pytest_ladder."):
    if not _module.name.startswith("pytest_ladder.integrations"):
        importlib.import_module(_module.name)


@pytest.fixture(autouse=True)
def _not_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a suite in a subprocess not take itself for a worker of this run."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def shop(pytester: pytest.Pytester, server: ScriptedServer) -> Shop:
    return Shop(pytester, server)


@pytest.fixture(params=[(), ("-n", "2")], ids=["plain", "xdist"])
def run(shop: Shop, request: pytest.FixtureRequest) -> Callable[..., pytest.RunResult]:
    """`shop.run`, once in one process and once over two workers."""

    def run(*arguments: str) -> pytest.RunResult:
        return shop.run(*arguments, *request.param)

    return run


@pytest.fixture
def xdist_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave it to `-p xdist` to load xdist: rerunfailures looks for it by that name."""
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_ladder.plugin")
