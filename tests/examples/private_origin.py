"""A private repository: served by HTTP to who has the token, as GitHub does."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

TOKEN = "ghs_token"
_BASIC = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()


class _Private(BaseHTTPRequestHandler):
    folder: ClassVar[Path]

    def do_GET(self) -> None:
        if self.headers["Authorization"] != f"Basic {_BASIC}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic realm=tea")
            self.end_headers()
            return
        head, _, body = self._asked_of_git().partition(b"\r\n\r\n")
        self.send_response(200)
        for line in head.decode().splitlines():
            self.send_header(*line.split(": ", 1))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def _asked_of_git(self) -> bytes:
        path, _, query = self.path.partition("?")
        length = self.headers.get("Content-Length", "0")
        variables = {
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": length,
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"],
            input=self.rfile.read(int(length)),
            env=os.environ | variables,
            capture_output=True,
            check=True,
        )
        return done.stdout


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the repositories in a folder; yields the address of the folder."""
    handler = type("_Handler", (_Private,), {"folder": folder})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
