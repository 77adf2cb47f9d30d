"""The manifests of `examples/ci/kubernetes` are valid and fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "examples/ci/kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
OLDEST = "1.31"
"""The oldest version that has all fields: `backoffLimitPerIndex` was beta in 1.29."""
VERSIONS = (OLDEST, "1.37")


def documents() -> list[dict[str, Any]]:
    return [
        document
        for path in FILES
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def only(kind: str, name: str) -> dict[str, Any]:
    (found,) = [
        one
        for one in documents()
        if (one["kind"], one["metadata"]["name"]) == (kind, name)
    ]
    return found


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what each pod is made from, by the name of its owner."""
    for document in documents():
        template = document["spec"].get("template")
        if template is not None:
            yield document["metadata"]["name"], template


def variables(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (container,) = template["spec"]["containers"]
    return {one["name"]: one for one in container.get("env", [])}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_manifest_fits_the_schema_of_kubernetes(path: Path, version: str) -> None:
    found = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    assert found
    for document in found:
        kubernetes_validate.validate(document, version, strict=True)


def test_the_check_finds_what_does_not_fit() -> None:
    job = only("Job", "ladder-shards")
    job["spec"]["completion"] = 20
    with pytest.raises(kubernetes_validate.ValidationError, match="completion"):
        kubernetes_validate.validate(job, OLDEST, strict=True)


def test_the_service_finds_the_database_and_only_the_ladder_reaches_it() -> None:
    service = only("Service", "ladder-postgres")["spec"]
    database = only("StatefulSet", "ladder-postgres")["spec"]
    labels = database["template"]["metadata"]["labels"]
    assert service["selector"] == labels == database["selector"]["matchLabels"]
    assert database["serviceName"] == "ladder-postgres"
    policy = only("NetworkPolicy", "ladder-postgres")["spec"]
    assert policy["podSelector"]["matchLabels"] == labels
    ((source,),) = [rule["from"] for rule in policy["ingress"]]
    jobs = [one["spec"]["template"] for one in documents() if one["kind"] == "Job"]
    allowed = source["podSelector"]["matchLabels"]
    assert [job["metadata"]["labels"] for job in jobs] == [allowed, allowed]


def test_each_pod_of_the_job_knows_of_how_many_it_is() -> None:
    job = only("Job", "ladder-shards")["spec"]
    assert job["completionMode"] == "Indexed"
    count = variables(job["template"])["LADDER_SHARD_COUNT"]["value"]
    assert count == str(job["completions"]) == str(job["parallelism"])
    (container,) = job["template"]["spec"]["containers"]
    assert "--ladder-shard=auto" in container["args"]
    assert any(one.startswith("--ladder-budget=") for one in container["args"])


def test_no_key_stands_in_a_file_and_each_is_in_the_secret_of_the_page() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    asked = set()
    for _, template in pods():
        for name, variable in variables(template).items():
            if not any(part in name for part in ("KEY", "PASSWORD", "URL")):
                continue
            reference = variable["valueFrom"]["secretKeyRef"]
            assert reference["name"] == "ladder"
            asked.add(reference["key"])
    assert asked == {"POSTGRES_PASSWORD", "LADDER_STORE_URL", "OPENAI_API_KEY"}
    assert all(f"--from-literal={key}=" in page for key in asked)
    assert not [one for one in documents() if one["kind"] == "Secret"]


def test_no_pod_runs_as_root_or_may_ask_the_cluster_for_anything() -> None:
    for name, template in pods():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        for container in spec["containers"]:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name


def test_shards_and_merge_have_the_reports_on_one_volume() -> None:
    claim = only("PersistentVolumeClaim", "ladder-report")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for name in ("ladder-shards", "ladder-merge"):
        spec = only("Job", name)["spec"]["template"]["spec"]
        (volume,) = spec["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == "ladder-report"
        (container,) = spec["containers"]
        (mount,) = container["volumeMounts"]
        assert mount["name"] == volume["name"]
        assert mount["mountPath"] == f"{container['workingDir']}/ladder-report"
