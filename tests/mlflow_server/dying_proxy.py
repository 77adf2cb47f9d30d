"""A server that passes requests on to another one, and after so many is dead."""

from __future__ import annotations

import gzip
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError


def plain(headers: Any, body: bytes | None) -> bytes:
    """Return a body as it was before it was compressed."""
    packed = headers.get("Content-Encoding") == "gzip"
    return gzip.decompress(body or b"") if packed else body or b""


class DyingProxy:
    """Passes `lives` requests on; every later one finds the connection closed.

    With `then` it gets that status instead, and what is `said`: a type and a body.
    """

    def __init__(
        self,
        target: str,
        lives: int,
        then: int | None = None,
        said: tuple[str, bytes] = ("text/plain", b""),
    ) -> None:
        self.target = target
        self.lives = lives
        self.seen: list[bytes] = []
        """Path and body of each request."""
        self._lock = threading.Lock()
        proxy = self

        class Passes(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                lives = proxy.lives_on()
                if not lives and then is None:
                    self.close_connection = True
                    return
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else None
                proxy.seen += [self.path.encode(), plain(self.headers, body)]
                status, (kind, content) = then or 500, said
                if lives:
                    status, kind, content = proxy.passed(self, body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_PUT = do_PATCH = do_GET

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Passes)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def lives_on(self) -> bool:
        with self._lock:
            self.lives -= 1
            return self.lives >= 0

    def passed(self, asked: Any, body: bytes | None) -> tuple[int, str, bytes]:
        headers = {
            name: value
            for name, value in asked.headers.items()
            if name.lower() in ("content-type", "x-mlflow-experiment-id")
        }
        request = urllib.request.Request(
            self.target + asked.path, body, headers, method=asked.command
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers.get_content_type(), answer.read()
        except HTTPError as error:
            return error.code, "application/json", error.read()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> DyingProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
