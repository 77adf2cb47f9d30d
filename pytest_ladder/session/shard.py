"""Which shard of a run this is: as typed, or as CI or a scheduler says it.

Loaded only where a shard is asked for. Nothing of the environment is read unless
`--ladder-shard=auto` asks for it, but for the name of the run, by which
`pytest-ladder merge` tells shards of today from those of yesterday.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest

from pytest_ladder.core.shard import MOST, Shard

AUTO = "auto"
COUNT = "LADDER_SHARD_COUNT"
"""How many shards there are, where a scheduler tells only which one this is."""
RUN = "LADDER_SHARD_RUN"
"""What all shards of one run are to call it, where CI has no name for it."""
_TYPED = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)


class _Source(NamedTuple):
    """Variables by which a system tells its jobs apart."""

    system: str
    job: str
    """Names the variable that says which job this is."""
    jobs: str
    """Names the one that says how many there are."""
    first: int = 0
    """What the first job has in it."""


_GITLAB = _Source("GitLab", "CI_NODE_INDEX", "CI_NODE_TOTAL", 1)
_SLURM = _Source("Slurm", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")
SOURCES = (
    _GITLAB,
    _Source("CircleCI", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL"),
    _Source("Buildkite", "BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT"),
    _Source("Bitbucket", "BITBUCKET_PARALLEL_STEP", "BITBUCKET_PARALLEL_STEP_COUNT"),
    _Source("Azure", "SYSTEM_JOBPOSITIONINPHASE", "SYSTEM_TOTALJOBSINPHASE", 1),
    _Source("Semaphore", "SEMAPHORE_JOB_INDEX", "SEMAPHORE_JOB_COUNT", 1),
    _Source("Cloud Run", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"),
    _Source("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
    _SLURM,
    _Source("Kubernetes", "JOB_COMPLETION_INDEX", COUNT),
)
_RUNS = (
    *(RUN, "GITHUB_RUN_ID", "CI_PIPELINE_ID", "CIRCLE_WORKFLOW_ID"),
    *("BUILDKITE_BUILD_ID", "BITBUCKET_BUILD_NUMBER", "BUILD_BUILDID"),
    *("SEMAPHORE_WORKFLOW_ID", "CLOUD_RUN_EXECUTION", "SLURM_ARRAY_JOB_ID"),
)
_ON_GITHUB = (
    "GitHub tells a job nothing of its matrix; hand it over, with `JOB_INDEX: "
    "${{ strategy.job-index }}` and `JOB_TOTAL: ${{ strategy.job-total }}` in its env "
    "as --ladder-shard=$((JOB_INDEX + 1))/$JOB_TOTAL."
)


def typed(text: str) -> tuple[int, int] | str:
    """Read `3/20` as two numbers, and `auto` as it is; raises `ValueError`."""
    if text == AUTO:
        return text
    found = _TYPED.fullmatch(text)
    if found is None:
        raise ValueError(text)
    index, total = map(int, found.groups())
    if not 1 <= index <= total <= MOST:
        raise ValueError(text)
    return index, total


def shard_of(given: tuple[int, int] | str, environ: Mapping[str, str]) -> Shard | None:
    """Return the shard that this run is; None: it is the only one.

    `given` is what `typed` returned. Raises `pytest.UsageError`.
    """
    index, total = _found(environ) if isinstance(given, str) else given
    if total == 1:
        return None
    run = next((environ[name] for name in _RUNS if environ.get(name)), "")
    return Shard(index=index, total=total, run=run)


def _found(environ: Mapping[str, str]) -> tuple[int, int]:
    """Return which shard of how many the environment says this is."""
    said = dict(_all_found(environ))
    if not said:
        if environ.get("GITHUB_ACTIONS"):
            raise _problem(_ON_GITHUB)
        systems = ", ".join(source.system for source in SOURCES)
        raise _problem(
            f"no variable of {systems} says which job of several this is; write the "
            "shard, such as --ladder-shard=3/20."
        )
    if len({*said.values()}) > 1:
        told = " and ".join(f"{name} ({i}/{n})" for name, (i, n) in said.items())
        raise _problem(f"{told} say different shards; write which one it is.")
    return next(iter(said.values()))


def _all_found(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield what each system says whose variables are set, by its variable."""
    for source in SOURCES:
        if not environ.get(source.job):
            continue
        if source is _GITLAB and not environ.get("GITLAB_CI"):
            raise _problem(
                "CI_NODE_INDEX counts from 1 on GitLab and from 0 elsewhere, and "
                "GITLAB_CI is not set; write the shard, counted from 1: "
                "--ladder-shard=K/$CI_NODE_TOTAL."
            )
        yield source.job, _of(source, environ)


def _of(source: _Source, environ: Mapping[str, str]) -> tuple[int, int]:
    total = _number(source.jobs, environ, f"{source.system} sets {source.job}")
    if source is _SLURM:
        return _of_slurm(total, environ), total
    given = _number(source.job, environ, source.system)
    index = given - source.first + 1
    if not 1 <= index <= total <= MOST:
        last = total + source.first - 1
        raise _problem(
            f"{source.job}={given} is not one of {source.first} to {last}, which "
            f"{source.jobs}={total} makes them on {source.system}; correct the two, "
            "or write the shard."
        )
    return index, total


def _of_slurm(total: int, environ: Mapping[str, str]) -> int:
    """Return which task of an array this is: its ids may begin, and step, anyhow."""
    task = _number("SLURM_ARRAY_TASK_ID", environ, "Slurm")
    first = _number("SLURM_ARRAY_TASK_MIN", environ, "Slurm sets SLURM_ARRAY_TASK_ID")
    step = int(environ.get("SLURM_ARRAY_TASK_STEP") or 1)
    last = int(environ.get("SLURM_ARRAY_TASK_MAX") or first + (total - 1) * step)
    place, rest = divmod(task - first, step)
    if rest or first + (total - 1) * step != last or not 0 <= place < total:
        raise _problem(
            f"the ids of this Slurm array, {total} from {first} to {last} by {step}, "
            f"have gaps, so that nobody knows which one {task} is; give it ids without "
            f"gaps, such as --array=1-{total}, or write the shard."
        )
    return place + 1


def _number(name: str, environ: Mapping[str, str], where: str) -> int:
    text = environ.get(name, "")
    if not text:
        raise _problem(
            f"{where}, and {name}, which says how many there are, is not set; set it, "
            "or write the shard, such as --ladder-shard=3/20."
        )
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII):
        raise _problem(f"{name} is {text!r}, and no number; write the shard.")
    return int(text)


def _problem(sentence: str) -> pytest.UsageError:
    return pytest.UsageError(f"--ladder-shard=auto: {sentence}")
