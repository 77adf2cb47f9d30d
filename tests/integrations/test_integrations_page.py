"""The code of docs/integrations.md runs."""

from __future__ import annotations

import pytest

from tests.integrations.page import blocks
from tests.plugin.scratch_suite import LADDER, Shop
from tests.scripted_server import last_user_message, says

NEEDED = ("syrupy", "hypothesispytest", "benchmark")


def test_the_examples_run(shop: Shop) -> None:
    shop.ladder(LADDER + '[judge]\nid = "openai/judge"\napi_base = "{api_base}"\n')
    shop.cases([{"id": "a", "input": "say blue", "expected": "blue"}])
    shop.server.reply = lambda body: says(last_user_message(body))
    # Those of metric libraries run in tests/metrics, MLflow's in tests/mlflow_server.
    elsewhere = ("test_metrics_", "test_beside_mlflow")
    code = {k: v for k, v in blocks().items() if not k.startswith(elsewhere)}
    for name, text in code.items():
        # This repository has tests of the same names, which pytest tells apart by name.
        shop.write(name.replace("test_", "test_page_", 1), text)
    plugins = [word for name in NEEDED for word in ("-p", name)]
    for arguments in (["--ladder-live", "--snapshot-update"], []):
        result = shop.pytester.runpytest_inprocess(*plugins, *arguments)
        assert result.ret == pytest.ExitCode.OK
    assert len(shop.rows()) >= len(code) - 1
