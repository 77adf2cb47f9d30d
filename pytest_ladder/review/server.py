"""The server of the review page: for this machine alone, and for who has a link.

Every request passes the same checks before a page is looked for: the host (against
names that another site points here), the cookie, and for whatever changes something
the origin and a token of the form. No folder is served, and GET never writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hmac
import re
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from aiohttp import web

from pytest_ladder import clock
from pytest_ladder.errors import LadderError
from pytest_ladder.review.pages import (
    RaterView,
    arriving_page,
    done_page,
    item_page,
    problem_page,
    start_page,
)
from pytest_ladder.review.sessions import Session

if TYPE_CHECKING:
    from asyncio import Transport

    from aiohttp.web_protocol import RequestHandler

MOST_BYTES = 64 * 1024
"""Of the body of a request."""
MOST_CONNECTIONS = 64
WRONG_TOKENS = 20
"""After so many wrong links nobody gets in for a minute."""
_YEAR = 365 * 24 * 3600
TIMEOUT = 30.0
"""Seconds in which a request has to come."""

_FORM = "application/x-www-form-urlencoded"
_ITEM = re.compile(r"/(item|pair)/([1-9][0-9]{0,6})", re.ASCII)
_KEYS_COOKIE = "ladder-review-keys"
"""Of a browser, for all reviews in it: whether its user has switched keys off."""
_ENTER = re.compile(r"/enter/([A-Za-z0-9_-]{1,64})", re.ASCII)
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class _Refusal(NamedTuple):
    status: int
    title: str
    sentence: str


_FOREIGN_HOST = _Refusal(421, "Wrong address", "Open the link that was printed.")
_FOREIGN_SITE = _Refusal(
    403, "Not from this page", "The form came from another site; open your link again."
)
_UNKNOWN = _Refusal(
    403, "Who are you?", "Open the link that was printed for you, or load this anew."
)
_STALE = _Refusal(
    403, "Out of date", "This page is of an earlier start; open your new link."
)
_TOO_OFTEN = _Refusal(
    429, "Too many wrong links", "Wait a minute, then open the link that was printed."
)
_NOT_FOUND = _Refusal(404, "No such page", "Go back to the start of the review.")
_NO_ANSWER = _Refusal(400, "No answer", "Go back, and choose one of the answers.")
_METHOD = _Refusal(405, "Not like this", "Use the pages of the review.")
_TOO_LARGE = _Refusal(413, "Too large", "Go back, and write a shorter note.")
_NO_FORM = _Refusal(415, "Not a form", "Use the pages of the review.")
_TOO_SLOW = _Refusal(408, "Too slow", "Go back, and send the answer again.")


class Site:
    """Answers requests of raters, whose links `links` are."""

    def __init__(
        self,
        sessions: Sequence[Session],
        kept_in: str,
        agreement: Callable[[], str] = lambda: "",
        needed: Callable[[], Sequence[str]] = tuple,
        *,
        public: str = "",
        timeout: float = TIMEOUT,
    ) -> None:
        """`public` is the address by which others reach it, as browsers show it."""
        self.sessions = sessions
        self._kept_in, self._timeout = kept_in, timeout
        self._agreement, self._needed = agreement, needed
        self.port = 0
        """Where it listens, once it does."""
        self._public = public
        self._wrong: list[float] = []

    @property
    def links(self) -> list[tuple[str, str]]:
        """Each rater with the address that lets nobody else in."""
        start = self._public or f"http://127.0.0.1:{self.port}"
        return [(one.rater, f"{start}/enter/{one.token}") for one in self.sessions]

    @contextlib.asynccontextmanager
    async def open(self, port: int = 0, host: str = "") -> AsyncIterator[None]:
        """Listen at `host`, else at this machine's own; port 0 is any that is free.

        Raises `LadderError` where the port is taken.
        """
        server = _Limited(
            self._answer,
            access_log=None,
            keepalive_timeout=self._timeout,
            auto_decompress=False,
        )
        loop = asyncio.get_running_loop()
        found = [_listening(host or "127.0.0.1", port)]
        self.port = found[0].getsockname()[1]
        if not host:
            # There are machines without IPv6, or the port is somebody else's there.
            with contextlib.suppress(LadderError):
                found.append(_listening("::1", self.port))
        listening = [await loop.create_server(server, sock=each) for each in found]
        try:
            yield
        finally:
            for one in listening:
                one.close()
            await server.shutdown(1)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        nonce = secrets.token_urlsafe(16)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._page(request, nonce)
        except TimeoutError:
            answer = _TOO_SLOW
        except LadderError as error:
            answer = _Refusal(500, "Not saved", str(error))
        if isinstance(answer, _Refusal):
            page = problem_page(nonce, answer.title, answer.sentence)
            response = web.Response(
                status=answer.status, text=page, content_type="text/html"
            )
            # What is left of the body is not read.
            response.force_close()
        elif isinstance(answer, str):
            response = web.Response(text=answer, content_type="text/html")
        else:
            response = answer
        response.headers.update(_HEADERS)
        # Without encryption browsers say where a form comes from by the origin alone,
        # and only of pages that let them.
        bare = self._public.startswith("http:")
        response.headers["Referrer-Policy"] = "same-origin" if bare else "no-referrer"
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; "
            f"script-src 'nonce-{nonce}'; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'"
        )
        return response

    async def _page(
        self, request: web.BaseRequest, nonce: str
    ) -> str | web.Response | _Refusal:
        names = ("127.0.0.1", "localhost", "[::1]")
        own = [f"http://{name}:{self.port}" for name in names]
        own += [self._public] if self._public else []
        hosts = [address.partition("://")[2] for address in own]
        # A request for another host through a proxy names that in place of a path.
        is_path = request.raw_path.startswith("/")
        if not is_path or request.headers.getall("Host", []) not in [
            [h] for h in hosts
        ]:
            return _FOREIGN_HOST
        path = request.rel_url.raw_path
        if request.method == "POST":
            if not _is_own(request, own):
                return _FOREIGN_SITE
        elif request.method not in ("GET", "HEAD"):
            return _METHOD
        elif entering := _ENTER.fullmatch(path):
            return self._enter(entering[1])
        session = self._session(request)
        if session is None:
            return arriving_page(nonce) if self._is_arriving(request) else _UNKNOWN
        if request.method == "POST":
            return await self._post(request, session, path)
        keys = request.cookies.get(_KEYS_COOKIE) != "off"
        return self._get(session, path, session.view(nonce, shortcuts=keys))

    def _is_arriving(self, request: web.BaseRequest) -> bool:
        """Tell whether somebody comes in by a link on another site, such as web mail.

        Browsers keep a strict cookie back until a page of our own asks for the next.
        Without encryption they do not say where one comes from; `?again` is from us.
        """
        unsaid = "cross-site" if self._public.startswith("http:") else ""
        site = request.headers.get("Sec-Fetch-Site", unsaid)
        return request.raw_path == "/" and site == "cross-site"

    def _enter(self, token: str) -> web.Response | _Refusal:
        """Exchange a link for a cookie, so that it stands in no address any more."""
        now = clock.monotonic()
        self._wrong = [moment for moment in self._wrong if now - moment < 60]
        if len(self._wrong) >= WRONG_TOKENS:
            return _TOO_OFTEN
        found = [one for one in self.sessions if _same(one.token, token)]
        if not found:
            self._wrong.append(now)
            return _UNKNOWN
        response = _to("/")
        response.set_cookie(
            self._cookie,
            found[0].cookie,
            httponly=True,
            samesite="Strict",
            path="/",
            secure=self._public.startswith("https:"),
        )
        return response

    @property
    def _cookie(self) -> str:
        # Browsers keep one set of cookies for all ports of a machine.
        return f"ladder-review-{self.port}"

    def _session(self, request: web.BaseRequest) -> Session | None:
        given = request.cookies.get(self._cookie, "")
        found = [one for one in self.sessions if _same(one.cookie, given)]
        return found[0] if found else None

    def _get(
        self, session: Session, path: str, view: RaterView
    ) -> str | web.Response | _Refusal:
        if path == "/next":
            number = session.next()
            return _to("/done") if number is None else _to(_address(session, number))
        number = session.next()
        if path == "/" and number is not None:
            first = session.queue[number - 1]
            return start_page(view, first, self._kept_in, self._needed())
        if path in ("/", "/done"):
            # What is skipped is closed for this time.
            everybody = all(one.next() is None for one in self.sessions)
            said = [self._agreement()] if everybody else []
            return done_page(
                view, self._kept_in, [*filter(None, said), *self._needed()]
            )
        number = _number(session, path)
        item = None if number is None else session.show(number)
        if item is None or number is None:
            return _NOT_FOUND
        given = session.given(number)
        return item_page(view, item, number, None if given is None else given.note)

    async def _post(
        self, request: web.BaseRequest, session: Session, path: str
    ) -> web.Response | _Refusal:
        if request.content_type != _FORM:
            return _NO_FORM
        form = await _form_of(request)
        if form is None:
            return _TOO_LARGE
        if not _same(session.csrf, form.get("csrf", "")):
            return _STALE
        if path == "/undo":
            number = session.undo()
            return _to("/") if number is None else _to(_address(session, number))
        if path == "/shortcuts":
            back = form.get("back", "")
            number = _number(session, back)
            response = _to("/" if number is None else back)
            response.set_cookie(
                _KEYS_COOKIE,
                "on" if form.get("shortcuts") == "on" else "off",
                max_age=_YEAR,
                httponly=True,
                samesite="Strict",
                path="/",
            )
            return response
        number = _number(session, path)
        if number is None:
            return _NOT_FOUND
        if not session.answer(number, form.get("verdict", ""), form.get("note", "")):
            return _NO_ANSWER
        return _to("/next")


class _Limited(web.Server):
    """A server that takes so many connections at once and no more."""

    def connection_made(self, handler: RequestHandler, transport: Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()


def _listening(host: str, port: int) -> socket.socket:
    if port > 65535:
        raise LadderError(
            f"{port} is no port; name one from 1024 to 65535, or leave it out."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise LadderError(
            f"Port {port} of {host} cannot be used ({error.strerror}); "
            + ("name another --port, or leave it out." if taken else "leave it out.")
        ) from error


def _is_own(request: web.BaseRequest, own: Sequence[str]) -> bool:
    """Tell whether a form was sent by a page of this server.

    Browsers that say from what site it comes are believed; they hide the origin, as
    nothing here refers anywhere. Of the others the origin has to be this server.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    is_ours = origin in own
    if site is None:
        return is_ours
    return site == "same-origin" and (is_ours or origin in (None, "null"))


async def _form_of(request: web.BaseRequest) -> dict[str, str] | None:
    """Read a form; None: it is too large."""
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > MOST_BYTES:
            return None
    text = body.decode(errors="replace")
    try:
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in fields.items()}


def _number(session: Session, path: str) -> int | None:
    """Return the number in the address of an item that there is."""
    found = _ITEM.fullmatch(path)
    if found is None or int(found[2]) > len(session.queue):
        return None
    number = int(found[2])
    return number if path == _address(session, number) else None


def _address(session: Session, number: int) -> str:
    return f"/{'pair' if session.queue[number - 1].is_pair else 'item'}/{number}"


def _to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode(errors="surrogatepass"))
