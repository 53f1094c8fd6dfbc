"""What `deploy/` promises: an image with all that runs need and no secret, one network inside, pods without rights, and one
configuration of the instance, wherever it runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from resources.contracts import REPO

DEPLOY = REPO / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"
PRODUCTION, CLUSTER = DEPLOY / "dagster.production.yaml", DEPLOY / "kubernetes" / "orchestrator" / "dagster.yaml"
MANIFESTS = sorted(
    path for path in (DEPLOY / "kubernetes").rglob("*.yaml") if path != CLUSTER
)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continued lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8")).replace("\\\n", " ")
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())]


# the image


def test_the_image_runs_as_nobody_special_and_with_pinned_packages_alone() -> None:
    made = instructions()
    last = {name: rest for name, rest in made}
    assert last["USER"] == "10001:10001"
    installs = [part for name, rest in made if name == "RUN" for part in re.findall(r"pip install [^;&]*", rest)]
    assert len(installs) == 2
    for command in installs:
        assert "-c constraints.txt" in command or command.strip() == "pip install torch==2.13.0", command
    assert "torch==2.13.0" in (REPO / "constraints.txt").read_text(encoding="utf-8")
    environment = last["ENV"].split()
    assert "HF_HUB_OFFLINE=1" in environment and "DAGSTER_DISABLE_TELEMETRY=yes" in environment
    assert not re.search(r"(?i)(password|secret|token|key)\s*=", DOCKERFILE.read_text(encoding="utf-8"))
    assert "HEALTHCHECK" in last


def test_the_image_holds_all_that_the_definitions_load(tmp_path: Path) -> None:
    """What COPY names, and nothing else, in an empty folder: the code location loads there, and a home is furnished."""
    copied = [rest.split() for name, rest in instructions() if name == "COPY" and not rest.startswith("--from")]
    ignored = shutil.ignore_patterns("__pycache__", "data")
    allowed = {line[1:] for line in (REPO / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    for *sources, target in copied[1:]:
        for source in sources:
            assert any(Path(source).match(rule) for rule in allowed), f".dockerignore keeps {source} from the builder"
            place = tmp_path / (target.removeprefix("/app/").removeprefix("/") if target != "./" else source)
            place.parent.mkdir(parents=True, exist_ok=True)
            if (REPO / source).is_dir():
                shutil.copytree(REPO / source, place, ignore=ignored)
            else:
                shutil.copy(REPO / source, place)
    assert (tmp_path / "nocturne" / "dagster" / "dagster.yaml").read_bytes() == PRODUCTION.read_bytes()
    asked = "import pipelines.code_server, pipelines.daemon; from pipelines.definitions import defs; print(len(defs.jobs))"
    environment = {"PATH": "/usr/bin:/bin", "NOCTURNE_HOME": str(tmp_path / "home"), "NOCTURNE_DATA": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", asked], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 10


def test_the_code_server_says_what_is_missing_before_it_starts(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "DAGSTER_HOME": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-m", "pipelines.code_server"]
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("code server: DAGSTER_HOME holds no dagster.yaml")


# the instance


def test_a_cluster_runs_by_the_same_rules_and_differs_in_what_launches_runs() -> None:
    production, cluster = read(PRODUCTION), read(CLUSTER)
    assert cluster.pop("run_launcher")["class"] == "K8sRunLauncher"
    assert cluster == production


def test_no_secret_stands_in_the_configuration() -> None:
    for path in (PRODUCTION, CLUSTER):
        storage = read(path)["storage"]["postgres"]["postgres_db"]
        assert all(set(storage[name]) == {"env"} for name in storage if name != "scheme")
        assert storage["scheme"] == "postgresql+psycopg2"


def test_every_part_of_the_configuration_is_explained() -> None:
    _, *parts = re.split(r"(?m)^(?=[a-z_]+:)", PRODUCTION.read_text(encoding="utf-8"))
    assert {part.partition(":")[0] for part in parts if "#" not in part} == set()


# compose


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = read(DEPLOY / "compose.yaml")["services"]
    return found


def test_compose_lets_in_nobody_but_this_machine(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)
    assert read(DEPLOY / "compose.yaml")["networks"]["inside"] == {"internal": True}
    assert services["postgres"]["networks"] == ["inside"]
    inside = [service for name, service in services.items() if name not in ("postgres", "net")]
    assert {service["network_mode"] for service in inside} == {"service:net"}


def test_compose_keeps_keys_and_words_from_who_only_shows_runs(services: dict[str, Any]) -> None:
    mounted = {name: {volume.split(":")[0] for volume in service.get("volumes", [])} for name, service in services.items()}
    assert mounted["webserver"] == mounted["daemon"] == {"compute_logs"}
    assert {"home", "data", "compute_logs"} < mounted["code"]
    declared = set(read(DEPLOY / "compose.yaml")["volumes"])
    assert declared == {name for names in mounted.values() for name in names if re.fullmatch(r"[a-z_]+", name)}


def test_compose_has_each_service_watched_and_without_rights(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["restart"] == "unless-stopped" and "no-new-privileges:true" in service["security_opt"]
        # The image has the code server's; the holder of the network has nothing to be asked.
        assert "healthcheck" in service or name == "code"
        if name != "postgres":
            assert service["cap_drop"] == ["ALL"] and service["read_only"] is True and "user" not in service


def test_what_compose_asks_for_is_named_where_a_person_writes_it(services: dict[str, Any]) -> None:
    asked = set(re.findall(r"\$\{(NOCTURNE_\w+):\?", (DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    lines = (DEPLOY / "env.example").read_text(encoding="utf-8").splitlines()
    written = dict(line.split("=") for line in lines if "=" in line)
    assert asked <= written.keys() and all(written[name] == "" for name in asked), "no secret, and no default for one"
    ignored = (REPO / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"deploy/.env", "deploy/code.env"} <= set(ignored)


def test_the_settings_that_are_set_are_known() -> None:
    known = {
        name
        for path in (REPO / "pipelines" / "settings.py", PRODUCTION, CLUSTER)
        for name in re.findall(r"NOCTURNE_[A-Z_]+[A-Z]", path.read_text(encoding="utf-8"))
    }
    for service in read(DEPLOY / "compose.yaml")["services"].values():
        assert {name for name in service.get("environment", {}) if name.startswith("NOCTURNE_")} <= known
    [settings] = yaml.safe_load_all((DEPLOY / "kubernetes" / "orchestrator" / "settings.yaml").read_text(encoding="utf-8"))
    assert settings["data"].keys() <= known


# Kubernetes


def manifests() -> list[dict[str, Any]]:
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def test_every_manifest_is_one_that_the_official_client_knows_field_by_field() -> None:
    import kubernetes.client as client
    from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict

    for one in manifests():
        kind = getattr(client, f"V1{one['kind']}")
        if one["kind"] == "ConfigMap":
            one = {**one, "data": {}}  # Its keys are data, and not fields.
        assert k8s_model_from_dict(kind, k8s_snake_case_dict(kind, one)).metadata is not None


def test_kustomize_is_given_every_manifest_but_the_pod_that_trainings_make() -> None:
    folder = DEPLOY / "kubernetes"
    listed = {folder / name for name in read(folder / "kustomization.yml")["resources"]}
    assert listed == {path for path in MANIFESTS if path.name != "training-pod.yaml"}
    [generated] = read(folder / "kustomization.yml")["configMapGenerator"]
    assert generated["name"] == read(CLUSTER)["run_launcher"]["config"]["instance_config_map"]


def test_a_pod_of_the_cluster_has_no_rights_and_listens_to_itself_alone() -> None:
    [deployment] = [one for one in manifests() if one["kind"] == "Deployment"]
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True and not any(one["kind"] == "Service" for one in manifests())
    claims = {v["name"]: v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v}
    assert set(claims.values()) == {one["metadata"]["name"] for one in manifests() if one["kind"] == "PersistentVolumeClaim"}
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "ports" not in container and "0.0.0.0" not in str(container)
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert ("home" in mounts) == (container["name"] == "code")


def test_a_run_is_a_job_with_the_same_image_user_and_volumes(tmp_path: Path) -> None:
    """What K8sRunLauncher makes of the configuration, as it would be sent to the cluster."""
    from dagster_k8s import K8sRunLauncher
    from dagster_k8s.container_context import K8sContainerContext
    from dagster_k8s.job import construct_dagster_k8s_job

    [deployment] = [one for one in manifests() if one["kind"] == "Deployment"]
    code = deployment["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "DAGSTER_CURRENT_IMAGE", "value": code["image"]} in code["env"]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "here", "users": [{"name": "me", "user": {}}],
        "clusters": [{"name": "here", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    }), encoding="utf-8")  # fmt: skip
    config = read(CLUSTER)["run_launcher"]["config"] | {"job_namespace": "nocturne"}
    launcher = K8sRunLauncher(**config, load_incluster_config=False, kubeconfig_file=str(kubeconfig))
    context = K8sContainerContext.create_for_run(dg.DagsterRun("land"), launcher, include_run_tags=True)
    job = construct_dagster_k8s_job(
        context.get_k8s_job_config(job_image=code["image"], run_launcher=launcher),
        ["dagster", "api", "execute_run"], "dagster-run-1", user_defined_k8s_config=context.run_k8s_config,
    ).to_dict()  # fmt: skip
    pod = job["spec"]["template"]["spec"]
    [container] = pod["containers"]
    mounts = {mount["mount_path"]: mount["name"] for mount in container["volume_mounts"]}
    wanted = {mount["mountPath"]: mount["name"] for mount in code["volumeMounts"] if mount["name"] != "instance"}
    assert wanted.items() <= mounts.items()
    assert container["image"] == code["image"]
    assert container["security_context"]["read_only_root_filesystem"] is True
    assert container["resources"]["limits"] == config["resources"]["limits"]
    assert pod["service_account_name"] == "nocturne-orchestrator"
    assert pod["security_context"]["run_as_user"] == 10001 and pod["security_context"]["run_as_non_root"] is True
    assert (job["spec"]["backoff_limit"], job["spec"]["ttl_seconds_after_finished"]) == (0, 86400)
    given = {one["secret_ref"]["name"] for one in container["env_from"] if one.get("secret_ref")}
    assert given == {"nocturne-secrets"}
