"""Which endpoint of OpenTelemetry the environment names, and whether texts go there."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from pytest_ladder.errors import ConfigError
from pytest_ladder.text.phrases import listed

_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
# As instrumentations of GenAI clients read it. Nothing of ours is an event of a log.
_WITH_CONTENT = frozenset({"true", "1", "span_only", "span_and_event"})
_WITHOUT_CONTENT = frozenset({"", "false", "0", "no_content", "event_only"})
_OF_TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_OF_ALL = "OTEL_EXPORTER_OTLP_ENDPOINT"
_DEFAULT = "http://localhost:4318"


def endpoint() -> str:
    """Return the address that takes traces, as every OpenTelemetry exporter finds it.

    Raises `ConfigError` for what is no address, and for a protocol other than
    protobuf over HTTP.
    """
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = os.environ.get(name, "").strip()
        if protocol and protocol != "http/protobuf":
            raise ConfigError(
                f"{name} is {protocol!r}, and reports leave as http/protobuf; set "
                f"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf, and {_OF_TRACES} "
                "to an address that takes it."
            )
        if protocol:
            break
    name, address = _OF_TRACES, os.environ.get(_OF_TRACES, "").strip()
    if not address:
        name, base = _OF_ALL, os.environ.get(_OF_ALL, "").strip() or _DEFAULT
        address = base.removesuffix("/") + "/v1/traces"
    if not is_web(address):
        # Not quoted: it may hold a password.
        raise ConfigError(f"{name} is no address that begins with http:// or https://.")
    return address


def is_web(address: str) -> bool:
    """Whether a text is an address of HTTP that a request can be made of."""
    try:
        parts = urlsplit(address)
        # Reading the port checks it.
        known = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return False
    spaced = any(character.isspace() for character in parts.netloc)
    return known and bool(parts.hostname) and not spaced


def host_of(address: str) -> str:
    """Return the host of an address, and its port, without name and password."""
    return urlsplit(address).netloc.rpartition("@")[2]


def wants_content() -> bool:
    """Whether the environment asks for texts in spans, as OpenTelemetry spells that.

    Raises `ConfigError` for a value that nobody knows: it may mean either.
    """
    value = os.environ.get(_CAPTURE, "").strip().lower()
    if value not in _WITH_CONTENT | _WITHOUT_CONTENT:
        known = listed(sorted((_WITH_CONTENT | _WITHOUT_CONTENT) - {""}))
        raise ConfigError(f"{_CAPTURE} is {value!r}; write one of {known}.")
    return value in _WITH_CONTENT
