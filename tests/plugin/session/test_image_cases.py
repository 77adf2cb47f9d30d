"""A case with an image, from its file to the server, the store and a replay."""

from __future__ import annotations

import base64
from typing import Any

from tests.cases.test_attachments import PNG, SHORT, URL
from tests.plugin.scratch_suite import ANSWER, Shop


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
