"""One suite with tests of MLflow's own plugin, and a run that is logged by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.page import blocks
from tests.mlflow_server.conftest import Mlflow, values
from tests.plugin.scratch_suite import ANSWER_HALF, LADDER, Shop


def run_apart(
    shop: Shop, mlflow_server: Mlflow, monkeypatch: pytest.MonkeyPatch, *options: str
) -> pytest.RunResult:
    """Run pytest in a process of its own, which knows the address of the server."""
    for name, value in mlflow_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.url)
    options = ("-p", "pytest_ladder.plugin", "--ladder-live", *options)
    return shop.pytester.runpytest_subprocess(*options, timeout=300)


def test_a_live_matrix_is_logged_when_it_has_ended(
    shop: Shop, mlflow_server: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is down, that of OpenTelemetry, costs a warning, and no more."""
    shop.ladder(LADDER + '\n[log]\nmlflow = "by itself"\notel = true\n')
    shop.test(ANSWER_HALF)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    result = run_apart(shop, mlflow_server, monkeypatch, "--ladder=matrix")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "mlflow: logged to the experiment by itself: 3 runs, * new metrics",
            "*ladder-report was not logged to otel: * connection refused",
        ]
    )
    runs = mlflow_server.runs("by%20itself")
    run_id = shop.matrix("ladder-report")["run"]["id"]
    assert set(runs) == {run_id, "bot/plain", "bot/loud"}
    assert values(runs["bot/loud"], "metrics")["cheap.n"] == 3
    prompts = {values(run, "params").get("strategy.prompt") for run in runs.values()}
    assert len(prompts) == 3, "the parent has none, and each rung its own"


def test_tests_of_mlflow_and_of_the_ladder_run_in_one_suite(
    shop: Shop, mlflow_server: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.cases([{"id": "sky", "input": "say blue", "expected": "blue"}])
    name = "test_beside_mlflow.py"
    shop.write(name, blocks()[name])
    # As docs/integrations.md says of MLflow's own code: it reports, and fetches prices.
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_MODEL_CATALOG_URI": ""}
    for key, value in {**quiet, "MLFLOW_EXPERIMENT_NAME": "beside"}.items():
        monkeypatch.setenv(key, value)
    # MLflow's own code warns, which is none of ours.
    options = ("-p", "mlflow.pytest.plugin", "-W", "default", name)
    result = run_apart(shop, mlflow_server, monkeypatch, *options)
    result.assert_outcomes(passed=2)
    assert [row["case"] for row in shop.rows()] == ["sky"]
    runs: dict[str, Any] = mlflow_server.runs("beside")
    (metrics,) = (values(run, "metrics") for run in runs.values())
    assert metrics["short/mean"] == 1
