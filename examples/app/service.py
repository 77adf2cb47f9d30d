"""A support desk as somebody built it: it has never heard of tests.

It picks the paragraph of its handbook that shares most words with a question, asks its
model, and answers on HTTP. The model's address and key come from the environment, as
official clients read them. It takes a free port, and prints its address.
"""

import json
import os
import re
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HANDBOOK = Path(__file__).with_name("handbook.md").read_text(encoding="utf-8")
PARAGRAPHS = [part.strip() for part in HANDBOOK.split("\n\n")[1:]]
RULES = (
    "You answer customers of the shop Tanuki Tea. Give the answer only, in a few words."
)


def words(text):
    return {word for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) > 3}


def answer(question, passed_on):
    known = max(PARAGRAPHS, key=lambda part: len(words(part) & words(question)))
    asked = {
        "model": "gpt-4o-mini",
        "temperature": 0,
        "messages": [
            {"role": "system", "content": RULES},
            {"role": "user", "content": f"{known}\n\nQuestion: {question}\nAnswer:"},
        ],
    }
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        json.dumps(asked).encode(),
        {
            "Content-Type": "application/json",
            "Authorization": "Bearer " + os.environ["OPENAI_API_KEY"],
            **passed_on,
        },
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)["choices"][0]["message"]["content"]


class Desk(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        # OpenTelemetry would do this by itself.
        baggage = self.headers.get("baggage")
        said = answer(body["question"], {"baggage": baggage} if baggage else {})
        reply = json.dumps({"answer": said}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Desk) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
        server.serve_forever()
