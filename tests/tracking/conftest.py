"""Commands, as the tests of `tests/cli` call them."""

from __future__ import annotations

from tests.cli.conftest import _a_plain_terminal, command  # noqa: F401
