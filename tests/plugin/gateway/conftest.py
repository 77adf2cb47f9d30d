"""A shop whose tests put their questions through an app."""

from __future__ import annotations

# pytester forgets what a run in this process imported.
import pytest_ladder.gateway.server  # noqa: F401
