"""A small OTLP receiver on loopback: it keeps what it takes, or answers as it is told.

    with OtlpReceiver() as receiver:
        receiver.script(refuses(503), takes)
        ...
        assert receiver.spans

An answer is a function of the request's handler; one that is scripted stands for one
request, and after the script every request is taken.
"""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

Answers = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    """One request: read whole, then answered by the next of the script."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        receiver = self.server.receiver
        receiver.requests.append((self.path, dict(self.headers), len(body)))
        answer = receiver.scripted.popleft() if receiver.scripted else receiver.usual
        with contextlib.suppress(OSError):  # who asked may have hung up
            answer(self, body)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        kind = headers.pop("content_type", "application/x-protobuf")
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def takes(handler: Handler, body: bytes) -> None:
    request = ExportTraceServiceRequest.FromString(body)
    handler.server.receiver.exports.append(request)
    handler.answer(200, ExportTraceServiceResponse().SerializeToString())


def refuses(status: int, said: str = "", **headers: str) -> Answers:
    def answer(handler: Handler, _: bytes) -> None:
        kind = headers.get("content_type", "text/plain")
        handler.answer(status, said.encode(), **{**headers, "content_type": kind})

    return answer


def takes_part(refused: int, why: str) -> Answers:
    def answer(handler: Handler, _: bytes) -> None:
        part = ExportTracePartialSuccess(rejected_spans=refused, error_message=why)
        told = ExportTraceServiceResponse(partial_success=part)
        handler.answer(200, told.SerializeToString())

    return answer


def takes_at_most(most: int) -> Answers:
    """Take bodies of that many bytes, and refuse larger ones."""

    def answer(handler: Handler, body: bytes) -> None:
        (takes if len(body) <= most else refuses(413))(handler, body)

    return answer


def takes_after(delay_s: float) -> Answers:
    def answer(handler: Handler, body: bytes) -> None:
        time.sleep(delay_s)
        takes(handler, body)

    return answer


def cuts(handler: Handler, _: bytes) -> None:
    """Break the connection in the middle of the answer."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
    handler.wfile.flush()
    handler.close_connection = True


def never_ends(handler: Handler, _: bytes) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9000000000\r\n\r\n")
    handler.close_connection = True
    while True:
        handler.wfile.write(b"x" * 65_536)


class OtlpReceiver:
    """The receiver, in threads of its own between `with` and its end."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], int]] = []
        """Path, headers and bytes of each."""
        self.exports: list[ExportTraceServiceRequest] = []
        self.scripted: deque[Answers] = deque()
        self.usual: Answers = takes

    def script(self, *answers: Answers) -> None:
        self.scripted.extend(answers)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.receiver = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def spans(self) -> list[Any]:
        """All spans that were taken, as protobuf has them."""
        return [
            span
            for request in self.exports
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]


def attributes_of(told: Any) -> dict[str, Any]:
    """Return the attributes of a span, an event or a resource."""
    return {pair.key: _value(pair.value) for pair in told.attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind or "")
