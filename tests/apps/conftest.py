"""Apps as people write them, with the packages of Python and Node that they use.

A step of .ci/run has them: `[dev-apps]`, and `npm ci` in this folder.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.plugin.conftest import _not_a_worker, server  # noqa: F401
from tests.plugin.scratch_suite import Shop
from tests.scripted_server import ScriptedServer

# pytester forgets what a run in this process imported.
import pytest_ladder.gateway.server  # noqa: F401  # isort: skip

HERE = Path(__file__).parent
_CUT_OFF = [
    *("unshare", "--map-root-user", "--net"),
    *("sh", "-c", 'ip link set lo up && exec "$@"', "sh"),
]


@pytest.fixture(scope="session")
def offline() -> list[str]:
    """Return what starts a command where there is no network, but this machine's own.

    Nothing where the system forbids that: then it is only the model that is gone.
    """
    try:
        tried = subprocess.run([*_CUT_OFF, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return []
    return _CUT_OFF if tried.returncode == 0 else []


@pytest.fixture
def shop(pytester: pytest.Pytester, server: ScriptedServer) -> Shop:  # noqa: F811
    """A shop where apps of Node find their packages."""
    packages = HERE / "node_modules"
    assert shutil.which("node"), "install Node: apt-get install nodejs npm"
    assert packages.is_dir(), f"run `npm ci` in {HERE}"
    shop = Shop(pytester, server)
    (shop.path / "node_modules").symlink_to(packages)
    return shop
