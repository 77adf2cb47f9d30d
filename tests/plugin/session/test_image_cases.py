"""A case with an image, from its file to the server, the store and a replay."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pytest_ladder.cli.main import main
from tests.cases.test_attachments import PNG, SHORT, URL
from tests.plugin.scratch_suite import ANSWER, JUDGE, LADDER, TONE, Shop


def test_an_image_reaches_the_server_and_stays_out_of_what_is_kept(shop: Shop) -> None:
    (shop.path / "sky.png").write_bytes(PNG)
    row: dict[str, Any] = {"id": "sky", "input": "say blue", "expected": "blue"}
    shop.cases([{**row, "images": ["sky.png"]}])
    shop.test(ANSWER)
    shop.server.reply = lambda body: "a blue tea"
    shop.run("--ladder-live").assert_outcomes(passed=1)
    (sent,) = shop.server.requests
    assert sent.body["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "say blue"},
                {"type": "image_url", "image_url": {"url": URL}},
            ],
        }
    ]
    encoded = base64.b64encode(PNG)
    kept = [path for path in shop.path.rglob("*") if path.is_file()]
    assert [path.name for path in kept if encoded in path.read_bytes()] == []
    recorded = (shop.path / "recordings/test_shop.jsonl").read_text(encoding="utf-8")
    assert f"say blue\\n{SHORT}" in recorded
    shop.run().assert_outcomes(passed=1)
    assert len(shop.server.requests) == 1


def test_a_report_is_priced_again_by_the_images_that_were_sent(shop: Shop) -> None:
    (shop.path / "sky.png").write_bytes(PNG)
    row = {"input": "say blue", "expected": "blue"}
    two, none = {"images": ["sky.png", "sky.png"]}, {"input": "say a blue"}
    shop.cases([{**row, **two, "id": "two"}, {**row, **none, "id": "none"}])
    shop.test(ANSWER)
    shop.server.reply = lambda body: "a blue tea"
    shop.run("--ladder-live").assert_outcomes(passed=2)
    sent = {row["case"]: row["replies"][0] for row in shop.rows()}
    assert [sent[case].get("images") for case in ("two", "none")] == [2, None]
    by_image = LADDER.replace("output = 2.0", "output = 0, image = 0.5")
    shop.ladder(by_image.replace("input = 1.0", "input = 0"))
    report = shop.path / "ladder-report/current"
    (config, again) = (shop.path / name for name in ("ladder.toml", "again"))
    command = ["report", report, "--config", config, "--output", again]
    assert main([str(part) for part in command]) == 0
    matrix = json.loads((again / "matrix.json").read_text("utf-8"))
    # Two images for two replies.
    assert matrix["rungs"][0]["cost"]["usd_per_1k"] == 500


@pytest.mark.parametrize("sees", [True, False])
def test_a_judge_is_shown_what_it_takes_and_replays(shop: Shop, *, sees: bool) -> None:
    (shop.path / "sky.png").write_bytes(PNG)
    shop.cases([{"id": "sky", "input": "say blue", "images": ["sky.png"]}])
    shop.ladder(LADDER + JUDGE + ("" if sees else "vision = false\n"))
    shop.test(TONE)
    verdict = json.dumps({"reason": "it is blue", "verdict": "pass"})
    shop.server.reply = lambda body: verdict if body["model"] == "judge" else "blue"
    shop.run("--ladder-live").assert_outcomes(passed=1)
    (judged,) = [r.body for r in shop.server.requests if r.body["model"] == "judge"]
    shown = judged["messages"][1]["content"]
    assert (URL in json.dumps(shown)) is sees
    encoded = base64.b64encode(PNG)
    kept = [path for path in shop.path.rglob("*") if path.is_file()]
    assert [path.name for path in kept if encoded in path.read_bytes()] == []
    shop.run().assert_outcomes(passed=1)
    assert len(shop.server.requests) == 2
