"""A server of MLflow: found by the environment, asked for a bounded time, kept silent.

MLflow's client reads all its settings from the environment, whenever it asks. Ours
stand there only while a report is logged, and only where the user has set none.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_ladder.errors import ConfigError, TrackingError
from pytest_ladder.text.untrusted import plain
from pytest_ladder.tracking.mlflow_address import (
    PATIENCE,
    PATIENCE_S,
    address,
    check_reached,
    host,
)
from pytest_ladder.tracking.mlflow_address import status as asked_status

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
DEFAULT_EXPERIMENT = "pytest-ladder"
_KEYS = re.compile(r"MLFLOW_.*(TOKEN|PASSWORD|SECRET|KEY)|DATABRICKS_.*(TOKEN|SECRET)")
_SETTINGS = {
    # Two more attempts, and an answer within half a minute: MLflow's own defaults make
    # a dead server cost minutes.
    PATIENCE: str(PATIENCE_S),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    # It may name an hour.
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    # We say ourselves what was logged.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
}
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true"}
"""Whatever the user has set: pytest-ladder reports to nobody."""
_NOT_FOR_MLFLOW = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
"""Hold the keys of another server, which traces would take along."""
_NO_JSON = "not in a valid JSON format"
_AGAIN = re.compile(r"too many (\d{3}) error responses")
"""As urllib3 says it of a server that gives the same answer each time it is asked."""
_LOGGED = "what was logged stays, and logging again completes it."
_LONGEST = 300
"""Characters of what a server said that are shown."""


@contextlib.contextmanager
def open_client(then: str = _LOGGED) -> Iterator[MlflowClient]:
    """Open a client of the server, whose failures become a `TrackingError`.

    `then` ends its sentence: what became of the rest.
    Raises `ConfigError` without an address, and without the extra `mlflow`.
    """
    named = address()
    check_reached(then)
    before = dict(os.environ)
    os.environ.update({**_SETTINGS, **before, **_QUIET})
    for name in _NOT_FOR_MLFLOW:
        os.environ.pop(name, None)
    try:
        with _silenced(), _failures(then):
            yield _client(named)
    finally:
        for name in (*_SETTINGS, *_QUIET, *_NOT_FOR_MLFLOW):
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]


def _client(named: str) -> MlflowClient:
    try:
        # Seconds, and an extra.
        from mlflow import MlflowClient
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mlflow":
            raise
        raise ConfigError(
            "The client of MLflow is not installed; run pip install "
            "'pytest-ladder[mlflow]'."
        ) from None
    return MlflowClient(tracking_uri=named)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep warnings of requests that are tried again off the screen."""
    loggers = [logging.getLogger(name) for name in ("urllib3", "mlflow")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _failures(then: str) -> Iterator[None]:
    """Turn what MLflow and its network raise into one sentence without keys.

    The cause is left out: its text and its frames may hold the address and headers.
    """
    try:
        yield
    except (TrackingError, ConfigError):
        raise
    except Exception as error:
        module = type(error).__module__.partition(".")[0]
        of_client = module in ("mlflow", "requests", "urllib3")
        if not of_client and not isinstance(error, OSError):
            raise
        raise TrackingError(_sentence(error, then)) from None


def _sentence(error: Exception, then: str) -> str:
    code = getattr(error, "error_code", "")
    status = getattr(error, "get_http_status_code", lambda: 0)()
    said = str(getattr(error, "message", None) or error)
    if again := _AGAIN.search(said):
        return f"The server of MLflow at {host()} answers {again[1]}; {then}"
    if "Max retries exceeded" in said or "ConnectionError" in said:
        timed_out = "timed out" in said or "Timeout" in said
        why = "did not answer in time" if timed_out else "cannot be reached"
        return f"The server of MLflow at {host()} {why}; {then}"
    if code == "INTERNAL_ERROR":
        # So MLflow's client calls each answer whose form it does not know.
        status = asked_status()
    if status in (401, 403) or code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return (
            f"The server of MLflow at {host()} does not let us in, or not do this "
            f"({status or code}); set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, of somebody who may."
        )
    if _NO_JSON in said and "<" in said:
        return (
            f"The server of MLflow at {host()} answers with a web page, maybe to sign "
            "in, and not as MLflow does; check the address and what lets you in."
        )
    told = plain(_without_keys(said))[:_LONGEST].rstrip(".")
    why = f"{code}: {told}" if code else told
    return f"The server of MLflow at {host()} refused ({why}); {then}"


def _without_keys(said: str) -> str:
    """Take out of a server's words what the environment keeps secret."""
    keys = [value for name, value in os.environ.items() if _KEYS.fullmatch(name)]
    parts = urlsplit(address())
    for key in filter(None, (*keys, parts.password, parts.netloc.rpartition("@")[0])):
        said = said.replace(key, "…")
    return said
