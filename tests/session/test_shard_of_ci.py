"""Which shard a job is by the variables of CI and schedulers: `--ladder-shard=auto`."""

from __future__ import annotations

import pytest

from pytest_ladder.core.shard import Shard
from pytest_ladder.session.shard import AUTO, shard_of, typed

SLURM = {
    "SLURM_ARRAY_TASK_ID": "7",
    "SLURM_ARRAY_TASK_COUNT": "4",
    "SLURM_ARRAY_TASK_MIN": "3",
    "SLURM_ARRAY_TASK_MAX": "9",
    "SLURM_ARRAY_TASK_STEP": "2",
    "SLURM_ARRAY_JOB_ID": "991",
}
SAID = {
    "GitLab": ("CI_NODE_INDEX=3 CI_NODE_TOTAL=20 GITLAB_CI=true", 3),
    "CircleCI": ("CIRCLE_NODE_INDEX=2 CIRCLE_NODE_TOTAL=20", 3),
    "Buildkite": ("BUILDKITE_PARALLEL_JOB=0 BUILDKITE_PARALLEL_JOB_COUNT=20", 1),
    "Bitbucket": ("BITBUCKET_PARALLEL_STEP=19 BITBUCKET_PARALLEL_STEP_COUNT=20", 20),
    "Azure": ("SYSTEM_JOBPOSITIONINPHASE=20 SYSTEM_TOTALJOBSINPHASE=20", 20),
    "Semaphore": ("SEMAPHORE_JOB_INDEX=1 SEMAPHORE_JOB_COUNT=20", 1),
    "Cloud Run": ("CLOUD_RUN_TASK_INDEX=0 CLOUD_RUN_TASK_COUNT=20", 1),
    "AWS Batch": ("AWS_BATCH_JOB_ARRAY_INDEX=9 AWS_BATCH_JOB_ARRAY_SIZE=20", 10),
    "Kubernetes": ("JOB_COMPLETION_INDEX=4 LADDER_SHARD_COUNT=20", 5),
    "one id of two": ("JOB_COMPLETION_INDEX=4 LADDER_SHARD_COUNT=20 "
                      "CIRCLE_NODE_INDEX=4 CIRCLE_NODE_TOTAL=20", 5),
}  # fmt: skip
REFUSED = {
    "nothing": ("", "no variable of GitLab, CircleCI, "),
    "GitHub": ("GITHUB_ACTIONS=true", "GitHub tells a job nothing of its matrix; "),
    "not GitLab": ("CI_NODE_INDEX=3 CI_NODE_TOTAL=20", "CI_NODE_INDEX counts from 1"),
    "above": ("CIRCLE_NODE_INDEX=20 CIRCLE_NODE_TOTAL=20",
              "CIRCLE_NODE_INDEX=20 is not one of 0 to 19, "),
    "below": ("CI_NODE_INDEX=0 CI_NODE_TOTAL=20 GITLAB_CI=true",
              "CI_NODE_INDEX=0 is not one of 1 to 20, "),
    "no count": ("JOB_COMPLETION_INDEX=4",
                 "Kubernetes sets JOB_COMPLETION_INDEX, and LADDER_SHARD_COUNT, "),
    "no number": ("JOB_COMPLETION_INDEX=4 LADDER_SHARD_COUNT=²",
                  "LADDER_SHARD_COUNT is '²', and no number"),
    "several": ("JOB_COMPLETION_INDEX=4 LADDER_SHARD_COUNT=20 "
                "CIRCLE_NODE_INDEX=5 CIRCLE_NODE_TOTAL=20",
                "CIRCLE_NODE_INDEX (6/20) and JOB_COMPLETION_INDEX (5/20) say "),
}  # fmt: skip


def variables(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split())


@pytest.mark.parametrize(("said", "index"), SAID.values(), ids=SAID)
def test_each_system_says_which_shard_its_job_is(said: str, index: int) -> None:
    shard = shard_of(AUTO, variables(said))
    assert shard == Shard(index=index, total=20)


@pytest.mark.parametrize(("said", "told"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_say_it_is_one_sentence(said: str, told: str) -> None:
    with pytest.raises(pytest.UsageError) as error:
        shard_of(AUTO, variables(said))
    assert str(error.value).startswith(f"--ladder-shard=auto: {told}")
    assert "shard" in str(error.value)[20:]
    assert "\n" not in str(error.value)


def test_a_slurm_array_may_begin_and_step_anyhow() -> None:
    assert shard_of(AUTO, SLURM) == Shard(index=3, total=4, run="991")
    plain = {f"SLURM_ARRAY_TASK_{k}": v for k, v in (("ID", "0"), ("MIN", "0"))}
    plain["SLURM_ARRAY_TASK_COUNT"] = "20"
    assert shard_of(AUTO, plain) == Shard(index=1, total=20)


@pytest.mark.parametrize(
    "changed", [{"SLURM_ARRAY_TASK_MAX": "11"}, {"SLURM_ARRAY_TASK_ID": "8"}]
)
def test_a_slurm_array_with_gaps_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(pytest.UsageError, match=r"have gaps, .* --array=1-4, or"):
        shard_of(AUTO, SLURM | changed)


def test_one_job_is_the_whole() -> None:
    single = {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "1", "GITLAB_CI": "true"}
    assert shard_of(AUTO, single) is None
    assert shard_of((1, 1), {}) is None


def test_what_is_typed_asks_no_variable_but_the_name_of_the_run() -> None:
    around = {"JOB_COMPLETION_INDEX": "4", "GITHUB_RUN_ID": "77"}
    assert shard_of((3, 20), around) == Shard(index=3, total=20, run="77")
    named = around | {"LADDER_SHARD_RUN": "nightly"}
    assert shard_of((3, 20), named) == Shard(index=3, total=20, run="nightly")


@pytest.mark.parametrize(
    "text",
    ["0/20", "21/20", "3", "3/", "/20", "-1/20", "3/20/1", "³/20", "1/10001", "a/b"],
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        typed(text)
