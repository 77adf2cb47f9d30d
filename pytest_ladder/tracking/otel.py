"""Traces on their way out, where OpenTelemetry is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from pytest_ladder.errors import ConfigError

if TYPE_CHECKING:
    from pytest_ladder.tracking.otlp import Delivered
    from pytest_ladder.tracking.spans import RowTrace

_OF_THE_EXTRA = ("opentelemetry", "google", "requests")


def deliver(
    traces: Iterable[RowTrace],
    address: str,
    *,
    headers: Mapping[str, str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Delivered:
    """Send traces to an address, with `headers` beside those of the environment.

    `progress` is told how many traces were handed over. Raises `ConfigError` without
    the extra `otel`; what the address does not take is told by what is returned.
    """
    try:
        # Half a second, and an extra.
        from pytest_ladder.tracking.otlp import send
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OF_THE_EXTRA:
            raise
        raise ConfigError(
            "Traces leave by OpenTelemetry, which is not installed; run "
            "pip install 'pytest-ladder[otel]'."
        ) from None
    return send(traces, address, headers=headers, progress=progress)
