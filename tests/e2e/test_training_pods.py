"""Trainings on Kubernetes: Dagster's client and the official one against an API on loopback whose pods are processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from kubernetes_house import Cluster, kubernetes
from training_house import in_dagster, spec_of

from resources.trainer import Trainer, TrainingError, TrainingPostponedError, curve_key
from resources.training_pods import MANIFEST, KubernetesLauncher, pod_of
from resources.training_spec import Done, TrainingSpec, write_spec
from resources.tuning_seed import KubernetesSeed, LimitsSeed

SEED = KubernetesSeed(image="nocturne-training:1", volume_claim="nocturne-home")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pods") / "home"


@pytest.fixture(scope="module")
def spec(home: Path) -> TrainingSpec:
    home.mkdir()
    return spec_of(home, "detector", rows=300)


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[Cluster]:
    with kubernetes(home, home.parent / "kubeconfig") as cluster:
        yield cluster


def run(home: Path, spec: TrainingSpec, instance: dg.DagsterInstance) -> Done:
    """A training in a pod, from within a Dagster run."""
    launcher = KubernetesLauncher(SEED, home.parent / "kubeconfig", seconds_between_looks=0.05)
    return in_dagster(Trainer(home, launcher), spec, instance)


def test_a_training_in_a_pod_reports_as_one_on_this_machine_does(home: Path, spec: TrainingSpec, cluster: Cluster) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        done = run(home, spec, instance)
        [point] = instance.fetch_observations(curve_key("detector"), limit=10).records
    assert done.state == "trained" and done.metrics["auc"] > 0.9
    assert point.asset_observation is not None
    assert point.asset_observation.metadata["auc"].value == pytest.approx(done.metrics["auc"])
    [pod] = cluster.pods.values()
    assert pod.deleted and pod.wait() == 0
    # No variable of the orchestrator's reaches the pod.
    assert {name for name in pod.environment if not name.startswith("DAGSTER_PIPES_")} == {"HOME", "PATH"}


def test_a_pod_that_fails_says_so_and_the_next_is_a_new_one(home: Path, spec: TrainingSpec, cluster: Cluster) -> None:
    other = replace(spec, dataset="datasets/detector/0000000000000000", recipe={"seed": 8})
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(TrainingError, match=other.candidate):
        run(home, other, instance)
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(home, replace(other, dataset=spec.dataset), instance).state == "trained"


def test_a_pod_that_somebody_deletes_ends_the_run_at_once_and_not_in_a_day(
    home: Path, spec: TrainingSpec, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is gone from the API when its log ends, as one that was evicted is.
    monkeypatch.setattr(Cluster, "listed", _until_it_ended(cluster))
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(TrainingPostponedError, match="was deleted"):
        run(home, replace(spec, recipe={"seed": 9}), instance)


def test_a_cluster_that_refuses_or_is_not_there_says_nothing_against_the_candidate(
    home: Path, spec: TrainingSpec, cluster: Cluster, tmp_path: Path
) -> None:
    other = replace(spec, recipe={"seed": 10})
    cluster.refuses = True
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(TrainingPostponedError, match="API says 403"):
        run(home, other, instance)
    cluster.refuses = False
    gone = tmp_path / "kubeconfig"
    config = yaml.safe_load((home.parent / "kubeconfig").read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:9"
    gone.write_text(yaml.safe_dump(config), encoding="utf-8")
    for kubeconfig, told in ((gone, "MaxRetryError"), (tmp_path / "none", "ConfigException")):
        trainer = Trainer(home, KubernetesLauncher(SEED, kubeconfig))
        with dg.DagsterInstance.ephemeral() as instance, pytest.raises(TrainingPostponedError, match=told):
            in_dagster(trainer, other, instance)


def _until_it_ended(cluster: Cluster) -> Any:
    listed = Cluster.listed

    def gone(self: Cluster, query: dict[str, list[str]]) -> Any:
        return [pod for pod in listed(self, query) if "running" in pod.json()["status"]["containerStatuses"][0]["state"]]

    return gone


def test_a_pod_has_no_rights_a_deadline_and_what_the_seed_says(home: Path, spec: TrainingSpec) -> None:
    seed = replace(
        SEED, gpus=2, node_selector={"pool": "gpu"}, service_account="trainings",
        tolerations=({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},),
    )  # fmt: skip
    told = replace(spec, limits=LimitsSeed(2.0, Decimal(5), Decimal(2)))
    pod = pod_of(seed, told, write_spec(home, told))["spec"]
    [container] = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert pod["nodeSelector"] == {"pool": "gpu"} and pod["tolerations"][0]["effect"] == "NoSchedule"
    assert 7200 < pod["activeDeadlineSeconds"] <= 7200 + 900
    assert pod["serviceAccountName"] == "trainings" and not pod["automountServiceAccountToken"]
    assert pod["securityContext"]["runAsUser"] == os.stat(home).st_uid
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["command"][-1] == f"/nocturne/home/training/{spec.candidate}/spec.json"


def test_without_a_volume_that_both_mount_nothing_is_launched(home: Path, spec: TrainingSpec) -> None:
    with pytest.raises(TrainingError, match="volume_claim"):
        pod_of(replace(SEED, volume_claim=None), spec, home / "training" / spec.candidate / "spec.json")


def test_the_manifest_is_a_pod_that_the_official_client_knows_field_by_field() -> None:
    import kubernetes.client as client
    from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict

    for folder in (MANIFEST.parent,):
        for path in sorted(folder.glob("*.yaml")):
            for one in yaml.safe_load_all(path.read_text(encoding="utf-8")):
                kind = {"Role": client.V1Role, "RoleBinding": client.V1RoleBinding, "Pod": client.V1Pod}.get(
                    one["kind"], client.V1PersistentVolumeClaim
                )
                assert k8s_model_from_dict(kind, k8s_snake_case_dict(kind, one)).metadata is not None
