"""A server of MLflow on loopback, one for all tests, and what is read back from it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_ladder.cli.main import main

# Importing it loads the plugin's modules, too, which must stay the same for all runs.
from tests.plugin.conftest import _not_a_worker, server, shop  # noqa: F401

# What any process looks for beyond this machine goes into a file. Python runs it at its
# start, in the server and in every command.
WATCHED = """
import os, sys

def watch(event, arguments):
    if event == "socket.getaddrinfo" and arguments[0] not in LOOPBACK:
        with open(os.environ["PHONED"], "a") as file:
            print(arguments[0], file=file)

LOOPBACK = ("127.0.0.1", "localhost", None, os.uname().nodename)
sys.addaudithook(watch)
"""
# MLflow sends nothing home while one of these is set, and so would prove nothing.
HUSHING = ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "DO_NOT_TRACK")
STARTS_WITHIN_S = 300


class Mlflow:
    """The server, and its REST API."""

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        self.url = url
        self.environment = environment

    def log(
        self, folder: Path, *arguments: str, url: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `pytest-ladder log mlflow`."""
        given = "log", "mlflow", str(folder), *arguments
        return self.run(*given, url=url, **variables)

    def run(
        self, *arguments: str, url: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `pytest-ladder` in this process, which has loaded MLflow's client."""
        said, told = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(told),
            # Of MLflow's own code, which are none of ours.
            warnings.catch_warnings(action="ignore"),
        ):
            patch.setenv("MLFLOW_TRACKING_URI", url or self.url)
            for name, value in variables.items():
                patch.setenv(name, value)
            try:
                status: Any = main(list(arguments))
            except SystemExit as end:
                status = end.code
        return subprocess.CompletedProcess(
            arguments, int(status or 0), said.getvalue(), told.getvalue()
        )

    def run_apart(
        self, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `pytest-ladder` as users do, in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "pytest_ladder", *arguments],
            env={
                **self.environment,
                "MLFLOW_TRACKING_URI": self.url,
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def ask(self, path: str, body: Any = None) -> Any:
        """Ask the REST API; a body is posted."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/{path}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def experiment(self, name: str) -> str:
        path = f"api/2.0/mlflow/experiments/get-by-name?experiment_name={name}"
        return str(self.ask(path)["experiment"]["experiment_id"])

    def new_experiment(self, name: str) -> str:
        made = self.ask("api/2.0/mlflow/experiments/create", {"name": name})
        return str(made["experiment_id"])

    def traces(self, experiment: str) -> list[Any]:
        """Return the traces of an experiment, sorted by their ids."""
        place = {"mlflow_experiment": {"experiment_id": self.experiment(experiment)}}
        asked = {
            "locations": [{"type": "MLFLOW_EXPERIMENT", **place}],
            "max_results": 500,
        }
        found: list[Any] = self.ask("api/3.0/mlflow/traces/search", asked)["traces"]
        return sorted(found, key=lambda trace: str(trace["trace_id"]))

    def runs(self, experiment: str) -> dict[str, Any]:
        """Return the runs of an experiment by name."""
        asked = {"experiment_ids": [self.experiment(experiment)]}
        found = self.ask("api/2.0/mlflow/runs/search", asked).get("runs", [])
        names = [run["info"]["run_name"] for run in found]
        assert len(set(names)) == len(names), names
        return dict(zip(names, found, strict=True))

    def artifact(self, run: Any, path: str) -> bytes:
        run_id = run["info"]["run_id"]
        url = f"{self.url}/get-artifact?path={path}&run_uuid={run_id}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            content: bytes = answer.read()
        return content


def values(run: Any, kind: str) -> dict[str, Any]:
    """Return `tags`, `params` or `metrics` of a run by name."""
    return {one["key"]: one["value"] for one in run["data"].get(kind, [])}


@pytest.fixture(scope="session")
def phoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file that names hosts beyond this machine; it need not exist."""
    return tmp_path_factory.mktemp("phoned") / "phoned.txt"


@pytest.fixture(scope="session")
def mlflow_server(
    tmp_path_factory: pytest.TempPathFactory, phoned: Path
) -> Iterator[Mlflow]:
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "sitecustomize.py").write_text(WATCHED, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if k not in HUSHING}
    environment |= {"PYTHONPATH": str(folder), "PHONED": str(phoned)}
    # The server's own, in words of its documentation; a command of ours says nothing.
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Else it fetches a price list when traces name tokens.
        "MLFLOW_MODEL_CATALOG_URI": "",
    }
    with (folder / "server.txt").open("w") as output:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
                *("--artifacts-destination", str(folder / "artifacts")),
            ],
            cwd=folder,
            env=environment | quiet,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/health", server, folder / "server.txt")
        yield Mlflow(url, environment)
    finally:
        # It has children, which its own end leaves behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], said: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < end:
        assert process.poll() is None, said.read_text(encoding="utf-8")
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.2)
    pytest.fail(said.read_text(encoding="utf-8"))
