"""What logging a report to MLflow costs: against making empty runs, and posting bytes.

MLFLOW_TRACKING_URI=http://localhost:5000 python -m benchmarks.bench_tracking

Both sides are measured in one process, in turns, against the same server: only the
ratio means something. MLflow's client is loaded and the report read before; what is
rendered for the server counts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import requests

from benchmarks.bench_memory import make
from benchmarks.measuring import Line, table
from pytest_ladder.reporting.files.read import read_report
from pytest_ladder.tracking.mlflow import log_mlflow
from pytest_ladder.tracking.mlflow_server import open_client
from pytest_ladder.tracking.otel import deliver
from pytest_ladder.tracking.spans import RowTrace, traces_of
from tests.otlp_receiver import OtlpReceiver

if TYPE_CHECKING:
    from pytest_ladder.reporting.report import Report

MOST = 4.0
"""Times what making the empty runs takes."""
_TRACES = 1_000
MOST_TO_POSTING = 2.0
"""Times what posting the same bytes takes."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rungs", type=int, default=16)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ladder-bench-") as folder:
        make(Path(folder), given.rungs, given.cases, 0)
        report = read_report(Path(folder) / "base")
    experiment = f"bench-{uuid.uuid4().hex[:8]}"
    _empty_runs(experiment, 1)  # Loads the client, and makes the experiment.
    empty, logged, again = [], [], []
    for _ in range(given.rounds):
        empty.append(_seconds(partial(_empty_runs, experiment, given.rungs + 1)))
        log = partial(log_mlflow, _fresh(report), experiment)
        logged.append(_seconds(log))
        again.append(_seconds(log))
    base = statistics.median(empty)
    title = f"{given.rungs} rungs of {given.cases:,} cases, to MLflow"
    lines = [
        Line(f"{given.rungs + 1} empty runs", base, unit="s"),
        Line("the report, without traces", statistics.median(logged), unit="s"),
        Line("against empty runs", statistics.median(logged) / base, MOST),
        Line("logged again, against them", statistics.median(again) / base, MOST),
    ]
    missed = table(title, lines)
    missed += table(
        f"{_TRACES:,} traces, by OTLP", traces(report, experiment, given.rounds)
    )
    return int(missed > 0)


def traces(report: Report, experiment: str, rounds: int) -> list[Line]:
    """Measure sending traces against posting the same bytes to the same server."""
    with open_client() as client:
        found = client.get_experiment_by_name(experiment)
    headers = {"x-mlflow-experiment-id": found.experiment_id if found else "0"}
    address = f"{os.environ['MLFLOW_TRACKING_URI'].rstrip('/')}/v1/traces"
    sent, posted = [], []
    for _ in range(rounds):
        # Of another run for each side, for a server knows traces that it has again.
        bodies = _bodies(_fresh(report))
        posted.append(_seconds(partial(_post, bodies, address, headers)))
        made = traces_of(_fresh(report), report.rows[:_TRACES], content=True)
        sent.append(_seconds(partial(_deliver, made, address, headers)))
    base, ours = statistics.median(posted), statistics.median(sent)
    return [
        Line("posting their bytes", base, unit="s"),
        Line("sending them", ours, unit="s"),
        Line("against posting", ours / base, MOST_TO_POSTING),
    ]


def _bodies(report: Report) -> list[bytes]:
    """Return the requests that a receiver of ours gets."""
    made = traces_of(report, report.rows[:_TRACES], content=True)
    with OtlpReceiver() as receiver:
        _deliver(made, f"{receiver.url}/v1/traces", {})
        return [export.SerializeToString() for export in receiver.exports]


def _deliver(
    made: Iterable[RowTrace], address: str, headers: Mapping[str, str]
) -> None:
    delivered = deliver(made, address, headers=headers)
    assert delivered.is_whole, delivered.sentence


def _post(bodies: Sequence[bytes], address: str, headers: Mapping[str, str]) -> None:
    kind = {"content-type": "application/x-protobuf"}
    with requests.Session() as session:
        for body in bodies:
            told = session.post(address, data=body, headers={**kind, **headers})
            told.raise_for_status()


def _empty_runs(experiment: str, runs: int) -> None:
    """Make runs as MLflow's users do: begin one, end it."""
    with open_client() as client:
        found = client.get_experiment_by_name(experiment)
        where = found.experiment_id if found else client.create_experiment(experiment)
        for _ in range(runs):
            run = client.create_run(where)
            client.set_terminated(run.info.run_id)


def _fresh(report: Report) -> Report:
    """Return the report of another run, which no server knows."""
    info = msgspec.structs.replace(report.info, id=uuid.uuid4().hex[:12])
    return msgspec.structs.replace(report, info=info)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
