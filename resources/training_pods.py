"""Trainings as pods of a Kubernetes cluster, through Dagster Pipes: where training past this machine runs.

Here belongs what of the pod is decided for each training. What is the same for all, its rights above all, stands in
deploy/kubernetes/training-pod.yaml. The home must be a volume that both machines mount (docs/training.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from resources.contracts import REPO
from resources.trainer import COMMAND, Context, Told, TrainingError, TrainingPostponedError, live
from resources.training_folder import SECONDS_BEYOND
from resources.training_spec import TrainingSpec, home_of
from resources.tuning_seed import KubernetesSeed

MANIFEST = REPO / "deploy" / "kubernetes" / "training-pod.yaml"
HOME_IN_POD = "/nocturne/home"
"""Where a pod has the home."""


@dataclass(frozen=True)
class KubernetesLauncher:
    """A pod for each training. `kubeconfig` None: the cluster that the orchestrator runs in, or the user's own."""

    seed: KubernetesSeed
    kubeconfig: Path | None = None
    seconds_between_looks: float = 10.0

    def launch(self, context: Context, spec: TrainingSpec, path: Path, told: Told) -> None:
        """See resources/trainer.py: Launcher. The pod is deleted when it has ended, and when the run is interrupted: it
        then has the manifest's terminationGracePeriodSeconds for its checkpoint. A cluster that does not answer, lets no
        pod be made, or takes it away is no fault of the training's: TrainingPostponedError."""
        try:
            from dagster_k8s import PipesK8sClient
            from dagster_k8s.client import DagsterK8sError
            from dagster_k8s.pipes import PipesK8sPodLogsMessageReader
            from kubernetes.client.exceptions import ApiException, OpenApiException
            from kubernetes.config import ConfigException
            from urllib3.exceptions import HTTPError
        except ImportError as error:
            raise TrainingError("Kubernetes needs dagster-k8s: pip install -c constraints.txt '.[k8s]'") from error

        class Pods(PipesK8sClient):
            @contextmanager
            def consume_pod_logs(
                self, context: Any, client: Any, namespace: str, pod_name: str, *args: Any, **given: Any
            ) -> Iterator[None]:
                with super().consume_pod_logs(context, client, namespace, pod_name, *args, **given):
                    # Dagster's client waits a day for a pod that was deleted while it read its log.
                    named = client.core_api.list_namespaced_pod(namespace, field_selector=f"metadata.name={pod_name}")
                    if not named.items:
                        raise TrainingPostponedError(f"the pod {pod_name} was deleted; the next pass goes on with it")
                    yield

        pods = Pods(
            message_reader=live(PipesK8sPodLogsMessageReader, told),
            kubeconfig_file=None if self.kubeconfig is None else str(self.kubeconfig),
            poll_interval=self.seconds_between_looks,
        )
        pod = pod_of(self.seed, spec, path)
        try:
            pods.run(
                context=context,
                namespace=self.seed.namespace,
                base_pod_meta=pod["metadata"],
                base_pod_spec=pod["spec"],
                pod_wait_timeout=pod["spec"]["activeDeadlineSeconds"],
            )
        except DagsterK8sError as error:
            why = (str(error).strip().splitlines() or [repr(error)])[0]
            raise TrainingError(f"the training of {spec.candidate} failed in its pod: {why}") from error
        except (OpenApiException, ConfigException, HTTPError) as error:
            # Its headers and body are not shown.
            answer = f"{error.status} {error.reason}" if isinstance(error, ApiException) else type(error).__name__
            raise TrainingPostponedError(
                f"{spec.candidate} cannot be trained in {self.seed.namespace} now: the cluster's API says {answer}"
            ) from error


def pod_of(seed: KubernetesSeed, spec: TrainingSpec, path: Path) -> dict[str, Any]:
    """The pod of a training, as Kubernetes takes it. It runs as the owner of the home, whose folders nobody else reads.

    Raises TrainingError where no volume holds the home.
    """
    if seed.volume_claim is None:
        raise TrainingError("seeds/tuning.yml: kubernetes needs `volume_claim:`, that of the volume that holds the home")
    home = home_of(path)
    pod: dict[str, Any] = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    pod["metadata"]["labels"] |= {"nocturne/candidate": spec.candidate, "nocturne/kind": spec.kind}
    inner = pod["spec"]
    inner["activeDeadlineSeconds"] = int(spec.limits.seconds + SECONDS_BEYOND)
    inner["securityContext"] |= {"runAsUser": home.stat().st_uid, "runAsGroup": home.stat().st_gid}
    inner["nodeSelector"] = dict(seed.node_selector)
    inner["tolerations"] = [dict(toleration) for toleration in seed.tolerations]
    if seed.service_account is not None:
        inner["serviceAccountName"] = seed.service_account
    for volume in inner["volumes"]:
        if volume["name"] == "home":
            volume["persistentVolumeClaim"] = {"claimName": seed.volume_claim}
    [container] = inner["containers"]
    container["image"] = seed.image
    container["command"] = ["python", *COMMAND, f"{HOME_IN_POD}/{path.resolve().relative_to(home).as_posix()}"]
    container["resources"] = {"requests": _resources(seed), "limits": _resources(seed)}
    return pod


def _resources(seed: KubernetesSeed) -> Mapping[str, str]:
    gpus = {"nvidia.com/gpu": str(seed.gpus)} if seed.gpus else {}
    return {"cpu": seed.cpu, "memory": seed.memory, **gpus}
