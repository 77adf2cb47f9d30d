"""Who is let in: the hostile list, each with the answer it got."""

from __future__ import annotations

import json

from tests.plugin.gateway.asking import ASK
from tests.plugin.scratch_suite import LADDER, Shop

RAW = '''
import gzip, http.client, pathlib, re, socket, time
from urllib.parse import urlsplit

GOOD = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]})

class Raw:
    """Requests with headers that no library would send, and what they are answered."""

    def __init__(self, base):
        self.at = urlsplit(base)
        self.got = {}

    def __call__(self, what, body=GOOD, path=None, method="POST", chunks=(), **headers):
        told = {"Host": self.at.netloc, "Content-Type": "application/json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        if chunks:
            told["Transfer-Encoding"] = "chunked"
        else:
            told.setdefault("Content-Length", str(len(body)))
        lines = [f"{method} {path or self.at.path + '/chat/completions'} HTTP/1.1"]
        lines += [f"{n}: {v}" for n, v in told.items() if v is not None]
        body = body if isinstance(body, bytes) else body.encode()
        with socket.create_connection((self.at.hostname, self.at.port)) as wire:
            wire.sendall("\\r\\n".join([*lines, "", ""]).encode())
            try:
                for chunk in chunks:
                    wire.sendall(b"%x\\r\\n" % len(chunk) + chunk + b"\\r\\n")
                wire.sendall(b"0\\r\\n\\r\\n" if chunks else body)
            except OSError:
                pass
            answer = http.client.HTTPResponse(wire)
            answer.begin()
            said = answer.read().decode()
        names = {name.lower() for name in answer.headers}
        assert not any(name.startswith("access-control") for name in names)
        self.got[what] = [answer.status, said]
'''
STRANGERS = """
@pytest.mark.cheap
def test_strangers(llm):
    base = llm.base_url
    raw = Raw(base)
    port, path = raw.at.port, raw.at.path + "/chat/completions"
    token = path.split("/")[2]
    raw("a page's no-cors", Origin="https://evil.example", Content_Type="text/plain")
    raw("a page's JSON", Origin="https://evil.example")
    raw("a sandboxed page", Origin="null")
    raw("a preflight", method="OPTIONS", Origin="https://evil.example")
    raw("a form", Content_Type="application/x-www-form-urlencoded")
    raw("no content type", Content_Type=None)
    raw("DNS rebinding", Host=f"evil.example:{port}")
    raw("another port", Host="127.0.0.1:80")
    raw("no host", Host="")
    raw("a proxy's request", path=f"http://evil.example{path}")
    raw("no token", path="/v1/chat/completions")
    raw("a wrong token", path="/t/" + token[:-1] + "!/v1/chat/completions")
    raw("a token in part", path="/t/" + token[:8] + "/v1/chat/completions")
    raw("a long token", path="/t/" + token * 200 + "/v1/chat/completions")
    raw("a wrong key", path="/v1/chat/completions", Authorization="Bearer ladder-x")
    raw("another's key", path="/v1/chat/completions", Authorization="Bearer sk-x")
    path = "/v1/chat/completions"
    raw("a wrong header beside no token", path=path, x_ladder_token="")
    raw("says it has 65 MB", Content_Length=str(65 * 1024**2))
    raw("an injected header", x_ladder_token="x\\r\\nx-ladder-token: " + token,
        path="/v1/chat/completions")
    raw("path above", path="/../../etc/passwd")
    assert not llm.calls
    pathlib.Path("before.json").write_text(json.dumps(raw.got))

@pytest.mark.cheap
def test_tokens(llm):
    raw = Raw(llm.base_url)
    path, token = "/v1/chat/completions", llm.headers["x-ladder-token"]
    raw("localhost", Host=f"localhost:{raw.at.port}")
    raw("x-ladder-token", path=path, x_ladder_token=token)
    raw("baggage", path=path, baggage=f"a=b;c, ladder = {token};d=e")
    raw("key", path=path, Authorization=f"Bearer ladder-{token}")
    raw("Anthropic's key", path=path, x_api_key=f"ladder-{token}")
    raw("without /v1", path=f"/t/{token}/chat/completions")
    raw("/v1 twice", path=f"/t/{token}/v1/v1/chat/completions")
    assert {status for status, _ in raw.got.values()} == {200}, raw.got
    assert len(llm.calls) == 7

@pytest.mark.cheap
def test_bodies(llm):
    raw = Raw(llm.base_url)
    def body(**fields):
        return json.dumps(json.loads(GOOD) | fields)
    raw("no JSON", body="{")
    raw("a list", body="[]")
    raw("deep", body="[" * 100_000)
    raw("half a character", body=b'{"model": "\\xff"}')
    raw("65 MB in chunks", chunks=[b" " * 1024**2] * 65)
    packed = gzip.compress(b" " * 65 * 1024**2)
    raw("a packed 65 MB", body=packed, Content_Encoding="gzip")
    raw("no model", body="{}")
    raw("no messages", body=body(messages=[]))
    raw("odd messages", body=body(messages=[1]))
    raw("odd tools", body=body(tools=5, tool_choice=[]))
    raw("odd stream options", body=body(stream_options=3))
    raw("n", body=body(n=2))
    raw("hidden n", body=body(extra_body={"n": 2}))
    raw("api_base", body=body(api_base="http://evil.example"))
    raw("hidden headers", body=body(extra_body={"extra_headers": {"a": "b"}}))
    raw("aws", body=body(aws_secret_access_key="x"))
    raw("odd limit", body=body(max_tokens=-1))
    raw("logprobs", body=body(logprobs=True))
    raw("GET", method="GET", body="")
    raw("elsewhere", path=f"{raw.at.path}/audio/speech")
    pathlib.Path("bodies.json").write_text(json.dumps(raw.got))
"""
REFUSED = {
    401: "no token, a wrong token, a token in part, a long token, a wrong key, "
    "another's key, a wrong header beside no token, an injected header, path above",
    403: "a page's no-cors, a page's JSON, a sandboxed page, a preflight, "
    "DNS rebinding, another port, no host, a proxy's request",
    413: "says it has 65 MB",
    415: "a form, no content type",
}
UNREADABLE = {
    400: "no JSON, a list, deep, half a character, no model, no messages, "
    "odd messages, odd stream options, n, hidden n, api_base, hidden headers, aws, "
    "odd limit",
    405: "GET",
    413: "65 MB in chunks, a packed 65 MB",
    501: "elsewhere",
    200: "odd tools, logprobs",
}


def test_who_is_let_in_and_what_is_read(shop: Shop) -> None:
    shop.test(
        ASK.replace('pytestmark = pytest.mark.ladder(cases="cases.jsonl")', "")
        + RAW
        + STRANGERS
    )
    result = shop.run("--ladder-live", "-q")
    result.assert_outcomes(passed=2, failed=1)
    for name, expected in (("before", REFUSED), ("bodies", UNREADABLE)):
        got = json.loads((shop.path / f"{name}.json").read_text())
        by_status: dict[int, list[str]] = {}
        for what, (status, said) in got.items():
            by_status.setdefault(status, []).append(what)
            if status != 200:
                assert json.loads(said)["error"]["message"], what
        assert {k: sorted(v) for k, v in by_status.items()} == {
            k: sorted(v.split(", ")) for k, v in expected.items()
        }, got
    # Seven tokens, and what the model's server is to judge.
    assert shop.server.count == 9


def test_which_models_an_app_may_ask_for(shop: Shop) -> None:
    helper = LADDER + (
        '\n[[model]]\nname = "helper"\ntier = "off-the-shelf"\nid = "openai/small"\n'
        'api_base = "{api_base}"\nprice = {{ input = 5.0, output = 5.0 }}\n'
        '[gateway]\noverride = ["gpt-*"]\npass = ["helper"]\n'
    )
    shop.ladder(helper)
    shop.test(
        ASK.replace('pytestmark = pytest.mark.ladder(cases="cases.jsonl")', "")
        + """
@pytest.mark.cheap
def test_models(llm):
    for model in ("gpt-4o", "helper", "bot"):
        messages = [{"role": "user", "content": "hi"}]
        status, _ = post(llm.base_url, {"model": model, "messages": messages})
        assert status == 200
    with urllib.request.urlopen(llm.base_url + "/models") as response:
        names = [model["id"] for model in json.load(response)["data"]]
    assert names == ["bot", "helper"], names

@pytest.mark.cheap
def test_vectors(llm):
    import base64, struct
    def embed(**more):
        body = json.dumps({"model": "helper", "input": ["a", "bcd"], **more}).encode()
        request = urllib.request.Request(
            llm.base_url + "/embeddings", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            return [each["embedding"] for each in json.load(response)["data"]]
    assert embed() == [[1, 0.5, -1], [3, 0.5, -1]]
    packed = [base64.b64decode(each) for each in embed(encoding_format="base64")]
    assert struct.unpack("<3f", packed[1]) == (3, 0.5, -1)
    assert llm.calls[0].route == "/embeddings"

@pytest.mark.cheap
def test_unknown(llm):
    messages = [{"role": "user", "content": "hi"}]
    status, body = post(llm.base_url, {"model": "helpr", "messages": messages})
    assert status == 404 and "did you mean" in body["error"]["message"]
"""
    )
    result = shop.run("--ladder-live", "-q")
    result.assert_outcomes(passed=2, failed=1)
    asked = [r.body["model"] for r in shop.server.requests]
    assert asked == ["bot", "small", "bot", "small"]
    (vectors,) = (r for r in shop.rows() if r["test"].endswith("test_vectors"))
    assert not vectors.get("text")
    assert vectors["replies"][0]["cost_usd"] == 4 * 5 / 1e6
    shop.server.stop()
    shop.run("-q", "-k", "vectors").assert_outcomes(passed=1)
