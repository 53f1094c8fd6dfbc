"""Whether the state of the warehouse is whole: keys, models, Dagster's instance, other nights."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import yaml

from pipelines.doctor.finding import Finding, fail, ok, warn
from pipelines.event_log import open_instance
from pipelines.runs import IN_FLIGHT
from pipelines.settings import INSTANCE_YAML, Settings
from resources.embedder import Embedder, EmbedderError
from resources.key_record import recorded_keys
from resources.keyring import KEY_FILE, Keyring, KeyringError
from resources.mlflow_store import MlflowStore
from resources.model_version import RegistryError
from resources.process_mark import is_gone
from resources.store import Store
from resources.warehouse_resource import PROCESS_TAG


def keyring_finding(store: Store) -> Finding:
    """The keys of pseudonyms against those that the ledger's were made with. No key is shown."""
    folder, known = store.state / "keys", recorded_keys(store)
    if not (folder / KEY_FILE).exists() and not known:
        return ok("keyring", "none yet; the first landing makes it")
    try:
        ring = Keyring.look(folder, known[-1] if known else None, known[:-1])
    except KeyringError as error:
        return fail("keyring", str(error), "nothing lands until it is there: docs/keys.md")
    if unfinished := [key for key in ring.key_ids if key not in known]:
        told = f"the ledger does not know {', '.join(unfinished)} yet: a landing or a rotation was cut short"
        return warn("keyring", told, "nothing; the next night finishes it")
    return ok("keyring", f"{len(known)} keys, each as the ledger knows it; keep a copy of {folder}")


def embedder_finding(settings: Settings) -> Finding:
    """The model that turns words into vectors, and its digest."""
    embedder = Embedder(settings.embedder, None, settings.embedder_dtype, settings.embedder_device)
    try:
        told = f"{settings.embedder or 'all-MiniLM-L6-v2, packaged'}; fingerprint {embedder.fingerprint}"
    except EmbedderError as error:
        return fail("embedder", str(error), "make setup, or correct NOCTURNE_EMBEDDER")
    return ok("embedder", told)


def registry_finding(settings: Settings) -> Finding:
    """Whether the model registry answers."""
    store = MlflowStore(settings.home / "mlflow", settings.mlflow_uri)
    if store.is_new:
        return ok("mlflow", f"nothing is kept in {store.place} yet")
    try:
        with store.asking("the registry cannot be asked") as client:
            models = client.search_registered_models(max_results=100)
    except RegistryError as error:
        return fail("mlflow", str(error), "docs/registry.md; a night works without it, models are not registered")
    return ok("mlflow", f"{len(models)} models in {store.place}")


def instance_findings(settings: Settings) -> list[Finding]:
    """Dagster's home, and runs that are under way: another night may work here right now."""
    home = Path(os.environ.get("DAGSTER_HOME") or settings.home / "dagster")
    if not home.is_absolute():
        return [fail("dagster", f"DAGSTER_HOME={home} is no absolute path", "unset it, or give it from / on")]
    if not (home / "dagster.yaml").exists():
        return [ok("dagster", f"{home} is not there yet; the first night makes it")]
    try:
        own = (home / "dagster.yaml").read_bytes() == INSTANCE_YAML.read_bytes()
        with open_instance(str(home)) as instance:
            runs = list(instance.get_runs(dg.RunsFilter(statuses=IN_FLIGHT)))
    except (dg.DagsterError, OSError, yaml.YAMLError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        remedy = "correct its dagster.yaml (deploy/dagster.local.yaml is ours)"
        return [fail("dagster", f"{home} cannot be opened: {said}", remedy)]
    found = [ok("dagster", f"{home}, with {'the configuration of this project' if own else 'a configuration of its own'}")]
    gone = [run for run in runs if is_gone(run.tags.get(PROCESS_TAG, ""), run.run_id)]
    alive = [run for run in runs if run not in gone]
    if gone:
        told = f"{len(gone)} were killed, such as {gone[0].run_id[:8]} of {gone[0].job_name}"
        found.append(warn("runs", told, "nothing; the next night finds out and goes on"))
    if alive:
        told = f"{len(alive)} under way or queued, such as {alive[0].run_id[:8]} of {alive[0].job_name}"
        found.append(warn("runs", told, "wait for it before you begin another night, an upgrade or a restore"))
    return found if runs else [*found, ok("runs", "no other night is under way")]
