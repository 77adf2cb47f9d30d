"""Where the server of MLflow is, and whether anything answers there.

Both are told before MLflow's client is loaded, which takes seconds, and takes what has
another scheme for a file, and a dead server for one that may yet answer.
"""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import urllib.error
import urllib.request
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pytest_ladder.clock import monotonic
from pytest_ladder.errors import ConfigError, TrackingError
from pytest_ladder.tracking.endpoint import is_web

ADDRESS = "MLFLOW_TRACKING_URI"
PATIENCE = "MLFLOW_HTTP_REQUEST_TIMEOUT"
"""Variable with the seconds that a request may take."""
PATIENCE_S = 30
_AWAKE_WITHIN_S = 10
"""Seconds within which a server says at least that it is there."""
_WEB = ("http", "https")
_DATABASES = ("sqlite", "mysql", "postgresql", "mssql")
_OTHERS = ("databricks", "databricks-uc", "uc", "file")
_PLUGINS = "mlflow.tracking_store"
"""Entry points by which a package gives MLflow's client another scheme."""
_EXAMPLE = f"begin it with http:// or https://, as in {ADDRESS}=http://localhost:5000."
_LONGEST_ANSWER = 10_000


def address() -> str:
    """Return the address of the server.

    Raises `ConfigError` where none is named, or one that MLflow's client would take
    for a file or try in vain.
    """
    named = os.environ.get(ADDRESS, "").strip()
    if not named:
        raise ConfigError(
            f"{ADDRESS} is not set, so no server of MLflow is known; set it, as in "
            f"{ADDRESS}=http://localhost:5000."
        )
    if not _is_address(named):
        # Not quoted: it may hold a password.
        raise ConfigError(f"{ADDRESS} is no address; {_EXAMPLE}")
    return named


def host() -> str:
    """Name the server as messages do: without a name or a password."""
    named = address()
    return urlsplit(named).netloc.rpartition("@")[2] or named.partition(":")[0]


def url(path: str) -> str:
    """Return the address of a page of the server, without a name or a password."""
    parts = urlsplit(address())
    if parts.scheme not in _WEB:
        return ""
    root = parts._replace(netloc=host(), query="", fragment="").geturl()
    return f"{root.rstrip('/')}/#/{path}"


def check_reached(then: str) -> None:
    """Ask the server whether it is there; whatever it answers, it is.

    `then` ends the sentence of the `TrackingError` that is raised where nothing
    answers within ten seconds. What concerns certificates is left to MLflow's client,
    which has settings for it; so is what is no server.
    """
    parts = urlsplit(address())
    if parts.scheme not in _WEB:
        return
    bare = parts._replace(netloc=host(), path=parts.path.rstrip("/") + "/health")
    why = ""
    try:
        _ask(bare.geturl())
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            why = "did not answer in time"
        elif not isinstance(reason, ssl.SSLError):
            why = "cannot be reached"
    except http.client.HTTPException:
        why = "does not speak HTTP"
    if why:
        raise TrackingError(f"The server of MLflow at {host()} {why}; {then}")


def authorization() -> dict[str, str]:
    """Return what MLflow's client sends as well, by the same variables."""
    get = os.environ.get
    parts = urlsplit(address())
    user, password = get("MLFLOW_TRACKING_USERNAME"), get("MLFLOW_TRACKING_PASSWORD")
    if parts.username and parts.password:
        user, password = unquote(parts.username), unquote(parts.password)
    if user and password:
        both = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {both}"}
    token = get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def status() -> int:
    """Ask the server for its experiments, and return the status that it answers with.

    0: it answers with none.
    """
    parts = urlsplit(address())
    if parts.scheme not in _WEB:
        return 0
    path = f"{parts.path.rstrip('/')}/api/2.0/mlflow/experiments/search"
    bare = parts._replace(netloc=host(), path=path, query="max_results=1")
    asked = urllib.request.Request(bare.geturl())
    for name, value in authorization().items():
        # For nobody that the server may point to.
        asked.add_unredirected_header(name, value)
    try:
        with urllib.request.urlopen(asked, timeout=_AWAKE_WITHIN_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, ValueError, http.client.HTTPException):
        return 0


def _ask(page: str) -> None:
    """Read a page to its end; raises what urllib does, for an endless one as well."""
    until = monotonic() + _AWAKE_WITHIN_S
    with urllib.request.urlopen(page, timeout=_AWAKE_WITHIN_S) as answer:
        size = 0
        # A read of more would wait for whoever sends a byte a second.
        while size < _LONGEST_ANSWER and (part := answer.read1(_LONGEST_ANSWER)):
            size += len(part)
            if monotonic() > until:
                raise TimeoutError


def _is_address(named: str) -> bool:
    scheme, colon, _ = named.partition(":")
    scheme = scheme.partition("+")[0].lower()
    if scheme in _WEB or not colon:
        path = named in _OTHERS or named[0] in "/." or Path(named).is_dir()
        return is_web(named) or path
    if scheme in _OTHERS or scheme in _DATABASES:
        return True
    return any(point.name == scheme for point in entry_points(group=_PLUGINS))
