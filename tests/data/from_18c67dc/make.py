"""Makes what lies beside it: what users of commit 18c67dc have paid for.

    git worktree add /tmp/old 18c67dc
    python tests/data/from_18c67dc/make.py /tmp/old

runs `suite/` with the code of that commit against a scripted server on loopback, and
puts store, recordings, labels, report and baseline here. Run it only to add to the
suite: what is made anew was never written by a version that users had before.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
COMMIT = "18c67dc"
PORT = 47614
"""Of `api_base` in suite/ladder.toml."""
KEY = "made-up-key-of-tanuki"
PLUGINS = ("randomly", "asyncio", "anyio", "sugar", "html", "deepeval", "repeat")
LIVE = ("--ladder=matrix", "--ladder-live")
NAMES = {
    ".ladder": "ladder",
    "ladder-report": "report",
    "ladder-baseline": "baseline",
    "recordings": "recordings",
    "labels.jsonl": "labels.jsonl",
}
"""What a user has, and what it is called here, where git must not ignore it."""
# What nothing reads again; what ends with its process; and the report of the current
# rung alone, which the baseline repeats.
LEFT = (
    *("*.html", "*.svg", "*.md", "*.csv", "benchmark.json", ".gitignore"),
    *("claims.sqlite*", "*.lock", "current"),
)
# From twenty labels on a judge is measured.
COUNT = 20
LABELS = "p\np\nf\nf\n" * 5

Body = dict[str, Any]


class Fact(NamedTuple):
    """What the model says about a question, and how it thinks about it."""

    answer: str
    always: bool = True
    """False: only if the answer stands in its prompt."""
    thinks: str = ""
    polite: bool = False
    """False: only where the prompt is, or asks for it."""
    finish_reason: str = "stop"


FACTS = {
    "Think inside": Fact("45 days", thinks="inside"),
    "Think apart": Fact("45 days", thinks="apart"),
    "refund window": Fact("45 days", thinks="inside", polite=True),
    "warranty on kettles": Fact("24 months", thinks="apart", polite=True),
    "delivery to Norway": Fact("6 days", always=False, thinks="inside"),
    "gift card good for": Fact("3 years", finish_reason="length"),
    "Tanuki“": Fact("2 Minuten", thinks="inside"),
    "keep the change": Fact("no", thinks="inside", polite=True),
    "Do you wrap gifts?": Fact("yes, in paper", thinks="inside"),
    "cups is a tin": Fact("50 cups", thinks="inside"),
    "large is a box": Fact("20 bags", thinks="apart"),
    "And in weeks?": Fact("6 weeks", thinks="inside"),
    "Greet me, please": Fact("Welcome, please come in"),
    "Greet me curtly": Fact("Well"),
    "Say hello": Fact("hello"),
    "price of a tin": Fact('{"eur": 9.5}'),
    "on the picture": Fact("A tanuki"),
    "Is tea hot?": Fact("yes"),
    "17": Fact("There are 17 tins"),
}
EXACT = {"hello", "yes", '{"eur": 9.5}'}
"""Answers that stand alone."""


class Model:
    """Answers as each of the models of suite/ladder.toml would."""

    def __init__(self, acts: Any) -> None:
        self._acts = acts
        self._refused = False

    def __call__(self, body: Body) -> Any:
        asked = text_of(body["messages"][-1])
        if "response_format" in body and "json_schema" in body["response_format"]:
            return self._sent(body, verdict(body), thoughts="I compare.")
        if body.get("tools") and body["messages"][-1]["role"] == "user":
            return self._acts.calls_tool("stock_of", {"tea": "Sencha"})
        if "Say hello" in asked and not self._refused:
            self._refused = True  # One call succeeds at its second attempt.
            return self._acts.fails(503)
        # The question comes last, behind passages that may be about another one.
        words = max(FACTS, key=asked.rfind)
        if words not in asked:
            return self._sent(body, "Well, please look it up.")
        return self._told(body, FACTS[words])

    def _told(self, body: Body, fact: Fact) -> Any:
        prompt = " ".join(text_of(one) for one in body["messages"])
        known = fact.always or fact.answer in prompt
        says = fact.answer if known else "I do not know"
        asked = any(word in prompt for word in ("please", "politely"))
        manners = "please" if fact.polite or asked else "that is all"
        text = says if says in EXACT else f"{says}, {manners}."
        if fact.thinks == "inside":
            text = f"<think>\nThey ask. I look it up.\n</think>\n\n{text}"
        thoughts = "They ask, and I look." if fact.thinks == "apart" else ""
        return self._sent(body, text, thoughts, fact.finish_reason)

    def _sent(
        self, body: Body, text: str, thoughts: str = "", finish_reason: str = "stop"
    ) -> Any:
        """Return the whole answer, or its stream, thoughts first."""
        said = {"role": "assistant", "content": text}
        if thoughts:
            said["reasoning_content"] = thoughts
        if body.get("stream"):
            events = b"".join(streamed(body, said, finish_reason))
            return self._acts.Sends(body=events, content_type="text/event-stream")
        choice = {"index": 0, "message": said, "finish_reason": finish_reason}
        whole = {"object": "chat.completion", "choices": [choice]}
        return self._acts.sends(head(body) | whole | {"usage": usage(body, said)})


def text_of(message: Body) -> str:
    """Return what a message says, pictures aside."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)


def verdict(body: Body) -> str:
    """Decide as a judge, by what the reply says."""
    wanted = body["response_format"]["json_schema"]["schema"]["properties"]
    data = text_of(body["messages"][-1])
    if "better" in wanted:
        first, second = data.find("Welcome"), data.find("Well,")
        return said("better", "first" if first < second else "second")
    if "grade" in wanted:
        return said("grade", 4)
    polite_or_exact = any(w in data for w in ("please", "50 cups", "20 bags"))
    return said("verdict", "pass" if polite_or_exact else "fail")


def said(field: str, value: str | int) -> str:
    """Write a judge's answer."""
    return json.dumps({"reason": f"it is {value}", field: value})


def head(body: Body) -> Body:
    """Begin a payload."""
    return {"id": "chatcmpl-1", "created": 1, "model": f"{body['model']}-2026-11-01"}


def usage(body: Body, said: Body) -> Body:
    """Count words; half of the prompt was cached, and thoughts are billed."""
    prompt = sum(len(text_of(one).split()) for one in body["messages"])
    thoughts = len(said.get("reasoning_content", "").split())
    output = len(said["content"].split()) + thoughts
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": prompt // 2},
        "completion_tokens_details": {"reasoning_tokens": thoughts},
    }


def streamed(body: Body, said: Body, finish_reason: str) -> Iterator[bytes]:
    """Yield the events of a stream, thoughts first."""
    start = head(body) | {"object": "chat.completion.chunk"}
    deltas = [{"role": "assistant", "content": ""}]
    for name in ("reasoning_content", "content"):
        words = said.get(name, "").split(" ")
        deltas += [{name: f"{' ' * (n > 0)}{word}"} for n, word in enumerate(words)]
    for delta in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        yield event(start | {"choices": [choice]})
    last = {"index": 0, "delta": {}, "finish_reason": finish_reason}
    yield event(start | {"choices": [last]})
    yield event(start | {"choices": [], "usage": usage(body, said)})
    yield b"data: [DONE]\n\n"


def event(payload: Body) -> bytes:
    """Write an event of a stream."""
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def main() -> None:
    """Run the suite, and keep what it left."""
    checkout = Path(sys.argv[1]).resolve()
    at = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    if not subprocess.check_output(at, text=True).startswith(COMMIT):
        sys.exit(f"{checkout} is not at {COMMIT}: git worktree add {checkout} {COMMIT}")
    sys.path.insert(0, str(checkout))
    from tests import scripted_server as acts

    model = Model(acts)
    with (
        tempfile.TemporaryDirectory() as scratch,
        acts.ScriptedServer(reply=model, port=PORT, latency_s=0.01),
    ):
        shop = Path(scratch) / "shop"
        shutil.copytree(HERE / "suite", shop)
        (shop / "shop.py").rename(shop / "test_shop.py")
        use(checkout, shop)
        keep(shop)


def use(checkout: Path, shop: Path) -> None:
    """Do what a user does: run, label, make a baseline, climb, and gate a change."""

    def called(module: str, *arguments: str, typed: str | None = None) -> None:
        around = {**os.environ, "PYTHONPATH": str(checkout), "TANUKI_KEY": KEY}
        command = [sys.executable, "-m", module, *arguments]
        subprocess.run(
            command, cwd=shop, env=around, input=typed, text=True, check=True
        )

    without = [f"-pno:{name}" for name in PLUGINS]
    called("pytest", *without, "-q", *LIVE)
    label = ("label", "ladder-report", "--rater", "ann", "--count", str(COUNT))
    called("pytest_ladder.cli", *label, "--test", "test_tone", typed=LABELS)
    climb = ("--ladder=climb", "--ladder-seed=5", "--ladder-report=climbed")
    called("pytest", *without, "-q", *climb, "-k", "not packed")
    called("pytest", *without, "-q")
    called("pytest_ladder.cli", "baseline", "update", "ladder-report/current")
    called("pytest", *without, "-q", "--ladder-baseline=ladder-baseline")


def keep(shop: Path) -> None:
    """Put what was written here, under names that git does not ignore."""
    for name, kept in NAMES.items():
        target = HERE / kept
        if (shop / name).is_file():
            shutil.copy(shop / name, target)
            continue
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(shop / name, target, ignore=shutil.ignore_patterns(*LEFT))


if __name__ == "__main__":
    main()
