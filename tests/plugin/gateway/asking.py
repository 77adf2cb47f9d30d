"""Source of scratch suites whose tests ask through the gateway by plain HTTP."""

ASK = """
import json, os, subprocess, sys, urllib.request, urllib.error

def post(base, body, **headers):
    request = urllib.request.Request(
        base + "/chat/completions", json.dumps(body).encode(),
        {"Content-Type": "application/json", **headers},
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)

def ask(base, text, headers={}, **more):
    messages = [{"role": "user", "content": text}]
    status, body = post(
        base, {"model": "gpt-4o", "messages": messages, **more}, **headers
    )
    return body["choices"][0]["message"]["content"] if status == 200 else "sorry"

pytestmark = pytest.mark.ladder(cases="cases.jsonl")
"""
CALL = """
import json, urllib.error, urllib.request

def call(address, body=None, method=None, **headers):
    # Return the status, and what the body says: JSON, or the events of a stream.
    sent = None if body is None else json.dumps(body).encode()
    headers = {name.replace("_", "-"): text for name, text in headers.items()}
    request = urllib.request.Request(
        address, sent, {"Content-Type": "application/json", **headers}, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            said, is_stream = response.read(), "event-stream" in response.headers[
                "Content-Type"]
            status = response.status
    except urllib.error.HTTPError as error:
        status, said, is_stream = error.code, error.read(), False
    if is_stream:
        lines = [each[6:] for each in said.decode().splitlines() if each[:5] == "data:"]
        return status, [json.loads(line) for line in lines if line != "[DONE]"]
    return status, json.loads(said) if said else None
"""
APP = """
import http.server, threading

ENV = {}

class App(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        question = self.rfile.read(int(self.headers["Content-Length"])).decode()
        passed = {"baggage": self.headers["baggage"]} if self.headers["baggage"] else {}
        answer = ask(ENV["OPENAI_BASE_URL"], question, passed).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass

@pytest.fixture(scope="session")
def app(ladder_env):
    ENV.update(ladder_env)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()

def ask_app(app, text, headers={}):
    request = urllib.request.Request(app, text.encode(), headers)
    with urllib.request.urlopen(request) as response:
        return response.read().decode()
"""
