"""The code of docs/integrations.md runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.plugin.shop import LADDER, WITHOUT, Shop
from tests.scripted_server import last_user_message, says

PAGE = Path(__file__).parents[2] / "docs/integrations.md"
NEEDED = ("syrupy", "hypothesispytest", "benchmark")


def test_the_examples_run(shop: Shop) -> None:
    shop.ladder(LADDER + '[judge]\nid = "openai/judge"\napi_base = "{api_base}"\n')
    shop.cases([{"id": "a", "input": "say blue", "expected": "blue"}])
    shop.server.reply = lambda body: says(last_user_message(body))
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for name, code in blocks:
        # This repository has tests of the same names, which pytest tells apart by name.
        shop.write(name.replace("test_", "test_page_", 1), code)
    without = [one for one in WITHOUT if not one.endswith(NEEDED)]
    for arguments in (["--ladder-live", "--snapshot-update"], []):
        result = shop.pytester.runpytest_inprocess(*without, *arguments)
        assert result.ret == pytest.ExitCode.OK
    assert len(shop.rows()) >= len(blocks) - 1
