"""The scratch suite of the plugin's tests."""

from __future__ import annotations

from tests.plugin.conftest import _not_a_worker, run, server, shop  # noqa: F401
