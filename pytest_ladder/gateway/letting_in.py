"""Who may ask, and whose call it is: every request passes here before it is read.

A page in a browser on this machine can reach the server as well. So a request is
refused that comes from a page (`Origin`), that was sent to another name which somebody
points here (`Host`), or that a page may send without asking (no JSON).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from aiohttp import web

from pytest_ladder.core.rung import Rung
from pytest_ladder.errors import AppError
from pytest_ladder.gateway.tokens import AppTokens, RungPass
from pytest_ladder.session.app_link import Visit
from pytest_ladder.session.open_ladder import OpenLadder

MOST_BYTES = 64 * 1024**2
"""Of the body of a request."""
UNKNOWN = (
    "This server answers apps under test only, and the token is missing or unknown: "
    "take the address from llm.base_url, llm.env() or ladder_env."
)
OVER = (
    "The test that this token is of is over: the test is over before its app has done "
    "with asking."
)
WHOSE = (
    "Whose call this is cannot be known, and is never guessed: several tests may be "
    "asking, or none. Send llm.headers with what you ask the app, and let it pass "
    "`baggage` or `x-ladder-token` on; or start it for each test, with llm.env()."
)
_PATH = re.compile(
    r"(?:/t/(?P<token>[^/]+))?(?:/v1beta|/openai|/v1)*"
    # Azure's clients name the model there, and Google's.
    r"(?:/deployments/(?P<deployment>[^/]+))?"
    r"(?P<route>/(?:models/(?P<model>[^/:]+):)?(?P<verb>.*))?"
)
_STREAMED = "streamGenerateContent"
"""Google's name for what others ask for by `stream`."""
_NAMES = frozenset(
    {"localhost", "host.docker.internal", "gateway.docker.internal"}
    | {"host.containers.internal", "host.lima.internal"}
)
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "[::1]"))
_BEARER = "ladder-"

OnTurn = Callable[[Rung, OpenLadder], Visit | None]


class AskedPath(NamedTuple):
    """What a path says."""

    token: str | None
    route: str
    """Without token and `/v1`, such as `/chat/completions`."""
    fields: Mapping[str, Any] = MappingProxyType({})
    """What it says that other clients say in the body."""


def wanted(request: web.BaseRequest) -> AskedPath:
    """Read a path; clients differ in whether they add `/v1`, so it may be missing."""
    found = _PATH.fullmatch(request.rel_url.path)
    if found is None:
        return AskedPath(None, "")
    route, fields = (found["route"] or "").rstrip("/"), dict[str, Any]()
    if found["model"] is not None:
        route = f"/{found['verb']}"
        fields["stream"] = found["verb"] == _STREAMED
    if (model := found["deployment"] or found["model"]) is not None:
        fields["model"] = model
    return AskedPath(found["token"], route, fields)


def check(request: web.BaseRequest, ports: Mapping[str, int]) -> None:
    """Refuse what no app sends; raises `AppError`.

    `ports` are where the server listens, by address.
    """
    # A request for another host through a proxy names that in place of a path.
    is_path = request.raw_path.startswith("/")
    if not is_path or not any(_is_own(request, *one) for one in ports.items()):
        raise AppError("This server answers to its own address only.", status=403)
    if "Origin" in request.headers:
        raise AppError("This server answers no web pages.", status=403)
    if request.method == "POST" and request.content_type != "application/json":
        raise AppError("Send JSON, as `application/json`.", status=415)
    if (request.content_length or 0) > MOST_BYTES:
        raise too_large()


def too_large() -> AppError:
    """Return the error for a body that is too long."""
    return AppError("The body has more than 64 MB.", status=413)


def whose(
    request: web.BaseRequest, token: str | None, tokens: AppTokens, on_turn: OnTurn
) -> Visit:
    """Return on whose behalf an app asks; raises `AppError`.

    By the path, a header, the baggage of OpenTelemetry or a key, in this order; else it
    is the one test that has its turn, if only one can be meant.
    """
    ladder: RungPass | None = None
    for one in _tokens(request, token):
        holder = tokens.holder(one)
        if holder is None:
            if tokens.is_over(one):
                raise AppError(OVER, status=410)
            raise AppError(UNKNOWN, status=401)
        if isinstance(holder, Visit):
            if ladder is not None and ladder.rung.id != holder.rung.id:
                raise AppError(
                    f"The app was started for {ladder.rung.id}, and is asked by a test "
                    f"of {holder.rung.id}: start it in a fixture that uses ladder_env.",
                    status=409,
                )
            return holder
        ladder = ladder or holder
    if ladder is None:
        raise AppError(UNKNOWN, status=401)
    visit = on_turn(ladder.rung, ladder.opened)
    if visit is None:
        raise AppError(WHOSE, status=409)
    return visit


def _tokens(request: web.BaseRequest, in_path: str | None) -> Iterator[str]:
    if in_path is not None:
        yield in_path
    headers = request.headers
    yield from headers.getall("x-ladder-token", [])
    for line in headers.getall("baggage", []):
        for member in line.split(","):
            name, _, value = member.partition(";")[0].partition("=")
            if name.strip() == "ladder":
                yield value.strip()
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    keys = [credentials.strip()] if scheme.lower() == "bearer" else []
    # Clients of Anthropic, Azure and Google send their key so.
    for name in ("x-api-key", "api-key", "x-goog-api-key"):
        keys += headers.getall(name, [])
    for key in keys:
        if key.startswith(_BEARER):
            yield key.removeprefix(_BEARER)


def _is_own(request: web.BaseRequest, host: str, port: int) -> bool:
    sent = request.headers.getall("Host", [])
    if len(sent) != 1:
        return False
    name, _, at = sent[0].rpartition(":")
    if at != str(port):
        return False
    name = name.lower()
    if name in _LOOPBACK:
        return True
    if ipaddress.ip_address(host).is_loopback:
        return name == host
    return name in _NAMES or name == socket.gethostname().lower() or _is_address(name)


def _is_address(name: str) -> bool:
    """Tell an address from a name, which may be somebody else's."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
