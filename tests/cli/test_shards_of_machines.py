"""The shards of `examples/ci/kubernetes`, run as processes of machines of their own.

Each has a folder, a TMPDIR, a hostname and, where the kernel allows it, process ids of
its own, so that two of them may have the same; and the environment that Kubernetes and
the manifest give a pod. What they share is the volume of the reports.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_merge_shards import CASES, OBJECTIVE, SUITE, report_of
from tests.cli.written_report import matrix_of
from tests.plugin.scratch_suite import LADDER, Shop

KUBERNETES = Path(__file__).parents[2] / "examples/ci/kubernetes"
SHARDS = 3
"""Instead of the twenty of the manifest, which would only take longer."""
APART = ("unshare", "--uts", "--pid", "--fork", "--kill-child")
HOST = 'hostname "$0" && exec "$@"'


@functools.cache
def machine() -> tuple[str, ...]:
    """Return what starts a process as on a machine of its own, if that is allowed."""
    try:
        done = subprocess.run([*APART, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return ()
    return APART if done.returncode == 0 else ()


def container(name: str) -> dict[str, Any]:
    """Return the container of the Job in a manifest."""
    text = (KUBERNETES / name).read_text(encoding="utf-8")
    (job,) = [one for one in yaml.safe_load_all(text) if one["kind"] == "Job"]
    found: dict[str, Any] = job["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(pod: Path, index: int) -> dict[str, str]:
    """Return what a pod of the manifest finds in its environment."""
    values = {
        "LADDER_SHARD_COUNT": str(SHARDS),
        "LADDER_SHARD_RUN": "0f1e",
        "OPENAI_API_KEY": "sk-none",
    }
    # Without the database that a pod has: these share nothing but the volume.
    named = {one["name"] for one in container("shards.yaml")["env"]}
    assert named == {*values, "LADDER_STORE_URL"}
    (pod / "tmp").mkdir()
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(pod),
        "TMPDIR": str(pod / "tmp"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "pytest_ladder.plugin",
        "JOB_COMPLETION_INDEX": str(index),
        **values,
    }


def started(command: list[str], pod: Path, index: int) -> subprocess.Popen[str]:
    host = f"ladder-shards-{index}"
    apart = [*machine(), "sh", "-c", HOST, host] if machine() else []
    return subprocess.Popen(
        [*apart, *command],
        cwd=pod / "app",
        env=environment(pod, index),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_pods_without_a_common_disk_but_for_reports_come_to_the_whole(
    shop: Shop, tmp_path: Path
) -> None:
    shop.ladder(LADDER + OBJECTIVE)
    shop.cases(CASES)
    shop.cases([{**case, "expected": ""} for case in CASES[:25]], "more.jsonl")
    shop.test(SUITE)
    shop.run("--ladder=matrix", "--ladder-live", "--ladder-report=../first")
    whole = tmp_path / "whole"
    shop.run("--ladder=matrix", f"--ladder-report={whole}")
    calls = shop.server.count
    volume = tmp_path / "volume"
    pods: list[subprocess.Popen[str]] = []
    volume.mkdir()
    spec = container("shards.yaml")
    for index in range(SHARDS):
        pod = tmp_path / f"pod-{index}"
        shutil.copytree(shop.path, pod / "app")
        (pod / "app/ladder-report").symlink_to(volume)
        pods.append(started([*spec["command"], *spec["args"]], pod, index))
    for running in pods:
        said, _ = running.communicate(timeout=300)
        assert running.returncode == 0, said
    assert shop.server.count == calls  # all is stored in each image
    joined = container("merge.yaml")
    (shop.path / "ladder-report").symlink_to(volume)
    merging = started([*joined["command"], *joined["args"]], _at(shop, tmp_path), 9)
    said, _ = merging.communicate(timeout=120)
    assert merging.returncode == 0, said
    assert f"joined {SHARDS} reports, 136 rows:" in said
    assert report_of(volume) == report_of(whole)
    assert matrix_of(volume / f"shards/2-of-{SHARDS}")["run"]["shard"]["run"] == "0f1e"


def _at(shop: Shop, tmp_path: Path) -> Path:
    """Return a pod whose image is the suite itself."""
    pod = tmp_path / "merge"
    pod.mkdir()
    (pod / "app").symlink_to(shop.path)
    return pod


def test_the_status_of_a_pod_is_one_that_its_job_tells_from_a_crash() -> None:
    """Status 1, tests that failed, ends the index; any other is tried again."""
    text = (KUBERNETES / "shards.yaml").read_text(encoding="utf-8")
    (job,) = [one for one in yaml.safe_load_all(text) if one["kind"] == "Job"]
    failing = job["spec"]["podFailurePolicy"]["rules"][0]
    assert failing["onExitCodes"]["values"] == [int(pytest.ExitCode.TESTS_FAILED)]
    assert failing["onExitCodes"]["containerName"] == container("shards.yaml")["name"]
