"""Failures of calls as `CallError`: one sentence, no secrets, and whether to retry."""

from __future__ import annotations

import html
import json
import math
import os
import re
import unicodedata
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import msgspec

from pytest_ladder import clock
from pytest_ladder.calls.lanes.address import Secret
from pytest_ladder.calls.lanes.storable import plain
from pytest_ladder.core.reply import Usage
from pytest_ladder.errors import CallError, LadderError

LONGEST_MESSAGE = 300
"""Characters of a provider's own words that a message quotes."""

_NOT_THERE = frozenset({404, 405, 410})
_RETRIED = frozenset({408, 409, 425, 429})
_NEVER_RETRIED_CODES = frozenset({"insufficient_quota"})
_SECRET = re.compile(
    r"(?:Bearer|Basic)\s+[^\s\"',]+"
    r"|\bsk-[\w*.-]{3,}"
    r"|\bAIza[\w-]{10,}"
    r"|(?<=[?&]key=)[^\s&\"']+"
    r"|(?<=://)[^\s/@\"']+(?=@)",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
_SHORTEST_SECRET = 8
_LONGEST_QUOTE = 80


def is_transient(status: int, code: str | None = None) -> bool:
    """Tell whether a call that was answered with `status` is worth repeating."""
    if code in _NEVER_RETRIED_CODES:
        return False
    return status in _RETRIED or status >= 500


def refused(
    name: str, status: int, headers: Mapping[str, str], body: bytes, *, url: str = ""
) -> CallError:
    """Tell of an answer with an error status, in the provider's words.

    Where the address may be wrong, `url` is named, which was asked.
    """
    try:
        words, code = _message_and_code_of(msgspec.json.decode(body))
    except (msgspec.DecodeError, RecursionError):
        words, code = body.decode(errors="replace"), None
    asked = ""
    if url and (300 <= status < 400 or status in _NOT_THERE):
        asked = f" to {url}"
        asked += "" if "/v1/" in url else " (most addresses end in /v1)"
    if 300 <= status < 400:
        words = (
            f"it sends the call on to {headers.get('location') or 'nowhere'}, and "
            "prompt and key go only to the address that you name; correct `api_base`"
        )
    return CallError(
        f"Model {name!r} answered {status}{asked}: {words or 'no message'}",
        status=status,
        transient=is_transient(status, code),
        retry_after_s=retry_after_s(headers),
    )


def reported(name: str, error: Any, usage: Usage | None = None) -> CallError:
    """Tell of an error object in the body of an answer that claimed success."""
    words, code = _message_and_code_of({"error": error})
    status = _status_in(error) if isinstance(error, dict) else None
    retried = code is None if status is None else is_transient(status, code)
    message = f"Model {name!r} reported an error: {words or 'no message'}"
    # It was answered, so it may be billed, whatever the error says.
    return CallError(
        message, status=status, transient=retried, usage=usage, unsure=True
    )


def unusable(name: str, problem: str, usage: Usage | None = None) -> CallError:
    """Tell of an answer that came, but is no chat completion; it may be billed."""
    message = f"Model {name!r} gave no usable answer: {problem}"
    return CallError(message, transient=True, usage=usage)


def not_json(name: str, text: str, content_type: str = "") -> CallError:
    """Tell of an answer that is no JSON, such as a page to sign in."""
    start = " ".join(text.split())[:_LONGEST_QUOTE]
    kind = content_type.partition(";")[0].strip()
    problem = f"it is not JSON ({kind or 'it'} begins with {start!r})"
    if not text.strip():
        problem = "it is not JSON (it is empty)"
    if start.startswith("<"):
        problem += "; see whether `api_base` is the address of a model, up to its /v1"
    return unusable(name, problem)


def too_long(name: str, most_bytes: int) -> CallError:
    """Tell of an answer without an end; the next one would be as long."""
    return CallError(
        f"Model {name!r} gave an answer of more than {most_bytes // 1024**2} MB, and "
        "the rest was not read; see whether `api_base` is the address of a model",
        unsure=True,
    )


def packed(name: str, packing: str, accepted: str) -> CallError:
    """Tell of an answer in a packing that was not asked for, as the next one would be.

    Such as that of a proxy that keeps `Accept-Encoding` to itself.
    """
    return CallError(
        f"Model {name!r} gave an answer that is packed as {packing!r}, and only "
        f"{accepted} can be read; see what a gateway or proxy before it does",
        unsure=True,
    )


def timed_out(name: str, timeout_s: float) -> CallError:
    """Tell that no complete answer came in time."""
    message = f"Model {name!r} did not answer within {timeout_s:g} s (params.timeout)"
    return CallError(message, transient=True)


def unreachable(
    name: str, error: BaseException, *, transient: bool = True
) -> CallError:
    """Tell of a connection that could not be made, or broke."""
    problem = f"{type(error).__name__}: {error}".rstrip(": ")
    message = f"The connection to model {name!r} failed: {problem}"
    return CallError(message, transient=transient)


def unexpected(name: str, error: BaseException) -> CallError:
    """Tell of an exception that no lane expects: a mistake of ours, or a library's.

    Nobody knows whether the request was sent, so it may be billed. It is not tried
    again, because the same would happen again.
    """
    problem = f"{type(error).__name__}: {error}".rstrip(": ")
    return CallError(
        f"The call to model {name!r} failed in a way that nobody expected, which is a "
        f"mistake in pytest-ladder: {problem}",
        unsure=True,
    )


def bare(name: str, error: Exception) -> LadderError:
    """Return a lane's exception as an error of ours without frames and causes.

    A traceback shows locals (`--showlocals`), and those of the frames below may hold
    a key, an address with one, or the environment.
    """
    if not isinstance(error, LadderError):
        return redacted(unexpected(name, error), None)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def redacted(fault: CallError, key: Secret | None) -> CallError:
    """Return a copy that is safe to show: no secrets, no frames, one short line."""
    return fault.saying(quotable(str(fault), key))


def quotable(text: str, key: Secret | None) -> str:
    """Remove control characters and secrets from others' messages, and shorten them.

    Secrets are `key`, whatever looks like one, and the values of environment
    variables that are named like one.
    """
    line = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)
    line = " ".join(line.split())
    for secret in _secrets(key):
        line = line.replace(secret, "[redacted]")
    line = _SECRET.sub("[redacted]", line)
    if len(line) <= LONGEST_MESSAGE:
        return line
    return line[: LONGEST_MESSAGE - 1] + "…"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read `retry-after-ms` or `Retry-After`, in seconds or as a date (RFC 9110).

    Returns seconds from now, 0 or more; None: there is neither, or it is unreadable.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    header = headers.get("retry-after")
    seconds = _number(header)
    if seconds is not None or header is None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - clock.unix())
    except Exception:  # noqa: BLE001 - the parser fails in many ways over odd text
        return None


def _status_in(error: dict[str, Any]) -> int | None:
    """Return the HTTP status that an error names, as a number or as text."""
    for name in ("code", "status", "status_code"):
        named = error.get(name)
        if isinstance(named, str) and named.isascii() and named.isdigit():
            named = int(named[:4])
        if type(named) is int and 400 <= named < 600:
            return named
    return None


def _number(header: str | None) -> float | None:
    """Return a finite number from 0 on; None: the header is absent or another thing."""
    try:
        number = float(header or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _secrets(key: Secret | None) -> list[str]:
    """Return all that must not be shown, in every form in which others may quote it."""
    from_environment = [
        value
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET
    ]
    secrets = [*from_environment, *([key.open()] if key else [])]
    forms = {form for secret in secrets for form in _forms(secret)}
    # The longest first: one secret may be the beginning of another.
    return sorted(forms, key=len, reverse=True)


def _forms(secret: str) -> set[str]:
    """Return a secret as it is written in a URL, in HTML, in JSON and in a `repr`."""
    # A variable may hold bytes that are no text.
    raw = secret.encode(errors="surrogateescape")
    forms = {secret, quote(raw), quote(raw, safe=""), html.escape(secret)}
    forms |= {json.dumps(form)[1:-1] for form in forms}
    return forms | {repr(form)[1:-1] for form in forms}


def _message_and_code_of(payload: Any) -> tuple[str, str | None]:
    """Find both in the forms that providers use.

    They are `{"error": {"message": …, "code": …}}` of OpenAI, the same in a list,
    `detail` for `message`, or only a text. Of codes those that decide on a new attempt
    are returned.
    """
    payload = plain(payload)
    if isinstance(payload, list) and payload:
        payload = payload[0]
    if not isinstance(payload, dict):
        return str(payload), None
    error = payload.get("error", payload)
    if not isinstance(error, dict):
        return str(error), None
    message = error.get("message") or error.get("detail") or error
    codes = {str(error.get("code")), str(error.get("type"))} & _NEVER_RETRIED_CODES
    return str(message), min(codes, default=None)
