"""Children of every kind: each whole, in a stream, with tools and several at once.

Each file of `kinds/` asks by the client of its kind, as it would ask a provider, and
prints what it was told. Live, then replayed where there is no network and no model.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.apps.offline_replay import replay, same_rows
from tests.plugin.scratch_suite import Shop
from tests.scripted_server import Body, Says, Sends, calls_tool, fails, limits, sends

FOLDER = Path(__file__).parent / "kinds"
KINDS = [file.name for file in sorted(FOLDER.iterdir()) if file.is_file()]
SUITE = """
import json, subprocess, sys

@pytest.mark.cheap
@pytest.mark.ladder
@pytest.mark.parametrize("kind", KINDS)
def test_kind(llm, kind):
    start = ["node", kind] if kind.endswith(".mjs") else [sys.executable, kind]
    done = subprocess.run(start, env=llm.env(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with open("told.jsonl", "a") as file:
        file.write(done.stdout)
    told = json.loads(done.stdout)
    assert told["whole"] and told["streamed"] and all(told["at once"])
    assert any(call.tools == ("look_up",) for call in llm.calls)
    assert {call.status for call in llm.calls} == {200}
"""
SMOL = """
current = "smol/as-it-is"

[[model]]
name = "smol"
tier = "off-the-shelf"
id = "local/smollm2-135m"
# The Agents SDK takes a reply that was cut off for an error.
params = { max_tokens = 60, temperature = 0, stop = [".", ",", "!", ":", "\\n"] }
serve = { usd_per_hour = 0.05 }

[[strategy]]
name = "as-it-is"
"""


def suite(shop: Shop) -> None:
    shop.test(f"KINDS = {KINDS}" + SUITE)
    for kind in KINDS:
        shutil.copy(FOLDER / kind, shop.path)


def answer(body: Body) -> str | Says:
    last = body["messages"][-1]
    if last["role"] == "tool":
        return f"it is {last['content']}"
    if body.get("tools"):
        return calls_tool("look_up", {"word": "a" * 50})
    return str(last["content"])


def told(shop: Shop) -> list[dict[str, Any]]:
    """Return what each child was told since the last time, and forget it."""
    file = shop.path / "told.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    file.unlink()
    return lines


def test_a_model_of_this_machine_serves_them_all(
    shop: Shop, offline: list[str]
) -> None:
    shop.write("ladder.toml", SMOL)
    suite(shop)
    shop.run("--ladder-live", "-q").assert_outcomes(passed=len(KINDS))
    rows, said = shop.rows(), told(shop)
    assert all(reply["live"] for row in rows for reply in row["replies"])
    replay(shop, offline)
    same_rows(rows, shop.rows())
    assert told(shop) == said


def test_faults_of_a_server_never_reach_them(shop: Shop, offline: list[str]) -> None:
    """Busy, overloaded, broken off in the middle: tried again here, and not there."""
    suite(shop)
    broken: list[Sends] = [
        *(limits("0"), fails(503), sends({"choices": []}, cut_after=5))
    ]
    asked: set[str] = set()

    def faulty(body: Body) -> str | Says | Sends:
        said = json.dumps(body["messages"])
        if said in asked:
            return answer(body)
        asked.add(said)
        return broken[len(asked) % len(broken)]

    shop.server.reply = faulty
    shop.run("--ladder-live", "-q").assert_outcomes(passed=len(KINDS))
    # Six calls of each, and one more with the result of its tool; all tried twice.
    assert len(asked) == 6 * len(KINDS)
    assert shop.server.count == 2 * len(asked)
    rows, said = shop.rows(), told(shop)
    for kind, one in zip(KINDS, said, strict=True):
        assert one["called"] == ["look_up", {"word": "a" * 50}], kind
        assert one["with tools"] in ("it is blue", 'it is {"is":"blue"}'), kind
        assert one["whole"].endswith(", whole"), kind
        assert one["streamed"] == one["whole"].replace("whole", "in a stream"), kind
        assert [text.split()[-3] for text in one["at once"]] == ["0", "1"], kind
    shop.server.stop()
    replay(shop, offline)
    same_rows(rows, shop.rows())
    assert told(shop) == said
