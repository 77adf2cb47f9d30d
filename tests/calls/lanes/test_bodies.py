"""Bodies are unpacked with a limit, whole and streamed, on both lanes."""

from __future__ import annotations

import functools
import gzip
import json
import os
import resource
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ladder.calls.lanes import bodies
from pytest_ladder.errors import CallError
from tests.scripted_server import ScriptedServer, Sends
from tests.server_shapes import SHAPES

if TYPE_CHECKING:
    from tests.calls.conftest import Line

MB = 1024**2
ZSTD = b"\x28\xb5\x2f\xfd\x04\x00\x11\x00\x00{}\x8e\x1c\x9d\x9b"
STREAM = "text/event-stream"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body)[2:-4]),
        ("gzip", lambda body: gzip.compress(body[:30]) + gzip.compress(body[30:])),
        ("utf-8", lambda body: body),
        ("", gzip.compress),
        ("identity", gzip.compress),
        ("gzip", lambda body: body),
    ],
    ids=[
        *("gzip", "deflate", "deflate without a head", "gzip twice", "no packing"),
        *("gzip, undeclared", "gzip, denied", "gzip, only declared"),
    ],
)
def test_a_packed_answer_is_read(
    line: Line,
    server: ScriptedServer,
    encoding: str,
    pack: Callable[[bytes], bytes],
    stream: bool,
) -> None:
    shape = SHAPES["OpenAI"]
    packed = pack(shape.stream if stream else shape.whole)
    kind = STREAM if stream else "application/json"
    headers = {"Content-Encoding": encoding}
    server.script(Sends(body=packed, headers=headers, content_type=kind))
    answer = line.send(stream=stream)
    assert {name: getattr(answer, name) for name in shape.read} == shape.read
    accepted = server.requests[0].headers["accept-encoding"]
    assert accepted == bodies.ACCEPTED


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_little_that_holds_very_much_is_an_error(
    line: Line, server: ScriptedServer, stream: bool, status: int
) -> None:
    packed = _packed_zeros(400 * MB)
    assert len(packed) < 3 * MB
    kind = STREAM if stream else "application/json"
    server.script(
        Sends(
            body=packed,
            status=status,
            headers={"Content-Encoding": "gzip"},
            content_type=kind,
        )
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CallError, match="an answer of more than 64 MB") as caught:
        line.send(stream=stream)
    assert (caught.value.transient, caught.value.unsure) == (False, True)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if os.uname().sysname == "Linux":  # in kilobytes there
        assert (after - before) * 1024 < 300 * MB


def test_a_long_answer_that_is_not_packed_is_an_error_too(
    direct: Line, server: ScriptedServer
) -> None:
    server.script(Sends(body=b" " * (bodies.MOST_BYTES + 1)))
    with pytest.raises(CallError, match="an answer of more than 64 MB"):
        direct.send()


PADDED = json.dumps({"type": "ping", "pad": "x" * MB})
NATIVE = {
    "anthropic/claude-3-5-haiku-latest": f"event: ping\ndata: {PADDED}\n\n",
    "gemini/gemini-2.0-flash": f"data: {PADDED}\n\n",
}
"""What providers send in protocols of their own, again and again."""


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("provider", NATIVE)
def test_a_stream_that_only_litellm_can_read_has_the_limit_too(
    litellm_line: Line,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    packed: bool,
) -> None:
    """Issue 17: only what OpenAI's protocol brought was counted."""
    monkeypatch.setenv("A_KEY", "any")
    monkeypatch.setattr(bodies, "MOST_BYTES", MB)
    body = (NATIVE[provider] * 3).encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    server.everywhere = Sends(
        body=gzip.compress(body) if packed else body,
        headers=headers,
        content_type=STREAM,
    )
    with pytest.raises(CallError, match="an answer of more than 1 MB") as caught:
        litellm_line.send(
            id=provider,
            api_base=server.url,
            api_key_env="A_KEY",
            stream=True,
            params={"max_tokens": 9},
        )
    assert (caught.value.transient, caught.value.unsure) == (False, True)


@pytest.mark.parametrize(
    ("encoding", "body", "told"),
    [
        ("gzip", b"not packed at all", "it is not JSON"),
        ("gzip", b"\x1f\x8b and not packed", "it cannot be unpacked"),
        ("", b"\x1f\x8b and not packed", "it cannot be unpacked"),
        ("gzip", gzip.compress(b"{}" * 99)[:20], "it is not JSON"),
    ],
    ids=["not packed", "not gzip", "neither", "cut off"],
)
def test_what_cannot_be_unpacked_is_told(
    line: Line, server: ScriptedServer, encoding: str, body: bytes, told: str
) -> None:
    server.script(Sends(body=body, headers={"Content-Encoding": encoding}))
    with pytest.raises(CallError, match=told) as caught:
        line.send()
    assert caught.value.transient


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("encoding", "body", "named"),
    [
        ("br", b"\x0b\x00\x80{}\x03", "br"),
        ("zstd", ZSTD, "zstd"),
        ("", ZSTD, "zstd"),
        ("gzip, br", b"\x0b\x00\x80{}\x03", "gzip, br"),
    ],
    ids=["br", "zstd", "zstd, undeclared", "twice"],
)
def test_a_packing_that_nobody_asked_for_is_paid_once(
    line: Line,
    server: ScriptedServer,
    encoding: str,
    body: bytes,
    named: str,
    stream: bool,
) -> None:
    """The next answer would be packed the same: it cost six calls."""
    kind = STREAM if stream else "application/json"
    headers = {"Content-Encoding": encoding}
    server.script(Sends(body=body, headers=headers, content_type=kind))
    told = f"is packed as '{named}', and only gzip, deflate can be read"
    with pytest.raises(CallError, match=told) as caught:
        line.send(stream=stream)
    assert (caught.value.transient, caught.value.unsure) == (False, True)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("br", b"\x0b\x00\x80{}\x03"), ("gzip", b"\x1f\x8b and not packed"), ("", ZSTD)],
    ids=["br", "broken", "undeclared"],
)
@pytest.mark.parametrize(("status", "transient"), [(401, False), (503, True)])
def test_of_a_refusal_that_cannot_be_unpacked_the_status_counts(
    line: Line,
    server: ScriptedServer,
    encoding: str,
    body: bytes,
    status: int,
    transient: bool,
) -> None:
    """A wrong key was tried six times, and an overloaded server not long enough."""
    server.script(
        Sends(body=body, status=status, headers={"Content-Encoding": encoding})
    )
    with pytest.raises(CallError, match=f"answered {status}") as caught:
        line.send()
    assert (caught.value.status, caught.value.transient) == (status, transient)


@functools.cache
def _packed_zeros(size: int) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    parts = [packer.compress(b"\0" * MB) for _ in range(size // MB)]
    return b"".join([*parts, packer.flush()])


PROVIDERS: dict[str, dict[str, Any]] = {
    "openrouter/x/y": {},
    "deepseek/deepseek-chat": {},
    "groq/llama3": {},
    "together_ai/x/y": {},
    "azure/deployment": {"api_version": "2024-10-21"},
    "openai/x": {},
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("form", [None, {"type": "json_object"}], ids=["plain", "JSON"])
def test_litellms_providers_are_read_from_what_came(
    litellm_line: Line,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    form: object,
) -> None:
    monkeypatch.setenv("A_KEY", "any")
    params = PROVIDERS[provider] | ({"response_format": form} if form else {})

    def send(name: str) -> None:
        shape = SHAPES[name]
        server.everywhere = Sends(body=shape.whole, status=shape.status)
        answer = litellm_line.send(
            id=provider,
            api_base=f"{server.url}/any",
            params=params,
            api_key_env="A_KEY",
        )
        assert answer.text == shape.read["text"]

    send("vLLM, thoughts apart")
    send("Azure, a filtered prompt")
    with pytest.raises(CallError, match="reported an error: Provider returned") as told:
        send("OpenRouter, an error in the choice")
    assert told.value.status == 502
