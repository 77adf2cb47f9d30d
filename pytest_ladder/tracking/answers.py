"""What an OTLP endpoint answered to each request, which OpenTelemetry only logs.

OpenTelemetry's exporter sends, and tries again where that may help. Of a failure it
only writes to a log; it takes a redirection (to a page to sign in, say) for success,
and looks at no answer that says how many spans were left out. So each answer is seen on
its way, by an adapter of the exporter's own `requests.Session`.
"""

from __future__ import annotations

import contextlib
import io
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import msgspec
import requests
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)
from requests.adapters import HTTPAdapter

from pytest_ladder.clock import monotonic
from pytest_ladder.text.untrusted import plain

TOO_LARGE = 413
_OF_A_BATCH = (400, TOO_LARGE, 422)
_BUSY = (429, 502, 503, 504)
_LARGEST_ANSWER, _LONGEST_ANSWER_S = 10_000, 30.0
_CUT = requests.exceptions.ChunkedEncodingError
_FOR_GOOD = (
    *(requests.Timeout, requests.exceptions.SSLError, requests.exceptions.ProxyError),
    *(requests.exceptions.InvalidURL, requests.exceptions.ContentDecodingError),
)
"""What trying again at once does not help against."""
_PAUSE_S = 0.5
_LONGEST_QUOTE = 200
_SHORTEST_SECRET = 6


class OtlpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one request, repetitions included."""

    reason: str = ""
    """Why not all was taken; empty: it was."""
    refused: int = 0
    """Spans that were refused among others that were taken."""
    status: int | None = None
    """None: no answer came."""
    timed_out: bool = False
    wait_s: float | None = None
    """How long to wait before it may be asked again; None: that is no use."""

    @property
    def is_of_batch(self) -> bool:
        """Whether other spans may fare better."""
        return self.status in _OF_A_BATCH


class AnswerWatch(HTTPAdapter):
    """Sees how each request of the exporter ends; the last one counts."""

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        """Know of no request, as before the first one."""
        self.response: requests.Response | None = None
        self.problem: requests.RequestException | None = None
        self.secrets: set[str] = set()

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send a request and read its answer, but not an endless one."""
        self.forget()
        values = [str(value) for value in request.headers.values()]
        self.secrets = {part for value in values for part in [value, *value.split()]}
        try:
            response = super().send(request, *args, **kwargs)
            self.response = _read(response)
        except requests.RequestException as error:
            self.problem = error
            # Of no kind after which the exporter tries for all its time: we do, a few
            # times.
            raise requests.RequestException("told by the watch") from None
        return self.response

    def answer(self) -> OtlpAnswer:
        """Say what came of the last request."""
        if self.problem is not None:
            return OtlpAnswer(
                reason=_in_words(self.problem),
                timed_out=isinstance(self.problem, requests.Timeout),
                # Spans may arrive twice: their ids do not change.
                wait_s=None if isinstance(self.problem, _FOR_GOOD) else _PAUSE_S,
            )
        if (response := self.response) is None:
            return OtlpAnswer()
        status = response.status_code
        kind = response.headers.get("content-type", "").lower()
        if 200 <= status < 300 and "html" in kind:
            why = "it answers with a web page, maybe to sign in: it is no OTLP endpoint"
            return OtlpAnswer(reason=why, status=status)
        if 200 <= status < 300:
            refused, why = _refused(response)
            why = self._quoted(why) or "it gives no reason"
            return OtlpAnswer(
                reason=why if refused else "", refused=refused, status=status
            )
        return OtlpAnswer(
            reason=self._refusal(response),
            status=status,
            wait_s=_wait_of(response) if status in _BUSY else None,
        )

    def _refusal(self, response: requests.Response) -> str:
        status = response.status_code
        with contextlib.suppress(ValueError):
            name = HTTPStatus(status).phrase
            words = f"{status} {name}"
        if 300 <= status < 400:
            return f"{words}, which points elsewhere: it is no OTLP endpoint"
        is_text = "protobuf" not in response.headers.get("content-type", "")
        said = self._quoted(response.text) if is_text else ""
        return f"{words} ({said})" if said and not said.startswith("<") else words

    def _quoted(self, text: str) -> str:
        """Make a server's words safe to show, without keys that it may give back."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "…")
        return plain(text, _LONGEST_QUOTE)


def _read(response: requests.Response) -> requests.Response:
    """Return the same answer, read to its end, and raise where it has none.

    By single bytes: a read of more waits until all are there, and whoever sends one a
    second would keep us for as long as he likes. Answers have a hundred or so.
    """
    body, until = bytearray(), monotonic() + _LONGEST_ANSWER_S
    for byte in response.iter_content(1):
        body += byte
        if len(body) > _LARGEST_ANSWER or monotonic() > until:
            response.close()
            raise requests.exceptions.ContentDecodingError("it does not end")
    whole = requests.Response()
    whole.status_code, whole.reason = response.status_code, response.reason
    whole.headers, whole.url = response.headers, response.url
    whole.request, whole.raw = response.request, io.BytesIO(bytes(body))
    return whole


def _refused(response: requests.Response) -> tuple[int, str]:
    """Return how many spans a 200 left out, and why: a partial success."""
    if "json" in response.headers.get("content-type", ""):
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            part = json.loads(response.content).get("partialSuccess") or {}
            refused = int(part.get("rejectedSpans") or 0)
            return max(0, refused), str(part.get("errorMessage") or "")
        return 0, ""
    try:
        told = ExportTraceServiceResponse.FromString(response.content).partial_success
    except DecodeError:
        return 0, ""  # Some answer with a text of their own.
    return max(0, told.rejected_spans), told.error_message


def _wait_of(response: requests.Response) -> float | None:
    said = response.headers.get("retry-after", "")
    with contextlib.suppress(ValueError):
        return max(0.0, float(said))
    with contextlib.suppress(ValueError, TypeError):
        until = parsedate_to_datetime(said)
        return max(0.0, until.timestamp() - datetime.now(UTC).timestamp())
    return None


def _in_words(error: requests.RequestException) -> str:
    """Say why no answer came; the error's own words hold the address, maybe a key."""
    if isinstance(error, requests.ConnectTimeout):
        return "it could not be reached in time"
    if isinstance(error, requests.Timeout):
        return "it did not answer in time (OTEL_EXPORTER_OTLP_TIMEOUT sets how long)"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not accepted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not reach it"
    if isinstance(error, _CUT):
        return "its answer broke off"
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "its answer does not end"
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror.lower()
        reasons = [getattr(inner, "reason", None), *inner.args]
        deeper = [each for each in reasons if isinstance(each, BaseException)]
        inner = deeper[0] if deeper else inner.__cause__ or inner.__context__
    return "the connection broke"
