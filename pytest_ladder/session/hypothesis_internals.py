"""What reaches into Hypothesis, in one place: a new version breaks it here.

`integrations/perturb` uses what is public, and is loaded only where Hypothesis is.
This file is loaded in every run with a ladder test, with or without Hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def is_property(function: Callable[..., Any]) -> bool:
    """Tell a test that `@given` runs, again and again with other values.

    `function.hypothesis` is what the documentation names for this.
    """
    return hasattr(function, "hypothesis")


def allow_function_scoped_fixtures(function: Callable[..., Any]) -> None:
    """Switch off Hypothesis's check of function-scoped fixtures for a test.

    It guards against state that one example leaves to the next; `reply` and `case` have
    none. Reaches for `_hypothesis_internal_use_settings`, where `@settings` puts them:
    there is no public way to ask a test for its settings. Without it a `@given` test
    that uses `reply` fails its health check, unless the user suppresses that check.
    """
    from hypothesis import HealthCheck, settings

    chosen = getattr(function, "_hypothesis_internal_use_settings", settings())
    suppressed = {*chosen.suppress_health_check, HealthCheck.function_scoped_fixture}
    relaxed = settings(chosen, suppress_health_check=tuple(suppressed))
    function._hypothesis_internal_use_settings = relaxed  # type: ignore[attr-defined]
