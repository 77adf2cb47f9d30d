"""Sends a report to MLflow: each run is found or made, and gets what it lacks.

Every run bears the id of ours as a tag, and each of a rung the rung. So logging again
finds them all, also after a failure half-way, and sends only what is not there yet: a
run bears a digest of its files and tables, and where it has ended they are not sent
again. Params never change in MLflow; where one would, the run keeps the old one, and
that is said.

MLflow makes as many runs with one tag as it is asked to, so two machines that log a
report at the same time both make some. Who made any looks again when all is there: of
twins the one with the smaller id stays, which both see alike.

Rungs are sent side by side, on a few threads of a pool that ends before `send`
returns; MLflow's client, whose requests share a session, is made for that. They touch
nothing but the client and their own run. A failure, Ctrl-C too, lets the requests that
are under way end, and drops the others.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_ladder.errors import TrackingError
from pytest_ladder.tracking.mlflow_address import host, url
from pytest_ladder.tracking.mlflow_runs import (
    RUN_ID,
    RUNG,
    STARTED,
    LoggedDataset,
    LoggedReport,
    LoggedRun,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Progress = Callable[[int, int], None]
"""Is told how many runs of how many are logged."""

_AT_ONCE = 4
_FILES = "ladder.files"
"""Tag with the digest of files and table; they are there when the run has ended."""
_PARENT = "mlflow.parentRunId"
_TABLES = "mlflow.loggedArtifacts"
"""Tag by which MLflow's pages know an artifact as a table.

`log_table` sets it as well, but it appends to a table that is there: whoever logs twice
has every line twice.
"""
_MOST_FOUND = 1000
_OF_SERVER = "mlflow-artifacts:"


class LoggedTo(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a report at a server."""

    url: str
    """Of the parent's page; empty: the server is none that has pages."""
    experiment_id: str
    run_ids: Mapping[str, str]
    """Ids of the runs by rung; the parent's is that of `""`."""
    created: int
    metrics: int
    """Metrics that were sent, and not there before."""
    kept: tuple[str, ...] = ()
    """Sentences on params that would be others now."""


def send(
    client: MlflowClient, report: LoggedReport, experiment: str, progress: Progress
) -> LoggedTo:
    """Log a report to an experiment, which is made if need be.

    Raises what the client raises, and `TrackingError` for a deleted experiment.
    """
    experiment_id = _experiment(client, experiment)
    # The runs of an earlier log by rung; of twins the one that stays.
    found: dict[str, Run] = {}
    for run in _all_of(client, experiment_id, report.run_id):
        found.setdefault(run.data.tags.get(RUNG, ""), run)
    sender = _RunSender(client, experiment_id, report, found)
    parent = sender.begin(report.parent)
    if "" not in found or parent.info.end_time is None:
        # Before all rungs, of which two at once would name a new dataset.
        sender.log_dataset(sender.ids[""])
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ladder-mlflow")
    try:
        rungs = pool.map(sender.log_rung, report.rungs)
        # Making the page takes a while, in which the others wait for the server.
        sender.send_files(report.parent, parent)
        for done, _ in enumerate(rungs, start=1):
            progress(done, len(report.runs))
    finally:
        pool.shutdown(cancel_futures=True)
    # Last, so that a parent that has ended has all that belongs to it.
    sender.complete(report.parent, parent)
    if found.keys() < sender.ids.keys():
        sender.ids = _without_twins(client, experiment_id, report.run_id, sender.ids)
    progress(len(report.runs), len(report.runs))
    return LoggedTo(
        url=url(f"experiments/{experiment_id}/runs/{sender.ids['']}"),
        experiment_id=experiment_id,
        run_ids=sender.ids,
        created=len(report.runs) - len(found.keys() & sender.ids.keys()),
        metrics=sender.metrics,
        kept=tuple(sorted(sender.kept)),
    )


def _experiment(client: MlflowClient, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            # Another machine, which logs at the same time, may have made it meanwhile.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if not found.experiment_id:
        raise TrackingError(
            f"{host()} does not answer as a server of MLflow does; check the address."
        )
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"The experiment `{name}` was deleted in MLflow; restore it, or name "
            "another with --experiment."
        )
    return str(found.experiment_id)


def _without_twins(
    client: MlflowClient, experiment_id: str, run_id: str, own: Mapping[str, str]
) -> dict[str, str]:
    """Delete runs that another process made as well, and return which stay, by rung.

    One of the other's that has not ended is left to it: it comes here, too.
    """
    stay: dict[str, Run] = {}
    for run in _all_of(client, experiment_id, run_id):
        rung = run.data.tags.get(RUNG, "")
        first = stay.setdefault(rung, run)
        is_mine = own.get(rung) == run.info.run_id
        if run is not first and (is_mine or run.info.end_time is not None):
            client.delete_run(run.info.run_id)
    parent = stay[""].info.run_id
    for rung, run in stay.items():
        if rung and run.data.tags.get(_PARENT) != parent:
            client.set_tag(run.info.run_id, _PARENT, parent)
    return {rung: run.info.run_id for rung, run in stay.items()}


def _all_of(client: MlflowClient, experiment_id: str, run_id: str) -> Iterator[Run]:
    """Yield the runs that bear the id of a report, twins in an order that stays."""
    if "'" in run_id:
        raise TrackingError(f"{run_id!r} is no id of a run; take another report.")
    asked = f"tags.`{RUN_ID}` = '{run_id}'"
    oldest = ["attributes.start_time ASC", "attributes.run_id ASC"]
    token = None
    while True:
        page = client.search_runs(
            [experiment_id],
            asked,
            max_results=_MOST_FOUND,
            order_by=oldest,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


class _RunSender:
    """Logs the runs of one report."""

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        report: LoggedReport,
        found: Mapping[str, Run],
    ) -> None:
        self.client = client
        self.experiment_id = experiment_id
        self.dataset = report.dataset
        self.found = found
        self.began_ms = _milliseconds(report.parent.tags[STARTED])
        self.ids: dict[str, str] = {}
        self.metrics = 0
        self.kept: set[str] = set()

    def log_rung(self, told: LoggedRun) -> None:
        tags = {**told.tags, _PARENT: self.ids[""]}
        placed = msgspec.structs.replace(told, tags=tags)
        self.complete(placed, self.begin(placed))

    def begin(self, told: LoggedRun) -> Run:
        """Find or make a run; one that is made has all its tags at once."""
        run = self.found.get(told.rung)
        if run is None:
            tags = {**told.tags, **_of_files(told)}
            run = self.client.create_run(
                self.experiment_id, self.began_ms, tags, run_name=told.name
            )
        self.ids[told.rung] = run.info.run_id
        return run

    def log_dataset(self, run_id: str) -> None:
        """Name the cases as what a run was evaluated on.

        A server that gets the same new dataset from two at once refuses one of them
        (MLflow 3.17, SQLite); asked again it has it.
        """
        from mlflow.exceptions import MlflowException

        given = [_input(self.dataset)]
        try:
            self.client.log_inputs(run_id, datasets=given)
        except MlflowException as error:
            if error.error_code != "BAD_REQUEST":
                raise
            self.client.log_inputs(run_id, datasets=given)

    def complete(self, told: LoggedRun, run: Run) -> None:
        """Send what a run lacks, and end it."""
        run_id = run.info.run_id
        if told.rung and not _has_files(told, run):
            self.send_files(told, run)
            self.log_dataset(run_id)
        self._send_values(told, run, {**told.tags, **_of_files(told)})
        if run.info.end_time is None or run.info.status != told.status:
            # When a run ended nobody wrote down.
            self.client.set_terminated(run_id, told.status, self.began_ms)

    def _send_values(self, told: LoggedRun, run: Run, tags: Mapping[str, str]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        there = run.data
        old = {name for name in told.params if name in there.params}
        for name in sorted(old):
            if there.params[name] != told.params[name]:
                self.kept.add(
                    f"{told.name} keeps the param {name} = {there.params[name]}; it is "
                    f"{told.params[name]} now, and MLflow changes no param."
                )
        # What changed, as by another price list, is a later value of its metric.
        at = self.began_ms if run.info.end_time is None else _now_ms()
        metrics = [
            Metric(name, value, at, 0)
            for name, value in told.metrics.items()
            if there.metrics.get(name) != value
        ]
        params = [
            Param(name, value) for name, value in told.params.items() if name not in old
        ]
        changed = [
            RunTag(name, value)
            for name, value in tags.items()
            if there.tags.get(name) != value
        ]
        if metrics or params or changed:
            self.client.log_batch(run.info.run_id, metrics, params, changed)
        self.metrics += len(metrics)

    def send_files(self, told: LoggedRun, run: Run) -> None:
        """Upload files and table, a request each, unless they are there."""
        if _has_files(told, run):
            return
        with TemporaryDirectory(prefix="ladder-mlflow-") as folder:
            table = msgspec.json.encode(told.table())
            (Path(folder) / told.table_name).write_bytes(table)
            for name, made in told.files.items():
                path = Path(folder) / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(made())
            self._upload(run, folder)

    def _upload(self, run: Run, folder: str) -> None:
        """Send the files of a folder.

        Where the server itself keeps artifacts, straight to their place, which the run
        names: `MlflowClient` would ask for the whole run again to know it, and that
        costs the server more than the upload.
        """
        place = run.info.artifact_uri
        if not place.startswith(_OF_SERVER):
            self.client.log_artifacts(run.info.run_id, folder)
            return
        from mlflow.store.artifact.artifact_repository_registry import (
            get_artifact_repository,
        )

        get_artifact_repository(place, self.client.tracking_uri).log_artifacts(folder)


def _has_files(told: LoggedRun, run: Run) -> bool:
    return run.info.end_time is not None and run.data.tags.get(_FILES) == told.digest


def _of_files(told: LoggedRun) -> dict[str, str]:
    """Return the tags that tell which files there are."""
    tables = [{"path": told.table_name, "type": "table"}]
    return {_TABLES: json.dumps(tables), _FILES: told.digest}


def _input(dataset: LoggedDataset) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return DatasetInput(
        Dataset(
            name=dataset.name,
            digest=dataset.digest,
            source_type="pytest-ladder",
            source=json.dumps({"sources": list(dataset.sources)}),
            profile=json.dumps({"num_rows": dataset.cases}),
        ),
        [InputTag("mlflow.data.context", "eval")],
    )


def _milliseconds(moment: str) -> int:
    with contextlib.suppress(ValueError):
        began = datetime.fromisoformat(moment)
        return round(began.timestamp() * 1000)
    return _now_ms()


def _now_ms() -> int:
    return round(datetime.now(UTC).timestamp() * 1000)
